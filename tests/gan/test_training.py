import dataclasses
import math
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests import once
from tests.event_files import Points, points
from tests.gan.small import state_of
from tfgansynth.arrays import FloatArray, split_pair
from tfgansynth.config import GANConfig
from tfgansynth.errors import InputError, RunError
from tfgansynth.evaluation.generative_metrics import FeatureFigures
from tfgansynth.gan import callbacks, recording, training
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.health import faults
from tfgansynth.gan.recording import fidelity_figures, fixed_latent_vectors
from tfgansynth.gan.training import load_gan, train_gan
from tfgansynth.records.reading.trainings import generator_hash, read_gan_history
from tfgansynth.runtime import checkpoints as checkpoint_files
from tfgansynth.runtime import storage, weights
from tfgansynth.runtime.progress import Progress
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import Timer

pytestmark = pytest.mark.slow

SIZE = 8
STEPS = 6
# The best preset's path, where the state is largest: averages, singular vectors, codes.
SMALL = GANConfig(
    z_dim=6,
    latent_codes=True,
    generator_maps=(8,),
    discriminator_maps=(6,),
    discriminator_norm="spectral",
    loss="hinge",
    augment="differentiable",
    augment_shift=2,
    augment_cutout=4,
    average_decay=0.995,
    batch=4,
    steps=STEPS,
    sample_every=2,
    log_every=3,
)
# Six cases to batches of four: an interruption falls inside a pass.
PAIRS = np.random.default_rng(0).uniform(-1, 1, (6, SIZE, SIZE, 2)).astype(np.float32)
VALIDATION = np.tanh(
    np.random.default_rng(1).normal(0, 0.3, (18, SIZE, SIZE, 2))
).astype(np.float32)
FIDELITY = {f"fidelity/{f.name}" for f in dataclasses.fields(FeatureFigures)}

PROVENANCE = {"fold": 1}


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    """Do not trace the same step again and again; `finished` is a GAN of its own."""
    with once.networks_traced():
        yield


def train(
    folder: Path, config: GANConfig = SMALL, validation: FloatArray = VALIDATION
) -> DCGAN:
    stage = Stage(folder, PROVENANCE, 1, Timer(), "GAN")
    gan, _ = train_gan(PAIRS, validation, config, stage, mask_threshold=150)
    return gan


def load(folder: Path, config: GANConfig = SMALL) -> DCGAN:
    return load_gan(
        config, size=SIZE, n_cases=6, seed=1, folder=folder, provenance=PROVENANCE
    )


def assert_same(ours: DCGAN, theirs: dict[str, NDArray[Any]]) -> None:
    state = state_of(ours)
    assert state.keys() == theirs.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let Ctrl-C come amid the records of a step."""

    class Interrupted(Progress):
        def update(self, done: int, note: str = "") -> None:
            super().update(done, note)
            if done == step:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training, "Progress", Interrupted)


class PowerCut(RuntimeError):
    """Ends a training without giving it time to save anything."""


def cut_power(monkeypatch: pytest.MonkeyPatch, step: int, *, before_save: bool) -> None:
    """End training at a step: amid its records, or with all but its checkpoint."""
    original = checkpoint_files.save

    def cut_before_save(folder: Path, number: int, *rest: Any) -> None:
        if number == step:
            raise PowerCut
        original(folder, number, *rest)

    class Cut(Progress):
        def update(self, done: int, note: str = "") -> None:
            if done == step:
                raise PowerCut
            super().update(done, note)

    if before_save:
        monkeypatch.setattr(checkpoint_files, "save", cut_before_save)
    else:
        monkeypatch.setattr(training, "Progress", Cut)


def timeless(folder: Path) -> Points:
    """All points of a training but the clock's."""
    return {
        (tag, step): values
        for (tag, step), values in points(folder / "tensorboard").items()
        if tag != "steps_per_second"
    }


def assert_same_records(ours: Path, theirs: Path) -> None:
    """TensorBoard, history and sheets: without gaps, doubles or differences."""
    our_points, their_points = timeless(ours), timeless(theirs)
    assert our_points.keys() == their_points.keys()
    for key, values in our_points.items():
        np.testing.assert_array_equal(values, their_points[key], err_msg=str(key))
    for name in ("history.csv", *(f"samples/step-{n:06d}.png" for n in (0, 2, 4, 6))):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


