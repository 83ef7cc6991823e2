import numpy as np
import pytest
from scipy import ndimage

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.synthesis import masks
from tfgansynth.synthesis.masks import ClassRule, clean_labels, clean_masks

ALL = ClassRule(None, fill_holes=False)


def mask_of(*rows: str) -> MaskArray:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def labels_of(*rows: str) -> ByteArray:
    return np.array([[int(pixel) for pixel in row] for row in rows], np.uint8)


def grey_of(mask: MaskArray) -> ByteArray:
    return np.where(mask, 255, 0).astype(np.uint8)


def clean_mask(grey: ByteArray, *, threshold: int, components: int) -> MaskArray:
    """Clean the mask of one class by the paper's rule."""
    rules = [ClassRule(components)]
    cleaned = clean_masks(grey[None, ..., None], rules, threshold=threshold)
    return np.asarray(cleaned[0] > 0)


def clean(labels: ByteArray, *rules: ClassRule) -> ByteArray:
    (cleaned,) = clean_labels(labels[None], rules)
    return np.asarray(cleaned)


def largest_components(mask: MaskArray, components: int) -> MaskArray:
    return masks.largest_components(mask, ClassRule(components))


def fill_holes(mask: MaskArray) -> MaskArray:
    return clean(mask.astype(np.uint8), ClassRule(None)) > 0


def test_pixel_equal_to_the_threshold_belongs_to_the_mask() -> None:
    grey = np.array([[149, 150, 151]], dtype=np.uint8)
    cleaned = clean_mask(grey, threshold=150, components=1)
    assert cleaned.tolist() == [[False, True, True]]


def test_threshold_splits_components_joined_by_a_grey_bridge() -> None:
    grey = np.array([[200, 200, 200, 100, 200]], dtype=np.uint8)
    kept = clean_mask(grey, threshold=150, components=1)
    assert kept.tolist() == [[True, True, True, False, False]]
    joined = clean_mask(grey, threshold=100, components=1)
    assert joined.all()


def test_as_many_components_are_kept_as_asked_for() -> None:
    mask = mask_of(
        "#..####",
        "...####",
        "##.....",
        "##...##",
    )
    one = mask_of("...####", "...####", ".......", ".......")
    two = mask_of("...####", "...####", "##.....", "##.....")
    three = mask_of("...####", "...####", "##.....", "##...##")
    np.testing.assert_array_equal(largest_components(mask, 1), one)
    np.testing.assert_array_equal(largest_components(mask, 2), two)
    np.testing.assert_array_equal(largest_components(mask, 3), three)
    np.testing.assert_array_equal(largest_components(mask, 4), mask)
    np.testing.assert_array_equal(largest_components(mask, 9), mask)


def test_components_that_touch_at_a_corner_are_one() -> None:
    mask = mask_of("#....", ".#...", "...##")
    kept = mask_of("#....", ".#...", ".....")
    np.testing.assert_array_equal(largest_components(mask, 1), kept)


@pytest.mark.parametrize(
    ("mask", "kept"),
    [
        (mask_of("##.##"), mask_of("##...")),
        (mask_of("....#", "#...#", "#...."), mask_of("....#", "....#", ".....")),
    ],
)
def test_of_equal_components_the_one_that_starts_first_is_kept(
    mask: MaskArray, kept: MaskArray
) -> None:
    np.testing.assert_array_equal(largest_components(mask, 1), kept)


def test_many_equal_components_are_kept_in_order_of_position() -> None:
    # Unstable sorts only show on more than a handful of equal values.
    mask = np.zeros((41, 41), dtype=np.bool_)
    mask[::2, ::2] = True
    kept = largest_components(mask, 30)
    assert np.flatnonzero(kept).tolist() == np.flatnonzero(mask)[:30].tolist()


