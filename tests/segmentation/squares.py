"""A tiny data set, a U-Net that learns it at once, and what disturbs its training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfgansynth.config import UNetConfig
from tfgansynth.data.pipelines import LabelledImages
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import Timer
from tfgansynth.segmentation.history import Epoch
from tfgansynth.segmentation.training import train_unet

SIDE = 16
TINY = UNetConfig(
    depth=1,
    maps=4,
    optimizer="adam",
    learning_rate=0.02,
    batch=4,
    max_epochs=4,
    keep="last",
)
FALLING = tuple(1 / (epoch + 1) for epoch in range(40))


def squares(count: int, seed: int) -> LabelledImages:
    """Bright squares on a dark, noisy ground, to be found."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 60, (count, SIDE, SIDE)).astype(np.float32)
    masks = np.zeros((count, SIDE, SIDE), np.bool_)
    for mask in masks:
        top, left = rng.integers(1, 9, 2)
        mask[top : top + 6, left : left + 6] = True
    images[masks] += 180
    return LabelledImages(images, masks.astype(np.uint8))


TRAINING, VALIDATION = squares(10, seed=1), squares(4, seed=2)
PROVENANCE = {"fold": 1}


STEPS_AN_EPOCH = 3


def train(
    folder: Path,
    config: UNetConfig = TINY,
    *,
    seed: int = 0,
    extra: Sequence[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, list[Epoch]]:
    return train_unet(
        TRAINING,
        VALIDATION,
        config,
        Stage(
            folder=folder,
            provenance=PROVENANCE,
            seed=seed,
            timer=Timer(),
            label="test",
        ),
        callbacks=extra,
    )


def validation_errors(history: list[Epoch]) -> list[float]:
    return [entry.validation_error for entry in history]


def same_weights(first: keras.Model, second: keras.Model) -> bool:
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def error_of(unet: keras.Model) -> float:
    """Mean cross-entropy over the validation pixels, in NumPy."""
    inputs = VALIDATION.images[..., None] / np.float32(127.5) - 1
    logits = np.asarray(unet(inputs, training=False)).astype(np.float64)
    chosen = np.where(VALIDATION.masks, logits[..., 1], logits[..., 0])
    return float(np.mean(np.logaddexp(logits[..., 0], logits[..., 1]) - chosen))


class MadeUp(keras.callbacks.Callback):
    """Lets training see a made-up curve of validation errors."""

    def __init__(self, curve: Sequence[float]) -> None:
        super().__init__()
        self.curve = curve

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        logs["val_loss"] = self.curve[epoch]


class Numbered(MadeUp):
    """Makes the first weights the number of their epoch; epochs 2 and 3 are best."""

    def __init__(self) -> None:
        super().__init__((0.5, 0.25, 0.25, 0.75))

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        super().on_epoch_end(epoch, logs)
        weights = self.model.trainable_variables[0]
        weights.assign(np.full(weights.shape, epoch + 1, np.float32))


class PowerCut(RuntimeError):
    """Ends a training without giving it time to save anything."""


class Interrupt(keras.callbacks.Callback):
    """Raises before a mini-batch of an epoch, both counted from 0."""

    def __init__(
        self, *, epoch: int, step: int, by: type[BaseException] = KeyboardInterrupt
    ) -> None:
        super().__init__()
        self.place = (epoch, step)
        self.by = by

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.place:
            raise self.by
