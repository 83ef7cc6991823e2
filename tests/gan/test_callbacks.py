"""The callbacks of a GAN's training, each used as a notebook uses it."""

import dataclasses
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.event_files import points
from tests.gan.small import state_of
from tfgansynth.arrays import ByteArray, FloatArray, to_signed
from tfgansynth.config import GANConfig
from tfgansynth.data.similarity import diversity
from tfgansynth.errors import InputError
from tfgansynth.gan import callbacks
from tfgansynth.gan.callbacks import Callbacks, ExactCheckpoint, StepTimer
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.health import DIVERSITY, History
from tfgansynth.gan.recording import (
    RATE,
    Fidelity,
    SampleGrid,
    StepCallback,
    TrainingLog,
    fixed_latent_vectors,
)
from tfgansynth.runtime.timing import INPUT, RECORDS, START_UP, STEPS, Timer

SIDE = 16
CONFIG = GANConfig(
    z_dim=5,
    generator_maps=(4,),
    discriminator_maps=(4,),
    batch=2,
    steps=40,
    sample_every=4,
    log_every=2,
)
NOISE = np.random.default_rng(0).integers(0, 256, (16, SIDE, SIDE), np.uint8)
EQUAL = np.stack([NOISE[0]] * 16)
LINES = np.full_like(NOISE, 20)
LINES[:, ::2] = 200
LINES += NOISE % 9
"""One image of fine lines, whose hashes are those of a little noise."""


def pairs_of(images: ByteArray) -> FloatArray:
    return np.stack([to_signed(images), to_signed(images)], axis=-1)


PAIRS = pairs_of(NOISE)


def make(config: GANConfig = CONFIG) -> DCGAN:
    gan = DCGAN(config, size=SIDE, seed=1)
    gan.compile()
    return gan


def fit(gan: DCGAN, *used: Any, steps: int = 4, epochs: int = 1) -> None:
    first = int(gan.step)
    data = tf.data.Dataset.from_tensor_slices(PAIRS).batch(2, drop_remainder=True)
    gan.fit(
        data.repeat().skip(first),
        steps_per_epoch=steps,
        epochs=epochs,
        callbacks=list(used),
        verbose=0,
        shuffle=False,
    )


class Drawing:
    """Stands for a GAN that draws what it is given."""

    def __init__(self, config: GANConfig = CONFIG) -> None:
        self.config = config
        self.generator = make(config).generator
        self.step = 0
        self.images = NOISE

    def __call__(self, z: Any) -> FloatArray:
        return pairs_of(self.images)


@pytest.mark.parametrize(
    ("real", "samples", "expected"),
    [
        (NOISE[:5], NOISE, diversity(NOISE) / diversity(NOISE[:5])),
        (NOISE, EQUAL, 0.0),
        (NOISE, LINES, 0.0),
        # Nothing can be less diverse than real images that are all equal.
        (EQUAL, EQUAL, 1.0),
    ],
)
def test_diversity_is_a_share_of_the_real_images(
    tmp_path: Path, real: ByteArray, samples: ByteArray, expected: float
) -> None:
    drawing = Drawing()
    drawing.images = samples
    with TrainingLog(tmp_path) as log:
        grid = SampleGrid(log, pairs_of(real), 128)
        for callback in (log, grid):
            callback.set_model(drawing)
        grid.on_samples(4)

    assert log.history.series == {DIVERSITY: {4: expected}}


def test_a_log_has_the_faults_of_its_last_samples(tmp_path: Path) -> None:
    drawing = Drawing(dataclasses.replace(CONFIG, mode_collapse_share=0.5))

    def draw(log: TrainingLog, step: int, images: ByteArray) -> None:
        grid = SampleGrid(log, PAIRS, 128)
        drawing.images = images
        for callback in (log, grid):
            callback.set_model(drawing)
        grid.on_samples(step)

    with TrainingLog(tmp_path) as log:
        for index, images in enumerate([NOISE, EQUAL, NOISE, EQUAL], start=1):
            draw(log, 4 * index, images)
            assert bool(log.faults) is (images is EQUAL)
    words = log.faults["mode collapse"]
    assert words.startswith("mode collapse: the samples are 0.00 times")


