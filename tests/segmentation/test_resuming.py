import dataclasses
import re
import types
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.event_files import points
from tests.segmentation.squares import (
    FALLING,
    SIDE,
    STEPS_AN_EPOCH,
    TINY,
    Interrupt,
    MadeUp,
    Numbered,
    PowerCut,
    same_weights,
    train,
)
from tfgansynth.data.pipelines import labelled_pairs
from tfgansynth.errors import InputError, RunError
from tfgansynth.runtime import checkpoints
from tfgansynth.segmentation import callbacks, training
from tfgansynth.segmentation.history import Epoch
from tfgansynth.segmentation.unet import build_unet

pytestmark = pytest.mark.slow


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
    newest = tmp_path / "unet/checkpoints/step-000002.safetensors"
    assert newest.exists()
    unet, history = train(tmp_path / "unet", config)
    assert capsys.readouterr().out == "resumed after epoch 2\n"
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
    assert kept == ["step-000002.safetensors", "step-000003.safetensors"]
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
    tmp_path: Path,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, extra=[Interrupt(epoch=0, step=1)])
    assert not (tmp_path / "checkpoints").exists()


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
        for _ in range(2):  # a second attempt changes nothing
            with pytest.raises(RunError) as raised:
                train(tmp_path / "unet")
            assert re.fullmatch(
                "unet: the (weights are not finite|training error is nan) in epoch 3: "
                "training stopped; the checkpoint of epoch 2 is kept; try a lower "
                "--unet.learning-rate with another --out",
                str(raised.value),
            )
    kept = sorted(path.name for path in (tmp_path / "unet/checkpoints").iterdir())
    assert kept[-1] == "step-000002.safetensors"
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
