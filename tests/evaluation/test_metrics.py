import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from skimage.metrics import hausdorff_distance

from tfgansynth.arrays import MaskArray
from tfgansynth.evaluation.metrics import CaseMetrics, contour, dice, measure


def mask_of(*rows: str) -> MaskArray:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def square(top: int, left: int, side: int, size: int = 16) -> MaskArray:
    mask = np.zeros((size, size), dtype=np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


def disk(row: float, column: float, radius: float, size: int = 64) -> MaskArray:
    rows, columns = np.mgrid[0:size, 0:size]
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)


def blobs(rng: np.random.Generator, height: int, width: int) -> MaskArray:
    """Random disks with random pixels flipped: holes, specks, border contact."""
    mask = np.zeros((height, width), dtype=np.bool_)
    rows, columns = np.mgrid[0:height, 0:width]
    for _ in range(3):
        row, column = rng.uniform(0, height), rng.uniform(0, width)
        radius = rng.uniform(1, height / 2)
        mask |= (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return np.asarray(mask ^ (rng.random((height, width)) < 0.02))


def brute_force(prediction: MaskArray, truth: MaskArray) -> CaseMetrics:
    """The definitions, word for word, in plain loops."""

    def contour_pixels(mask: MaskArray) -> list[tuple[int, int]]:
        height, width = mask.shape

        def outside(row: int, column: int) -> bool:
            within = 0 <= row < height and 0 <= column < width
            return not within or not mask[row, column]

        return [
            (row, column)
            for row in range(height)
            for column in range(width)
            if mask[row, column]
            and (
                outside(row - 1, column)
                or outside(row + 1, column)
                or outside(row, column - 1)
                or outside(row, column + 1)
            )
        ]

    a, b = contour_pixels(prediction), contour_pixels(truth)
    a_to_b = sorted(min(math.dist(p, q) for q in b) for p in a)
    b_to_a = sorted(min(math.dist(p, q) for q in a) for p in b)

    def percentile_95(ordered: list[float]) -> float:
        rank = 0.95 * (len(ordered) - 1)
        low = math.floor(rank)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (rank - low) * (ordered[high] - ordered[low])

    n_common = sum(
        bool(p and q) for p, q in zip(prediction.flat, truth.flat, strict=True)
    )
    return CaseMetrics(
        dice=2 * n_common / (int(prediction.sum()) + int(truth.sum())),
        hausdorff_px=max(a_to_b[-1], b_to_a[-1]),
        hausdorff_95_px=max(percentile_95(a_to_b), percentile_95(b_to_a)),
        mean_surface_distance_px=sum(a_to_b + b_to_a) / (len(a) + len(b)),
    )


def assert_close(measured: CaseMetrics, expected: CaseMetrics) -> None:
    for name in CaseMetrics.__dataclass_fields__:
        value = getattr(measured, name)
        assert type(value) is float
        assert value == pytest.approx(getattr(expected, name), rel=1e-12), name


def test_contour_has_pixels_with_a_4_neighbor_outside() -> None:
    mask = mask_of(
        ".......",
        ".#####.",
        ".#####.",
        ".#####.",
        ".####..",
        ".......",
    )
    rim = mask_of(
        ".......",
        ".#####.",
        ".#...#.",
        ".#...#.",
        ".####..",
        ".......",
    )
    np.testing.assert_array_equal(contour(mask), rim)


def test_outside_the_image_counts_as_outside() -> None:
    rim = mask_of("####", "#..#", "####")
    np.testing.assert_array_equal(contour(np.ones((3, 4), np.bool_)), rim)


def test_missing_diagonal_neighbor_makes_no_contour() -> None:
    mask = mask_of(".###.", "#####", "#####", "#####", ".###.")
    assert contour(mask)[1, 1] == np.False_
    assert contour(mask)[0, 1] == np.True_


@pytest.mark.parametrize("mask", [square(3, 4, 6), square(0, 0, 16), square(5, 5, 1)])
def test_equal_masks_are_perfect(mask: MaskArray) -> None:
    assert measure(mask, mask.copy()) == CaseMetrics(1.0, 0.0, 0.0, 0.0)


def test_both_empty_agree() -> None:
    empty = np.zeros((5, 9), dtype=np.bool_)
    assert measure(empty, empty) == CaseMetrics(1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("swap", [False, True])
def test_one_empty_counts_as_the_image_diagonal(swap: bool) -> None:
    empty, dot = np.zeros((4, 5), np.bool_), np.zeros((4, 5), np.bool_)
    dot[1, 1] = True
    pair = (empty, dot) if swap else (dot, empty)
    # 3 rows and 4 columns lie between the first and the last pixel centers.
    assert measure(*pair) == CaseMetrics(0.0, 5.0, 5.0, 5.0)


def test_no_distance_exceeds_that_of_an_empty_mask() -> None:
    first, last = np.zeros((4, 5), np.bool_), np.zeros((4, 5), np.bool_)
    first[0, 0], last[3, 4] = True, True
    assert measure(first, last) == CaseMetrics(0.0, 5.0, 5.0, 5.0)


def test_one_pixel_masks_are_apart_as_their_centers() -> None:
    assert measure(square(2, 3, 1), square(5, 7, 1)) == CaseMetrics(0, 5, 5, 5)


def test_square_shifted_by_two_columns() -> None:
    # 4 x 4 squares, 8 common pixels. Each rim has 12 pixels; of the predicted one,
    # the 2 middle pixels of the left side lie 2 px from the nearest true rim pixel
    # (straight right), as do both left corners; the next column's rim pixels (top
    # and bottom) lie 1 px away; those in the third column are on the true left side;
    # of the right side, 2 corners lie on the true rim, 2 middle pixels 1 px away.
    truth, prediction = square(4, 6, 4), square(4, 4, 4)
    distances = [2.0] * 4 + [1.0] * 2 + [0.0] * 4 + [1.0] * 2
    expected = CaseMetrics(
        dice=2 * 8 / 32,
        hausdorff_px=2.0,
        hausdorff_95_px=2.0,
        mean_surface_distance_px=sum(distances) / 12,
    )
    assert_close(measure(prediction, truth), expected)


def test_l_shape_against_its_square() -> None:
    square_mask = mask_of("####", "####", "####", "####")
    l_shape = mask_of("##..", "##..", "####", "####")
    # The square's rim has 12 pixels; the missing quarter's (0,2) (1,3) lie 1 px from
    # the L and (0,3) lies 2 px away. Of the L's 11 rim pixels (all but (2,1)), the
    # notch's (1,1) and (2,2) lie 1 px from the square's rim.
    measured = measure(l_shape, square_mask)
    assert measured.dice == pytest.approx(2 * 12 / 28)
    assert measured.hausdorff_px == 2.0
    # Ranks 0..11: nine 0, two 1, one 2; rank 0.95 * 11 = 10.45 lies between 1 and 2.
    assert measured.hausdorff_95_px == pytest.approx(1.45)
    assert measured.mean_surface_distance_px == pytest.approx((4 + 2) / (12 + 11))


def test_distances_count_in_both_directions() -> None:
    # The prediction covers the truth and adds a far speck: truth to prediction is 0.
    truth = square(2, 2, 1)
    prediction = truth.copy()
    prediction[2, 12] = True
    for pair in ((prediction, truth), (truth, prediction)):
        measured = measure(*pair)
        assert measured.hausdorff_px == 10.0
        assert measured.hausdorff_95_px == pytest.approx(9.5)
        assert measured.mean_surface_distance_px == pytest.approx(10 / 3)


def test_percentile_ignores_a_lone_outlier_in_a_long_contour() -> None:
    truth = square(1, 1, 12)
    prediction = truth.copy()
    prediction[15, 15] = True
    measured = measure(prediction, truth)
    assert measured.hausdorff_px == pytest.approx(math.hypot(3, 3))
    assert measured.hausdorff_95_px == 0.0


def test_dice_agrees_with_measure() -> None:
    rng = np.random.default_rng(11)
    pair = blobs(rng, 20, 26), blobs(rng, 20, 26)

    assert dice(*pair) == measure(*pair).dice
    assert all(type(value) is float for value in dataclasses.astuple(measure(*pair)))


def hausdorff(prediction: MaskArray, truth: MaskArray) -> float:
    return measure(prediction, truth).hausdorff_px


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prediction, truth = blobs(rng, 19, 27), blobs(rng, 19, 27)
    expected = brute_force(prediction, truth)
    assert expected.hausdorff_px > expected.hausdorff_95_px > 0
    assert_close(measure(prediction, truth), expected)
    assert_close(measure(truth, prediction), expected)


@pytest.mark.parametrize("seed", range(6))
def test_hausdorff_agrees_with_skimage_on_contours(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    prediction, truth = blobs(rng, 64, 48), blobs(rng, 64, 48)
    expected = hausdorff_distance(contour(prediction), contour(truth))
    assert hausdorff(prediction, truth) == pytest.approx(expected, rel=1e-12)


def test_contour_form_is_larger_for_a_hole_deep_inside() -> None:
    truth = disk(32, 32, 20)
    prediction = truth & ~disk(32, 32, 1)
    assert hausdorff(prediction, truth) > 17
    assert hausdorff_distance(prediction, truth) < 3


def test_region_form_is_larger_where_a_mask_fills_a_ring() -> None:
    core = disk(32, 32, 18)
    ring = disk(32, 32, 20) & ~core
    assert hausdorff(core, ring) < 3
    assert hausdorff_distance(core, ring) > 17


@pytest.mark.parametrize("shift", [1, 3, 7])
def test_both_forms_agree_for_filled_shapes_that_overlap(shift: int) -> None:
    truth, prediction = disk(32, 32, 15), disk(32, 32 + shift, 15)
    assert hausdorff(prediction, truth) == hausdorff_distance(prediction, truth)


@pytest.mark.parametrize("metric", [measure, dice])
def test_wrong_use_is_named(
    metric: Callable[[MaskArray, MaskArray], object],
) -> None:
    mask = square(2, 2, 3)
    with pytest.raises(ValueError, match=r"prediction \(16, 16\) and truth \(16, 15\)"):
        metric(mask, mask[:, 1:])
    with pytest.raises(ValueError, match="prediction: expected a mask of bool, got ui"):
        metric(mask.astype(np.uint8), mask)
    with pytest.raises(ValueError, match="truth: expected a mask of bool, got float64"):
        metric(mask, mask.astype(np.float64))
    with pytest.raises(ValueError, match=r"got shape \(1, 16, 16\)"):
        metric(mask[None], mask[None])
    with pytest.raises(ValueError, match=r"got shape \(0, 16\)"):
        metric(mask[:0], mask[:0])
