"""Callbacks of `DCGAN.fit` that time, show, check and save a training.

Give callbacks to `fit` in the order of `training.train_gan`. A notebook may use any of
them:

    log = TrainingLog(folder)
    with log, ExactCheckpoint(log) as checkpoint:
        gan.fit(batches, callbacks=[log, SampleGrid(log, pairs, 150), checkpoint])
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from tfgansynth.errors import InputError
from tfgansynth.gan import health
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.recording import RATE, StepCallback, TrainingLog
from tfgansynth.runtime import checkpoints
from tfgansynth.runtime.devices import compile_step
from tfgansynth.runtime.progress import Progress
from tfgansynth.runtime.signals import deferred_signals
from tfgansynth.runtime.timing import INPUT, RECORDS, STEPS, Timer


def load_checkpoint(
    gan: DCGAN, folder: Path, provenance: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Set the state of a compiled GAN from the newest of its folder's `checkpoints/`.

    Returns:
        All arrays of the checkpoint; empty if there is none.

    Raises:
        InputError: It is of other networks, or of a longer training.
    """
    arrays = checkpoints.load_newest(folder / "checkpoints", provenance)
    if arrays is None:
        return {}
    checkpoints.restore(gan.state(), arrays, folder)
    step = int(gan.step)
    if step > gan.config.steps:
        raise InputError(
            f"{folder}: its GAN is at step {step}, beyond the {gan.config.steps} "
            "configured: name another --out"
        )
    return arrays


class StepTimer(StepCallback):
    """Measures training steps apart from their input and from all that is recorded.

    It adds the rate since the last log to the scalars of each step that is logged. The
    first step, which compiles, counts only where it is the only one. The callback is
    for one device and one step an execution.

    Args:
        timer: Takes the time of input, steps and records.
    """

    def __init__(self, timer: Timer) -> None:
        super().__init__()
        self._timer = timer
        self._steps, self._seconds = -1, 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Replace Keras's function, which takes input and step in one."""
        self._keras_function = self.model.train_function
        self._compiled = compile_step(self.model.train_step)
        self.model.train_function = self._timed_step

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Count what other callbacks do before the first step as records."""
        super().on_epoch_begin(epoch)
        self._timer.begin(RECORDS)

    def on_step_end(self, step: int, scalars: dict[str, Any]) -> None:
        """Stop the clock; read the scalars if anything needs them."""
        if self.logs_at(step) or self.samples_at(step):
            # Waits for a GPU, so that its steps do not count as records.
            scalars.update({name: float(value) for name, value in scalars.items()})
        seconds = time.perf_counter() - self._start
        if self._steps >= 0:
            self._seconds += seconds
        self._steps += 1
        if self.logs_at(step):
            # A log of the compiling step alone has its rate: each log has a point, so
            # that a resumed training writes as many.
            scalars[RATE] = self._steps / self._seconds if self._steps else 1 / seconds
            self._steps, self._seconds = 0, 0.0
        self._timer.begin(RECORDS)

    def on_train_end(self, logs: Any = None) -> None:
        """Stop all clocks and restore Keras's function."""
        self._timer.end()
        self.model.train_function = self._keras_function

    def _timed_step(self, batches: Iterator[Any]) -> Any:
        self._timer.begin(INPUT)
        batch = next(batches)
        self._timer.begin_call(STEPS)
        self._start = time.perf_counter()
        return self._compiled(batch)


class ShowProgress(StepCallback):
    """Shows how far the training is, and which faults its log finds."""

    def __init__(self, progress: Progress, log: TrainingLog) -> None:
        super().__init__()
        self._progress = progress
        self._log = log

    def on_step_end(self, step: int, scalars: dict[str, Any]) -> None:
        """Move the bar."""
        self._progress.update(step, ", ".join(self._log.faults))


class ExactCheckpoint(StepCallback):
    """Saves the whole state of a training, so that it is resumed to the bit.

    The last callback: a step and its records are one. Used as a context around `fit`,
    it lets an interrupt (Ctrl-C) fall between two steps only, and saves then.

    Args:
        log: The training's log; the checkpoints go to `checkpoints/` in its folder.
        provenance: What is trained, and on which cases; plain for JSON. A checkpoint
            of another provenance is refused.
    """

    def __init__(
        self, log: TrainingLog, provenance: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self._log = log
        self._provenance = provenance or {}
        self._restored = False
        self._deferral: contextlib.ExitStack | None = None

    def __enter__(self) -> Self:
        self._deferral = contextlib.ExitStack()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: Any, trace: Any
    ) -> None:
        """Save where the training was interrupted."""
        assert self._deferral
        self._deferral.__exit__(kind, error, trace)
        self._deferral = None
        if isinstance(error, KeyboardInterrupt) and self._restored:
            step = int(self.model.step)
            if step:
                self.save(step)

    def restore(self, gan: DCGAN) -> None:
        """Set a compiled GAN and the log from the newest checkpoint, if there is one.

        `fit` does so by itself. Call it before `fit` where the data must be those that
        come after the restored step.

        Raises:
            InputError: The checkpoint is of another training.
        """
        arrays = load_checkpoint(gan, self._log.folder, self._provenance)
        if arrays:
            self._log.restore(arrays)
        self._restored = True

    def on_train_begin(self, logs: Any = None) -> None:
        """Restore the newest checkpoint."""
        if not self._restored:
            self.restore(self.model)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Let interrupts wait."""
        if self._deferral:
            self._deferral.enter_context(deferred_signals())

    def on_step_end(self, step: int, scalars: dict[str, Any]) -> None:
        """Save if it is due; then let interrupts come."""
        if self.samples_at(step):
            self.save(step)
        if self._deferral:
            self._deferral.close()

    def save(self, step: int) -> None:
        """Write a checkpoint.

        Raises:
            RunError: A weight is NaN or infinite.
        """
        state = {name: np.asarray(value) for name, value in self.model.state().items()}
        self._log.stop_at(step, health.fault_of_weights(state))
        # The log first: a checkpoint of the last step says that all is done.
        arrays = {**state, **self._log.save()}
        folder = self._log.folder / "checkpoints"
        checkpoints.save(folder, step, arrays, self._provenance)


class Callbacks(keras.callbacks.CallbackList):
    """Gives callbacks the scalars of a step as tensors.

    Keras's own list reads them all after each step, for which a GPU has to wait.
    """

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Call all callbacks with the same, changeable scalars."""
        scalars = dict(logs or {})
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, scalars)