@dataclasses.dataclass
class Finished:
    folder: Path
    gan: DCGAN
    state: dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """An uninterrupted training, to look at only."""
    folder = tmp_path_factory.mktemp("gan")
    gan = train(folder)
    return Finished(folder, gan, state_of(gan))


def test_training_ends_at_its_last_step_with_its_last_two_checkpoints(
    finished: Finished,
) -> None:
    assert int(finished.gan.step) == STEPS
    assert checkpoints(finished.folder) == [
        "step-000004.safetensors",
        "step-000006.safetensors",
    ]
    assert_same(load(finished.folder), finished.state)
    with pytest.raises(InputError, match="at step 6 of 7"):
        load(finished.folder, dataclasses.replace(SMALL, steps=7))


def test_a_finished_training_loads_as_it_ended(finished: Finished) -> None:
    assert_same(load(finished.folder), finished.state)


def test_a_finished_training_is_not_trained_again(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "gan_pairs", None)

    assert_same(train(finished.folder), finished.state)


def test_there_is_a_sample_sheet_at_the_start_and_every_few_steps(
    finished: Finished,
) -> None:
    sheets = sorted((finished.folder / "samples").iterdir())

    assert [sheet.name for sheet in sheets] == [
        "step-000000.png",
        "step-000002.png",
        "step-000004.png",
        "step-000006.png",
    ]
    pictures = [np.asarray(Image.open(sheet)) for sheet in sheets]
    # Two blocks of two rows of eight tiles, enlarged twice.
    tile = 2 * SIZE + 4
    assert {picture.shape for picture in pictures} == {
        (2 * (2 * tile + 4), 8 * tile + 4, 3)
    }
    assert np.any(pictures[0] != pictures[-1])


def tags(events: EventAccumulator, plugin: str) -> set[str]:
    return {
        tag
        for tag, metadata in events.summary_metadata.items()
        if metadata.plugin_data.plugin_name == plugin
    }


def test_tensorboard_shows_scalars_samples_and_histograms(finished: Finished) -> None:
    events = EventAccumulator(str(finished.folder / "tensorboard")).Reload()

    # TensorFlow 2 writes all kinds as tensors; a plugin's name tells them apart.
    scalars, images, histograms = (
        tags(events, kind) for kind in ("scalars", "images", "histograms")
    )
    assert scalars == {
        "gradient_norm/discriminator",
        "gradient_norm/generator",
        "loss/latent_codes",
        "loss/discriminator",
        "loss/generator",
        "probability_real/real",
        "probability_real/synthetic",
        "health/discriminator_saturated",
        "health/diversity",
        "steps_per_second",
        *FIDELITY,
    }
    assert images == {"samples/image", "samples/mask", "samples/outline"}
    assert len(histograms) == len(finished.gan.generator.trainable_variables)
    losses = events.Tensors("loss/generator")
    assert [event.step for event in losses] == [3, 6]
    for event in losses:
        assert np.isfinite(event.tensor_proto.float_val).all()
    samples = events.Tensors("samples/outline")
    assert [event.step for event in samples] == [0, 2, 4, 6]


@pytest.mark.parametrize("step", [1, 4])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    step: int,
    finished: Finished,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(patch, step)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path)
    assert f"step-{step:06d}.safetensors" in checkpoints(tmp_path)
    with pytest.raises(InputError, match=f"at step {step} of {STEPS}"):
        load(tmp_path)

    gan = train(tmp_path)

    assert f"resumed after step {step} of {STEPS}\n" in capsys.readouterr().out
    assert_same(gan, finished.state)
    assert_same_records(tmp_path, finished.folder)
    assert_same(load(tmp_path), finished.state)


