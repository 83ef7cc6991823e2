"""No room, no right to write, no memory: one line, and nothing is lost."""

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.reliability.conftest import Reference, Start, assert_same
from tests.reliability.faults import checkpoint_every_epoch, limit_files, limit_memory
from tests.reliability.processes import Ended
from tests.reliability.settings import FOLDER

pytestmark = pytest.mark.slow

AGAIN = "what was done is saved; the same command continues from there\n"


def assert_no_room(ended: Ended, name: str) -> None:
    assert ended.code == 1, ended
    (line,) = ended.stderr.splitlines(keepends=True)
    assert line.startswith("error: ")
    assert f"{name}: the disk is full: free some space: {AGAIN}" in line
    # What is written last, also after a failure, is not to blame.
    assert "timings.json" not in line


@pytest.fixture
def long(request: pytest.FixtureRequest) -> None:
    """Skip unless the long form is asked for."""
    if not request.config.getoption("--faults"):
        pytest.skip("long: --faults")


def test_files_that_may_not_grow(
    request: pytest.FixtureRequest, reference: Reference, start: Start, tmp_path: Path
) -> None:
    """In one run, each time a little more than before may be written."""
    fold = reference.run / "fold-1"
    checkpoint = (fold / "gan/checkpoints/step-000006.safetensors").stat().st_size
    model = (fold / "pseudo-labels/member-1/model.safetensors").stat().st_size
    trials: list[tuple[str, int | None, str]] = [
        ("train_gan", checkpoint * 9 // 10, "checkpoints/step-000002.safetensors")
    ]
    if request.config.getoption("--faults"):
        trials = [
            ("train_gan", 1000, "cases.json"),
            ("train_gan", 4000, "events.out.tfevents.gan"),
            *trials,
            ("train_gan", None, ""),
            ("run_table", model - 1, "model.safetensors"),
            ("run_table", model + 1, "model.keras"),
        ]
    for tool, most, name in trials:
        if most is None:
            ended = start(tmp_path, checkpoint_every_epoch, tool).wait()
            assert ended.code == 0, ended.stderr
        else:
            prepare = functools.partial(limit_files, most)
            assert_no_room(start(tmp_path, prepare, tool).wait(), name)

    assert_same(start(tmp_path, checkpoint_every_epoch).wait(), tmp_path, reference)


@pytest.mark.usefixtures("long")
def test_an_export_without_room(
    reference: Reference, start: Start, tmp_path: Path
) -> None:
    shutil.copytree(reference.run, tmp_path / FOLDER)
    gan = tmp_path / FOLDER / "fold-1/gan"
    for most in (20_000, 120_000):
        prepare = functools.partial(limit_files, most)
        ended = start(tmp_path, prepare, "export_generator").wait()
        assert_no_room(ended, "")
        assert not (gan / "generator").exists()

    ended = start(tmp_path, checkpoint_every_epoch, "export_generator").wait()

    assert ended.code == 0, ended.stderr
    assert (gan / "generator/saved_model.pb").exists()
    assert not list(tmp_path.rglob("*partial*"))


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Put a disk of its own into memory, if this process may."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.usefixtures("long")
def test_a_full_disk(reference: Reference, start: Start, tmp_path: Path) -> None:
    size = sum(
        path.stat().st_size for path in (reference.run / "fold-1/gan").rglob("*")
    )
    with mounted(tmp_path, f"size={size // 2}"):
        assert_no_room(start(tmp_path, checkpoint_every_epoch).wait(), "")
        # Room is made.
        remount = ["mount", "-o", "remount,size=100m", str(tmp_path)]
        subprocess.run(remount, check=True)

        assert_same(start(tmp_path, checkpoint_every_epoch).wait(), tmp_path, reference)


def test_a_disk_that_may_only_be_read(
    reference: Reference, start: Start, tmp_path: Path
) -> None:
    with mounted(tmp_path, "size=100m"):
        shutil.copytree(reference.run, tmp_path / FOLDER)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)

        assert_not_writable(start(tmp_path, checkpoint_every_epoch).wait())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read(
    reference: Reference, start: Start, tmp_path: Path
) -> None:
    shutil.copytree(reference.run, tmp_path / FOLDER)
    for path in (tmp_path / FOLDER, *(tmp_path / FOLDER).iterdir()):
        path.chmod(0o500)

    ended = start(tmp_path, checkpoint_every_epoch).wait()

    for path in (tmp_path / FOLDER, *(tmp_path / FOLDER).iterdir()):
        path.chmod(0o700)
    assert_not_writable(ended)


def assert_not_writable(ended: Ended) -> None:
    assert ended.code == 2, ended
    (line,) = ended.stderr.splitlines()
    assert f"{FOLDER}: cannot be written" in line
    assert "name another --out" in line


@pytest.mark.usefixtures("long")
def test_memory_that_ends(reference: Reference, start: Start, tmp_path: Path) -> None:
    """One line where Python or an allocator of TensorFlow's meets the end first.

    Where a thread or a library in C++ does, it kills the process: nothing in it can
    catch that, but what is on the disk is as whole as after any other kill.
    """
    for mebibytes in (10, 40, 160, 640):
        prepare = functools.partial(limit_memory, mebibytes << 20)
        ended = start(tmp_path, prepare).wait()
        print(f"MEMORY: {mebibytes} MiB: {ended.code}")
        assert ended.code is not None
        if ended.code >= 0:
            assert ended.code == 1
            assert ended.stderr == f"error: out of memory: use a smaller batch: {AGAIN}"

    assert_same(start(tmp_path, checkpoint_every_epoch).wait(), tmp_path, reference)
