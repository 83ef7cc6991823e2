"""What is wrong with a generator whose pairs make no set."""

import numpy as np
from numpy.typing import NDArray

from tfgansynth.config import SynthesisConfig
from tfgansynth.errors import InputError


class UnusableGeneratorError(InputError):
    """Too few of a generator's pairs make a set."""


class ModeCollapseError(UnusableGeneratorError):
    """Too few of a generator's pairs were distinct."""


class EmptyMasksError(UnusableGeneratorError):
    """Too few of a generator's masks show the target."""


def empty_masks(
    n_empty: int,
    n_drawn: int,
    levels: NDArray[np.int64],
    config: SynthesisConfig,
    real_area: float | None,
) -> EmptyMasksError:
    """Say how grey the generated masks are, and at which threshold they have an area.

    Args:
        n_empty: Empty masks.
        n_drawn: Masks.
        levels: int64 (256,), how many pixels of the generated masks have each value.
        config: The synthetic set's numbers.
        real_area: Share of the pixels that the target covers in the training masks.
    """
    threshold = config.mask_threshold
    # Share of the pixels at each value or above.
    shares = levels[::-1].cumsum()[::-1] / levels.sum()
    found = (
        f"empty masks: nothing is left of {n_empty} of {n_drawn} generated masks at "
        f"--synthesis.mask-threshold {threshold} and after cleaning: their largest "
        "value is "
        f"{np.flatnonzero(levels)[-1]}, and {shares[threshold]:.2%} of their pixels "
        "reach the threshold"
    )
    remedy = "train the GAN longer"
    if levels[1:threshold].any():
        remedy = f"lower the threshold, or {remedy}"
    if real_area is not None:
        found += f", while the target covers {real_area:.2%} of the training masks"
        as_real = np.flatnonzero(shares >= real_area)[-1]
        if 0 < as_real < threshold:
            remedy = f"{remedy}; at {as_real} they would cover as much"
    return EmptyMasksError(f"{found}: {remedy}")
