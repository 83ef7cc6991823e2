"""Pixel ranges, resizing, and the two-channel pairs that the GAN learns."""

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
MaskArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]

_HALF_RANGE = 127.5
"""[0, 255] <-> [-1, 1]: x / 127.5 - 1. Paper: IV-B, "in the range of [-1, 1]"."""


def to_signed(pixels: NDArray[np.generic]) -> FloatArray:
    """Scale [0, 255] to float32 [-1, 1]. Paper: IV-B."""
    return np.asarray(pixels, np.float32) / np.float32(_HALF_RANGE) - np.float32(1)


def to_bytes(signed: NDArray[np.generic]) -> ByteArray:
    """Scale [-1, 1] to uint8 [0, 255], rounded; values outside are clipped."""
    pixels = (np.asarray(signed, np.float32) + 1) * _HALF_RANGE
    clipped: ByteArray = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return clipped


def resize_area(plane: NDArray[np.generic], size: int) -> FloatArray:
    """Resize an (H, W) plane to float32 (size, size).

    A smaller plane gets the average over the area that each new pixel covers. If
    either side grows, the resize is bilinear, because area averaging only shrinks.
    """
    source = np.ascontiguousarray(plane, dtype=np.float32)
    height, width = source.shape
    if (height, width) == (size, size):
        return source.copy()
    shrinks = height >= size and width >= size
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(source, (size, size), interpolation=mode), np.float32)


def resize_bilinear(plane: NDArray[np.generic], size: int) -> FloatArray:
    """Resize an (H, W) plane to float32 (size, size), bilinearly, unsmoothed."""
    source = np.ascontiguousarray(plane, dtype=np.float32)
    resized = cv2.resize(source, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)


def stack_pair(image: NDArray[np.generic], coverage: NDArray[np.generic]) -> FloatArray:
    """Stack an image and its mask to the pair that the GAN learns. Paper: III.

    Args:
        image: (..., H, W) in [0, 255].
        coverage: (..., H, W) in [0, 1], or bool: the mask.

    Returns:
        float32 (..., H, W, 2) in [-1, 1]; channel 0 image, channel 1 mask.
    """
    mask = np.asarray(coverage, np.float32) * np.float32(255)
    return np.stack([to_signed(image), to_signed(mask)], axis=-1)


def split_pair(pair: NDArray[np.generic]) -> tuple[ByteArray, ByteArray]:
    """Split pairs (..., H, W, 2) in [-1, 1] into uint8 images and grey masks."""
    pixels = to_bytes(pair)
    return pixels[..., 0], pixels[..., 1]
