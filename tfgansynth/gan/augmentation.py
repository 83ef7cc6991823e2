"""Differentiable augmentation of what the discriminator sees.

Source of the idea: Zhao et al. 2020, "Differentiable Augmentation for
Data-Efficient GAN Training". Real and synthetic pairs pass through the same kind
of random change, and gradients flow through it to the generator. So the
discriminator cannot memorize a few dozen cases. All channels of a pair are
moved alike; only those of the image change in brightness and contrast.
"""

from typing import Any

from keras import ops

from tfgansynth.config import GANConfig

DRAWS = 6
"""Number of uniform random numbers that the augmentation of one pair takes."""


def augment(pairs: Any, draws: Any, config: GANConfig, channels: int = 1) -> Any:
    """Change the exposure of pairs, shift them and blank a square of each.

    The result depends on the arguments alone.

    Args:
        pairs: float32 (m, S, S, C + K) in [-1, 1].
        draws: float32 (m, DRAWS), uniform in [0, 1).
        config: Gives the largest changes.
        channels: C, those of the image, which change alike.

    Returns:
        float32 (m, S, S, C + K). Pixels that are shifted in or blanked are 0, mid-grey.
        The image may leave [-1, 1].
    """
    size = pairs.shape[1]
    exposed = _expose(pairs, draws[:, 0:2], config.augment_exposure, channels)
    shifted = _shift(exposed, draws[:, 2:4], config.augment_shift, size)
    return shifted * _outside_square(draws[:, 4:6], config.augment_cutout, size)


def _expose(pairs: Any, draws: Any, largest: float, channels: int) -> Any:
    change = (2 * draws - 1) * largest
    brightness = ops.reshape(change[:, 0], (-1, 1, 1, 1))
    contrast = 1 + 2 * ops.reshape(change[:, 1], (-1, 1, 1, 1))
    image, mask = pairs[..., :channels], pairs[..., channels:]
    mean = ops.mean(image, axis=(1, 2, 3), keepdims=True)
    return ops.concatenate([(image - mean) * contrast + mean + brightness, mask], -1)


def _shift(pairs: Any, draws: Any, largest: int, size: int) -> Any:
    pixels = ops.floor(draws * (2 * largest + 1)) - largest
    position = ops.arange(size, dtype="float32")
    # Row i of a shift matrix selects row i - pixels, or none outside the pair.
    # A matrix product is exact, differentiable and the same on any backend.
    offset = position[:, None] - position[None, :]
    pick = ops.cast(
        ops.equal(offset[None, None], pixels[:, :, None, None]), pairs.dtype
    )
    rows = ops.einsum("bij,bjkc->bikc", pick[:, 0], pairs)
    return ops.einsum("bkl,bilc->bikc", pick[:, 1], rows)


def _outside_square(draws: Any, side: int, size: int) -> Any:
    # The square's center may be any pixel, so that a border may cut the square.
    corner = ops.floor(draws * size) - side // 2
    position = ops.arange(size, dtype="float32")[None, None]
    inside = ops.logical_and(
        position >= corner[:, :, None], position < corner[:, :, None] + side
    )
    square = ops.logical_and(inside[:, 0, :, None], inside[:, 1, None, :])
    return ops.cast(ops.logical_not(square), "float32")[..., None]
