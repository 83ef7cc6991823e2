import numpy as np
import pytest
from numpy.typing import NDArray

from tfgansynth.arrays import MaskArray
from tfgansynth.assessment.quality import (
    agreement,
    misfits,
    shape_figures,
    shape_ranges,
    shape_table,
    spread,
)
from tfgansynth.data.dataset import images_and_labels
from tfgansynth.data.loading import load_phantoms
from tfgansynth.data.lungs import Lungs


def boxes(*corners: tuple[int, int, int, int], size: int = 40) -> MaskArray:
    """Boxes by top, bottom, left, right; the latter of each exclusive."""
    mask = np.zeros((size, size), np.bool_)
    for top, bottom, left, right in corners:
        mask[top:bottom, left:right] = True
    return mask


@pytest.fixture(scope="module")
def phantom_masks() -> NDArray[np.bool_]:
    cases = load_phantoms(60, 3, "both", 128, soft_masks=False).cases
    return images_and_labels(cases)[1] > 0


def test_figures_of_two_boxes_are_as_computed_by_hand() -> None:
    # The patient's right lung, on the image's left, is 10 x 20 with a hole of 2 x 2.
    mask = boxes((10, 20, 0, 20), (10, 30, 25, 30))
    mask[14:16, 8:10] = False
    n_right, n_left = 196, 100

    figures = shape_figures(mask, "both")

    assert list(figures) == [
        "area_share",
        "left_share",
        "left_solidity",
        "right_solidity",
        "centroid_row",
        "centroid_column",
        "components",
        "holes",
    ]
    assert figures["area_share"] == pytest.approx((n_right + n_left) / 1600)
    assert figures["left_share"] == pytest.approx(n_left / (n_right + n_left))
    assert figures["left_solidity"] == 1
    assert figures["right_solidity"] == pytest.approx(196 / 200)
    # Pixel centers lie half a pixel in; the hole, around (15, 9), is taken out.
    row = (200 * 15 - 4 * 15 + 100 * 20) / 296 / 40
    column = (200 * 10 - 4 * 9 + 100 * 27.5) / 296 / 40
    assert figures["centroid_row"] == pytest.approx(row)
    assert figures["centroid_column"] == pytest.approx(column)
    assert (figures["components"], figures["holes"]) == (2, 1)


def test_a_mirrored_mask_has_the_other_left_share() -> None:
    mask = boxes((10, 20, 0, 15), (10, 30, 25, 30))
    figures, mirrored = (shape_figures(m, "both") for m in (mask, mask[:, ::-1]))

    assert figures["left_share"] == pytest.approx(1 - mirrored["left_share"])
    assert figures["centroid_column"] == pytest.approx(1 - mirrored["centroid_column"])
    assert figures["area_share"] == mirrored["area_share"]


def test_a_concave_lung_is_less_solid() -> None:
    # A U of 250 pixels, whose hull is its square of 400.
    figures = shape_figures(
        boxes((0, 20, 0, 5), (0, 20, 15, 20), (15, 20, 5, 15)), "left"
    )

    assert figures["left_solidity"] == 0.625
    assert "right_solidity" not in figures
    assert "left_share" not in figures


@pytest.mark.parametrize(("lungs", "name"), [("left", "left"), ("right", "right")])
def test_solidity_is_named_after_the_lung(lungs: Lungs, name: str) -> None:
    assert shape_figures(boxes((1, 9, 1, 9)), lungs)[f"{name}_solidity"] == 1


def test_a_missing_lung_has_no_area_and_no_solidity() -> None:
    figures = shape_figures(boxes((10, 30, 2, 10)), "both")

    assert figures["left_share"] == 0
    assert figures["left_solidity"] == 0
    assert figures["right_solidity"] == 1
    assert figures["components"] == 1


def test_components_join_by_corners_and_holes_do_not() -> None:
    mask = boxes((0, 3, 0, 3), (3, 6, 3, 6))
    assert shape_figures(mask, "left")["components"] == 1

    # Two missing pixels that touch at a corner are two holes.
    mask = boxes((10, 20, 10, 20))
    mask[13, 13] = mask[14, 14] = False
    assert shape_figures(mask, "left")["holes"] == 2


@pytest.mark.parametrize(
    "mask",
    [
        np.ones((5, 5), np.uint8),
        np.ones((2, 5, 5), np.bool_),
    ],
)
def test_a_figure_needs_a_mask(mask: MaskArray) -> None:
    with pytest.raises(ValueError, match="expected a mask"):
        shape_figures(mask, "both")


def test_what_is_no_lung_has_one_solidity_and_no_sides() -> None:
    # A U of 250 pixels in its square of 400, a box, and a pixel within the U.
    mask = boxes((0, 20, 0, 5), (0, 20, 15, 20), (15, 20, 5, 15), (30, 34, 30, 36))
    mask[3, 9] = True

    figures = shape_figures(mask, None)

    assert list(figures) == [
        *("area_share", "solidity", "centroid_row", "centroid_column"),
        *("components", "holes"),
    ]
    assert figures["solidity"] == pytest.approx((250 + 24 + 1) / (400 + 24 + 1))
    assert (figures["components"], figures["holes"]) == (3, 0)


