"""The parts of a U-Net's training that run beside `fit`, as Keras callbacks."""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.runtime import checkpoints
from tfgansynth.runtime.progress import Progress
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.tensorboard import EventLog
from tfgansynth.runtime.timing import INPUT, RECORDS, STEPS, VALIDATION, Timer
from tfgansynth.segmentation.history import Epoch
from tfgansynth.segmentation.unet import UNet

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints in that of the stage."""
EVENTS_SIZE = "events_size"
"""Name of the event file's size in a checkpoint."""
_SECONDS_BETWEEN_CHECKPOINTS = 60.0

Logs = Mapping[str, Any] | None


class ValidateAverages(keras.callbacks.Callback):
    """Validates the running averages of the weights instead of the weights.

    Keras's `SwapEMAWeights` does so too, but its swap rounds the weights.
    """

    def __init__(self) -> None:
        """Start with the weights themselves."""
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
        """Start outside of all parts."""
        super().__init__()
        self._timer = timer
        self._part = contextlib.ExitStack()

    def on_train_begin(self, logs: Logs = None) -> None:
        """Separate the wait for each mini-batch from its step."""
        self._keras_step = self.model.train_function
        self.model.train_function = self._timed_step()

    def on_test_begin(self, logs: Logs = None) -> None:
        """End the steps and begin the validation."""
        with self._timer.part(STEPS):
            # Waits for a GPU, so that its steps do not count as validation.
            float(self.model.loss_mean.result())
        self._part.enter_context(self._timer.call(VALIDATION))

    def on_test_end(self, logs: Logs = None) -> None:
        """End the validation and begin the records."""
        self._part.close()
        self._part.enter_context(self._timer.part(RECORDS))

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """End the records of the epoch before."""
        self._part.close()

    def on_train_end(self, logs: Logs = None) -> None:
        """End the records and give the model its own function back."""
        self._part.close()
        self.model.train_function = self._keras_step

    def _timed_step(self) -> Callable[[Any], Any]:
        """Keras's own function takes the mini-batch and the step in one."""
        model, timer = self.model, self._timer

        @functools.cache
        def compiled(spec: Any) -> Any:
            # Compiled for all sizes of a mini-batch at once.
            return tf.function(
                model.train_step, input_signature=[spec], jit_compile=model.jit_compile
            )

        def step(batches: Any) -> Any:
            with timer.part(INPUT):
                batch = next(batches)
            with timer.call(STEPS):
                return compiled(batches.element_spec)(batch)

        return step


@dataclasses.dataclass(slots=True)
class Records:
    """What a training keeps beside the variables of model and optimizer.

    Attributes:
        history: The errors of the epochs so far.
        best: The weights that are validated, as they were after the epoch with the
            lowest validation error.
        state: `UNet.state` after the last epoch, copied.
    """

    history: list[Epoch]
    best: list[NDArray[Any]]
    state: dict[str, NDArray[Any]] = dataclasses.field(default_factory=dict)


class RecordEpochs(keras.callbacks.Callback):
    """Records the errors of each epoch and the best weights.

    Args:
        records: Takes them.
    """

    # Keras may call `on_train_batch_end` in another thread, so that a GPU need not
    # wait for it.
    async_safe = True

    def __init__(self, records: Records) -> None:
        """Store it."""
        super().__init__()
        self._records = records
        self._losses: dict[int, float] = {}

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Forget the mini-batches of the epoch before."""
        self._losses = {}

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Take the loss of a mini-batch."""
        self._losses[batch] = (logs or {})["loss"]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Record an epoch.

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
        self._records.state = state
        history = self._records.history
        earlier = [old.validation_error for old in history]
        if entry.validation_error < min(earlier, default=np.inf):
            with self.model.averaged_weights():
                self._records.best = self.model.get_weights()
        history.append(entry)


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


class ShowEpochs(keras.callbacks.Callback):
    """Shows the errors of each epoch, on the screen and in TensorBoard.

    Args:
        records: Those of `RecordEpochs`, which comes first.
        events: Takes the curves of both errors.
        progress: Takes the number of the epoch and the validation error.
    """

    def __init__(self, records: Records, events: EventLog, progress: Progress) -> None:
        """Store them."""
        super().__init__()
        self._records = records
        self._events = events
        self._progress = progress

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Show an epoch."""
        entry = self._records.history[-1]
        self._events.scalar("error/training", entry.training_error, entry.epoch)
        self._events.scalar("error/validation", entry.validation_error, entry.epoch)
        self._events.show()
        words = f"validation error {entry.validation_error:.4f}"
        self._progress.update(entry.epoch, words)


class Checkpoint(keras.callbacks.Callback):
    """Keeps the exact state between two epochs, and saves it now and then.

    An interrupt comes in the middle of an epoch, and a resumed training starts with
    a whole one: only the state between two epochs is worth saving.

    Args:
        stage: Its folder takes `checkpoints/`.
        records: Those of `RecordEpochs`, which comes first.
        events: Those of `ShowEpochs`, which comes first.
    """

    def __init__(self, stage: Stage, records: Records, events: EventLog) -> None:
        """Start the clock."""
        super().__init__()
        self._stage = stage
        self._records = records
        self._events = events
        self._complete: dict[str, NDArray[Any]] = {}
        self._saved_at = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Keep the state; save it if the last time is long ago."""
        errors = [(e.training_error, e.validation_error) for e in self._records.history]
        self._complete = {
            **self._records.state,
            **{f"best/{i:03d}": weight for i, weight in enumerate(self._records.best)},
            "history": np.array(errors, np.float64),
            EVENTS_SIZE: np.array(self._events.size),
        }
        if time.monotonic() - self._saved_at > _SECONDS_BETWEEN_CHECKPOINTS:
            self.save()
            self._saved_at = time.monotonic()

    def save(self) -> int:
        """Write the state after the last whole epoch of this `fit`.

        Returns:
            That epoch; 0 if there is none, and nothing is written.
        """
        if not self._complete:
            return 0
        self._events.flush()
        epoch = len(self._complete["history"])
        checkpoints.save(
            self._stage.folder / CHECKPOINTS,
            epoch,
            self._complete,
            self._stage.provenance,
        )
        return epoch


def load_checkpoint(unet: UNet, records: Records, stage: Stage) -> int:
    """Resume from the newest checkpoint, if there is one.

    Returns:
        Bytes of the event file that belong to it; 0 without a checkpoint.

    Raises:
        InputError: It is of another training, or of another network.
    """
    arrays = checkpoints.load_newest(stage.folder / CHECKPOINTS, stage.provenance)
    if arrays is None:
        return 0
    checkpoints.restore(unet.state(), arrays, stage.folder)
    records.best = [arrays[f"best/{i:03d}"] for i in range(len(records.best))]
    records.history = [
        Epoch(number, float(training), float(validation))
        for number, (training, validation) in enumerate(arrays["history"], start=1)
    ]
    print(f"{stage.folder.name}: resumes after epoch {len(records.history)}")
    return int(arrays[EVENTS_SIZE])
