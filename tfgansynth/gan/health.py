"""History of a GAN's training, and whether the training goes wrong by its numbers.

The faults are functions of the numbers alone: a resumed training has the faults of one
that was never interrupted. Nothing here needs TensorFlow.
"""

import csv
import dataclasses
import io
import math
import statistics
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tfgansynth.config import GANConfig

PREFIX = "history/"
"""Begins the names of a history's arrays in a checkpoint."""
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


@dataclasses.dataclass(slots=True)
class History:
    """What was measured in a training: values by name and step.

    Attributes:
        series: Name -> step -> value, the steps of each name in ascending order.
    """

    series: dict[str, dict[int, float]] = dataclasses.field(default_factory=dict)

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Add what was measured at a step."""
        for name, value in scalars.items():
            self.series.setdefault(name, {})[step] = value

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Render for a checkpoint: float64 (n, 2), steps and values, by name."""
        return {
            f"{PREFIX}{name}": np.array(list(points.items()), np.float64)
            for name, points in self.series.items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read from a checkpoint what `arrays` put there."""
        return cls(
            {
                name.removeprefix(PREFIX): {
                    int(step): float(value) for step, value in points
                }
                for name, points in arrays.items()
                if name.startswith(PREFIX)
            }
        )

    def to_csv(self) -> str:
        """Render as CSV: a line for each step, blank where nothing was measured."""
        names = sorted(self.series)
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["step", *names])
        steps = {step for points in self.series.values() for step in points}
        for step in sorted(steps):
            values = [self.series[name].get(step, "") for name in names]
            writer.writerow([step, *values])
        return buffer.getvalue()


def fault_of_losses(scalars: Mapping[str, float]) -> str:
    """Name each loss that is NaN or infinite; empty if none is."""
    bad = {
        name.removeprefix("loss/").replace("_", " "): value
        for name, value in scalars.items()
        if name.startswith("loss/") and not math.isfinite(value)
    }
    return " and ".join(
        f"the loss of the {name} is {bad[name]}" for name in sorted(bad)
    )


def fault_of_weights(state: Mapping[str, Any]) -> str:
    """Name each network with weights or moments that are not finite; empty if none.

    Args:
        state: Variables or arrays by the names of `DCGAN.state`.
    """
    bad = {
        _NETWORKS[name.partition("/")[0]]
        for name, array in state.items()
        if not np.isfinite(np.asarray(array)).all()
    }
    return " and ".join(
        f"the weights of the {name} are not finite" for name in sorted(bad)
    )


def saturated_below(config: GANConfig) -> float:
    """The loss below which the discriminator is too certain to teach the generator.

    This is `saturation_loss`, except for the losses without a lower bound. For that of
    the paper's eq. (1) it is the value of a discriminator that is as certain as one
    whose cross-entropy is `saturation_loss`. With probability p for the right answer,
    real or synthetic, the cross-entropy is -2 log p, and that loss is 2 log(1 - p). A
    critic of `wgan_gp` that is certain still teaches: there is no such value.
    """
    if config.loss == "wgan_gp":
        return -math.inf
    if config.loss != "paper_equation_1":
        return config.saturation_loss
    mistaken = -math.expm1(-config.saturation_loss / 2)
    return 2 * math.log(mistaken) if mistaken else -math.inf


def recent_loss(history: History, config: GANConfig) -> float:
    """The discriminator's median loss over the last `saturation_steps` steps.

    NaN until there have been as many steps. The median, because the loss of a
    saturated discriminator still has single peaks.
    """
    points = history.series.get(LOSS, {})
    last = max(points, default=0)
    if last < config.saturation_steps:
        return math.nan
    window = (
        value for step, value in points.items() if step > last - config.saturation_steps
    )
    return statistics.median(window)


def discriminator_saturated(history: History, config: GANConfig) -> bool:
    """Whether the discriminator's loss has been below its threshold for long."""
    return recent_loss(history, config) < saturated_below(config)


def faults(history: History, config: GANConfig) -> dict[str, str]:
    """Find what is wrong at the end of a history: a sentence by kind of fault."""
    found = {}
    if discriminator_saturated(history, config):
        found["saturation"] = (
            "the discriminator is saturated: its median loss over "
            f"{config.saturation_steps} steps is {recent_loss(history, config):.3g}, "
            f"below {saturated_below(config):.3g} (--gan.saturation-loss)"
        )
    diversities = history.series.get(DIVERSITY, {})
    share = diversities[max(diversities)] if diversities else math.nan
    if share < config.mode_collapse_share:
        found["mode collapse"] = (
            f"mode collapse: the samples are {share:.2f} times as "
            f"diverse as the real images, less than {config.mode_collapse_share:g} "
            "(--gan.mode-collapse-share)"
        )
    return found
