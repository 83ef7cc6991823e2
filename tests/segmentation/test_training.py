import dataclasses
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.segmentation.squares import (
    FALLING,
    PROVENANCE,
    TINY,
    TRAINING,
    VALIDATION,
    MadeUp,
    Numbered,
    error_of,
    same_weights,
    train,
    validation_errors,
)
from tfgansynth.data.pipelines import network_inputs
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import Timer
from tfgansynth.segmentation.callbacks import MeasureTime
from tfgansynth.segmentation.history import Epoch, kept_dice, remarks
from tfgansynth.segmentation.training import train_unet
from tfgansynth.segmentation.unet import UNet, predict_masks


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


@pytest.mark.slow
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
    said = remarks(history, config, len(TRAINING.images)).keys()
    assert bool(said - {"stopped_while_falling"}) is not by_rule


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


def test_no_epoch_of_a_pretraining_is_the_best(tmp_path: Path) -> None:
    config = dataclasses.replace(
        TINY, keep="best", fixed_steps=12, steps_an_epoch=3, pretraining_steps=6
    )
    unet, history = train(tmp_path, config, extra=[Numbered()])
    # The second and the third are the best, and the second is of the pretraining.
    assert len(history) == 4
    assert (unet.get_weights()[0] == 3).all()
    errors = (0.1, 0.2, 0.4, 0.3)
    made = [Epoch(number, 0.0, error) for number, error in enumerate(errors, start=1)]
    measured = dataclasses.replace(config, validation_error="dice")
    assert kept_dice(made, measured) == pytest.approx(0.7)


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


def test_the_training_thread_waits_for_the_device_only_at_the_end_of_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One compiled step; Keras reads its loss in another thread."""
    traces, reads, reads_before = [], [], []
    tensor_type = type(tf.constant(0))
    step_of, read, timed = UNet.train_step, tensor_type._numpy, MeasureTime._timed_step

    def counted_step(unet: UNet, data: Any) -> dict[str, Any]:
        traces.append(1)
        return step_of(unet, data)

    def counted_read(tensor: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            reads.append(1)
        return read(tensor)

    def watched(timer: MeasureTime) -> Any:
        step = timed(timer)

        def watched_step(batches: Any) -> Any:
            reads_before.append(len(reads))
            return step(batches)

        return watched_step

    monkeypatch.setattr(UNet, "train_step", counted_step)
    monkeypatch.setattr(tensor_type, "_numpy", counted_read)
    monkeypatch.setattr(MeasureTime, "_timed_step", watched)
    train(tmp_path)

    assert len(traces) == 1
    waits = np.diff(reads_before)
    assert [step for step, count in enumerate(waits, start=1) if count] == [3, 6, 9]