def test_an_interrupt_before_the_first_step_leaves_nothing_to_resume(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(z_dim: int) -> Any:
        signal.raise_signal(signal.SIGINT)
        return fixed_latent_vectors(z_dim)

    with monkeypatch.context() as patch:
        patch.setattr(recording, "fixed_latent_vectors", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path)
    assert not (tmp_path / "checkpoints").exists()

    assert_same(train(tmp_path), finished.state)
    assert_same_records(tmp_path, finished.folder)


@pytest.mark.parametrize(
    ("step", "before_save"), [(1, False), (3, False), (5, False), (4, True), (6, True)]
)
def test_a_killed_training_ends_as_if_it_had_not_been(
    step: int,
    before_save: bool,
    finished: Finished,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        cut_power(patch, step, before_save=before_save)
        with pytest.raises(PowerCut):
            train(tmp_path)
    # What a kill leaves of a write.
    with next((tmp_path / "tensorboard").iterdir()).open("ab") as file:
        file.write(b"half a record")

    assert_same(train(tmp_path), finished.state)
    assert_same_records(tmp_path, finished.folder)


def test_a_torn_checkpoint_falls_back_to_the_one_before(
    finished: Finished,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in checkpoints(finished.folder):
        whole = (finished.folder / "checkpoints" / name).read_bytes()
        torn = name == "step-000006.safetensors"
        path = tmp_path / "checkpoints" / name
        path.write_bytes(whole[: len(whole) // 2] if torn else whole)

    gan = train(tmp_path)

    lines = capsys.readouterr().out.splitlines()
    assert "step-000006.safetensors: cannot be read" in lines[0]
    assert lines[0].endswith("going on from the one before, or from the beginning")
    assert lines[1] == "resumed after step 4 of 6"
    assert_same(gan, finished.state)
    # The torn one has been written anew.
    assert_same(load(tmp_path), finished.state)


@pytest.mark.parametrize(
    "other", [{"generator_maps": (7,)}, {"discriminator_maps": (5,)}, {"z_dim": 7}]
)
def test_a_checkpoint_of_other_networks_is_refused(
    finished: Finished, other: dict[str, Any]
) -> None:
    config = dataclasses.replace(SMALL, **other)

    for use in (train, load):
        with pytest.raises(
            InputError, match="other networks than configured"
        ) as raised:
            use(finished.folder, config)
        assert str(finished.folder) in str(raised.value)
    assert_same(load(finished.folder), finished.state)


@pytest.mark.parametrize("decay", [0.0, 0.9])
@pytest.mark.parametrize("latent_codes", [False, True])
def test_a_checkpoint_tells_the_hash_of_its_generator(
    tmp_path: Path, decay: float, latent_codes: bool
) -> None:
    config = GANConfig(
        generator_maps=(4, 6),
        discriminator_maps=(4, 6),
        z_dim=5,
        average_decay=decay,
        latent_codes=latent_codes,
    )
    gan = DCGAN(config, size=16, seed=1, n_cases=3)
    gan.compile()
    pairs = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 2)).astype(np.float32)
    gan.set_cases(pairs)
    gan.fit(pairs, batch_size=3, verbose=0)
    checkpoint_files.save(tmp_path / "checkpoints", 1, gan.state(), {})

    sampled = gan.sampling_generator().get_weights()

    assert generator_hash(tmp_path) == storage.hash_arrays(sampled)


def test_unfinished_training_is_not_taken_for_a_trained_gan(
    finished: Finished, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"is at step 0 of {STEPS}.*train-gan"):
        load(tmp_path)

    longer = dataclasses.replace(SMALL, steps=STEPS + 1)
    with pytest.raises(InputError, match=f"is at step {STEPS} of {STEPS + 1}"):
        load(finished.folder, longer)


def test_a_checkpoint_beyond_the_last_step_is_refused(finished: Finished) -> None:
    shorter = dataclasses.replace(SMALL, steps=STEPS - 1)

    for use in (train, load):
        with pytest.raises(InputError, match=f"at step {STEPS}, beyond the 5 config"):
            use(finished.folder, shorter)


def test_the_history_has_every_logged_and_every_sampled_step(
    finished: Finished,
) -> None:
    header, *lines = (finished.folder / "history.csv").read_text().splitlines()

    assert header.split(",") == [
        "step",
        *sorted(FIDELITY),
        "gradient_norm/discriminator",
        "gradient_norm/generator",
        "health/diversity",
        "loss/discriminator",
        "loss/generator",
        "loss/latent_codes",
        "probability_real/real",
        "probability_real/synthetic",
    ]
    rows = [
        dict(zip(header.split(","), line.split(","), strict=True)) for line in lines
    ]
    assert [row["step"] for row in rows] == ["0", "2", "3", "4", "6"]
    for name in ("health/diversity", *FIDELITY):
        assert [row["step"] for row in rows if row[name]] == ["0", "2", "4", "6"]
    for name in ("loss/discriminator", "gradient_norm/generator"):
        assert [row["step"] for row in rows if row[name]] == ["3", "6"]
    shown = timeless(finished.folder)
    for row in rows:
        for name in ("loss/discriminator", *FIDELITY):
            if row[name]:
                point = shown[name, int(row["step"])]
                assert np.float32(row[name]) == np.float32(point)


def test_fidelity_is_that_of_the_weights_sampled_from(finished: Finished) -> None:
    generator = finished.gan.sampling_generator()

    found = fidelity_figures(
        VALIDATION, lambda z: np.asarray(generator(z, training=True)), SMALL
    )

    path = finished.folder / "checkpoints/step-000006.safetensors"
    arrays, _ = weights.read_weights(path)
    assert found.keys() == FIDELITY
    for name, value in found.items():
        assert arrays[f"history/{name}"][-1].tolist() == [STEPS, value]
    points = arrays["history/fidelity/kid"]
    assert len(np.unique(points[:, 1])) == len(points)


def test_nothing_but_fidelity_depends_on_validation_cases(
    finished: Finished, tmp_path: Path
) -> None:
    # Too few for any figure, so that nothing is drawn for them.
    gan = train(tmp_path, validation=VALIDATION[:4])

    assert_same(gan, finished.state)
    ours, theirs = timeless(tmp_path), timeless(finished.folder)
    assert {tag for tag, _ in theirs.keys() - ours.keys()} == FIDELITY
    for key, values in ours.items():
        np.testing.assert_array_equal(values, theirs[key], err_msg=str(key))
    for sheet in (tmp_path / "samples").iterdir():
        theirs_too = finished.folder / "samples" / sheet.name
        assert sheet.read_bytes() == theirs_too.read_bytes()


ILL = dataclasses.replace(
    SMALL, saturation_loss=1e9, saturation_steps=6, mode_collapse_share=1e9
)
"""Counts every training as failed, in both ways."""


def remarks_of(folder: Path, config: GANConfig) -> list[str]:
    history = read_gan_history(folder)
    assert history
    return [*faults(history, config).values()]


def test_faults_are_shown_and_kept(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole", ILL)

    shown = timeless(tmp_path / "whole")
    saturated = {step: at for (tag, step), at in shown.items() if "saturated" in tag}
    assert saturated == {3: 0, 6: 1}
    remarks = remarks_of(tmp_path / "whole", ILL)
    assert len(remarks) == 2
    assert remarks[0].startswith("the discriminator is saturated: its median ")
    assert remarks[1].startswith("mode collapse: the samples are ")
    # By other thresholds the same training has no fault.
    assert remarks_of(tmp_path / "whole", SMALL) == []
    # After a kill the faults are the same.
    with monkeypatch.context() as patch:
        cut_power(patch, 5, before_save=False)
        with pytest.raises(PowerCut):
            train(tmp_path / "killed", ILL)
    train(tmp_path / "killed", ILL)
    assert remarks_of(tmp_path / "killed", ILL) == remarks
    assert_same_records(tmp_path / "killed", tmp_path / "whole")


def test_remarks_do_not_depend_on_a_file_that_anyone_may_edit(
    finished: Finished, tmp_path: Path
) -> None:
    shutil.copytree(finished.folder, tmp_path / "gan")
    (tmp_path / "gan/history.csv").write_text("step,loss/discriminator\n1,9\n")

    remarks = remarks_of(tmp_path / "gan", ILL)

    assert remarks
    assert remarks == remarks_of(finished.folder, ILL)


def with_rate(finished: Finished, folder: Path, group: str, rate: float) -> bytes:
    """A training at step 4 whose further steps have an absurd learning rate."""
    shutil.copytree(finished.folder, folder, dirs_exist_ok=True)
    (folder / "checkpoints/step-000006.safetensors").unlink()
    path = folder / "checkpoints/step-000004.safetensors"
    arrays, metadata = weights.read_weights(path)
    (name,) = (
        name
        for name, array in arrays.items()
        if name.startswith(group) and array.shape == () and array == np.float32(4e-4)
    )
    changed = {**arrays, name: np.array(rate, np.float32)}
    weights.write_weights(path, changed, metadata)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("group", "rate", "changes", "fault"),
    [
        ("d_optimizer", 1e30, {}, "the loss of the discriminator is nan and the loss"),
        ("d_optimizer", 1e30, {"loss": "paper_equation_1"}, "the loss of the "),
        # Noticed before a checkpoint is written, also where nothing is logged.
        (
            "d_optimizer",
            1e30,
            {"log_every": 99},
            "the loss of the discriminator is nan",
        ),
        (
            "g_optimizer",
            math.inf,
            {"sample_every": 5},
            "the weights of the generator are",
        ),
    ],
)
def test_values_that_are_not_finite_end_training_with_the_last_checkpoint_kept(
    group: str,
    rate: float,
    changes: dict[str, Any],
    fault: str,
    tmp_path: Path,
    finished: Finished,
) -> None:
    good = with_rate(finished, tmp_path, group, rate)
    config = dataclasses.replace(SMALL, **{"steps": 20, "sample_every": 6, **changes})

    for _ in range(2):  # resuming once more changes nothing
        with pytest.raises(RunError, match=fault) as raised:
            train(tmp_path, config)

        message = str(raised.value)
        assert message.startswith("GAN: ")
        assert "the checkpoint of step 4 is kept" in message
        assert "--gan.generator-rate" in message
        assert "\n" not in message
        assert checkpoints(tmp_path) == ["step-000004.safetensors"]
        assert (tmp_path / "checkpoints/step-000004.safetensors").read_bytes() == good


def test_an_interrupt_does_not_save_weights_that_are_not_finite(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rate(finished, tmp_path, "g_optimizer", math.inf)
    interrupt_at(monkeypatch, 5)

    with pytest.raises(RunError, match="are not finite at step 5"):
        train(tmp_path)
    assert checkpoints(tmp_path) == ["step-000004.safetensors"]


def test_pixels_that_are_not_finite_end_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = np.full((16, SMALL.z_dim), np.nan, np.float32)
    monkeypatch.setattr(recording, "fixed_latent_vectors", lambda _: z)

    with pytest.raises(RunError, match="the generator's pixels are not finite at step"):
        train(tmp_path)
    assert not (tmp_path / "samples").exists()


def test_without_a_checkpoint_the_error_says_that_nothing_was_saved(
    tmp_path: Path,
) -> None:
    config = dataclasses.replace(SMALL, discriminator_rate=1e30, sample_every=6)

    with pytest.raises(RunError, match="at step 3: training stopped; nothing was save"):
        train(tmp_path, config)
    assert not (tmp_path / "checkpoints").exists()


def test_samples_are_normalized_by_the_moments_of_their_batch(
    finished: Finished,
) -> None:
    generator = finished.gan.sampling_generator()
    z = np.random.default_rng(3).uniform(-1, 1, (9, SMALL.z_dim)).astype(np.float32)

    images, masks = generator.sample(z)

    expected = split_pair(np.asarray(generator(z, training=True)))
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(masks, expected[1])
    assert images.dtype == masks.dtype == np.uint8
    assert images.shape == (9, SIZE, SIZE)
    assert masks.shape == (9, SIZE, SIZE, 1)
    frozen, _ = split_pair(np.asarray(generator(z, training=False)))
    assert np.any(images != frozen)


def test_a_training_waits_for_the_device_only_to_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One compiled step, and no tensor is read between two records."""
    traces, reads, reads_before = [], [], []
    tensor_type = type(tf.constant(0))
    step_of, read = DCGAN.train_step, tensor_type._numpy
    timed_step = callbacks.StepTimer._timed_step

    def counted_step(gan: DCGAN, data: Any) -> dict[str, Any]:
        traces.append(1)
        return step_of(gan, data)

    def counted_read(tensor: Any) -> Any:
        reads.append(1)
        return read(tensor)

    def watched_step(timer: callbacks.StepTimer, batches: Any) -> Any:
        reads_before.append(len(reads))
        return timed_step(timer, batches)

    monkeypatch.setattr(DCGAN, "train_step", counted_step)
    monkeypatch.setattr(tensor_type, "_numpy", counted_read)
    monkeypatch.setattr(callbacks.StepTimer, "_timed_step", watched_step)
    config = dataclasses.replace(SMALL, steps=10, log_every=3, sample_every=4)
    train(tmp_path, dataclasses.replace(config, leaky_slope=0.1))  # traced nowhere else

    assert len(traces) == 1
    waits = np.diff(reads_before)
    assert [step for step, count in enumerate(waits, start=1) if count] == [
        *(3, 4, 6, 8, 9)
    ]
