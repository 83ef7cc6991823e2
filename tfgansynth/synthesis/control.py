"""Training cases in the generator's place: the control of a synthetic set.

A set whose pairs are augmented, or whose masks come from a pseudo-label ensemble, helps
for these reasons too. What it is worth beyond a control, drawn in the same way from
nothing but the generator's training cases, is the contribution of the generator.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfgansynth.arrays import ByteArray, FloatArray, MaskArray
from tfgansynth.synthesis.sampling import Sampler


def is_control(manifest: Mapping[str, Any]) -> bool:
    """Whether a set's pairs are training cases, which no generator has drawn."""
    return manifest.get("kind") == "control"


def case_sampler(images: FloatArray, masks: MaskArray) -> Sampler:
    """Return a sampler of whole cases, each as probable as any other.

    Args:
        images: float32 (n, S, S), [0, 255].
        masks: bool (n, S, S).
    """
    greys = np.rint(images).astype(np.uint8)
    bright = masks.astype(np.uint8) * np.uint8(255)

    def sampler(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        # Rounding may bring a number just below 1 to 1.
        chosen = np.floor((z[:, 0] + 1) / 2 * len(greys)).astype(np.intp)
        chosen = np.minimum(chosen, len(greys) - 1)
        return greys[chosen], bright[chosen]

    return sampler
