"""The U-Net as a Keras user takes it: compile, fit, predict, save, load, resume."""

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tfgansynth.arrays import FloatArray
from tfgansynth.config import UNetConfig
from tfgansynth.data.pipelines import (
    LabelledImages,
    labelled_pairs,
    network_inputs,
    whole_set,
)
from tfgansynth.evaluation.metrics import dice
from tfgansynth.presets import PRESETS
from tfgansynth.segmentation.callbacks import StopOnRisingAverage, ValidateAverages
from tfgansynth.segmentation.losses import DiceError, PixelCrossEntropy
from tfgansynth.segmentation.optimizer import CaffeNesterov
from tfgansynth.segmentation.unet import UNet, build_unet, predict_masks

pytestmark = pytest.mark.slow

SIDE = 16
TINY = UNetConfig(depth=1, maps=4, optimizer="adam", learning_rate=0.02, batch=4)
AVERAGED = dataclasses.replace(
    TINY, optimizer="nesterov", learning_rate=0.01, momentum=0.9, average_decay=0.9
)
MODERN = dataclasses.replace(
    TINY, architecture="modern", depth=0, weight_decay=0.1, fixed_steps=12
)
STEPS_AN_EPOCH = 3


def noise(count: int, seed: int) -> LabelledImages:
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 255, (count, SIDE, SIDE)).astype(np.float32)
    return LabelledImages(images, (images > 140).astype(np.uint8))


TRAINING, VALIDATION = noise(10, seed=1), noise(4, seed=2)
IMAGES, CLASSES = network_inputs(VALIDATION.images, VALIDATION.masks)


def compiled(config: UNetConfig = TINY) -> UNet:
    unet = build_unet(config, size=SIDE, seed=3)
    unet.compile()
    return unet


def fit(
    unet: UNet,
    *,
    epochs: int = 4,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, list[float]]:
    pairs = labelled_pairs(TRAINING, batch=4, seed=5, first_batch=unet.steps_done)
    history = unet.fit(
        pairs,
        steps_per_epoch=STEPS_AN_EPOCH,
        epochs=epochs,
        validation_data=whole_set(VALIDATION),
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
    )
    found: dict[str, list[float]] = history.history
    return found


def assert_same_state(first: UNet, second: UNet) -> None:
    for (name, own), other in zip(
        first.state().items(), second.state().values(), strict=True
    ):
        np.testing.assert_array_equal(own, other, err_msg=name)


def test_compile_takes_the_configurations_own_settings() -> None:
    unet = build_unet(PRESETS["smoke"].unet, size=64, seed=0)
    unet.compile()
    assert isinstance(unet.optimizer, keras.optimizers.Adam)
    assert unet.optimizer.ema_momentum == PRESETS["smoke"].unet.average_decay
    assert isinstance(unet.loss, PixelCrossEntropy)
    assert unet.monitor == "val_dice_error"

    paper = dataclasses.replace(PRESETS["paper"].unet, depth=1, maps=4)
    unet = build_unet(paper, size=SIDE, seed=0)
    unet.compile()
    assert isinstance(unet.optimizer, CaffeNesterov)
    assert not unet.optimizer.use_ema
    assert unet.monitor == "val_loss"


def test_fit_shows_the_loss_and_the_validation_errors() -> None:
    unet = compiled()
    shown = fit(unet)
    assert set(shown) == {"loss", "val_loss", "val_dice_error"}
    assert shown["val_loss"][-1] < shown["val_loss"][0]
    assert unet.steps_done() == 4 * STEPS_AN_EPOCH


