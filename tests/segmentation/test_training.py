import dataclasses
import re
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.event_files import points
from tfgansynth.config import UNetConfig
from tfgansynth.data.pipelines import LabelledImages, labelled_pairs, network_inputs
from tfgansynth.errors import InputError, RunError
from tfgansynth.runtime import checkpoints
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import Timer
from tfgansynth.segmentation import callbacks, training
from tfgansynth.segmentation.history import Epoch, remarks
from tfgansynth.segmentation.training import train_unet
from tfgansynth.segmentation.unet import build_unet, predict_masks

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
    return LabelledImages(images, masks)


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


@pytest.fixture(scope="module")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[keras.Model, list[Epoch]]:
    return train(tmp_path_factory.mktemp("uninterrupted"))


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


def test_bright_squares_are_learned(tmp_path: Path) -> None:
    unet, history = train(tmp_path, dataclasses.replace(TINY, max_epochs=40))
    assert history[0].validation_error > 0.1
    assert history[-1].validation_error < 0.04
    assert np.mean(predict_masks(unet, VALIDATION.images) == VALIDATION.masks) > 0.99


def test_history_tells_the_errors_of_every_epoch(
    uninterrupted: tuple[keras.Model, list[Epoch]],
) -> None:
    unet, history = uninterrupted
    assert [entry.epoch for entry in history] == [1, 2, 3, 4]
    assert history[-1].validation_error == pytest.approx(error_of(unet), rel=1e-4)
    errors = [entry.training_error for entry in history]
    assert errors[0] == pytest.approx(np.log(2), rel=0.5)
    assert errors[-1] < errors[0]


@pytest.mark.parametrize(
    ("curve", "min_steps", "expected"),
    [
        # Epoch 8 is the first one above the one three epochs before it.
        ((9, 8, 7, 6, 5, 6, 6, 5.5, 4, 3), 0, 8),
        # Three mini-batches an epoch: 24 are done after 8 epochs, 25 after 9, when
        # the average falls again; it next rises at epoch 11.
        ((9, 8, 7, 6, 5, 6, 6, 5.5, 4, 3, 6, 7), 24, 8),
        ((9, 8, 7, 6, 5, 6, 6, 5.5, 4, 3, 6, 7), 25, 11),
        ((5,) * 20, 0, 20),
        (FALLING, 0, 20),
        (tuple(-error for error in FALLING), 0, 4),
        # max_epochs ends a training in any case.
        (tuple(-error for error in FALLING), 10**6, 20),
    ],
)
def test_training_ends_where_the_rule_says(
    tmp_path: Path,
    curve: tuple[float, ...],
    min_steps: int,
    expected: int,
) -> None:
    config = dataclasses.replace(
        TINY, stop_window=3, min_steps=min_steps, max_epochs=20
    )
    _, history = train(tmp_path, config, extra=[MadeUp(curve)])
    assert len(history) == expected
    assert validation_errors(history) == list(curve[:expected])
    # What the bound has ended is said: the three curves that end at 20, and only if
    # the rule did not end them there.
    risen = curve[expected - 1] > curve[expected - 4]
    by_rule = risen and 3 * expected >= min_steps
    assert bool(remarks(history, config, len(TRAINING.images))) is not by_rule


def test_best_weights_are_those_of_the_lowest_error(
    tmp_path: Path, uninterrupted: tuple[keras.Model, list[Epoch]]
) -> None:
    # So large a rate that the error goes up again.
    config = dataclasses.replace(TINY, learning_rate=0.3, max_epochs=6)
    last, history = train(tmp_path / "last", config)
    best, same_history = train(
        tmp_path / "best", dataclasses.replace(config, keep="best")
    )
    assert same_history == history
    errors = validation_errors(history)
    assert min(errors) < errors[-1]
    assert error_of(last) == pytest.approx(errors[-1], rel=1e-4)
    assert error_of(best) == pytest.approx(min(errors), rel=1e-4)


def test_of_equally_good_epochs_the_first_is_best(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, keep="best")
    unet, _ = train(tmp_path, config, extra=[Numbered()])
    assert (unet.get_weights()[0] == 2).all()


def test_same_seed_trains_the_same_network_and_another_seed_another(
    tmp_path: Path, uninterrupted: tuple[keras.Model, list[Epoch]]
) -> None:
    unet, history = uninterrupted
    again, same_history = train(tmp_path / "again")
    assert same_weights(unet, again)
    assert same_history == history
    config = dataclasses.replace(TINY, max_epochs=1)
    other, other_history = train(tmp_path / "other", config, seed=1)
    assert not same_weights(unet, other)
    assert other_history != history[:1]


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


