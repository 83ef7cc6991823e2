"""What takes a generator's place in a synthetic set: real cases, or other masks."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfgansynth.arrays import ByteArray, FloatArray, Labels, one_hot
from tfgansynth.synthesis.sampling import Sampler

Segment = Callable[[ByteArray], Labels]
"""uint8 images (m, S, S[, 3]) -> uint8 masks (m, S, S), class indices."""


def is_control(manifest: Mapping[str, Any]) -> bool:
    """Whether a set's pairs are training cases, which no generator has drawn."""
    return manifest.get("kind") == "control"


def case_sampler(images: FloatArray, masks: Labels, n_classes: int) -> Sampler:
    """Return a sampler of whole training cases, each as probable as any other.

    A set of them is the control of a synthetic set. Pairs that are augmented, or whose
    masks come from a pseudo-label ensemble, help for these reasons too. What a set is
    worth beyond a control, drawn in the same way from nothing but the generator's
    training cases, is the contribution of the generator.

    Args:
        images: float32 (n, S, S[, 3]), [0, 255].
        masks: uint8 (n, S, S), class indices.
        n_classes: Without the background.
    """
    greys = np.rint(images).astype(np.uint8)
    bright = _bright(masks, n_classes)

    def sampler(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        # Rounding may bring a number just below 1 to 1.
        chosen = np.floor((z[:, 0] + 1) / 2 * len(greys)).astype(np.intp)
        chosen = np.minimum(chosen, len(greys) - 1)
        return greys[chosen], bright[chosen]

    return sampler


def relabel(sampler: Sampler, segment: Segment, n_classes: int) -> Sampler:
    """Return a generator of the same images with the masks that `segment` gives."""

    def relabelled(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        images, _ = sampler(z)
        return images, _bright(segment(images), n_classes)

    return relabelled


def _bright(masks: Labels, n_classes: int) -> ByteArray:
    """Turn label maps (n, S, S) into grey masks (n, S, S, K) of 0 and 255."""
    return one_hot(masks, n_classes).astype(np.uint8) * np.uint8(255)