def test_a_component_in_the_hole_of_another_counts() -> None:
    # A frame of 64 pixels around a box of 16.
    mask = boxes((10, 22, 10, 22)) & ~boxes((12, 20, 12, 20)) | boxes((14, 18, 14, 18))

    figures = shape_figures(mask, None)

    assert (figures["components"], figures["holes"]) == (2, 1)
    assert figures["solidity"] == pytest.approx((80 + 16) / (144 + 16))


def test_discs_diagonals_and_lines_are_solid() -> None:
    y, x = np.mgrid[:40, :40]
    disc = (y - 20) ** 2 + (x - 19) ** 2 <= 11**2
    for mask in (disc, y == x, boxes((3, 4, 3, 30)), boxes((3, 4, 3, 4))):
        assert shape_figures(mask, None)["solidity"] == 1


@pytest.mark.parametrize(
    ("lungs", "own"),
    [
        (None, {"solidity": 1}),
        ("both", {"left_share": 0.5, "left_solidity": 0, "right_solidity": 0}),
        ("left", {"left_solidity": 0}),
    ],
)
def test_an_empty_mask_lies_in_the_middle(
    lungs: Lungs | None, own: dict[str, float]
) -> None:
    assert shape_figures(np.zeros((6, 8), np.bool_), lungs) == {
        **{"area_share": 0, "centroid_row": 0.5, "centroid_column": 0.5},
        **{"components": 0, "holes": 0},
        **own,
    }


def test_negatives_widen_the_range_of_area_and_components_only() -> None:
    shifts = range(20)
    full = np.stack([boxes((5 + n, 9 + n, 8, 18 + n // 2)) for n in shifts])
    negatives = np.zeros((2, 40, 40), np.bool_)
    with_some = np.concatenate([full, negatives])
    dented = boxes((5, 15, 5, 15)) & ~boxes((5, 13, 8, 12))

    ranges = shape_ranges(shape_table(with_some, None))

    outside = misfits(shape_table(np.stack([negatives[0], dented]), None), ranges)
    assert [name for name in outside if outside[name][0]] == []
    assert outside["solidity"].tolist() == [False, True]
    none = shape_ranges(shape_table(full, None))
    assert misfits(shape_table(negatives, None), none)["components"].all()


def test_a_table_needs_masks() -> None:
    with pytest.raises(ValueError, match="n >= 1"):
        shape_table(np.zeros((0, 5, 5), np.bool_), "both")


def test_the_range_is_2_5_times_as_far_as_the_percentiles_on_each_side() -> None:
    # Percentiles 5, 50 and 95 of 0, 1, ..., 100 and of their squares.
    values = np.arange(101.0)
    ranges = shape_ranges({"even": values, "skewed": values**2, "same": values * 0 + 2})

    assert ranges["even"] == pytest.approx((50 - 2.5 * 45, 50 + 2.5 * 45))
    assert ranges["skewed"] == pytest.approx((2500 - 2.5 * 2475, 2500 + 2.5 * 6525))
    assert ranges["same"] == (2, 2)


def test_a_few_odd_masks_do_not_widen_the_range() -> None:
    values = np.arange(100.0)
    with_outliers = values.copy()
    with_outliers[-3:] = 1e6

    assert shape_ranges({"f": with_outliers})["f"] == shape_ranges({"f": values})["f"]


def test_misfits_are_outside_their_range() -> None:
    table = {"a": np.array([0.5, 3.0, 0.2]), "b": np.array([1.0, 0.0, 2.0])}
    found = misfits(table, {"a": (0.0, 1.0), "b": (1.0, 2.0)})

    assert found["a"].tolist() == [False, True, False]
    assert found["b"].tolist() == [False, True, False]


def test_unseen_phantoms_are_plausible_and_faulty_ones_are_not(
    phantom_masks: NDArray[np.bool_],
) -> None:
    table = shape_table(phantom_masks, "both")
    ranges = shape_ranges({name: values[:30] for name, values in table.items()})
    unseen = misfits({n: values[30:] for n, values in table.items()}, ranges)
    assert np.any([*unseen.values()], axis=0).mean() < 0.1

    one_lung = phantom_masks[:10].copy()
    one_lung[:, :, 64:] = False
    torn = phantom_masks[10:20].copy()
    torn[:, ::6] = False
    moved = np.roll(phantom_masks[20:30], 40, axis=1)
    for faulty, figure in (
        (one_lung, "left_share"),
        (torn, "components"),
        (moved, "centroid_row"),
    ):
        assert misfits(shape_table(faulty, "both"), ranges)[figure].all()


def test_agreement_is_dice_by_case() -> None:
    box = boxes((0, 10, 0, 10))
    masks = np.stack([box, box]).astype(np.uint8)
    found = np.stack([box, boxes((0, 10, 5, 15))]).astype(np.uint8)

    assert agreement(masks, found).tolist() == [1.0, 0.5]
    assert agreement(masks[:0], found[:0]).shape == (0,)


def test_agreement_needs_one_shape() -> None:
    masks = np.zeros((2, 4, 4), np.uint8)
    with pytest.raises(ValueError, match="one shape"):
        agreement(masks, masks[:1])


def test_spread_is_mean_and_quantiles() -> None:
    described = spread(np.arange(101.0) ** 2)

    assert described.n == 101
    assert described.mean == pytest.approx(3350)
    assert described.quantiles == (25, 625, 2500, 5625, 9025)
    with pytest.raises(ValueError, match="at least one"):
        spread(np.zeros(0))
