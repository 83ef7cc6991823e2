"""Classical augmentation of labelled images, as the authors of the U-Net used it.

"Shift and rotation invariance as well as robustness to deformations and gray value
variations" (Ronneberger, Fischer and Brox, U-Net, MICCAI 2015, section 3.1). They give
numbers for the deformations only.
"""

import functools
from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np

from tfgansynth.arrays import (
    ByteArray,
    FloatArray,
    Labels,
    largest_class,
    one_hot,
    stack_pair,
)
from tfgansynth.config import AugmentationConfig

_Changed = TypeVar("_Changed")


def augment(
    image: FloatArray,
    labels: Labels,
    rng: np.random.Generator,
    config: AugmentationConfig,
) -> tuple[FloatArray, Labels]:
    """Shift, rotate and deform a labelled image at random, and change its contrast.

    The deformation displaces the nodes of a coarse grid by Gaussian vectors and
    interpolates bicubically between them. Beyond the border the image is mirrored.

    Args:
        image: float32 (S, S) or (S, S, 3), [0, 255].
        labels: uint8 (S, S).
        rng: The source of all randomness.
        config: The strength of each change.

    Returns:
        Both, augmented alike, as they came.
    """
    columns, rows = _source_of_each_pixel(len(image), config, rng)
    moved = cv2.remap(
        image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    moved_labels = cv2.remap(
        labels,
        columns,
        rows,
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    factor, offset = rng.uniform(-config.grey, config.grey, 2)
    middle = 127.5
    grey = (moved - middle) * (1 + factor) + middle * (1 + offset)
    return np.clip(grey, 0, 255).astype(np.float32), np.asarray(moved_labels, np.uint8)


def _source_of_each_pixel(
    side: int, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the source of each pixel: float32 columns and rows, (S, S) each."""
    center = (side - 1) / 2
    degrees = rng.uniform(-config.rotation, config.rotation)
    shift = rng.uniform(-config.shift, config.shift, 2)
    turn = cv2.getRotationMatrix2D((center, center), degrees, 1.0)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    nodes = rng.normal(0, config.stddev, (config.grid, config.grid, 2))
    bend = cv2.resize(
        nodes.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
    )
    sources = [
        row[0] * columns + row[1] * rows + row[2] + shift[axis] + bend[..., axis]
        for axis, row in enumerate(turn)
    ]
    return sources[0].astype(np.float32), sources[1].astype(np.float32)


def switched(
    change: Callable[..., _Changed],
    switch: str,
    config: AugmentationConfig,
    **more: int,
) -> Callable[..., _Changed] | None:
    """Bind a function of this module to its strength; None for the switch `none`."""
    if switch == "none":
        return None
    return functools.partial(change, config=config, **more)


def augment_pair(
    pair: FloatArray,
    rng: np.random.Generator,
    config: AugmentationConfig,
    channels: int = 1,
) -> FloatArray:
    """Augment image and mask of a pair in the same way.

    Args:
        pair: float32 (S, S, C + K) in [-1, 1]. Soft masks become binary ones.
        rng: The source of all randomness.
        config: The strength of each change.
        channels: C.
    """
    image = np.asarray((pair[..., :channels] + 1) * 127.5, np.float32)
    planes = pair[..., channels:]
    labels = largest_class(planes, planes.max(axis=-1) > 0)
    moved = image[..., 0] if channels == 1 else image
    moved, labels = augment(moved, labels, rng, config)
    return stack_pair(moved, one_hot(labels, planes.shape[-1]))


def augment_set(
    images: ByteArray,
    masks: Labels,
    rng: np.random.Generator,
    config: AugmentationConfig,
) -> tuple[ByteArray, Labels]:
    """Augment images, uint8 (n, S, S[, 3]), and their masks, uint8, each on its own."""
    augmented = [
        augment(image.astype(np.float32), mask, rng, config)
        for image, mask in zip(images, masks, strict=True)
    ]
    floats, moved = (np.stack(planes) for planes in zip(*augmented, strict=True))
    return np.rint(floats).astype(np.uint8), moved
