from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.config import GANConfig
from tfgansynth.gan.augmentation import DRAWS, augment

FloatArray = NDArray[np.float32]

SIZE = 16
NEUTRAL = 0.5
"""The draw that changes neither exposure nor place."""


def config(*, shift: int = 0, cutout: int = 0, exposure: float = 0.0) -> GANConfig:
    return GANConfig(
        augment_shift=shift, augment_cutout=cutout, augment_exposure=exposure
    )


def some_pairs(count: int = 3) -> FloatArray:
    rng = np.random.default_rng(5)
    # No value near 0, so that what is 0 afterwards was blanked.
    pairs = rng.uniform(0.1, 1, (count, SIZE, SIZE, 2)).astype(np.float32)
    return pairs * rng.choice([-1, 1], pairs.shape).astype(np.float32)


def draws(**columns: Any) -> FloatArray:
    """Neutral draws but for the columns c0 to c5."""
    result = np.full((3, DRAWS), NEUTRAL, np.float32)
    for column, values in columns.items():
        result[:, int(column[1])] = values
    return result


def augmented(pairs: FloatArray, numbers: FloatArray, settings: GANConfig) -> Any:
    result = augment(tf.constant(pairs), tf.constant(numbers), settings)
    assert result.dtype == tf.float32
    assert result.shape == pairs.shape
    return np.asarray(result)


def moved(pair: FloatArray, down: int, right: int) -> FloatArray:
    result = np.roll(pair, (down, right), axis=(0, 1))
    if down > 0:
        result[:down] = 0
    elif down < 0:
        result[down:] = 0
    if right > 0:
        result[:, :right] = 0
    elif right < 0:
        result[:, right:] = 0
    return result


def test_neutral_draws_change_nothing_but_the_cutout() -> None:
    pairs = some_pairs()
    settings = config(shift=4, exposure=0.25)

    np.testing.assert_allclose(augmented(pairs, draws(), settings), pairs, atol=1e-6)


def test_zero_strength_changes_nothing_whatever_is_drawn() -> None:
    pairs = some_pairs()
    numbers = np.random.default_rng(0).uniform(size=(3, DRAWS)).astype(np.float32)

    np.testing.assert_allclose(augmented(pairs, numbers, config()), pairs, atol=1e-6)


def test_a_shift_moves_both_channels_alike_and_fills_with_mid_grey() -> None:
    pairs = some_pairs()
    # floor(draw * 9) - 4
    numbers = draws(c2=[0.0, 0.5, 0.999], c3=[0.7, 0.999, 0.12])

    result = augmented(pairs, numbers, config(shift=4))

    expected = [
        moved(pairs[0], -4, 2),
        moved(pairs[1], 0, 4),
        moved(pairs[2], 4, -3),
    ]
    # Taking the mean off and on again rounds.
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_shifts_are_uniform_over_all_whole_pixels() -> None:
    # A single bright pixel in the middle shows the shift.
    grid = (np.arange(70, dtype=np.float32) + 0.5) / 70
    pairs = np.zeros((70, SIZE, SIZE, 2), np.float32)
    pairs[:, 8, 8] = 1
    numbers = np.full((70, DRAWS), NEUTRAL, np.float32)
    numbers[:, 2] = grid

    result = augmented(pairs, numbers, config(shift=3))

    rows = result[..., 0].argmax(axis=1).max(axis=1)
    assert np.bincount(rows)[5:].tolist() == [10] * 7


def test_exposure_changes_brightness_and_contrast_of_the_image_alone() -> None:
    pairs = some_pairs()
    # Change: 0.25 * (2 * draw - 1)
    numbers = draws(c0=[1.0, 0.5, 0.2], c1=[0.5, 0.0, 0.9])

    result = augmented(pairs, numbers, config(exposure=0.25))

    np.testing.assert_array_equal(result[..., 1], pairs[..., 1])
    image = pairs[..., 0].astype(np.float64)
    mean = image.mean(axis=(1, 2), keepdims=True)
    brightness = np.array([0.25, 0.0, -0.15])[:, None, None]
    contrast = np.array([1.0, 0.5, 1.4])[:, None, None]
    expected = (image - mean) * contrast + mean + brightness
    np.testing.assert_allclose(result[..., 0], expected, atol=1e-5)