def test_saving_a_log_writes_the_history_and_returns_the_state(tmp_path: Path) -> None:
    with TrainingLog(tmp_path) as log:
        log.set_model(make())
        log.on_step_end(1, {"loss/discriminator": 7.0})  # not due
        log.on_step_end(2, {"loss/discriminator": 0.25, RATE: 3.0})
        saved = log.save()

    text = (tmp_path / "history.csv").read_text()
    assert text == "step,loss/discriminator\n2,0.25\n"
    assert History.from_arrays(saved) == log.history
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert int(saved["events_size"]) == events.stat().st_size
    assert points(tmp_path / "tensorboard")[RATE, 2] == 3


def test_the_latent_vectors_of_sample_grids_are_always_the_same() -> None:
    z = fixed_latent_vectors(7)

    assert z.shape == (16, 7)
    assert z.dtype == np.float32
    assert z.min() >= -1
    assert z.max() <= 1
    np.testing.assert_array_equal(z, fixed_latent_vectors(7))


def test_a_notebook_uses_them_with_a_plain_list_over_several_epochs(
    tmp_path: Path,
) -> None:
    gan, alone = make(), make()

    with TrainingLog(tmp_path) as log:
        fit(
            gan,
            log,
            SampleGrid(log, PAIRS, 150),
            Fidelity(log, PAIRS),
            ExactCheckpoint(log),
            steps=4,
            epochs=2,
        )
    fit(alone, steps=4, epochs=2)

    for name, array in state_of(gan).items():
        np.testing.assert_array_equal(array, state_of(alone)[name])
    series = log.history.series
    assert list(series["loss/generator"]) == [2, 4, 6, 8]
    assert list(series[DIVERSITY]) == list(series["fidelity/kid"]) == [0, 4, 8]
    assert len(list((tmp_path / "samples").iterdir())) == 3
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_fit_alone_resumes_from_a_checkpoint(tmp_path: Path) -> None:
    whole, first, second = make(), make(), make()
    fit(whole, steps=8)
    with TrainingLog(tmp_path) as log:
        fit(first, log, ExactCheckpoint(log), steps=4)
    with TrainingLog(tmp_path) as log:
        checkpoint = ExactCheckpoint(log)
        checkpoint.restore(second)
        assert int(second.step) == 4
        fit(second, log, checkpoint, steps=4)

    for name, array in state_of(second).items():
        np.testing.assert_array_equal(array, state_of(whole)[name])
    assert list(log.history.series["loss/generator"]) == [2, 4, 6, 8]
    with TrainingLog(tmp_path) as log, pytest.raises(InputError, match="another run"):
        fit(make(), log, ExactCheckpoint(log, {"fold": 2}), steps=1)


class Interrupt(StepCallback):
    """Sends Ctrl-C amid a step, and notes which steps end."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._at = step
        self.ended: list[int] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.first + batch + 1 == self._at:
            signal.raise_signal(signal.SIGINT)

    def on_step_end(self, step: int, scalars: dict[str, Any]) -> None:
        self.ended.append(step)


class Early(keras.callbacks.Callback):
    """Lets the checkpoint's callback come first when a step begins."""

    def __init__(self, checkpoint: ExactCheckpoint) -> None:
        super().__init__()
        self._checkpoint = checkpoint

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._checkpoint.on_train_batch_begin(batch)


def test_an_interrupt_falls_between_two_steps_and_saves(tmp_path: Path) -> None:
    gan, interrupt = make(), Interrupt(3)
    handler = signal.getsignal(signal.SIGINT)

    log = TrainingLog(tmp_path)
    with (
        pytest.raises(KeyboardInterrupt),
        log,
        ExactCheckpoint(log) as checkpoint,
    ):
        fit(gan, log, Early(checkpoint), interrupt, checkpoint)

    assert interrupt.ended == [1, 2, 3]
    assert [path.stem for path in (tmp_path / "checkpoints").iterdir()] == [
        "step-000003"
    ]
    assert signal.getsignal(signal.SIGINT) is handler


