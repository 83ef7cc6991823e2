"""Leases: one owner, found out when it has ended, and no result of an old one."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tfgansynth.runtime.processes import leases
from tfgansynth.runtime.processes.leases import LostError, held, living, owner, take

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "PATIENCE_S", 0.3)
    monkeypatch.setattr(leases, "BEAT_S", 0.05)


def file_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lease")


def moved_elsewhere(path: Path) -> None:
    """Make a lease one of another machine, whose processes cannot be asked."""
    file = file_of(path)
    line, *_ = file.read_bytes().splitlines()
    found = json.loads(line)
    place = f"elsewhere{found['place'][0]}"[: len(found["place"][0])]
    line = json.dumps({**found, "place": [place, *found["place"][1:]]}).encode()
    handle = os.open(file, os.O_WRONLY)
    os.pwrite(handle, line, 0)
    os.close(handle)


def held_by_a_killed_process(path: Path) -> None:
    lines = (
        "import os, signal",
        "from pathlib import Path",
        "from tfgansynth.runtime.processes.leases import take",
        f"lease = take(Path({str(path)!r}))",
        "assert lease",
        "os.kill(os.getpid(), signal.SIGKILL)",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert file_of(path).exists()


def test_one_has_it_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "leases" / "gan"
    first = take(path)
    assert first
    assert take(path) is None
    assert owner(path).startswith(f"process {os.getpid()} on ")
    first.require()
    first.release()
    assert not path.parent.exists()
    with held(path):
        assert take(path) is None
    assert take(path)


def test_one_that_nothing_refers_to_is_released(tmp_path: Path) -> None:
    path = tmp_path / "gan"
    lease = take(path)
    assert lease
    del lease
    assert take(path)


def test_that_of_a_killed_process_is_taken_at_once_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "PATIENCE_S", 1000.0)
    path = tmp_path / "gan"
    held_by_a_killed_process(path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(take, [path] * 64))
    (lease,) = [each for each in found if each]
    lease.require()
    assert [p.name for p in tmp_path.iterdir()] == ["gan.lease"]


def test_a_number_that_another_process_has_now_is_not_the_owner(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gan"
    held_by_a_killed_process(path)
    found = json.loads(file_of(path).read_text().splitlines()[0])
    found["process"][0] = os.getpid()
    file_of(path).write_text(json.dumps(found) + "\n")
    assert take(path)


def test_one_elsewhere_is_left_alone_while_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "gan"
    lease = take(path)
    assert lease
    moved_elsewhere(path)
    until = time.monotonic() + 3 * leases.PATIENCE_S
    while time.monotonic() < until:
        assert take(path) is None
        time.sleep(0.02)
    lease.require()


def test_one_elsewhere_that_has_stopped_is_taken_and_its_owner_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process that was stopped, or cut off from the storage, for too long."""
    monkeypatch.setattr(leases, "BEAT_S", 0.6)
    path = tmp_path / "gan"
    old = take(path)
    assert old
    moved_elsewhere(path)
    assert take(path) is None
    time.sleep(1.2 * leases.PATIENCE_S)
    new = take(path)
    assert new
    with pytest.raises(LostError, match="was taken over by another process"):
        old.require()
    before = file_of(path).read_bytes()
    time.sleep(0.4)  # It beats once more, into a file that has no name any more.
    assert file_of(path).read_bytes() == before
    old.release()
    new.require()


def test_a_take_over_that_was_killed_is_cleared(tmp_path: Path) -> None:
    path = tmp_path / "gan"
    held_by_a_killed_process(path)
    (tmp_path / "gan.takeover").touch()
    assert take(path) is None
    time.sleep(1.2 * leases.PATIENCE_S)
    assert take(path) is None  # removes it
    assert take(path)


def test_a_full_disk_leaves_no_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            take(tmp_path / "gan")
    assert take(tmp_path / "gan")


def test_the_living_are_named_and_the_dead_removed(tmp_path: Path) -> None:
    held_by_a_killed_process(tmp_path / "command-1")
    mine = take(tmp_path / "command-2", about="these settings")
    other = take(tmp_path / "command-3", about="others")
    assert mine
    assert other
    moved_elsewhere(tmp_path / "command-3")
    (found,) = living(tmp_path, "command-", but="ours")
    assert found.startswith(f"process {os.getpid()} on el")
    assert not [*living(tmp_path, "command-", but="others")]
    assert not file_of(tmp_path / "command-1").exists()
