"""The parts of a U-Net's training that run beside `fit`: stopping, time, records."""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.runtime import checkpoints
from tfgansynth.runtime.progress import Progress, remark
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.tensorboard import EventLog
from tfgansynth.runtime.timing import INPUT, RECORDS, STEPS, VALIDATION, Timer
from tfgansynth.segmentation.history import Epoch, rule_stops
from tfgansynth.segmentation.unet import UNet

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints in that of the stage."""
EVENTS_SIZE = "events_size"
"""Name of the event file's size in a checkpoint."""
_SECONDS_BETWEEN_CHECKPOINTS = 60.0

Logs = Mapping[str, Any] | None


class StopOnRisingAverage(keras.callbacks.Callback):
    """Stops `fit` when the running average of the validation error rises.

    Paper: IV-B, "until the average of the validation error over the last 10 epochs
    started to increase". The callback compares the mean of the last `window` epochs
    with the same mean one epoch before, so that it stops after `window + 1` epochs
    at the earliest. It works with any Keras model.

    Example:
        unet.fit(pairs, validation_data=validation, epochs=1000,
                 callbacks=[StopOnRisingAverage(unet.monitor)])

    Args:
        monitor: Name of the validation error in the logs of `fit`; lower is better.
        window: Epochs in the average.
        go_on_while_falling: Whether not to stop while the error itself is falling, as
            the paper's rule does where a low first error leaves the average; see
            `history.is_falling`.
        min_steps: Mini-batches before which the rule does not stop training. The
            paper names none.
        earlier: Validation errors of the epochs before this `fit`, oldest first,
            where a training is resumed. Keras's `BackupAndRestore` does not save
            them.

    Attributes:
        errors: Validation errors of all epochs so far, oldest first.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        window: int = 10,
        go_on_while_falling: bool = False,
        min_steps: int = 0,
        earlier: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.monitor = monitor
        self.window = window
        self.go_on_while_falling = go_on_while_falling
        self.min_steps = min_steps
        self.earlier = tuple(earlier)
        self.errors: list[float] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start from the epochs before this `fit`."""
        self.errors = list(self.earlier)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Stop if the average has risen.

        Raises:
            ValueError: The logs have no such error.
        """
        logs = logs or {}
        if self.monitor not in logs:
            raise ValueError(
                f"{self.monitor}: expected one of {', '.join(sorted(logs))}; call fit "
                "with validation_data"
            )
        self.errors.append(float(logs[self.monitor]))
        steps = int(self.model.optimizer.iterations)
        if steps >= self.min_steps and rule_stops(
            self.errors, self.window, go_on_while_falling=self.go_on_while_falling
        ):
            self.model.stop_training = True


class ValidateAverages(keras.callbacks.Callback):
    """Validates the running averages of the weights instead of the weights.

    Keras's `SwapEMAWeights` does so too, but its swap rounds the weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self._swap = contextlib.ExitStack()

    def on_test_begin(self, logs: Logs = None) -> None:
        """Put the averages in place."""
        self._swap.enter_context(self.model.averaged_weights())

    def on_test_end(self, logs: Logs = None) -> None:
        """Put the weights back."""
        self._swap.close()


class MeasureTime(keras.callbacks.Callback):
    """Splits the time of `fit` into input, steps, validation and records.

    Args:
        timer: Takes the seconds.
    """

    def __init__(self, timer: Timer) -> None:
        super().__init__()
        self._timer = timer

    def on_train_begin(self, logs: Logs = None) -> None:
        """Replace Keras's function, which takes input and step in one."""
        self._keras_function = self.model.train_function
        self.model.train_function = self._timed_step()

    def on_test_begin(self, logs: Logs = None) -> None:
        """End the steps and begin the validation."""
        self._timer.begin(STEPS)
        # Waits for a GPU, so that its steps do not count as validation.
        float(self.model.loss_mean.result())
        self._timer.begin_call(VALIDATION)

    def on_test_end(self, logs: Logs = None) -> None:
        """End the validation and begin the records, which the next epoch ends."""
        self._timer.begin(RECORDS)

    def on_train_end(self, logs: Logs = None) -> None:
        """End the records and restore Keras's function."""
        self._timer.end()
        self.model.train_function = self._keras_function

    def _timed_step(self) -> Callable[[Any], Any]:
        model, timer = self.model, self._timer

        @functools.cache
        def compiled(spec: Any) -> Any:
            # Compiled for all sizes of a mini-batch at once.
            return tf.function(
                model.train_step,
                input_signature=[spec],
                jit_compile=model.jit_compile,
                autograph=False,
            )

        def step(batches: Any) -> Any:
            timer.begin(INPUT)
            batch = next(batches)
            timer.begin_call(STEPS)
            scalars = compiled(batches.element_spec)(batch)
            timer.end()
            return scalars

        return step


