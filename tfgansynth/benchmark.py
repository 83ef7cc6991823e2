"""How long training takes on this machine. Needs no data."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfgansynth.config import Config
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.precision import resolve_precision
from tfgansynth.progress import duration
from tfgansynth.segmentation.training import UNetTraining
from tfgansynth.segmentation.unet import build_optimizer, build_unet

_WARM_UP_STEPS = 2
"""Steps not counted: the first compiles, the second fills caches."""


@dataclasses.dataclass(frozen=True, slots=True)
class StepTime:
    """Time of a training step.

    Attributes:
        network: GAN or U-Net.
        batch: Pairs a mini-batch.
        precision: Number format of the convolutions.
        seconds: Time of each measured step, in seconds.
    """

    network: str
    batch: int
    precision: str
    seconds: tuple[float, ...]

    @property
    def median_seconds(self) -> float:
        """Median time of a step in seconds."""
        return statistics.median(self.seconds)


def measure(config: Config, repeats: int) -> tuple[StepTime, StepTime]:
    """Time training steps of the GAN and of the U-Net on random pairs."""
    size = config.data.size
    rng = np.random.default_rng(0)
    gan = DCGAN(config.gan, size=size, seed=0)
    shape = (config.gan.batch, size, size, 2)
    pairs = tf.constant(rng.uniform(-1, 1, shape), tf.float32)
    gan_step = tf.function(gan.train_step)
    gan_seconds = _time(lambda: gan_step(pairs)["loss/generator"], repeats)

    unet = build_unet(config.unet, size=size, seed=0)
    training = UNetTraining(unet, build_optimizer(config.unet))
    inputs = tf.constant(
        rng.uniform(-1, 1, (config.unet.batch, size, size, 1)), tf.float32
    )
    targets = tf.constant(rng.integers(0, 2, (config.unet.batch, size, size)), tf.int32)
    unet_step = tf.function(training.train_step)
    unet_seconds = _time(lambda: unet_step(inputs, targets), repeats)
    return (
        StepTime(
            "GAN",
            config.gan.batch,
            resolve_precision(config.gan.precision),
            gan_seconds,
        ),
        StepTime(
            "U-Net",
            config.unet.batch,
            resolve_precision(config.unet.precision),
            unet_seconds,
        ),
    )


def report(config: Config, times: tuple[StepTime, StepTime]) -> str:
    """Say in plain text what was measured and what a fold's GAN will take."""
    lines = [
        f"{t.network} step, batch {t.batch}, {t.precision}: "
        f"{t.median_seconds:.3f} s (median of {len(t.seconds)})"
        for t in times
    ]
    whole = duration(times[0].median_seconds * config.gan.steps)
    lines.append(f"A fold's GAN of {config.gan.steps} steps takes about {whole} here.")
    return "\n".join(lines)


def _time(step: Callable[[], Any], repeats: int) -> tuple[float, ...]:
    seconds = []
    for _ in range(_WARM_UP_STEPS + repeats):
        start = time.perf_counter()
        # Fetching the loss waits for the step to end.
        float(step())
        seconds.append(time.perf_counter() - start)
    return tuple(seconds[_WARM_UP_STEPS:])
