"""Training one U-Net until the paper's stopping rule ends it."""

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.config import UNetConfig
from tfgansynth.data.pipelines import Augment, epoch_batches, labelled
from tfgansynth.errors import RunError
from tfgansynth.runtime import checkpoints
from tfgansynth.runtime.devices import compile_step
from tfgansynth.runtime.progress import Progress
from tfgansynth.runtime.timing import RECORDS, START_UP, STEPS, VALIDATION, Timer
from tfgansynth.seeds import derive_seed
from tfgansynth.segmentation.history import Epoch, is_done, most_epochs, steps_an_epoch
from tfgansynth.segmentation.unet import build_optimizer, build_unet

_SECONDS_BETWEEN_CHECKPOINTS = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """Images with masks, real or synthetic.

    Attributes:
        images: float32 (n, S, S) in [0, 255].
        masks: bool (n, S, S).
        n_real: How many, the first ones, are real: told apart where a mini-batch has
            a share of them.
    """

    images: FloatArray
    masks: MaskArray
    n_real: int = 0


def train_unet(
    training: Labelled,
    validation: Labelled,
    config: UNetConfig,
    *,
    seed: int,
    folder: Path,
    provenance: Mapping[str, Any],
    label: str,
    augment: Augment | None = None,
    timer: Timer | None = None,
) -> tuple[keras.Model, list[Epoch]]:
    """Train a U-Net, going on from its newest checkpoint.

    Args:
        training: All pairs to train on.
        validation: Real cases that decide when to stop.
        config: The network's and the training's numbers.
        seed: Of initial weights and data order.
        folder: Takes `checkpoints/`.
        provenance: What all these are; saved with the weights.
        label: Names this U-Net in the progress line.
        augment: Changes each pair each time it is served.
        timer: Takes the time of start-up, input, steps, validation and records.

    Returns:
        The U-Net with the weights that the configuration keeps, and its history.

    Raises:
        RunError: An error or a weight is NaN or infinite. The last epoch without is
            saved and stays.
    """
    size = training.images.shape[1]
    timer = timer or Timer()
    with timer.part(START_UP):
        unet = build_unet(config, size=size, seed=derive_seed(seed, "weights"))
        state = UNetTraining(unet, build_optimizer(config))
        state.load(folder, provenance)
    step = compile_step(
        state.train_step,
        [
            tf.TensorSpec((None, size, size, 1), tf.float32),
            tf.TensorSpec((None, size, size), tf.int32),
        ],
    )
    validation_inputs, validation_targets = labelled(
        validation.images, validation.masks
    )
    errors = {"cross_entropy": state.error, "dice": state.dice_error}
    measure = tf.function(errors[config.validation_error])
    steps = steps_an_epoch(len(training.images), config)
    batches = timer.waits(
        epoch_batches(
            training.images,
            training.masks,
            batch=config.batch,
            seed=derive_seed(seed, "batches"),
            first_batch=len(state.history) * steps,
            n_real=training.n_real,
            real_share=config.real_share,
            augment=augment,
        )
    )
    saved_at = time.monotonic()
    with (
        _saved_on_interrupt(state, folder, provenance),
        Progress(
            f"{label} epoch",
            most_epochs(config, len(training.images)),
            may_end_early=not config.fixed_steps,
        ) as progress,
    ):
        while not is_done(state.history, config, len(training.images)):
            losses = []
            for inputs, targets in itertools.islice(batches, steps):
                with timer.call(STEPS):
                    losses.append(step(inputs, targets))
            with timer.part(STEPS):
                # Waits for a GPU, so that its steps do not count as validation.
                training_error = float(np.mean(losses))
            with timer.call(VALIDATION), state.averaged_weights():
                error = float(measure(validation_inputs, validation_targets))
            with timer.part(RECORDS):
                entry = Epoch(len(state.history) + 1, training_error, error)
                fault = state.fault(entry)
                if fault:
                    state.save(folder, provenance)
                    raise _stopped(fault, entry.epoch, folder)
                state.add(entry)
                progress.update(entry.epoch, f"validation error {error:.4f}")
                if time.monotonic() - saved_at > _SECONDS_BETWEEN_CHECKPOINTS:
                    state.save(folder, provenance)
                    saved_at = time.monotonic()
    if config.keep == "best":
        unet.set_weights(state.best)
    else:
        state.take_averages()
    return unet, state.history


@contextlib.contextmanager
def _saved_on_interrupt(
    state: "UNetTraining", folder: Path, provenance: Mapping[str, Any]
) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        epoch = state.save(folder, provenance)
        if epoch:
            print(f"{folder.name}: checkpoint of epoch {epoch} written")
        raise


