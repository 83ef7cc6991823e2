"""What a contestant does in its worker: take training steps and watch the clock."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Stepper:
    """A network with everything that one training step needs.

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
        """Take no step yet."""
        self._step = step
        self._gpu_peak_bytes = gpu_peak_bytes

    def run(self, steps: int) -> float:
        """Take steps; the mean time of one in seconds."""
        start = time.perf_counter()
        for _ in range(steps):
            loss = self._step()
        float(loss)
        return (time.perf_counter() - start) / steps

    def device(self) -> str:
        """Where the steps run: `CPU` or `GPU`."""
        return "GPU" if self._gpu_peak_bytes else "CPU"

    def peak_bytes(self) -> int:
        """Highest memory use so far: the GPU's, or the process's resident memory."""
        return self._gpu_peak_bytes() if self._gpu_peak_bytes else resident_peak()


def tensorflow_stepper(step: Callable[[], Any]) -> Stepper:
    """A stepper of TensorFlow's, on the first GPU where it sees one."""
    import tensorflow as tf

    from tfgansynth.runtime.devices import gpus

    def gpu_peak_bytes() -> int:
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])

    return Stepper(step, gpu_peak_bytes if gpus() else None)


def resident_peak(status: Path = Path("/proc/self/status")) -> int:
    """Highest resident memory of this process so far, in bytes."""
    # Linux hands `ru_maxrss` down to a child, even through exec: it would be that
    # of the parent where the parent is larger.
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
