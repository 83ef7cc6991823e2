"""Whether a GAN's training goes wrong, as far as its numbers tell.

Functions of the numbers alone: a training that goes on after an interruption is
judged as one that was never interrupted.
"""

import math
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray
from tfgansynth.config import GANConfig
from tfgansynth.data.similarity import mean_pairwise_distance, perceptual_hash
from tfgansynth.gan.history import History

LOSS = "loss/discriminator"
"""Name of the discriminator's loss in a history."""
DIVERSITY = "health/diversity"
"""Name of the samples' diversity in a history, 1 for that of the real images."""

_NETWORKS = {
    "generator": "generator",
    "g_optimizer": "generator",
    "average": "generator",
    "discriminator": "discriminator",
    "d_optimizer": "discriminator",
}


def diversity(images: ByteArray) -> float:
    """Mean distance of the perceptual hashes of two of the images, in bits of 64.

    Args:
        images: uint8 (n, H, W).
    """
    return mean_pairwise_distance([perceptual_hash(image) for image in images])


def fault_of_losses(scalars: Mapping[str, float]) -> str:
    """Say which network's loss is NaN or infinite; empty if none is."""
    bad = {
        name.removeprefix("loss/"): value
        for name, value in scalars.items()
        if name.startswith("loss/") and not math.isfinite(value)
    }
    return " and ".join(
        f"the loss of the {name} is {bad[name]}" for name in sorted(bad)
    )


def fault_of_weights(state: Mapping[str, NDArray[Any]]) -> str:
    """Say which network's weights or moments are not finite; empty if all are.

    Args:
        state: As `DCGAN.state` names it.
    """
    bad = {
        _NETWORKS[name.partition("/")[0]]
        for name, array in state.items()
        if not np.isfinite(array).all()
    }
    return " and ".join(
        f"the weights of the {name} are not finite" for name in sorted(bad)
    )


def won_below(config: GANConfig) -> float:
    """The loss below which the discriminator is too sure to teach the generator.

    `saturation_loss`, but for the one loss without a lower bound: there the value that
    a discriminator has which is as sure as with cross-entropy at `saturation_loss`.
    With probability p for the right answer, real or synthetic, the cross-entropy is
    -2 log p and the printed loss 2 log(1 - p).
    """
    if config.loss != "paper_equation_1":
        return config.saturation_loss
    mistaken = -math.expm1(-config.saturation_loss / 2)
    return 2 * math.log(mistaken) if mistaken else -math.inf


def recent_loss(history: History, config: GANConfig) -> float:
    """The discriminator's median loss over the last `saturation_steps` steps.

    NaN as long as there have not been so many. The median, since the loss of a
    discriminator that has won still has single peaks.
    """
    points = history.series.get(LOSS, {})
    last = max(points, default=0)
    if last < config.saturation_steps:
        return math.nan
    window = (
        value for step, value in points.items() if step > last - config.saturation_steps
    )
    return statistics.median(window)


def discriminator_won(history: History, config: GANConfig) -> bool:
    """Whether the discriminator's loss has been under its threshold for long."""
    return recent_loss(history, config) < won_below(config)


def last_diversity(history: History) -> float:
    """The diversity of the last samples; NaN if there are none."""
    points = history.series.get(DIVERSITY, {})
    return points[max(points)] if points else math.nan


def samples_collapsed(history: History, config: GANConfig) -> bool:
    """Whether the last samples were much more alike than the real images."""
    return last_diversity(history) < config.mode_collapse_share


def faults(history: History, config: GANConfig) -> dict[str, str]:
    """What is wrong with a training as it stands: a sentence by kind of fault."""
    found = {}
    if discriminator_won(history, config):
        found["won"] = (
            "the discriminator has won: its median loss over "
            f"{config.saturation_steps} steps is {recent_loss(history, config):.3g}, "
            f"below {won_below(config):.3g} (--gan.saturation-loss)"
        )
    if samples_collapsed(history, config):
        found["collapsed"] = (
            f"samples have collapsed: they are {last_diversity(history):.2f} times as "
            f"diverse as the real images, less than {config.mode_collapse_share:g} "
            "(--gan.mode-collapse-share)"
        )
    return found
