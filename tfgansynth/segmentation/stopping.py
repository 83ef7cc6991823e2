"""The paper's stopping rule as a Keras callback."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfgansynth.segmentation.history import average_has_risen


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
        min_steps: int = 0,
        earlier: Sequence[float] = (),
    ) -> None:
        """Store the settings."""
        super().__init__()
        self.monitor = monitor
        self.window = window
        self.min_steps = min_steps
        self.earlier = tuple(earlier)
        self.errors: list[float] = []

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Start from the epochs before this `fit`."""
        self.errors = list(self.earlier)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
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
        if steps >= self.min_steps and average_has_risen(self.errors, self.window):
            self.model.stop_training = True
