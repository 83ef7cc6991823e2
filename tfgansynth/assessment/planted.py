"""Altered copies of real cases, planted to measure what the audit for copies finds.

They are what a generator that copies may make of a case: the case itself, moved, bent,
mirrored, inverted, or with other grey values. Lengths are shares of the side.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, Labels
from tfgansynth.config import AugmentationConfig
from tfgansynth.data.augmentation import augment
from tfgansynth.data.copies.distances import Pairs

Alteration = Callable[
    [FloatArray, Labels, np.random.Generator], tuple[FloatArray, Labels]
]
"""Alters an image, float32 (S, S[, 3]) in [0, 255], and its mask, uint8 (S, S)."""

# Each of the following is a [choice].
_SHIFT = 0.06
_DEGREES = 2.0, 8.0
_BEND = 1 / 128
"""Standard deviation of the nodes of a grid of three by three."""
_CONTRAST, _BRIGHTNESS = (0.6, 1.4), 30.0
_BLUR = 1 / 64
_CROP = 0.1


def plant(pairs: Pairs, seed: int) -> Pairs:
    """Make an altered copy of each pair, by each kind of alteration in turn."""
    rng = np.random.default_rng(seed)
    kinds = [*ALTERATIONS.values()]
    altered = [
        kinds[index % len(kinds)](np.asarray(image, np.float32), mask, rng)
        for index, (image, mask) in enumerate(zip(*pairs, strict=True))
    ]
    images, masks = zip(*altered, strict=True)
    return np.clip(np.rint(np.stack(images)), 0, 255), np.stack(masks)


def blend(pairs: Pairs, others: Pairs, share: float) -> Pairs:
    """Mix each pair with another one.

    Args:
        pairs: The originals.
        others: As many others.
        share: The share of the others in the images. Masks are those of which the
            larger share is.
    """
    images = (1 - share) * pairs[0] + share * others[0]
    return np.rint(images), (pairs if share <= 0.5 else others)[1]


def _moved(
    image: FloatArray, mask: Labels, warp: NDArray[Any]
) -> tuple[FloatArray, Labels]:
    """Move both by a map of pixels (2, 3); beyond the border they are mirrored."""
    side, edge = len(image), cv2.BORDER_REFLECT_101
    moved = cv2.warpAffine(image, warp, (side, side), borderMode=edge)
    labels = cv2.warpAffine(
        mask, warp, (side, side), flags=cv2.INTER_NEAREST, borderMode=edge
    )
    return np.asarray(moved, np.float32), np.asarray(labels, np.uint8)


def _exact(
    image: FloatArray, mask: Labels, rng: np.random.Generator
) -> tuple[FloatArray, Labels]:
    return image, mask


def _shifted(
    image: FloatArray, mask: Labels, rng: np.random.Generator
) -> tuple[FloatArray, Labels]:
    shift = rng.choice((-1, 1), 2) * _SHIFT * len(image)
    return _moved(image, mask, np.column_stack([np.eye(2), shift]))


def _turned(
    image: FloatArray, mask: Labels, rng: np.random.Generator
) -> tuple[FloatArray, Labels]:
    center = ((len(image) - 1) / 2,) * 2
    degrees = rng.choice((-1, 1)) * rng.uniform(*_DEGREES)
    return _moved(image, mask, cv2.getRotationMatrix2D(center, degrees, 1))


def _bent(
    image: FloatArray, mask: Labels, rng: np.random.Generator
) -> tuple[FloatArray, Labels]:
    bend = AugmentationConfig(
        grid=3, stddev=_BEND * len(image), shift=0, rotation=0, grey=0
    )
    return augment(image, mask, rng, bend)


def _mirrored(
    image: FloatArray, mask: Labels, rng: np.random.Generator
) -> tuple[FloatArray, Labels]:
    return image[:, ::-1], mask[:, ::-1]


def _inverted(
    image: FloatArray, mask: Labels, rng: np.random.Generator
) -> tuple[FloatArray, Labels]:
    return 255 - image, mask


def _exposed(
    image: FloatArray, mask: Labels, rng: np.random.Generator
) -> tuple[FloatArray, Labels]:
    level = 127.5 + rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    return (image - 127.5) * np.float32(rng.uniform(*_CONTRAST)) + level, mask


def _blurred(
    image: FloatArray, mask: Labels, rng: np.random.Generator
) -> tuple[FloatArray, Labels]:
    blurred = cv2.GaussianBlur(image, (0, 0), _BLUR * len(image))
    return np.asarray(blurred, np.float32), mask


def _cropped(
    image: FloatArray, mask: Labels, rng: np.random.Generator
) -> tuple[FloatArray, Labels]:
    left, top = rng.uniform(0, _CROP, 2) * len(image)
    scale = 1 / (1 - _CROP)
    warp = np.array([[scale, 0, -scale * left], [0, scale, -scale * top]])
    return _moved(image, mask, warp)


ALTERATIONS: dict[str, Alteration] = {
    "exact": _exact,
    "shifted by 6 %": _shifted,
    "turned by 2 to 8 degrees": _turned,
    "bent": _bent,
    "mirrored": _mirrored,
    "inverted": _inverted,
    "re-exposed": _exposed,
    "blurred": _blurred,
    "cropped by 10 %": _cropped,
}
"""The kinds of copies by which the audit is measured."""
