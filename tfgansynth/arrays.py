"""Pixel ranges, resizing, and the two-channel pairs that the GAN learns."""

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
MaskArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]

HALF_RANGES = {"paper": 127.5, "authors": 128.0}
"""Grey values x of [0, 255] become x / half range - 1, by `gan.pixel_scaling`.

Paper: IV-B, "in the range of [-1, 1]". The authors' code: (x - 128) / 128."""

ROUNDINGS = {"nearest": np.rint, "down": np.trunc}
"""How grey values become whole numbers, by `gan.pixel_rounding`."""


def to_signed(pixels: NDArray[np.generic], scaling: str = "paper") -> FloatArray:
    """Scale [0, 255] to float32 [-1, 1]. Paper: IV-B.

    Args:
        pixels: Grey values, any shape.
        scaling: A name in `HALF_RANGES`.
    """
    half = np.float32(HALF_RANGES[scaling])
    return np.asarray(pixels, np.float32) / half - np.float32(1)


def to_bytes(
    signed: NDArray[np.generic], scaling: str = "paper", rounding: str = "nearest"
) -> ByteArray:
    """Scale [-1, 1] to uint8 [0, 255]; values outside are clipped.

    Args:
        signed: Values, any shape.
        scaling: A name in `HALF_RANGES`.
        rounding: A name in `ROUNDINGS`.
    """
    pixels = (np.asarray(signed, np.float32) + 1) * HALF_RANGES[scaling]
    clipped: ByteArray = np.clip(ROUNDINGS[rounding](pixels), 0, 255).astype(np.uint8)
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


def stack_pair(
    image: NDArray[np.generic], coverage: NDArray[np.generic], scaling: str = "paper"
) -> FloatArray:
    """Stack an image and its mask into the pair the GAN sees. Paper: III.

    Args:
        image: (..., H, W) in [0, 255].
        coverage: (..., H, W) in [0, 1], or bool: the mask.
        scaling: A name in `HALF_RANGES`.

    Returns:
        float32 (..., H, W, 2) in [-1, 1]; channel 0 image, channel 1 mask.
    """
    mask = np.asarray(coverage, np.float32) * np.float32(255)
    return np.stack([to_signed(image, scaling), to_signed(mask, scaling)], axis=-1)


def split_pair(
    pair: NDArray[np.generic], scaling: str = "paper", rounding: str = "nearest"
) -> tuple[ByteArray, ByteArray]:
    """Split pairs (..., H, W, 2) in [-1, 1] into uint8 images and grey masks.

    See `to_bytes`.
    """
    pixels = to_bytes(pair, scaling, rounding)
    return pixels[..., 0], pixels[..., 1]