class EpochRecords(keras.callbacks.Callback):
    """Records the errors of each epoch and the best weights; shows and saves them.

    An interrupt comes in the middle of an epoch, and a resumed training starts with
    a whole one: only the state between two epochs is worth saving.

    Args:
        stage: Its folder takes `checkpoints/`.
        history: The errors of the epochs before this `fit`; each epoch is added.
        best: The weights that are validated, as they were after the epoch with the
            lowest validation error.
        events: Takes the curves of both errors.
        progress: Takes the number of the epoch and the validation error.
        first_kept: Epochs before the first whose weights may be the best.
    """

    # Keras may call `on_train_batch_end` in another thread, so that a GPU need not
    # wait for it.
    async_safe = True

    def __init__(
        self,
        stage: Stage,
        history: list[Epoch],
        best: list[NDArray[Any]],
        events: EventLog,
        progress: Progress,
        first_kept: int = 0,
    ) -> None:
        super().__init__()
        self.history = history
        self._first_kept = first_kept
        self.best = best
        self._stage = stage
        self._events = events
        self._progress = progress
        self._losses: dict[int, float] = {}
        self._complete: dict[str, NDArray[Any]] = {}
        self._saved_at = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Forget the mini-batches of the epoch before."""
        self._losses = {}

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Take the loss of a mini-batch."""
        self._losses[batch] = (logs or {})["loss"]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Record and show an epoch; save it if the last time is long ago.

        Raises:
            FloatingPointError: An error or a weight is NaN or infinite.
        """
        losses = [self._losses[batch] for batch in sorted(self._losses)]
        entry = Epoch(
            epoch=epoch + 1,
            training_error=float(np.mean(np.array(losses, np.float32))),
            validation_error=float((logs or {})[self.model.monitor]),
        )
        variables = self.model.state().items()
        state = {name: np.array(value) for name, value in variables}
        fault = fault_of(entry, state)
        if fault:
            raise FloatingPointError(f"{fault} in epoch {entry.epoch}")
        kept = self.history[self._first_kept :]
        earlier = [old.validation_error for old in kept]
        if entry.validation_error < min(earlier, default=np.inf):
            with self.model.averaged_weights():
                self.best = self.model.get_weights()
        self.history.append(entry)
        self._show(entry)
        errors = [(old.training_error, old.validation_error) for old in self.history]
        self._complete = {
            **state,
            **{f"best/{i:03d}": weight for i, weight in enumerate(self.best)},
            "history": np.array(errors, np.float64),
            EVENTS_SIZE: np.array(self._events.size),
        }
        if time.monotonic() - self._saved_at > _SECONDS_BETWEEN_CHECKPOINTS:
            self.save()
            self._saved_at = time.monotonic()

    def save(self) -> None:
        """Write a checkpoint of the last whole epoch of this `fit`, if there is one."""
        if not self._complete:
            return
        self._events.flush()
        epoch = len(self._complete["history"])
        folder = self._stage.folder / CHECKPOINTS
        checkpoints.save(folder, epoch, self._complete, self._stage.provenance)

    def _show(self, entry: Epoch) -> None:
        self._events.scalar("error/training", entry.training_error, entry.epoch)
        self._events.scalar("error/validation", entry.validation_error, entry.epoch)
        self._events.show()
        words = f"validation error {entry.validation_error:.4f}"
        self._progress.update(entry.epoch, words)


def fault_of(entry: Epoch, state: Mapping[str, NDArray[Any]]) -> str:
    """Say what is NaN or infinite after an epoch; empty if nothing is."""
    errors = {
        "training error": entry.training_error,
        "validation error": entry.validation_error,
    }
    for name, error in errors.items():
        if not math.isfinite(error):
            return f"the {name} is {error}"
    # The errors do not show every NaN: a ReLU and the Dice of an empty mask hide it.
    finite = all(np.isfinite(value).all() for value in state.values())
    return "" if finite else "the weights are not finite"


def load_checkpoint(
    unet: UNet, stage: Stage
) -> tuple[list[Epoch], list[NDArray[Any]], int]:
    """Resume from the newest checkpoint, if there is one.

    Returns:
        The history, the best weights so far, and the bytes of the event file that
        belong to them. Without a checkpoint: no history, the first weights, 0.

    Raises:
        InputError: It is of another training, or of another network.
    """
    best = unet.get_weights()
    arrays = checkpoints.load_newest(stage.folder / CHECKPOINTS, stage.provenance)
    if arrays is None:
        return [], best, 0
    checkpoints.restore(unet.state(), arrays, stage.folder)
    history = [
        Epoch(number, float(training), float(validation))
        for number, (training, validation) in enumerate(arrays["history"], start=1)
    ]
    remark(f"resumed after epoch {len(history)}")
    best = [arrays[f"best/{i:03d}"] for i in range(len(best))]
    return history, best, int(arrays[EVENTS_SIZE])
