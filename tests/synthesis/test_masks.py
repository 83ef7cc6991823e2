import numpy as np
import pytest
from scipy import ndimage

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.synthesis.masks import (
    clean_mask,
    clean_masks,
    fill_holes,
    largest_components,
)


def mask_of(*rows: str) -> MaskArray:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def grey_of(mask: MaskArray) -> ByteArray:
    return np.where(mask, 255, 0).astype(np.uint8)


def test_pixel_equal_to_the_threshold_belongs_to_the_mask() -> None:
    grey = np.array([[149, 150, 151]], dtype=np.uint8)
    cleaned = clean_mask(grey, threshold=150, components=1)
    assert cleaned.dtype == np.bool_
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


def test_stack_is_cleaned_mask_by_mask() -> None:
    rng = np.random.default_rng(5)
    greys = rng.integers(0, 256, size=(4, 12, 10), dtype=np.uint8)
    greys[2] = 0
    cleaned = clean_masks(greys, threshold=120, components=2)
    assert cleaned.shape == greys.shape
    assert cleaned.dtype == np.bool_
    assert cleaned.any(axis=(1, 2)).tolist() == [True, True, False, True]
    for grey, mask in zip(greys, cleaned, strict=True):
        alone = clean_mask(grey, threshold=120, components=2)
        np.testing.assert_array_equal(mask, alone)


def test_empty_stack_gives_an_empty_stack() -> None:
    greys = np.zeros((0, 12, 10), dtype=np.uint8)
    assert clean_masks(greys, threshold=120, components=2).shape == (0, 12, 10)


def test_wrong_use_is_named() -> None:
    grey = np.zeros((4, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match="uint8, got float32"):
        clean_mask(grey.astype(np.float32), threshold=150, components=1)
    with pytest.raises(ValueError, match=r"\(H, W\), got shape \(1, 4, 4\)"):
        clean_mask(grey[None], threshold=150, components=1)
    with pytest.raises(ValueError, match=r"\(n, H, W\), got shape \(4, 4\)"):
        clean_masks(grey, threshold=150, components=1)
    with pytest.raises(ValueError, match="got 0"):
        clean_mask(grey, threshold=0, components=1)
    with pytest.raises(ValueError, match="got 256"):
        clean_mask(grey, threshold=256, components=1)
    with pytest.raises(ValueError, match="at least 1 component to keep, got 0"):
        clean_mask(grey, threshold=150, components=0)
