"""The command that checks a data set names each fault."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.conftest import Runner
from tests.tools.hostile import make_hostile_folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve sound cases, the least."""
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 4:12] = mask[8:24, 20:28] = 255
    for part in ("images", "masks"):
        (tmp_path / "data" / part).mkdir(parents=True)
    for seed, stem in enumerate("abcdefghijkl"):
        noise = np.random.default_rng(seed).integers(0, 256, (32, 32), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"data/images/{stem}.png")
        Image.fromarray(mask).save(tmp_path / f"data/masks/{stem}.png")
    return tmp_path / "data"


def refused(tool: Runner, data: Path, *options: str) -> list[str]:
    """Return the faults: what is between the head of their list and the verdict."""
    done = tool("check_data", data, *options)
    assert done.returncode == 2
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    heads = [line.endswith(("fault:", "faults:")) for line in lines]
    assert lines[-1].startswith("NOT READY: ")
    return [line.strip() for line in lines[heads.index(True) + 1 : -1]]


def test_sound_data(cold_tool: Runner, data: Path) -> None:
    done = cold_tool(
        *("check_data", "data", "--lungs", "left", "--target", "lungs"), cwd=data.parent
    )

    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("data: 12 cases in the folder layout, lungs: left\n")
    assert done.stdout.endswith(
        "READY: no faults; next: tfgansynth run-table --preset fast --data data "
        "--dry-run\n"
    )


def test_too_few_cases(tool: Runner, data: Path) -> None:
    (data / "images/a.png").unlink()
    (data / "masks/a.png").unlink()

    done = tool("check_data", data)

    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines()[-1].startswith(
        "NOT READY: no faults, but 11 cases are too few for this split: 12 are the "
        "least, add 1 "
    )


def test_a_contact_sheet(tool: Runner, data: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    before = sorted(data.rglob("*"))

    done = tool("check_data", data, "--contact-sheet", sheet)

    assert done.returncode == 0
    assert f"CONTACT SHEET: {sheet}\n" in done.stdout
    # Twelve tiles of 256 px with a caption, four in a row.
    with Image.open(sheet) as picture:
        assert picture.size == (4 * 256 + 5 * 4, 3 * (256 + 24) + 4 * 4)
    assert sorted(data.rglob("*")) == before
    for wrong in (tmp_path, tmp_path / "sheet.txt"):
        done = tool("check_data", data, "--contact-sheet", wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f"error: --contact-sheet {wrong}: expected a file NAME.png\n"
        )


def test_a_target_that_no_name_can_have_is_refused(tool: Runner, data: Path) -> None:
    for options, words in {
        ("--target", "a/b"): "--target a/b: expected letters a to z, digits, and ",
        ("--lungs", "left"): f"--lungs left: the masks of {data} show another target ",
    }.items():
        done = tool("check_data", data, *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {words}")
        assert len(done.stderr.splitlines()) == 1


def test_missing_folder(tool: Runner, data: Path) -> None:
    nowhere = data / "nowhere"

    assert refused(tool, nowhere) == [f"{nowhere}: no such folder"]


def test_unequal_stems(tool: Runner, data: Path) -> None:
    (data / "masks/b.png").rename(data / "masks/z.png")

    assert refused(tool, data) == [
        "images/b.png: has no mask (masks/b.*)",
        "masks/z.png: has no image (images/z.*)",
    ]


def test_an_image_that_is_no_image(tool: Runner, data: Path) -> None:
    (data / "images/a.png").write_text("<html>404</html>")

    assert refused(tool, data) == [
        "images/a.png: is not a PNG, JPEG, GIF, TIFF or BMP image"
    ]


def test_an_empty_mask(tool: Runner, data: Path) -> None:
    Image.new("L", (32, 32)).save(data / "masks/a.png")

    assert refused(tool, data) == ["masks/a.png: is an empty mask"]


def test_sizes_that_differ(tool: Runner, data: Path) -> None:
    with Image.open(data / "masks/a.png") as mask:
        mask.resize((16, 16)).save(data / "masks/a.png")

    assert refused(tool, data) == [
        "masks/a.png: is 16 x 16 px, its image a.png is 32 x 32 px; "
        "make them the same size"
    ]


def test_a_folder_of_hostile_files(tool: Runner, tmp_path: Path) -> None:
    wrong = make_hostile_folder(tmp_path / "data")
    before = os.times()

    lines = refused(tool, tmp_path / "data", "--each-file")

    # Processor time: one file takes all the 3 s that it may, the others none.
    after = os.times()
    assert after.children_user - before.children_user < 5
    assert sorted(line.partition(": ")[0] for line in lines) == wrong
    assert all(line.isprintable() for line in lines)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "outside.png"}


def test_a_folder_whose_name_is_no_text(tool: Runner, data: Path) -> None:
    odd = data.rename(data.parent / "odd\n\udcff")

    done = tool("check_data", odd)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(rf"{data.parent}/odd\n\udcff: 12 cases in")


def test_wrong_use(tool: Runner, data: Path) -> None:
    assert tool("check_data").returncode == 2
    assert tool("check_data", data, "--lungs", "upper").returncode == 2


def test_help_lists_the_targets(tool: Runner) -> None:
    shown = tool("check_data", "--help-all").stdout
    assert "--lungs {both,left,right}" in shown
