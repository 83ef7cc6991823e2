"""Copies of a case are found before any training, through the real scripts."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.tools.conftest import TINY, Runner, write_phantoms

Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty sound cases in the folder layout."""
    return write_phantoms(tmp_path_factory.mktemp("phantoms"), 30, 128)


@pytest.fixture
def data(phantoms: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(phantoms, tmp_path / "data"))


def repeat_exactly(data: Path) -> None:
    shutil.copy(data / "images/phantom-001.png", data / "images/phantom-002.png")


def repeat_compressed(data: Path) -> None:
    with Image.open(data / "images/phantom-001.png") as image:
        image.save(data / "images/phantom-002.jpg", quality=60)
    (data / "images/phantom-002.png").unlink()


def test_sound_data_passes(tool: Runner, data: Path) -> None:
    done = tool("check_data", data)

    assert done.returncode == 0, done.stdout
    assert "READY: no faults; next: " in done.stdout


def test_check_data_names_both_files_of_each_pair(tool: Runner, data: Path) -> None:
    repeat_compressed(data)
    shutil.copy(data / "images/phantom-010.png", data / "images/phantom-020.png")

    done = tool("check_data", data)

    assert done.returncode == 2
    assert done.stderr == ""
    exact, near = (line.strip() for line in done.stdout.splitlines()[-3:-1])
    assert exact.startswith(
        "images/phantom-020.png: is the same image as phantom-010.png; remove one"
    )
    assert near.startswith("images/phantom-002.jpg: is nearly the same image")
    assert " as phantom-001.png; remove one (run_table refuses" in near

    allowed = tool("check_data", data, "--allow-duplicates")

    assert allowed.returncode == 0
    assert "2 notes:" in allowed.stdout
    assert exact in allowed.stdout
    assert near in allowed.stdout


@pytest.mark.parametrize("repeat", [repeat_exactly, repeat_compressed])
def test_run_table_refuses_copies_before_any_training(
    tool: Runner, data: Path, repeat: Change
) -> None:
    repeat(data)
    out = data.parent / "runs"

    done = tool("run_table", *TINY, "--data", data, "--out", out)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "phantom-001" in line
    assert "phantom-002" in line
    assert "--allow-duplicates" in line
    assert not out.exists()


@pytest.mark.parametrize("repeat", [repeat_exactly, repeat_compressed])
def test_run_table_goes_on_where_copies_are_allowed(
    tool: Runner, data: Path, repeat: Change
) -> None:
    repeat(data)
    out = data.parent / "runs"
    arguments = (*TINY, "--data", data, "--out", out, "--allow-duplicates")

    # The fold that does not exist is noticed after the data, before a run folder.
    done = tool("run_table", *arguments, "--folds", "9")

    assert "Duplicates across the split, allowed: phantom-001 is" in done.stdout
    assert not out.exists()
    (line,) = done.stderr.splitlines()
    assert line == "error: --fold 9: expected 1 to 3"