def test_signals_are_as_before_after_an_error(tmp_path: Path) -> None:
    class Failing(StepCallback):
        def on_step_end(self, step: int, scalars: dict[str, Any]) -> None:
            raise ZeroDivisionError

    handler = signal.getsignal(signal.SIGINT)
    log = TrainingLog(tmp_path)
    with (
        pytest.raises(ZeroDivisionError),
        log,
        ExactCheckpoint(log) as checkpoint,
    ):
        fit(make(), Failing(), checkpoint)

    assert signal.getsignal(signal.SIGINT) is handler
    assert not (tmp_path / "checkpoints").exists()


class Clock:
    """A clock that only moves when it is told to; a step takes `seconds`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.seconds = 100.0, 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(callbacks, "compile_step", lambda step: self.step)

    def step(self, batch: Any) -> dict[str, Any]:
        self.now += self.seconds
        return {"loss/generator": tf.constant(1.0)}

    def batches(self) -> Any:
        while True:
            self.now += 0.5
            yield None


def rates(
    clock: Clock, timer: Timer, log_every: int, seconds: list[float]
) -> dict[int, Any]:
    """Rates by step; records take ten seconds after each."""
    gan = make(dataclasses.replace(CONFIG, log_every=log_every, sample_every=99))
    watched = StepTimer(timer)
    watched.set_model(gan)
    watched.on_train_begin()
    watched.on_epoch_begin(0)
    found, batches = {}, clock.batches()
    for step, clock.seconds in enumerate(seconds, start=1):
        scalars = gan.train_function(batches)
        watched.on_step_end(step, scalars)
        clock.now += 10
        found[step] = scalars.get(RATE)
    watched.on_train_end()
    return {step: rate for step, rate in found.items() if rate}


def test_the_rate_is_that_of_the_steps_since_the_last_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timer = Timer()

    # The first step compiles.
    found = rates(Clock(monkeypatch), timer, 3, [60, 2, 2, 4, 4, 4, 1, 1, 1])

    assert found == {3: 0.5, 6: 0.25, 9: 1.0}
    assert timer.seconds == {RECORDS: 90, INPUT: 4.5, START_UP: 60, STEPS: 19}


def test_a_log_of_the_compiling_step_alone_has_its_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert rates(Clock(monkeypatch), Timer(), 1, [60, 4]) == {1: 1 / 60, 2: 0.25}


def test_scalars_are_read_only_where_they_are_needed() -> None:
    kinds = {}

    class Look(StepCallback):
        def on_step_end(self, step: int, scalars: dict[str, Any]) -> None:
            kinds[step] = isinstance(scalars["loss/generator"], float)

    gan = make(dataclasses.replace(CONFIG, log_every=3, sample_every=4))
    used = [StepTimer(Timer()), Look()]
    data = tf.data.Dataset.from_tensors(PAIRS).repeat()
    gan.fit(
        data,
        steps_per_epoch=6,
        callbacks=Callbacks(used, add_history=True, model=gan),
        verbose=0,
        shuffle=False,
    )

    assert kinds == {1: False, 2: False, 3: True, 4: True, 5: False, 6: True}


def test_progress_names_the_faults_that_the_log_finds(tmp_path: Path) -> None:
    shown: list[tuple[int, str]] = []
    log = TrainingLog(tmp_path)
    bar = SimpleNamespace(update=lambda step, note: shown.append((step, note)))
    show = callbacks.ShowProgress(bar, log)  # type: ignore[arg-type]
    show.on_step_end(11, {})
    log.faults = {"saturation": "the discriminator ...", "mode collapse": "..."}
    show.on_step_end(12, {})

    assert shown == [(11, ""), (12, "saturation, mode collapse")]
