import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tfgansynth.gan.history import History

from tfgansynth.arrays import ByteArray
from tfgansynth.config import GANConfig
from tfgansynth.gan.health import DIVERSITY, diversity
from tfgansynth.gan.recording import open_records, probe_z

CONFIG = GANConfig()
SIDE = 16
NOISE = np.random.default_rng(0).integers(0, 256, (16, SIDE, SIDE), np.uint8)
ALIKE = np.stack([NOISE[0]] * 16)


@pytest.mark.parametrize(
    ("real", "samples", "expected"),
    [
        (NOISE[:5], NOISE, diversity(NOISE) / diversity(NOISE[:5])),
        (NOISE, ALIKE, 0.0),
        # Nothing can be less diverse than real images that are all alike.
        (ALIKE, ALIKE, 1.0),
    ],
)
def test_diversity_is_told_as_a_share_of_the_real_images(
    tmp_path: Path, real: ByteArray, samples: ByteArray, expected: float
) -> None:
    with open_records(
        CONFIG, tmp_path, mask_threshold=128, real_images=real, saved={}
    ) as recorder:
        recorder.samples(3, samples, samples, {}, {})

    assert recorder.history.series == {DIVERSITY: {3: expected}}


def test_a_fault_is_said_when_it_comes_and_not_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = dataclasses.replace(CONFIG, mode_collapse_share=0.5)
    with open_records(
        config, tmp_path, mask_threshold=128, real_images=NOISE, saved={}
    ) as recorder:
        for step, samples in enumerate([NOISE, ALIKE, NOISE, ALIKE]):
            recorder.samples(step, samples, samples, {}, {})
        saved = recorder.save()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("GAN: step 1: samples have collapsed: they are 0.00 times")

    with open_records(
        config, tmp_path, mask_threshold=128, real_images=NOISE, saved=saved
    ) as recorder:
        recorder.samples(4, ALIKE, ALIKE, {}, {})
    assert not capsys.readouterr().out


def test_saving_writes_the_history_and_tells_the_state(tmp_path: Path) -> None:
    with open_records(
        CONFIG, tmp_path, mask_threshold=128, real_images=NOISE, saved={}
    ) as recorder:
        recorder.scalars(1, {"loss/discriminator": 0.25}, steps_per_second=3.0)
        saved = recorder.save()

    text = (tmp_path / "history.csv").read_text()
    assert text == "step,loss/discriminator\n1,0.25\n"
    assert History.from_arrays(saved) == recorder.history
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert int(saved["events_size"]) == events.stat().st_size


def test_the_probe_is_always_the_same() -> None:
    z = probe_z(7)

    assert z.shape == (16, 7)
    assert z.dtype == np.float32
    assert z.min() >= -1
    assert z.max() <= 1
    np.testing.assert_array_equal(z, probe_z(7))