@pytest.mark.parametrize(
    ("optimizer", "between"),
    [("adam", -1.0), ("nesterov", 1e9)],
    ids=["adam, checkpoint every epoch", "nesterov, checkpoint on interrupt alone"],
)
def test_interrupted_training_goes_on_to_the_same_bit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    optimizer: Any,
    between: float,
) -> None:
    config = dataclasses.replace(
        TINY, optimizer=optimizer, learning_rate=0.01, momentum=0.9, keep="best"
    )
    expected, expected_history = train(tmp_path / "whole", config)
    monkeypatch.setattr(callbacks, "_SECONDS_BETWEEN_CHECKPOINTS", between)
    # In the middle of the third epoch: weights and momentum have moved on.
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "unet", config, extra=[Interrupt(epoch=2, step=1)])
    assert "unet: checkpoint of epoch 2 written" in capsys.readouterr().out
    unet, history = train(tmp_path / "unet", config)
    assert "unet: resumes after epoch 2" in capsys.readouterr().out
    assert history == expected_history
    assert same_weights(unet, expected)


def test_power_cut_goes_back_to_the_last_checkpoint_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uninterrupted: tuple[keras.Model, list[Epoch]],
) -> None:
    monkeypatch.setattr(callbacks, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    with pytest.raises(PowerCut):
        train(tmp_path, extra=[Interrupt(epoch=3, step=2, by=PowerCut)])
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-000002.npz", "step-000003.npz"]
    unet, history = train(tmp_path)
    assert history == uninterrupted[1]
    assert same_weights(unet, uninterrupted[0])


def test_best_weights_from_before_an_interrupt_stay_the_best(
    tmp_path: Path,
) -> None:
    config = dataclasses.replace(TINY, keep="best")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, config, extra=[Numbered(), Interrupt(epoch=3, step=0)])
    unet, history = train(tmp_path, config, extra=[Numbered()])
    assert len(history) == 4
    assert (unet.get_weights()[0] == 2).all()


def test_interrupt_in_the_first_epoch_leaves_nothing_to_resume_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, extra=[Interrupt(epoch=0, step=1)])
    assert not (tmp_path / "checkpoints").exists()
    assert "checkpoint" not in capsys.readouterr().out


def poison(monkeypatch: pytest.MonkeyPatch, *, epoch: int, step: int) -> None:
    """Put NaN into one mini-batch of an epoch, both counted from 0."""

    def poisoned(pairs: Any, **named: Any) -> Any:
        place = epoch * STEPS_AN_EPOCH + step - named["first_batch"]

        def change(number: Any, batch: Any) -> Any:
            inputs, targets = batch
            return inputs + tf.where(number == place, np.nan, 0.0), targets

        return labelled_pairs(pairs, **named).enumerate().map(change)

    monkeypatch.setattr(training, "labelled_pairs", poisoned)


def test_one_weight_that_is_no_number_is_a_fault() -> None:
    unet = build_unet(TINY, size=SIDE, seed=0)
    unet.compile()
    entry = Epoch(epoch=1, training_error=0.5, validation_error=0.5)
    state = {name: np.array(value) for name, value in unet.state().items()}
    assert callbacks.fault_of(entry, state) == ""

    state["unet/003"].flat[0] = np.nan

    assert callbacks.fault_of(entry, state) == "the weights are not finite"


