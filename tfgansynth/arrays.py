"""Pixel ranges, resizing, label maps, and the pairs that the GAN learns.

An image is (H, W) if it is grey and (H, W, 3) if it is in color. A label map has the
index of each pixel's class, and 0 for the background.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
MaskArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]
Labels = NDArray[np.uint8]
"""Label maps: 0 for the background, k for the k-th class."""

HALF_RANGES = {"paper": 127.5, "authors": 128.0}
"""Grey values x of [0, 255] become x / half range - 1, by `gan.pixel_scaling`.

Paper: IV-B, "in the range of [-1, 1]". The authors' code: (x - 128) / 128."""

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)

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


def one_hot(labels: Labels | MaskArray, n_classes: int) -> MaskArray:
    """Make a plane for each class but the background.

    Args:
        labels: (..., H, W), also bool of one class.
        n_classes: Classes, without the background.

    Returns:
        bool (..., H, W, n_classes).
    """
    return np.asarray(labels[..., None] == np.arange(1, n_classes + 1, dtype=np.uint8))


def most_covered(coverage: FloatArray) -> Labels:
    """Label each pixel that classes cover by half or more with the largest of them.

    Args:
        coverage: float32 (..., H, W, K), [0, 1], the share of a pixel that each class
            covers.

    Returns:
        (..., H, W). Of classes that cover a pixel equally, the first counts.
    """
    return largest_class(coverage, coverage.sum(axis=-1) >= 0.5)


def largest_class(planes: NDArray[Any], is_class: NDArray[Any]) -> Labels:
    """Label pixels with the class whose plane is largest, of equal ones the first.

    Args:
        planes: (..., H, W, K), one for each class.
        is_class: bool (..., H, W), where a pixel is not background.

    Returns:
        (..., H, W).
    """
    return np.where(is_class, planes.argmax(axis=-1) + 1, 0).astype(np.uint8)


def luminance(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn images in color, (..., H, W, 3), into grey ones of the same type.

    Grey images, (..., H, W) with W other than 3, are returned as they are.
    Source of the weights: ITU-R BT.601.
    """
    if image.shape[-1] != len(_LUMINANCE):
        return image
    grey = np.asarray(image, np.float32) @ _LUMINANCE
    return (grey if image.dtype.kind == "f" else np.rint(grey)).astype(image.dtype)


def resize_area(plane: NDArray[np.generic], size: int) -> FloatArray:
    """Resize an (H, W) or (H, W, C) plane to float32 (size, size[, C]).

    A smaller plane gets the average over the area that each new pixel covers. If
    either side grows, the resize is bilinear, because area averaging only shrinks.
    """
    source = np.ascontiguousarray(plane, dtype=np.float32)
    height, width = source.shape[:2]
    if (height, width) == (size, size):
        return source.copy()
    shrinks = height >= size and width >= size
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return _resized(source, size, mode)


def resize_bilinear(plane: NDArray[np.generic], size: int) -> FloatArray:
    """Resize (H, W) or (H, W, C) to (size, size[, C]), bilinearly, unsmoothed."""
    source = np.ascontiguousarray(plane, dtype=np.float32)
    return _resized(source, size, cv2.INTER_LINEAR)


def _resized(source: FloatArray, size: int, mode: int) -> FloatArray:
    # OpenCV takes few channels at once, how few depends on the sizes.
    planes = np.moveaxis(source.reshape(*source.shape[:2], -1), -1, 0)
    resized = [
        cv2.resize(np.ascontiguousarray(plane), (size, size), interpolation=mode)
        for plane in planes
    ]
    whole = np.stack(resized, axis=-1)
    return np.asarray(whole, np.float32).reshape(size, size, *source.shape[2:])


def stack_pair(
    image: NDArray[np.generic], coverage: NDArray[np.generic], scaling: str = "paper"
) -> FloatArray:
    """Stack an image and the planes of its mask into the pair the GAN sees.

    Paper: III, with one channel of each.

    Args:
        image: (..., H, W) or (..., H, W, 3) in [0, 255].
        coverage: (..., H, W, K) in [0, 1], or bool: a plane for each class.
        scaling: A name in `HALF_RANGES`.

    Returns:
        float32 (..., H, W, C + K) in [-1, 1]; first the channels of the image.
    """
    if image.ndim < coverage.ndim:
        image = image[..., None]
    planes = np.asarray(coverage, np.float32) * np.float32(255)
    return np.concatenate(
        [to_signed(image, scaling), to_signed(planes, scaling)], axis=-1
    )


def split_pair(
    pair: NDArray[np.generic],
    scaling: str = "paper",
    rounding: str = "nearest",
    *,
    channels: int = 1,
) -> tuple[ByteArray, ByteArray]:
    """Split pairs (..., H, W, C + K) in [-1, 1] into images and grey masks.

    Args:
        pair: The pairs.
        scaling: See `to_bytes`.
        rounding: See `to_bytes`.
        channels: C, 1 or 3.

    Returns:
        uint8 (..., H, W), or (..., H, W, 3) in color; and uint8 (..., H, W, K).
    """
    pixels = to_bytes(pair, scaling, rounding)
    image, planes = pixels[..., :channels], pixels[..., channels:]
    return (image[..., 0] if channels == 1 else image), planes
