"""Masks for generated images from networks instead of the generator."""

from collections.abc import Callable

import numpy as np

from tfgansynth.arrays import ByteArray, FloatArray, MaskArray
from tfgansynth.synthesis.sampling import Sampler

Segment = Callable[[ByteArray], MaskArray]
"""uint8 images (m, S, S) -> bool masks (m, S, S)."""


def relabel(sampler: Sampler, segment: Segment) -> Sampler:
    """Return a generator of the same images with the masks that `segment` gives."""

    def relabelled(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        images, _ = sampler(z)
        return images, segment(images).astype(np.uint8) * np.uint8(255)

    return relabelled
