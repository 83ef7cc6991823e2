"""Training steps on random mini-batches: what an implementation does in its worker.

A step takes as long on noise as on radiographs.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray
from tfgansynth.config import Config
from tfgansynth.runtime.devices import gpus, resident_peak


class Stepper:
    """A network with everything that one training step needs, timed.

    Args:
        step: Takes one training step. `float()` of what it returns waits for the
            step to end.
        gpu_peak_bytes: Highest memory use of the GPU that the steps run on; None
            if they run on the processor.
    """

    def __init__(
        self,
        step: Callable[[], Any],
        gpu_peak_bytes: Callable[[], int] | None = None,
    ) -> None:
        """Keep the step; none is taken yet."""
        self._step = step
        self._gpu_peak_bytes = gpu_peak_bytes

    def run(self, steps: int) -> float:
        """Take steps; return the mean time of one in seconds."""
        start = time.perf_counter()
        for _ in range(steps):
            loss = self._step()
        float(loss)
        return (time.perf_counter() - start) / steps

    def device(self) -> str:
        """Return where the steps run: `CPU` or `GPU`."""
        return "GPU" if self._gpu_peak_bytes else "CPU"

    def peak_bytes(self) -> int:
        """Return the highest memory use so far: the GPU's, or the process's."""
        return self._gpu_peak_bytes() if self._gpu_peak_bytes else resident_peak()


def tensorflow_stepper(step: Callable[[], Any]) -> Stepper:
    """Make a stepper for TensorFlow, which uses the first GPU if it sees one."""
    import tensorflow as tf

    def gpu_peak_bytes() -> int:
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])

    return Stepper(step, gpu_peak_bytes if gpus() else None)


def random_pairs(config: Config) -> FloatArray:
    """Draw a mini-batch for the GAN: float32 (m, S, S, 2) in [-1, 1)."""
    size = config.data.size
    return _uniform((config.gan.batch, size, size, 2))


def random_cases(config: Config) -> tuple[FloatArray, NDArray[np.int32]]:
    """Draw a mini-batch for the U-Net.

    Returns:
        Images, float32 (m, S, S, 1) in [-1, 1), and classes, int32 (m, S, S).
    """
    size = config.data.size
    shape = (config.unet.batch, size, size)
    classes = np.random.default_rng(1).integers(0, 2, shape, np.int32)
    return _uniform((*shape, 1)), classes


def _uniform(shape: tuple[int, ...]) -> FloatArray:
    noise = np.random.default_rng(0).random(shape, np.float32)
    return np.asarray(2 * noise - 1, np.float32)