def test_the_cutout_is_a_square_of_its_size_in_both_channels() -> None:
    pairs = some_pairs()
    # Center: floor(draw * 16); the square starts half its side before.
    numbers = draws(c4=[0.5, 0.0, 0.999], c5=[0.25, 0.5, 0.999])

    result = augmented(pairs, numbers, config(cutout=6))

    expected = pairs.copy()
    expected[0, 5:11, 1:7] = 0
    expected[1, 0:3, 5:11] = 0  # its upper half lies outside
    expected[2, 12:, 12:] = 0
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_what_is_shifted_in_is_as_grey_after_a_change_of_exposure() -> None:
    pairs = some_pairs()

    result = augmented(pairs, draws(c0=1.0, c2=0.0), config(shift=4, exposure=0.25))

    assert np.all(result[:, -4:] == 0)


def test_equal_draws_give_equal_pairs_and_others_do_not() -> None:
    pair = np.repeat(some_pairs(1), 3, axis=0)
    settings = config(shift=4, cutout=6, exposure=0.25)
    numbers = np.random.default_rng(1).uniform(size=(3, DRAWS)).astype(np.float32)

    first = augmented(pair, numbers, settings)

    np.testing.assert_array_equal(first, augmented(pair, numbers, settings))
    # One pair, three draws: each pair of a batch is changed in its own way.
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(first[a] - first[b]).max() > 0.1
    # A pair's change does not depend on its batch.
    np.testing.assert_allclose(
        augmented(pair[:1], numbers[2:], settings)[0], first[2], atol=1e-6
    )


@pytest.mark.parametrize("column", range(DRAWS))
def test_every_draw_has_an_effect(column: int) -> None:
    pairs = some_pairs()
    settings = config(shift=4, cutout=6, exposure=0.25)

    plain = augmented(pairs, draws(), settings)
    changed = augmented(pairs, draws(**{f"c{column}": 0.9}), settings)

    assert np.all(np.abs(changed - plain).max(axis=(1, 2, 3)) > 0.05)


def test_gradients_reach_exactly_the_pixels_that_remain() -> None:
    pairs = tf.constant(some_pairs())
    numbers = tf.constant(draws(c2=0.999, c4=0.5, c5=0.5))

    with tf.GradientTape() as tape:
        tape.watch(pairs)
        total = tf.reduce_sum(augment(pairs, numbers, config(shift=2, cutout=6)))
    gradient = np.asarray(tape.gradient(total, pairs))

    # Moved down by two; then rows and columns 5 to 10 are blanked.
    expected = np.ones_like(gradient)
    expected[:, -2:] = 0
    expected[:, 3:9, 5:11] = 0
    np.testing.assert_array_equal(gradient, expected)


def test_gradients_follow_the_contrast() -> None:
    pairs = tf.constant(some_pairs())
    settings = config(exposure=0.25)

    with tf.GradientTape() as tape:
        tape.watch(pairs)
        spread = augment(pairs, tf.constant(draws(c1=1.0)), settings)
        weighted = tf.reduce_sum(spread[:, 0, 0])
    gradient = np.asarray(tape.gradient(weighted, pairs))

    # (x - mean) * 1.5 + mean: 1.5 at the pixel, -0.5 / 256 by the mean.
    n = SIZE * SIZE
    np.testing.assert_allclose(gradient[:, 0, 0, 0], 1.5 - 0.5 / n, rtol=1e-5)
    np.testing.assert_allclose(gradient[:, 1:, :, 0], -0.5 / n, rtol=1e-4)
    np.testing.assert_array_equal(gradient[:, 0, 0, 1], 1)