def test_fit_takes_arrays_too_and_any_optimizer_loss_and_metric() -> None:
    unet = build_unet(TINY, size=SIDE, seed=3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    unet.compile("sgd", loss, metrics=["accuracy"])
    history = unet.fit(IMAGES, CLASSES, batch_size=3, verbose=0)
    assert set(history.history) == {"loss", "accuracy"}
    shown = unet.evaluate(IMAGES, CLASSES, verbose=0, return_dict=True)
    assert set(shown) == {"loss", "accuracy", "dice_error"}
    # The mean over the cases, whatever the sizes of the mini-batches.
    whole = unet.evaluate(IMAGES, CLASSES, batch_size=4, verbose=0)
    parts = unet.evaluate(IMAGES, CLASSES, batch_size=3, verbose=0)
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


@pytest.mark.parametrize("data", [(IMAGES,), (IMAGES, CLASSES, np.ones(4))])
def test_batches_of_other_parts_are_refused(data: Any) -> None:
    unet = compiled()
    with pytest.raises(ValueError, match="images and classes, and nothing else"):
        unet.fit(*data[:2], sample_weight=data[2] if len(data) > 2 else None, verbose=0)


def test_predict_gives_the_logits() -> None:
    unet = compiled()
    logits = unet.predict(IMAGES, verbose=0)
    assert logits.shape == (4, SIDE, SIDE, 2)
    expected = predict_masks(unet, VALIDATION.images)
    np.testing.assert_array_equal(logits[..., 1] > logits[..., 0], expected)


def test_the_papers_rule_ends_fit() -> None:
    # So large a rate that the error rises soon.
    unet = compiled(dataclasses.replace(TINY, learning_rate=0.3))
    rule = StopOnRisingAverage(unet.monitor, window=2)
    shown = fit(unet, epochs=200, callbacks=[rule])
    errors = shown["val_loss"]
    assert len(errors) < 200
    assert errors == rule.errors
    rises = [b > a for a, b in zip(errors[:-2], errors[2:], strict=True)]
    assert rises == [False] * (len(rises) - 1) + [True]


@pytest.mark.parametrize(
    "config", [TINY, AVERAGED, MODERN], ids=["adam", "averaged", "modern"]
)
def test_a_saved_model_loads_with_its_optimizer_and_trains_on(
    tmp_path: Path, config: UNetConfig
) -> None:
    unet = compiled(config)
    fit(unet, epochs=2)
    unet.save(tmp_path / "unet.keras")
    again = keras.saving.load_model(tmp_path / "unet.keras")
    assert isinstance(again, UNet)
    assert again.config == config
    assert_same_state(again, unet)
    for model in (unet, again):
        fit(model, epochs=2)
    assert_same_state(again, unet)


LOAD = """
import sys
import keras, numpy as np
import tfgansynth
folder = sys.argv[1]
unet = keras.saving.load_model(f"{folder}/unet.keras")
np.save(f"{folder}/out.npy", unet.predict(np.load(f"{folder}/in.npy"), verbose=0))
"""


def test_another_process_loads_a_saved_model(tmp_path: Path) -> None:
    unet = compiled()
    unet.save(tmp_path / "unet.keras")
    np.save(tmp_path / "in.npy", IMAGES)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", LOAD, str(tmp_path)]
    subprocess.run(command, cwd=root, check=True)
    np.testing.assert_array_equal(
        np.load(tmp_path / "out.npy"), unet.predict(IMAGES, verbose=0)
    )


def test_saved_weights_are_loaded(tmp_path: Path) -> None:
    unet, other = compiled(), build_unet(TINY, size=SIDE, seed=4)
    other.compile()
    unet.save_weights(tmp_path / "unet.weights.h5")
    other.load_weights(tmp_path / "unet.weights.h5")
    for own, loaded in zip(unet.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(own, loaded)


class Stop(keras.callbacks.Callback):
    """Raises in the middle of an epoch."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.model.steps_done() == 2 * STEPS_AN_EPOCH + 1:
            raise InterruptedError


@pytest.mark.parametrize("config", [TINY, AVERAGED], ids=["adam", "averaged"])
def test_backup_and_restore_resumes_to_the_same_bit(
    tmp_path: Path, config: UNetConfig
) -> None:
    expected = compiled(config)
    fit(expected, callbacks=[ValidateAverages()])

    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(InterruptedError):
        fit(compiled(config), callbacks=[ValidateAverages(), backup, Stop()])
    resumed = compiled(config)
    shown = fit(resumed, callbacks=[ValidateAverages(), backup])

    assert len(shown["loss"]) == 2
    assert_same_state(resumed, expected)


def test_keras_writes_its_tensorboard(tmp_path: Path) -> None:
    fit(compiled(), callbacks=[keras.callbacks.TensorBoard(tmp_path)])
    assert list((tmp_path / "train").iterdir())
    assert list((tmp_path / "validation").iterdir())


def test_averages_follow_the_decay_and_are_in_the_optimizers_state() -> None:
    unet = compiled(dataclasses.replace(TINY, average_decay=0.9))
    expected: list[FloatArray] | None = None
    for _ in range(3):
        unet.train_on_batch(IMAGES, CLASSES)
        own = unet.get_weights()
        # The average starts from the weights after the first step.
        expected = (
            own
            if expected is None
            else [0.9 * e + 0.1 * w for e, w in zip(expected, own, strict=True)]
        )
    with unet.averaged_weights():
        averaged = unet.get_weights()

    assert expected is not None
    for e, a in zip(expected, averaged, strict=True):
        np.testing.assert_allclose(a, e, atol=1e-6)
    for o, w in zip(own, unet.get_weights(), strict=True):
        np.testing.assert_array_equal(o, w)
    assert any(np.abs(o - a).max() > 0 for o, a in zip(own, averaged, strict=True))
    shapes = [tuple(v.shape) for v in unet.optimizer.variables]
    assert all(shapes.count(w.shape) >= 3 for w in own)


def test_validation_takes_the_averages_and_training_the_weights() -> None:
    unet = compiled(dataclasses.replace(TINY, average_decay=0.9))
    seen = []

    class Spy(keras.callbacks.Callback):
        def on_test_begin(self, logs: Any = None) -> None:
            seen.append([np.array(weight) for weight in self.model.get_weights()])

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(self.model.get_weights())

    before = Spy(), Spy()
    fit(unet, epochs=1, callbacks=[before[0], ValidateAverages(), before[1]])
    weights, averages, after, _ = seen
    assert all(map(np.array_equal, weights, after))
    assert not all(map(np.array_equal, weights, averages))
    # `fit` ends with the averages, as Keras does it.
    assert all(map(np.array_equal, averages, unet.get_weights()))


def test_dice_error_is_one_minus_the_mean_dice_of_the_cases() -> None:
    unet = build_unet(TINY, size=SIDE, seed=3)
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (5, SIDE, SIDE)).astype(np.float32)
    truths = (rng.random((5, SIDE, SIDE)) < 0.4).astype(np.uint8)
    inputs, targets = network_inputs(images, truths)
    predictions = predict_masks(unet, images)
    assert predictions.any()
    each = [dice(a > 0, b > 0) for a, b in zip(predictions, truths, strict=True)]

    for sizes in ((5,), (3, 2), (1, 1, 1, 1, 1)):
        error = DiceError()
        for part in np.split(np.arange(5), np.cumsum(sizes)[:-1]):
            error.update_state(targets[part], unet(inputs[part]))
        assert float(error.result()) == pytest.approx(1 - np.mean(each), abs=1e-6)


def test_two_empty_masks_agree() -> None:
    error = DiceError()
    logits = np.stack([np.ones((1, 4, 4)), np.zeros((1, 4, 4))], -1)
    error.update_state(np.zeros((1, 4, 4), np.int32), logits.astype(np.float32))
    assert float(error.result()) == 0


def test_the_mean_of_one_mini_batch_is_its_value_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    for value in rng.random(50, np.float32):
        error = DiceError()
        error.add(value, 20)
        assert np.asarray(error.result()) == value


def test_cross_entropy_is_the_mean_over_all_pixels() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, 4, 2)).astype(np.float32)
    classes = rng.integers(0, 2, (2, 4, 4))
    own = np.take_along_axis(logits, classes[..., None], -1)[..., 0]
    expected = np.mean(np.logaddexp(logits[..., 0], logits[..., 1]) - own)
    assert float(PixelCrossEntropy()(classes, logits)) == pytest.approx(expected)


def test_a_size_that_cannot_be_halved_is_named() -> None:
    with pytest.raises(ValueError, match="size 15: expected a multiple of 2"):
        build_unet(TINY, size=15, seed=0)
