"""The built-in phantoms: reproducible, anatomically plausible, varied, quick."""

import time

import numpy as np
import pytest
from scipy import ndimage

from tfgansynth.arrays import FloatArray, MaskArray, resize_area
from tfgansynth.data.dataset import RawCase
from tfgansynth.data.phantoms.phantom import make_phantom, make_phantoms

SEED = 3
COUNT = 40


@pytest.fixture(scope="module")
def cases() -> tuple[RawCase, ...]:
    return make_phantoms(COUNT, seed=SEED)


def component_count(mask: MaskArray) -> int:
    # Four neighbors, the strict reading: a tip that hangs by a corner is loose.
    return int(ndimage.label(mask)[1])


def has_holes(mask: MaskArray) -> bool:
    return bool((ndimage.binary_fill_holes(mask) & ~mask).any())


def at_128(mask: MaskArray) -> MaskArray:
    return resize_area(mask, 128) >= 0.5


def test_case_ids_count_from_one(cases: tuple[RawCase, ...]) -> None:
    ids = [case.case_id for case in cases]
    assert ids == [f"phantom-{number:03d}" for number in range(1, COUNT + 1)]


@pytest.mark.parametrize("index", [0, 17])
def test_a_case_depends_on_seed_and_index_alone(
    cases: tuple[RawCase, ...], index: int
) -> None:
    alone = make_phantom(index, SEED, "both")
    np.testing.assert_array_equal(alone.image, cases[index].image)
    np.testing.assert_array_equal(alone.mask, cases[index].mask)


def test_another_seed_draws_another_patient(cases: tuple[RawCase, ...]) -> None:
    other = make_phantom(0, SEED + 1, "both")
    assert (other.mask != cases[0].mask).mean() > 0.01


def test_images_are_whole_grey_levels(cases: tuple[RawCase, ...]) -> None:
    for case in cases:
        assert case.image.dtype == np.float32
        assert case.image.shape == (256, 256)
        assert case.image.min() >= 0
        assert case.image.max() <= 255
        np.testing.assert_array_equal(case.image, np.rint(case.image))
        assert case.image.std() > 30


@pytest.mark.parametrize("size", [96, 128, 320])
def test_size_sets_the_edge_of_image_and_mask(
    cases: tuple[RawCase, ...], size: int
) -> None:
    case = make_phantom(5, SEED, "both", size)
    assert case.image.shape == case.mask.shape == (size, size)
    assert case.mask.dtype == np.bool_
    # The anatomy does not change with the size it is drawn at.
    share = cases[5].mask.mean()
    assert case.mask.mean() == pytest.approx(share, rel=0.01)


def test_both_lungs_are_two_whole_components(cases: tuple[RawCase, ...]) -> None:
    for case in cases:
        for mask in (case.mask, at_128(case.mask)):
            assert component_count(mask) == 2, case.case_id
            assert not has_holes(mask), case.case_id


def test_one_lung_is_one_component_on_its_side(cases: tuple[RawCase, ...]) -> None:
    for index in range(0, COUNT, 5):
        left = make_phantom(index, SEED, "left")
        right = make_phantom(index, SEED, "right")
        np.testing.assert_array_equal(left.image, cases[index].image)
        np.testing.assert_array_equal(left.mask | right.mask, cases[index].mask)
        assert not (left.mask & right.mask).any()
        for mask in (left.mask, right.mask, at_128(left.mask), at_128(right.mask)):
            assert component_count(mask) == 1
        # The patient faces us: the left lung is on the right of the image.
        left_x = np.nonzero(left.mask)[1]
        right_x = np.nonzero(right.mask)[1]
        assert left_x.min() > right_x.max() - 5
        assert left_x.mean() > right_x.mean() + 60


def test_the_heart_makes_the_left_lung_smaller() -> None:
    areas = [
        [make_phantom(index, SEED, lungs, 128).mask.sum() for index in range(12)]
        for lungs in ("left", "right")
    ]
    assert np.sum(areas[0]) < 0.98 * np.sum(areas[1])


def test_lungs_cover_a_plausible_share(cases: tuple[RawCase, ...]) -> None:
    shares = np.array([case.mask.mean() for case in cases])
    assert shares.min() > 0.15
    assert shares.max() < 0.40
    assert 0.22 < shares.mean() < 0.32
    for case in cases:
        border = np.ones_like(case.mask)
        border[2:-2, 2:-2] = False
        assert (case.mask & border).sum() < 20, case.case_id


def test_lungs_are_darker_than_what_lies_around_them(
    cases: tuple[RawCase, ...],
) -> None:
    for case in cases:
        near = ndimage.binary_dilation(case.mask, iterations=12)
        around = near & ~ndimage.binary_dilation(case.mask, iterations=2)
        edge = ndimage.binary_erosion(case.mask, iterations=2)
        dark, bright = case.image[edge], case.image[around]
        assert np.median(dark) + 25 < np.median(bright), case.case_id


def edge_step(image: FloatArray, mask: MaskArray) -> float:
    """How much brighter the pixels just outside are than those just inside."""
    outside = ndimage.binary_dilation(mask) & ~mask
    inside = mask & ~ndimage.binary_erosion(mask)
    return float(image[outside].mean() - image[inside].mean())


@pytest.mark.parametrize("shift", [(0, 1), (0, -1), (1, 0), (-1, 0)])
def test_the_mask_ends_at_the_visible_edge_of_the_lung(
    cases: tuple[RawCase, ...], shift: tuple[int, int]
) -> None:
    for case in cases:
        moved = np.roll(case.mask, shift, (0, 1))
        assert edge_step(case.image, case.mask) > edge_step(case.image, moved)


def test_patients_differ(cases: tuple[RawCase, ...]) -> None:
    areas = np.array([case.mask.sum() for case in cases], np.float64)
    assert areas.std() / areas.mean() > 0.08
    heights = [np.ptp(np.nonzero(case.mask)[0]) for case in cases]
    widths = [np.ptp(np.nonzero(case.mask)[1]) for case in cases]
    assert np.std(np.divide(heights, widths)) > 0.04
    small = np.stack([resize_area(case.image, 32).ravel() for case in cases])
    alike = np.corrcoef(small) - np.eye(COUNT)
    assert alike.max() < 0.99
    masks = np.stack([case.mask.ravel() for case in cases]).astype(np.float32)
    shared = masks @ masks.T
    dice = 2 * shared / (masks.sum(1)[:, None] + masks.sum(1)[None])
    assert (dice - np.eye(COUNT)).max() < 0.985


def test_a_phantom_takes_a_fraction_of_a_second() -> None:
    start = time.process_time()
    make_phantoms(5, seed=SEED)
    assert (time.process_time() - start) / 5 < 0.5
