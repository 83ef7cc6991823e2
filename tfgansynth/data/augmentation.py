"""Classical augmentation of labelled images, as the authors of the U-Net used it.

"Shift and rotation invariance as well as robustness to deformations and gray value
variations" (Ronneberger, Fischer and Brox, U-Net, MICCAI 2015, section 3.1). They give
numbers for the deformations only.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

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
from tfgansynth.data.deformations import Deformations, learn_deformations

_Changed = TypeVar("_Changed")


def augment(
    image: FloatArray,
    labels: Labels,
    rng: np.random.Generator,
    config: AugmentationConfig,
    deformations: Deformations | None = None,
) -> tuple[FloatArray, Labels]:
    """Shift, rotate and deform a labelled image at random, and change its contrast.

    The deformation displaces the nodes of a coarse grid by Gaussian vectors and
    interpolates bicubically between them, or is one of those that were learned. Beyond
    the border the image is mirrored.

    Args:
        image: float32 (S, S) or (S, S, 3), [0, 255].
        labels: uint8 (S, S).
        rng: The source of all randomness.
        config: The strength of each change.
        deformations: Those that training cases have taught, if they are to be used.

    Returns:
        Both, augmented alike, as they came.
    """
    moved, moved_labels = _moved(
        image, labels, rng, config, config.rotation, deformations=deformations
    )
    factor, offset = rng.uniform(-config.grey, config.grey, 2)
    middle = 127.5
    grey = (moved - middle) * (1 + factor) + middle * (1 + offset)
    return np.asarray(np.clip(grey, 0, 255), np.float32), moved_labels


def augment_strongly(
    image: FloatArray,
    labels: Labels,
    rng: np.random.Generator,
    config: AugmentationConfig,
) -> tuple[FloatArray, Labels]:
    """Change a labelled image in all ways in which images of one kind differ.

    It is moved as by `augment`, turned further and scaled. Then it is blurred, gets
    noise, and brightness, contrast and gamma change. Each strength is drawn anew, from
    none to the largest.

    Args and Returns are those of `augment`.
    """
    zoom = (1 + config.strong_scale) ** rng.uniform(-1, 1)
    moved, moved_labels = _moved(
        image, labels, rng, config, config.strong_rotation, zoom
    )
    if blur := rng.uniform(0, config.strong_blur):
        cv2.GaussianBlur(moved, (0, 0), blur, moved, borderType=cv2.BORDER_REFLECT_101)
    noise = np.float32(255 * rng.uniform(0, config.strong_noise))
    moved += noise * rng.standard_normal(moved.shape, np.float32)
    # About the image's own mean, so that a bright or a dark one is not cut off.
    mean = moved.mean()
    factor = 1 + rng.uniform(-config.strong_contrast, config.strong_contrast)
    offset = 127.5 * rng.uniform(-config.grey, config.grey)
    grey = np.clip((moved - mean) * factor + mean + offset, 0, 255)
    exponent = (1 + config.strong_gamma) ** rng.uniform(-1, 1)
    return np.asarray(255 * (grey / 255) ** exponent, np.float32), moved_labels


def cut_and_mix(
    images: FloatArray,
    masks: Labels,
    rng: np.random.Generator,
    config: AugmentationConfig,
) -> tuple[FloatArray, Labels]:
    """Replace a square of some pairs by that of another pair, image and mask alike.

    CutMix (Yun et al., ICCV 2019), of pairs as French et al. (BMVC 2020) have it. The
    square lies within the image, so that its area is as drawn. A pair that is alone in
    its mini-batch stays as it is.

    Args:
        images: float32 (b, S, S) or (b, S, S, 3).
        masks: uint8 (b, S, S).
        rng: The source of all randomness.
        config: Share of the pairs that are mixed, and distribution of the area.

    Returns:
        Both, mixed, as they came.
    """
    count, side = masks.shape[:2]
    if count == 1:
        return images, masks
    mixed, mixed_masks = images.copy(), masks.copy()
    is_mixed = rng.random(count) < config.cutmix_share
    others = (np.arange(count) + rng.integers(1, count, count)) % count
    areas = rng.beta(config.cutmix_alpha, config.cutmix_alpha, count)
    edges = np.rint(side * np.sqrt(areas)).astype(int)
    corners = rng.integers(0, side + 1 - edges[:, None], (count, 2))
    for index in np.flatnonzero(is_mixed):
        other, edge, (top, left) = others[index], edges[index], corners[index]
        square = np.s_[top : top + edge, left : left + edge]
        mixed[index][square] = images[other][square]
        mixed_masks[index][square] = masks[other][square]
    return mixed, mixed_masks


def _moved(
    image: FloatArray,
    labels: Labels,
    rng: np.random.Generator,
    config: AugmentationConfig,
    rotation: float,
    zoom: float = 1.0,
    deformations: Deformations | None = None,
) -> tuple[FloatArray, Labels]:
    """Shift, rotate by at most so many degrees, enlarge by a factor, and deform."""
    columns, rows = _source_of_each_pixel(
        len(image), config, rng, rotation, zoom, deformations
    )
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
    return np.asarray(moved, np.float32), np.asarray(moved_labels, np.uint8)


def _source_of_each_pixel(
    side: int,
    config: AugmentationConfig,
    rng: np.random.Generator,
    rotation: float,
    zoom: float,
    deformations: Deformations | None,
) -> tuple[FloatArray, FloatArray]:
    """Return the source of each pixel: float32 columns and rows, (S, S) each."""
    center = (side - 1) / 2
    degrees = rng.uniform(-rotation, rotation)
    shift = rng.uniform(-config.shift, config.shift, 2)
    turn = cv2.getRotationMatrix2D((center, center), degrees, 1 / zoom)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    if deformations:
        inner = deformations.draw(rng, side, config.learned_strength)
        # Turned with the grid, it folds as little as by itself.
        bend = np.asarray(inner @ turn[:, :2].T, np.float32)
    else:
        nodes = rng.normal(0, config.stddev, (config.grid, config.grid, 2))
        bend = np.asarray(
            cv2.resize(
                nodes.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
            ),
            np.float32,
        )
    sources = [
        row[0] * columns + row[1] * rows + row[2] + shift[axis] + bend[..., axis]
        for axis, row in enumerate(turn)
    ]
    return sources[0].astype(np.float32), sources[1].astype(np.float32)


def _each(
    change: Callable[..., tuple[FloatArray, Labels]],
    images: FloatArray,
    masks: Labels,
    rng: np.random.Generator,
    config: AugmentationConfig,
    **more: Any,
) -> tuple[FloatArray, Labels]:
    """Change each pair of a mini-batch on its own."""
    changed = [
        change(image, mask, rng, config, **more)
        for image, mask in zip(images, masks, strict=True)
    ]
    moved, moved_masks = (np.stack(planes) for planes in zip(*changed, strict=True))
    return moved, moved_masks


def batch_augmentation(
    kind: str, config: AugmentationConfig, masks: Labels
) -> Callable[..., tuple[FloatArray, Labels]] | None:
    """Bind what --unet.augment names to its strength; it takes a mini-batch.

    Args:
        kind: The name.
        config: The strength of each change.
        masks: uint8 (n, S, S), from which deformations are learned, if they are.

    Raises:
        InputError: No two masks show the same classes, where they are learned from.
    """
    own = functools.partial(_each, augment, deformations=learned(kind, config, masks))
    changes: dict[str, Callable[..., tuple[FloatArray, Labels]]] = {
        **dict.fromkeys(("elastic", "learned"), own),
        "strong": functools.partial(_each, augment_strongly),
        "cutmix": cut_and_mix,
    }
    return None if kind == "none" else functools.partial(changes[kind], config=config)


def learned(
    kind: str, config: AugmentationConfig, masks: Labels
) -> Deformations | None:
    """Learn deformations from masks, uint8 (n, S, S), for the kind that takes them.

    Raises:
        InputError: No two masks show the same classes.
    """
    return learn_deformations(masks, config) if kind == "learned" else None


def switched(
    change: Callable[..., _Changed],
    switch: str,
    config: AugmentationConfig,
    **more: Any,
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
    deformations: Deformations | None = None,
) -> tuple[ByteArray, Labels]:
    """Augment images, uint8 (n, S, S[, 3]), and their masks, uint8, each on its own."""
    floats, moved = _each(
        augment,
        images.astype(np.float32),
        masks,
        rng,
        config,
        deformations=deformations,
    )
    return np.rint(floats).astype(np.uint8), moved
