import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfgansynth.config import GANConfig
from tfgansynth.errors import InputError
from tfgansynth.gan import training
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.training import is_trained, load_gan, sample_bytes, train_gan
from tfgansynth.pixels import split_pair
from tfgansynth.progress import Progress

SIZE = 8
STEPS = 6
# The fast preset's path, where the state is largest: averages, singular vectors.
SMALL = GANConfig(
    z_dim=5,
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

ORIGIN = {"fold": 1}


def train(folder: Path, config: GANConfig = SMALL, seed: int = 1) -> DCGAN:
    return train_gan(
        PAIRS, config, mask_threshold=150, seed=seed, folder=folder, origin=ORIGIN
    )


def load(folder: Path, config: GANConfig = SMALL) -> DCGAN:
    return load_gan(config, size=SIZE, seed=1, folder=folder, origin=ORIGIN)


def state_of(gan: DCGAN) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(value).copy() for name, value in gan.state().items()}


def assert_same(ours: DCGAN, theirs: dict[str, NDArray[Any]]) -> None:
    state = state_of(ours)
    assert state.keys() == theirs.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    class Interrupted(Progress):
        def update(self, done: int, note: str = "") -> None:
            super().update(done, note)
            if done == step:
                raise KeyboardInterrupt

    monkeypatch.setattr(training, "Progress", Interrupted)


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
    assert checkpoints(finished.folder) == ["step-000004.npz", "step-000006.npz"]
    assert is_trained(SMALL, finished.folder, ORIGIN)
    assert not is_trained(dataclasses.replace(SMALL, steps=7), finished.folder, ORIGIN)


def test_a_finished_training_loads_as_it_ended(finished: Finished) -> None:
    assert_same(load(finished.folder), finished.state)


def test_a_finished_training_is_not_trained_again(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "endless_batches", None)

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
        "loss/discriminator",
        "loss/generator",
        "probability_real/real",
        "probability_real/synthetic",
        "steps_per_second",
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
    assert f"checkpoint of step {step} written" in capsys.readouterr().out
    assert f"step-{step:06d}.npz" in checkpoints(tmp_path)
    assert not is_trained(SMALL, tmp_path, ORIGIN)

    gan = train(tmp_path)

    assert f"going on after step {step} of {STEPS}" in capsys.readouterr().out
    assert_same(gan, finished.state)
    assert is_trained(SMALL, tmp_path, ORIGIN)


def test_a_torn_checkpoint_falls_back_to_the_one_before(
    finished: Finished,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in checkpoints(finished.folder):
        whole = (finished.folder / "checkpoints" / name).read_bytes()
        torn = name == "step-000006.npz"
        path = tmp_path / "checkpoints" / name
        path.write_bytes(whole[: len(whole) // 2] if torn else whole)

    gan = train(tmp_path)

    lines = capsys.readouterr().out.splitlines()
    assert "step-000006.npz: cannot be read" in lines[0]
    assert lines[0].endswith("going on from the one before, or from the beginning")
    assert lines[1] == "GAN: going on after step 4 of 6"
    assert_same(gan, finished.state)
    # The torn one has been written anew.
    assert_same(load(tmp_path), finished.state)


@pytest.mark.parametrize(
    "other", [{"generator_maps": (7,)}, {"discriminator_maps": (5,)}, {"z_dim": 6}]
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


def test_unfinished_training_is_not_taken_for_a_trained_gan(
    finished: Finished, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"is at step 0 of {STEPS}.*train_gan"):
        load(tmp_path)

    longer = dataclasses.replace(SMALL, steps=STEPS + 1)
    with pytest.raises(InputError, match=f"is at step {STEPS} of {STEPS + 1}"):
        load(finished.folder, longer)


def test_a_checkpoint_beyond_the_last_step_is_refused(finished: Finished) -> None:
    shorter = dataclasses.replace(SMALL, steps=STEPS - 1)

    for use in (train, load):
        with pytest.raises(InputError, match=f"at step {STEPS}, beyond the 5 config"):
            use(finished.folder, shorter)


def test_samples_are_normalized_by_the_moments_of_their_batch(
    finished: Finished,
) -> None:
    generator = finished.gan.sampling_generator()
    z = np.random.default_rng(3).uniform(-1, 1, (9, 5)).astype(np.float32)

    images, masks = sample_bytes(generator, z)

    expected = split_pair(np.asarray(generator(z, training=True)))
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(masks, expected[1])
    assert images.dtype == masks.dtype == np.uint8
    assert images.shape == masks.shape == (9, SIZE, SIZE)
    frozen, _ = split_pair(np.asarray(generator(z, training=False)))
    assert np.any(images != frozen)
