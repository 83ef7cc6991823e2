"""Classical augmentation and CutMix: image and mask move as one, and within bounds."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from tfgansynth.arrays import FloatArray, Labels, one_hot, stack_pair
from tfgansynth.config import AugmentationConfig, Config
from tfgansynth.config.data import BEARING
from tfgansynth.data.augmentation import (
    augment,
    augment_pair,
    augment_set,
    augment_strongly,
    batch_augmentation,
    cut_and_mix,
)
from tfgansynth.records.converter import to_json
from tfgansynth.records.regimes import augmentation_config

SIDE = 64
ELASTIC = AugmentationConfig()
STILL = dataclasses.replace(
    ELASTIC,
    shift=0.0,
    rotation=0.0,
    stddev=0.0,
    grey=0.0,
)

STILL_STRONG = dataclasses.replace(
    STILL,
    strong_rotation=0.0,
    strong_scale=0.0,
    strong_contrast=0.0,
    strong_gamma=0.0,
    strong_noise=0.0,
    strong_blur=0.0,
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


def strongly(image: FloatArray, seed: int, **strength: Any) -> FloatArray:
    """Change an image in the named ways only."""
    config = dataclasses.replace(STILL_STRONG, **strength)
    labels = np.zeros(image.shape[:2], np.uint8)
    return augment_strongly(image, labels, np.random.default_rng(seed), config)[0]


def test_strong_without_any_strength_changes_nothing() -> None:
    image, mask = blob()
    found = augment_strongly(image, mask, np.random.default_rng(0), STILL_STRONG)
    np.testing.assert_allclose(found[0], image, atol=1e-3)
    np.testing.assert_array_equal(found[1], mask)


@pytest.mark.parametrize("seed", range(10))
def test_strong_moves_mask_and_image_as_one(seed: int) -> None:
    mask = blob()[1]
    # An image that is its mask; what moves it is at its strongest.
    geometry = dataclasses.replace(
        STILL_STRONG, stddev=2.5, shift=6.0, strong_rotation=15.0, strong_scale=0.2
    )
    image, moved = augment_strongly(
        mask * np.float32(255), mask, np.random.default_rng(seed), geometry
    )
    assert image.min() == 0
    assert image.max() == 255
    found = np.asarray(image > 127.5, np.uint8)
    # Pixels whose sources are half inside may fall on either side.
    border = ndimage.binary_dilation(mask) ^ ndimage.binary_erosion(mask)
    assert (found != moved).sum() < 0.15 * border.sum()
    assert np.abs(center(found) - center(moved)).max() < 0.1
    assert (moved != mask).mean() > 0.003


def test_strong_scales_in_and_out_to_its_bound() -> None:
    config = dataclasses.replace(STILL_STRONG, strong_scale=0.2)
    image, mask = blob()
    areas = [
        augment_strongly(image, mask, np.random.default_rng(seed), config)[1].sum()
        for seed in range(60)
    ]
    sides = np.sqrt(np.array(areas) / mask.sum())
    assert 1 / 1.21 < sides.min() < 1 / 1.15
    assert 1.15 < sides.max() < 1.21
    assert np.log(sides).mean() == pytest.approx(0, abs=0.04)


def test_strong_gamma_noise_blur_and_contrast_have_their_strength() -> None:
    grey = np.full((SIDE, SIDE), 64, np.float32)
    exponents = [
        np.log(strongly(grey, seed, strong_gamma=0.4)[0, 0] / 255) / np.log(64 / 255)
        for seed in range(60)
    ]
    assert 1 / 1.41 < min(exponents) < 1 / 1.3
    assert 1.3 < max(exponents) < 1.41

    deviations = [
        (strongly(grey, seed, strong_noise=0.1) - grey).std() for seed in range(60)
    ]
    # Uniform between none and 25.5 of 255.
    assert max(deviations) < 26
    assert np.mean(deviations) == pytest.approx(12.75, rel=0.2)

    image = blob()[0]
    blurred = strongly(image, 1, strong_blur=2.0)
    assert blurred.mean() == pytest.approx(image.mean(), rel=0.01)
    steepest = [np.abs(np.diff(each, axis=0)).max() for each in (image, blurred)]
    assert steepest[1] < 0.8 * steepest[0]

    image = np.asarray(70 + image / 2, np.float32)  # nothing is cut off
    # Contrast leaves the mean, and brightness moves it by a tenth of 127.5 at most.
    changed = [strongly(image, seed, strong_contrast=0.25) for seed in range(60)]
    factors = np.array([each.std() for each in changed]) / image.std()
    assert 0.75 < factors.min() < 0.8
    assert np.abs([each.mean() - image.mean() for each in changed]).max() < 0.01
    greys = [strongly(grey, seed, grey=0.1)[0, 0] for seed in range(60)]
    assert 64 - 12.76 < min(greys) < 64 - 11
    assert 64 + 11 < max(greys) < 64 + 12.76


@pytest.mark.parametrize("shape", [(SIDE, SIDE), (SIDE, SIDE, 3)])
@pytest.mark.parametrize("kind", ["elastic", "strong", "cutmix", "learned"])
def test_mini_batches_keep_type_range_and_classes(
    kind: str, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (6, *shape)).astype(np.float32)
    masks = np.stack([blob()[1] * (1 + index % 2) for index in range(6)])
    own = images.copy(), masks.copy()
    config = AugmentationConfig(cutmix_share=0.9, learned_pairs=4)
    change = batch_augmentation(kind, config, np.roll(masks, 3, axis=2))
    assert change is not None
    moved, moved_masks = change(images, masks, np.random.default_rng(5))
    again, _ = change(images, masks, np.random.default_rng(5))
    np.testing.assert_array_equal(moved, again)
    assert moved.shape == images.shape
    assert (str(moved.dtype), str(moved_masks.dtype)) == ("float32", "uint8")
    assert 0 <= moved.min() <= moved.max() <= 255
    assert {*np.unique(moved_masks)} <= {0, 1, 2}
    assert not np.array_equal(moved, images)
    assert not np.array_equal(moved_masks, masks)
    # What was given is served again.
    np.testing.assert_array_equal(images, own[0])
    np.testing.assert_array_equal(masks, own[1])


def numbered(count: int, side: int) -> tuple[FloatArray, Labels]:
    """Pairs whose images and masks are their number."""
    masks = np.arange(count)[:, None, None] * np.ones((1, side, side))
    return masks.astype(np.float32), masks.astype(np.uint8)


def test_cutmix_takes_one_square_of_one_other_pair() -> None:
    images, masks = numbered(8, 16)
    config = AugmentationConfig(cutmix_share=0.999)
    mixed, mixed_masks = cut_and_mix(images, masks, np.random.default_rng(1), config)
    np.testing.assert_array_equal(mixed, mixed_masks)
    n_mixed = 0
    for own, mask in enumerate(mixed_masks):
        rows, columns = np.nonzero(mask != own)
        if not len(rows):  # a square without a pixel
            continue
        n_mixed += 1
        square = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert square.shape[0] == square.shape[1]
        assert len({*square.ravel()}) == 1
    assert n_mixed >= 6


@pytest.mark.parametrize("alpha", [0.3, 1.0, 8.0])
def test_cutmix_mixes_its_share_of_pairs_and_half_their_area(alpha: float) -> None:
    images, masks = numbered(4000, 32)
    own = np.arange(4000)[:, None, None]
    config = AugmentationConfig(cutmix_share=0.4, cutmix_alpha=alpha)
    mixed, _ = cut_and_mix(images, masks, np.random.default_rng(2), config)
    areas = (mixed != own).mean(axis=(1, 2))
    # Each of both has the mean 1/2, and a beta distribution's spread.
    assert areas.mean() == pytest.approx(0.4 / 2, abs=0.02)
    second = 0.4 * (1 / (4 * (2 * alpha + 1)) + 1 / 4)
    assert (areas**2).mean() == pytest.approx(second, abs=0.02)
    # Squares are everywhere alike.
    places = (mixed != own).mean(axis=0)
    assert places[:16].mean() == pytest.approx(places[16:].mean(), abs=0.02)


def test_cutmix_leaves_alone_what_has_no_other_or_no_share() -> None:
    rng = np.random.default_rng(3)
    images, masks = numbered(6, 8)
    mixed = cut_and_mix(images, masks, rng, AugmentationConfig(cutmix_share=0.0))
    np.testing.assert_array_equal(mixed[0], images)
    alone = cut_and_mix(images[:1], masks[:1], rng, AugmentationConfig())
    np.testing.assert_array_equal(alone[0], images[:1])


def test_each_strength_bears_on_some_augmentation() -> None:
    fields = {field.name for field in dataclasses.fields(AugmentationConfig)}
    assert {name for names in BEARING.values() for name in names} == fields


def test_strengths_of_others_are_no_part_of_an_augmentation() -> None:
    config = Config(augmentation=AugmentationConfig(rotation=3.0, strong_noise=0.2))
    assert augmentation_config(config, "none") == AugmentationConfig()
    assert augmentation_config(config, "elastic") == AugmentationConfig(rotation=3.0)
    strong = AugmentationConfig(strong_noise=0.2)
    assert augmentation_config(config, "strong") == strong
    # What earlier versions wrote of elastic augmentation.
    written = to_json(augmentation_config(config, "elastic"))
    assert {*written} == {"grid", "stddev", "shift", "rotation", "grey"}
