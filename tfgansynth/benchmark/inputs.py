"""Random mini-batches: a step takes as long on noise as on radiographs."""

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray
from tfgansynth.config import Config


def random_pairs(config: Config) -> FloatArray:
    """A mini-batch for the GAN: float32 (m, S, S, 2) in [-1, 1)."""
    size = config.data.size
    return _uniform((config.gan.batch, size, size, 2))


def random_cases(config: Config) -> tuple[FloatArray, NDArray[np.int32]]:
    """A mini-batch for the U-Net.

    Returns:
        Images, float32 (m, S, S, 1) in [-1, 1), and classes, int32 (m, S, S).
    """
    size = config.data.size
    shape = (config.unet.batch, size, size)
    classes = np.random.default_rng(1).integers(0, 2, shape, np.int32)
    return _uniform((*shape, 1)), classes


def _uniform(shape: tuple[int, ...]) -> FloatArray:
    noise = np.random.default_rng(0).random(shape, np.float32)
    return np.asarray(2 * noise - 1, np.float32)