def test_holes_are_filled_and_bays_are_not() -> None:
    mask = mask_of(
        "........",
        ".######.",
        ".#.##.#.",
        ".#.##.#.",
        ".####.#.",
        "........",
    )
    filled = mask_of(
        "........",
        ".######.",
        ".####.#.",
        ".####.#.",
        ".####.#.",
        "........",
    )
    np.testing.assert_array_equal(fill_holes(mask), filled)


def test_hole_behind_a_diagonal_line_is_filled() -> None:
    mask = mask_of(".#.", "#.#", ".#.")
    np.testing.assert_array_equal(fill_holes(mask), mask_of(".#.", "###", ".#."))


def test_background_at_the_image_border_is_no_hole() -> None:
    mask = mask_of("#.#", "#.#", "###")
    np.testing.assert_array_equal(fill_holes(mask), mask)


def test_reconstruction_fills_as_an_independent_implementation_does() -> None:
    rng = np.random.default_rng(3)
    n_filled = 0
    for _ in range(20):
        mask = rng.random((24, 31)) < 0.6
        expected = ndimage.binary_fill_holes(mask)
        np.testing.assert_array_equal(fill_holes(mask), expected)
        n_filled += int(np.count_nonzero(expected & ~mask))
    assert n_filled > 0


def test_holes_are_filled_after_components_are_dropped() -> None:
    # The speck in the ring's hole is dropped as a component, then filled as a hole;
    # a filled ring must not outgrow the larger solid block beforehand either.
    ring = mask_of(
        "#####..####",
        "#...#..####",
        "#.#.#..####",
        "#...#..####",
        "#####..####",
    )
    block = mask_of(*["." * 7 + "####"] * 5)
    cleaned = clean_mask(grey_of(ring), threshold=150, components=1)
    np.testing.assert_array_equal(cleaned, block)
    both = clean_mask(grey_of(ring), threshold=150, components=2)
    np.testing.assert_array_equal(both, mask_of(*["#####..####"] * 5))


@pytest.mark.parametrize(("value", "full"), [(149, False), (150, True)])
def test_empty_stays_empty_and_full_stays_full(value: int, full: bool) -> None:
    grey = np.full((5, 4), value, dtype=np.uint8)
    cleaned = clean_mask(grey, threshold=150, components=2)
    assert cleaned.shape == (5, 4)
    assert cleaned.all() == full
    assert cleaned.any() == full


def test_input_is_left_as_it_was() -> None:
    grey = grey_of(mask_of("###.", "#.#.", "###.", "...#"))
    before = grey.copy()
    clean_mask(grey, threshold=150, components=1)
    np.testing.assert_array_equal(grey, before)


def test_masks_of_one_class_are_those_of_earlier_versions_to_the_bit() -> None:
    rng = np.random.default_rng(5)
    greys = np.stack(
        [
            ndimage.gaussian_filter(rng.random((48, 40)) * 255, spread).astype(np.uint8)
            for spread in (0.0, 0.5, 1.0, 1.5, 2.0) * 8
        ]
    )
    greys[2] = 0
    for components in (1, 2, 5):
        cleaned = clean_masks(greys[..., None], [ClassRule(components)], threshold=126)
        assert cleaned.shape == greys.shape
        assert cleaned.dtype == np.uint8
        assert not cleaned[2].any()
        for grey, labels in zip(greys, cleaned, strict=True):
            # What `clean_mask` did before there were rules.
            numbers, count = ndimage.label(grey >= 126, np.ones((3, 3)))
            sizes = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
            by_size = np.argsort(-sizes, kind="stable") + 1
            kept = np.isin(numbers, by_size[:components])
            expected = ndimage.binary_fill_holes(kept)
            np.testing.assert_array_equal(labels, expected.astype(np.uint8))


def test_the_class_of_the_largest_grey_value_wins_a_pixel() -> None:
    greys = np.array([[[[200, 190], [170, 220], [180, 180], [149, 140]]]], np.uint8)
    cleaned = clean_masks(greys, [ALL, ALL], threshold=150)
    # Of equal values the first counts; below the threshold the background stays.
    assert cleaned.tolist() == [[[1, 2, 1, 0]]]


