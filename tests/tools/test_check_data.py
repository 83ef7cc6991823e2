import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.hostile import make_hostile_folder

SCRIPT = Path(__file__).resolve().parents[2] / "tools/check_data.py"


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], cwd=cwd, capture_output=True, text=True
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two sound cases; the script runs from outside the repository."""
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 4:12] = mask[8:24, 20:28] = 255
    for part in ("images", "masks"):
        (tmp_path / "data" / part).mkdir(parents=True)
    for seed, stem in enumerate(["a", "b"]):
        noise = np.random.default_rng(seed).integers(0, 256, (32, 32), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"data/images/{stem}.png")
        Image.fromarray(mask).save(tmp_path / f"data/masks/{stem}.png")
    return tmp_path / "data"


def refused(data: Path, *options: str) -> list[str]:
    """Return the lines after the head of the list of faults."""
    done = run(data, *options, cwd=data.parent)
    assert done.returncode == 2
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    heads = [line.endswith(("fault:", "faults:")) for line in lines]
    return [line.strip() for line in lines[heads.index(True) + 1 :]]


def test_sound_data(data: Path) -> None:
    done = run("data", "--lungs", "left", cwd=data.parent)

    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("data: 2 cases in the folder layout, lungs: left\n")
    assert done.stdout.endswith("no faults\n")


def test_missing_folder(data: Path) -> None:
    nowhere = data / "nowhere"

    assert refused(nowhere) == [f"{nowhere}: no such folder"]


def test_unequal_stems(data: Path) -> None:
    (data / "masks/b.png").rename(data / "masks/c.png")

    assert refused(data) == [
        "images/b.png: has no mask (masks/b.*)",
        "masks/c.png: has no image (images/c.*)",
    ]


def test_an_image_that_is_no_image(data: Path) -> None:
    (data / "images/a.png").write_text("<html>404</html>")

    assert refused(data) == ["images/a.png: is not a PNG, JPEG, GIF, TIFF or BMP image"]


def test_an_empty_mask(data: Path) -> None:
    Image.new("L", (32, 32)).save(data / "masks/a.png")

    assert refused(data) == ["masks/a.png: is an empty mask"]


def test_sizes_that_differ(data: Path) -> None:
    with Image.open(data / "masks/a.png") as mask:
        mask.resize((16, 16)).save(data / "masks/a.png")

    assert refused(data) == [
        "masks/a.png: is 16 x 16 px, its image a.png is 32 x 32 px; "
        "make them the same size"
    ]


def test_a_folder_of_hostile_files(tmp_path: Path) -> None:
    wrong = make_hostile_folder(tmp_path / "data")
    before = os.times()

    lines = refused(tmp_path / "data")

    # Processor time: one file takes all the 3 s that it may, the others none.
    after = os.times()
    assert after.children_user - before.children_user < 5
    assert sorted(line.partition(": ")[0] for line in lines) == wrong
    assert all(line.isprintable() for line in lines)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "outside.png"}


def test_a_folder_whose_name_is_no_text(data: Path) -> None:
    odd = data.rename(data.parent / "odd\n\udcff")

    done = run(odd, cwd=data.parent)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(rf"{data.parent}/odd\n\udcff: 2 cases in")


def test_wrong_use(data: Path) -> None:
    assert run(cwd=data).returncode == 2
    assert run(data, "--lungs", "upper", cwd=data).returncode == 2


def test_help_loads_no_tensorflow(data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", SCRIPT, "--help"],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0
    assert "--lungs {both,left,right}" in done.stdout
    assert "tensorflow" not in done.stderr
