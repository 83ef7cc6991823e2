"""Training cases in the generator's place: the control of a synthetic set.

A set whose pairs are deformed, or whose masks are given by teachers, helps for these
reasons too. What it is worth beyond a control that is drawn in the same way, of nothing
but the cases that the generator has learned from, is the generator's own doing.
"""

import numpy as np

from tfgansynth.arrays import ByteArray, FloatArray, MaskArray
from tfgansynth.synthesis.sampling import Sampler


def case_sampler(images: FloatArray, masks: MaskArray) -> Sampler:
    """Return what draws whole cases, each as probable as any other.

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