def test_each_class_has_its_own_rule() -> None:
    labels = labels_of(
        "1110222",
        "1010002",
        "1110030",
        "0000000",
        "1022033",
    )
    rules = ClassRule(1), ClassRule(None, least_px=3, fill_holes=False), ClassRule(1)
    # The second component of class 1 goes, the small one of class 2, the single pixel
    # of class 3; and the hole of class 1 is filled.
    expected = labels_of(
        "1110222",
        "1110002",
        "1110000",
        "0000000",
        "0000033",
    )
    np.testing.assert_array_equal(clean(labels, *rules), expected)
    np.testing.assert_array_equal(clean(expected, *rules), expected)


def test_a_filled_hole_takes_no_pixel_of_another_class() -> None:
    labels = labels_of(
        "111111",
        "100001",
        "102201",
        "102201",
        "111111",
    )
    filled = labels_of(
        "111111",
        "111111",
        "112211",
        "112211",
        "111111",
    )
    np.testing.assert_array_equal(clean(labels, ClassRule(1), ClassRule(1)), filled)
    np.testing.assert_array_equal(clean(labels, ALL, ClassRule(1)), labels)


@pytest.mark.parametrize(("outer", "inner"), [("1", "2"), ("2", "1")])
def test_a_hole_in_two_classes_goes_to_the_inner_one(outer: str, inner: str) -> None:
    rings = ["ooooooo", "oiiiiio", "oi   io", "oiiiiio", "ooooooo"]

    def drawn(hole: str) -> ByteArray:
        made = str.maketrans({"o": outer, "i": inner, " ": hole})
        return labels_of(*(row.translate(made) for row in rings))

    both = ClassRule(1), ClassRule(1)
    np.testing.assert_array_equal(clean(drawn("0"), *both), drawn(inner))


def test_specks_are_dropped_below_the_least_area() -> None:
    mask = mask_of("###.#", "....#", ".....", "#....")
    kept = masks.largest_components(mask, ClassRule(None, least_px=2))
    np.testing.assert_array_equal(kept, mask_of("###.#", "....#", ".....", "....."))
    one = masks.largest_components(mask, ClassRule(1, least_px=4))
    assert not one.any()


def test_empty_stack_gives_an_empty_stack() -> None:
    greys = np.zeros((0, 12, 10, 1), dtype=np.uint8)
    assert clean_masks(greys, [ALL], threshold=120).shape == (0, 12, 10)


def test_wrong_use_is_named() -> None:
    grey = np.zeros((1, 4, 4, 2), dtype=np.uint8)
    rules = [ALL, ALL]
    with pytest.raises(ValueError, match="uint8, got float32"):
        clean_masks(grey.astype(np.float32), rules, threshold=150)
    with pytest.raises(ValueError, match=r"H, W, 2\), got shape \(4, 4, 2\)"):
        clean_masks(grey[0], rules, threshold=150)
    with pytest.raises(ValueError, match=r"H, W, 1\), got shape \(1, 4, 4, 2\)"):
        clean_masks(grey, [ALL], threshold=150)
    with pytest.raises(ValueError, match="got 0"):
        clean_masks(grey, rules, threshold=0)
    with pytest.raises(ValueError, match="got 256"):
        clean_masks(grey, rules, threshold=256)
    with pytest.raises(ValueError, match="at least 1 component, got 0"):
        clean_masks(grey, [ALL, ClassRule(0)], threshold=150)


def test_nested_classes_stay_as_they_were_cleaned() -> None:
    """What fills a hole beside another class is a component of its own."""
    labels = np.zeros((15, 15), np.uint8)
    labels[1:12, 1:12] = 1
    labels[2:11, 2:11] = 2
    labels[5:8, 5:8] = 0
    labels[13, 13] = 1
    rules = (ClassRule(2), ClassRule(None, fill_holes=False))

    (once,) = clean_labels(labels[None], rules)
    (twice,) = clean_labels(once[None], rules)

    np.testing.assert_array_equal(once, twice)