@pytest.mark.parametrize("between", [-1.0, 1e9])
def test_weights_that_are_no_numbers_end_training_with_the_last_epoch_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uninterrupted: tuple[keras.Model, list[Epoch]],
    between: float,
) -> None:
    monkeypatch.setattr(callbacks, "_SECONDS_BETWEEN_CHECKPOINTS", between)
    with monkeypatch.context() as patch:
        # Where the processor's ReLU makes zeros of NaN, both errors of the epoch are
        # numbers, and only the weights tell.
        poison(patch, epoch=2, step=1)
        for _ in range(2):  # going on once more changes nothing
            with pytest.raises(RunError) as raised:
                train(tmp_path / "unet")
            assert re.fullmatch(
                "unet: the (weights are not finite|training error is nan) in epoch 3: "
                "training stopped; the checkpoint of epoch 2 is kept; try a lower "
                "--unet.learning-rate with another --out",
                str(raised.value),
            )
    kept = sorted(path.name for path in (tmp_path / "unet/checkpoints").iterdir())
    assert kept[-1] == "step-000002.npz"
    unet, history = train(tmp_path / "unet")
    assert history == uninterrupted[1]
    assert same_weights(unet, uninterrupted[0])


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"learning_rate": 1e30}, "the training error is (nan|inf)"),
        # One mini-batch an epoch: its own error is still a number.
        ({"learning_rate": 1e30, "batch": 10}, "the validation error is (nan|inf)"),
        (
            {"learning_rate": np.inf, "batch": 10, "validation_error": "dice"},
            "the weights are not finite",
        ),
    ],
)
def test_whatever_is_no_number_is_noticed_and_not_saved(
    tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    config = dataclasses.replace(TINY, **changes)

    with pytest.raises(RunError, match=f"{fault} in epoch 1.*nothing is saved"):
        train(tmp_path, config)
    assert not (tmp_path / "checkpoints").exists()


def test_checkpoints_are_written_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    monkeypatch.setattr(
        checkpoints, "save", lambda folder, step, *_: saved.append(step)
    )
    # An epoch looks at the clock once, and once more after it has saved.
    now = iter([0.0, 30.0, 60.0, 61.0, 61.0, 121.0, 121.5, 122.0, 150.0, 999.0, 999.0])
    clock = types.SimpleNamespace(monotonic=lambda: next(now))
    monkeypatch.setattr(callbacks, "time", clock)
    config = dataclasses.replace(TINY, max_epochs=7)
    train(tmp_path, config, extra=[MadeUp(FALLING)])
    assert saved == [3, 5, 7]


def test_training_that_is_over_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    config = dataclasses.replace(TINY, max_epochs=2)
    unet, history = train(tmp_path, config)
    again, same_history = train(tmp_path, config)
    assert same_history == history
    assert same_weights(again, unet)


def test_checkpoint_of_another_network_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    train(tmp_path, dataclasses.replace(TINY, max_epochs=1))
    with pytest.raises(InputError, match="other networks than configured"):
        train(tmp_path, dataclasses.replace(TINY, maps=5))


def test_both_errors_are_curves_in_tensorboard(
    tmp_path: Path, uninterrupted: tuple[keras.Model, list[Epoch]]
) -> None:
    _, history = uninterrupted
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, extra=[Interrupt(epoch=2, step=1)])
    train(tmp_path)

    # None comes twice: `points` sees to that.
    expected = {
        (f"error/{kind}", entry.epoch): np.float32(error)
        for entry in history
        for kind, error in (
            ("training", entry.training_error),
            ("validation", entry.validation_error),
        )
    }
    assert points(tmp_path / "tensorboard") == expected


def test_points_beyond_the_last_checkpoint_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "_SECONDS_BETWEEN_CHECKPOINTS", 1e9)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, extra=[Interrupt(epoch=1, step=1)])
    with pytest.raises(PowerCut):
        train(tmp_path, extra=[Interrupt(epoch=3, step=0, by=PowerCut)])
    # Epochs 2 and 3 are in the file, and in no checkpoint.
    assert len(points(tmp_path / "tensorboard")) == 6
    assert checkpoints.newest_step(tmp_path / "checkpoints") == 1
    train(tmp_path)
    assert len(points(tmp_path / "tensorboard")) == 8


def test_the_time_of_each_part_is_measured(tmp_path: Path) -> None:
    timer = Timer()
    stage = Stage(
        folder=tmp_path, provenance=PROVENANCE, seed=0, timer=timer, label="test"
    )
    unet, _ = train_unet(TRAINING, VALIDATION, TINY, stage)
    parts = {"start-up", "input", "steps", "validation", "records"}
    assert set(timer.seconds) == parts
    assert all(seconds > 0 for seconds in timer.seconds.values())
    assert 0.7 * timer.total < sum(timer.seconds.values()) <= timer.total
    # The model's own function is back: a second `fit` is not measured.
    before = dict(timer.seconds)
    unet.fit(*network_inputs(TRAINING.images, TRAINING.masks), batch_size=4, verbose=0)
    assert timer.seconds == before


def test_other_callbacks_join_in(tmp_path: Path) -> None:
    seen: list[int] = []
    spy = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _: seen.append(epoch)
    )
    train(tmp_path, extra=[spy])
    assert seen == [0, 1, 2, 3]