def _stopped(fault: str, epoch: int, folder: Path) -> RunError:
    kept = checkpoints.newest_step(folder / "checkpoints")
    left = f"the checkpoint of epoch {kept} is kept" if kept else "nothing was saved"
    return RunError(
        f"{folder.name}: {fault} in epoch {epoch}: training stopped; {left}; try a "
        "lower --unet.learning-rate with another --out"
    )


class UNetTraining:
    """Everything that going on needs: network, optimizer, history, best weights."""

    def __init__(self, unet: keras.Model, optimizer: Any) -> None:
        """Start from a U-Net and an optimizer that have not been trained."""
        optimizer.build(unet.trainable_variables)
        self.unet = unet
        self.optimizer = optimizer
        self.history: list[Epoch] = []
        self.best = unet.get_weights()
        self._complete: dict[str, NDArray[Any]] = {}

    def error(self, inputs: Any, targets: Any) -> Any:
        """Mean cross-entropy over all pixels."""
        logits = self.unet(inputs, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_mean(losses)

    def dice_error(self, inputs: Any, targets: Any) -> Any:
        """1 minus the mean Dice coefficient of the cases, none of them empty."""
        logits = self.unet(inputs, training=False)
        predicted = tf.cast(logits[..., 1] > logits[..., 0], tf.float32)
        true = tf.cast(targets, tf.float32)
        overlap = tf.reduce_sum(predicted * true, axis=(1, 2))
        sizes = tf.reduce_sum(predicted + true, axis=(1, 2))
        return 1 - tf.reduce_mean(2 * overlap / sizes)

    def train_step(self, inputs: Any, targets: Any) -> Any:
        """Update the weights on one mini-batch; the loss before the update."""
        with tf.GradientTape() as tape:
            # No layer of this network behaves otherwise in training.
            loss = self.error(inputs, targets)
        gradients = tape.gradient(loss, self.unet.trainable_variables)
        self.optimizer.apply(gradients, self.unet.trainable_variables)
        return loss

    def take_averages(self) -> None:
        """Replace the weights by their running averages, if there are any."""
        self.optimizer.finalize_variable_values(self.unet.trainable_variables)

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Let the network have its averaged weights for a while."""
        own = self.unet.get_weights()
        self.take_averages()
        yield
        self.unet.set_weights(own)

    def fault(self, entry: Epoch) -> str:
        """Say what is NaN or infinite after an epoch; empty if nothing is."""
        errors = {
            "training error": entry.training_error,
            "validation error": entry.validation_error,
        }
        for name, error in errors.items():
            if not math.isfinite(error):
                return f"the {name} is {error}"
        # Weights of NaN may hide behind a ReLU, which makes zeros of it, and behind
        # the Dice of an empty mask.
        sound = all(np.isfinite(value).all() for value in self._variables().values())
        return "" if sound else "the weights are not finite"

    def add(self, entry: Epoch) -> None:
        """Close an epoch: note its errors, and the weights if they are the best."""
        earlier = [old.validation_error for old in self.history]
        if entry.validation_error < min(earlier, default=np.inf):
            with self.averaged_weights():
                self.best = self.unet.get_weights()
        self.history.append(entry)
        errors = [(e.training_error, e.validation_error) for e in self.history]
        # An interrupt comes in the middle of an epoch, and going on starts with a
        # whole one: only the state between two epochs is worth saving.
        self._complete = {
            **{key: np.asarray(v).copy() for key, v in self._variables().items()},
            **{f"best/{i:03d}": weight for i, weight in enumerate(self.best)},
            "history": np.array(errors, np.float64),
        }

    def save(self, folder: Path, provenance: Mapping[str, Any]) -> int:
        """Write the state after the last whole epoch of this attempt.

        Returns:
            That epoch; 0 if there is none, and nothing is written.
        """
        if not self._complete:
            return 0
        epoch = len(self._complete["history"])
        checkpoints.save(folder / "checkpoints", epoch, self._complete, provenance)
        return epoch

    def load(self, folder: Path, provenance: Mapping[str, Any]) -> None:
        """Go on from the newest checkpoint, if there is one."""
        arrays = checkpoints.load_newest(folder / "checkpoints", provenance)
        if arrays is None:
            return
        checkpoints.restore(self._variables(), arrays, folder)
        self.best = [arrays[f"best/{i:03d}"] for i in range(len(self.best))]
        self.history = [
            Epoch(number, float(training), float(validation))
            for number, (training, validation) in enumerate(arrays["history"], start=1)
        ]
        print(f"{folder.name}: going on after epoch {len(self.history)}")

    def _variables(self) -> dict[str, Any]:
        groups = {"unet": self.unet.variables, "optimizer": self.optimizer.variables}
        return {
            f"{group}/{index:03d}": variable
            for group, variables in groups.items()
            for index, variable in enumerate(variables)
        }
