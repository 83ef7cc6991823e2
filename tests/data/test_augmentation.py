"""Classical augmentation: image and mask move as one, and within bounds."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from tfgansynth.arrays import FloatArray, Labels, one_hot, stack_pair
from tfgansynth.config import AugmentationConfig
from tfgansynth.data.augmentation import augment, augment_pair, augment_set

SIDE = 64
ELASTIC = AugmentationConfig()
STILL = dataclasses.replace(
    ELASTIC,
    shift=0.0,
    rotation=0.0,
    stddev=0.0,
    grey=0.0,
)


def blob() -> tuple[FloatArray, Labels]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    mask = (rows - 28) ** 2 + ((columns - 34) / 0.7) ** 2 < 15**2
    smooth = ndimage.gaussian_filter(mask.astype(np.float64), 0.6)
    return np.asarray(20 + 200 * smooth, np.float32), mask.astype(np.uint8)


def drawn(config: AugmentationConfig, seed: int) -> tuple[FloatArray, Labels]:
    return augment(*blob(), np.random.default_rng(seed), config)


def center(mask: Labels) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.mean(places) for places in np.nonzero(mask)])


def test_without_any_strength_nothing_changes() -> None:
    image, mask = drawn(STILL, 0)
    np.testing.assert_allclose(image, blob()[0], atol=1e-3)
    np.testing.assert_array_equal(mask, blob()[1])


def test_types_and_range() -> None:
    strong = dataclasses.replace(ELASTIC, grey=0.9)
    for seed in range(20):
        image, mask = drawn(strong, seed)
        assert image.dtype == np.float32
        assert mask.dtype == np.uint8
        assert image.shape == mask.shape == (SIDE, SIDE)
        assert 0 <= image.min() <= image.max() <= 255


@pytest.mark.parametrize("seed", range(10))
def test_mask_stays_on_what_it_marks(seed: int) -> None:
    plain = dataclasses.replace(ELASTIC, grey=0.0)
    image, mask = drawn(plain, seed)
    bright = image > 120
    overlap = 2 * (bright & mask).sum() / (bright.sum() + mask.sum())
    assert overlap > 0.97
    # And the draw did move it.
    own = blob()[1]
    assert (mask != own).mean() > 0.003


def test_shifts_reach_their_bound_and_not_beyond() -> None:
    config = dataclasses.replace(STILL, shift=6.0)
    moves = np.array(
        [center(drawn(config, s)[1]) - center(blob()[1]) for s in range(60)]
    )
    assert np.abs(moves).max() <= 6.6
    assert np.abs(moves).max(axis=0).min() > 4


def test_rotation_turns_about_the_middle() -> None:
    config = dataclasses.replace(STILL, rotation=30.0)
    middle = (SIDE - 1) / 2
    own = np.linalg.norm(center(blob()[1]) - middle)
    angles = []
    for seed in range(30):
        row, column = center(drawn(config, seed)[1]) - middle
        assert np.hypot(row, column) == pytest.approx(own, abs=0.6)
        angles.append(np.degrees(np.arctan2(row, column)))
    assert np.ptp(angles) > 30


def test_deformation_changes_the_shape() -> None:
    config = dataclasses.replace(STILL, stddev=4.0)
    areas = [int(drawn(config, seed)[1].sum()) for seed in range(20)]
    assert np.std(areas) > 10


def test_seed_determines_the_draw() -> None:
    np.testing.assert_array_equal(drawn(ELASTIC, 3)[0], drawn(ELASTIC, 3)[0])
    assert not np.array_equal(drawn(ELASTIC, 3)[0], drawn(ELASTIC, 4)[0])


def test_a_pair_is_changed_as_its_image_and_mask_are() -> None:
    image, mask = drawn(ELASTIC, 5)
    still, own = blob()
    pair = stack_pair(still, one_hot(own, 1))
    moved = augment_pair(pair, np.random.default_rng(5), ELASTIC)
    assert moved.dtype == np.float32
    expected = stack_pair(image, one_hot(mask, 1))
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def test_all_channels_and_classes_move_as_one() -> None:
    grey, mask = blob()
    color = np.stack([grey, 0.5 * grey, 255 - grey], axis=-1)
    labels = np.where(np.arange(SIDE) < 34, mask, 2 * mask).astype(np.uint8)
    pair = stack_pair(color, one_hot(labels, 2))
    moved = augment_pair(pair, np.random.default_rng(5), ELASTIC, channels=3)
    image, found = augment(color, labels, np.random.default_rng(5), ELASTIC)
    assert moved.shape == (SIDE, SIDE, 5)
    np.testing.assert_allclose(moved, stack_pair(image, one_hot(found, 2)), atol=1e-5)
    assert [*np.unique(found)] == [0, 1, 2]
    np.testing.assert_array_equal(found > 0, drawn(ELASTIC, 5)[1] > 0)


def test_each_pair_of_a_set_is_changed_in_its_own_way() -> None:
    image, mask = blob()
    images = np.stack([np.rint(image).astype(np.uint8)] * 3)
    rng = np.random.default_rng(6)
    changed, moved = augment_set(images, np.stack([mask] * 3), rng, ELASTIC)
    assert changed.dtype == np.uint8
    assert moved.dtype == np.uint8
    assert changed.shape == moved.shape == images.shape
    for first, second in ((0, 1), (1, 2), (0, 2)):
        assert not np.array_equal(changed[first], changed[second])
        assert not np.array_equal(moved[first], moved[second])
    for one, its in zip(changed, moved, strict=True):
        assert 2 * ((one > 120) & its).sum() / ((one > 120).sum() + its.sum()) > 0.95
