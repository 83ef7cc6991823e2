"""A run folder takes no other settings, data or networks, and says which differ."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.reliability.conftest import Reference, Start
from tests.reliability.faults import checkpoint_every_epoch
from tests.reliability.processes import cold, finish
from tests.reliability.settings import FOLDER, MICRO
from tfgansynth.runtime import storage

pytestmark = pytest.mark.slow


def test_other_networks_are_refused(
    reference: Reference, start: Start, tmp_path: Path
) -> None:
    shutil.copytree(reference.run, tmp_path / FOLDER)
    path = tmp_path / FOLDER / "config.json"
    record = storage.read_record(path)
    record["networks"]["unet"] -= 1
    storage.write_record(path, record)

    ended = start(tmp_path, checkpoint_every_epoch).wait()

    assert ended.code == 2
    (line,) = ended.stderr.splitlines()
    assert f"{FOLDER}: holds a run with other settings" in line
    assert "(networks.unet: 1 against 0)" in line


def test_one_other_pixel_is_refused(tmp_path: Path) -> None:
    """A cold start: it comes to its end before TensorFlow is imported."""
    data, out = tmp_path / "data", tmp_path / "out"
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 4:12] = mask[8:24, 20:28] = 255
    for name in ("images", "masks"):
        (data / name).mkdir(parents=True)
    for seed in range(30):
        noise = np.random.default_rng(seed).integers(0, 256, (32, 32), np.uint8)
        Image.fromarray(noise).save(data / f"images/case{seed:02d}.png")
        Image.fromarray(mask).save(data / f"masks/case{seed:02d}.png")
    command = ("train_gan", *MICRO, "--fold", "1", "--data", data, "--out", out)
    with cold(*command) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("Run: "))
        process.kill()
    path = data / "images/case07.png"
    pixels = np.array(Image.open(path))
    pixels[3, 5] ^= 128
    Image.fromarray(pixels).save(path)

    with cold(*command) as process:
        ended = finish(process)

    assert ended.code == 2
    (line,) = ended.stderr.splitlines()
    assert "holds a run with other data (changed: case07)" in line
