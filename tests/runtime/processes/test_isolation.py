import functools
import multiprocessing
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tfgansynth.runtime.processes import isolation

FAKE = "tests.crashing"


def test_a_program_that_ends_well_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    isolation.run_isolated(FAKE, "print", seconds=30)

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("segfault", "ended by SIGSEGV"),
        ("abort", "ended by SIGABRT"),
        ("kill", "killed by the system, most likely out of memory"),
        ("raise", "ended with exit code 1"),
    ],
)
def test_a_crash_becomes_a_line(
    way: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(isolation.Failure, match=f"^{reason}$") as caught:
        isolation.run_isolated(FAKE, way, seconds=30)
    assert caught.value.from_outside is (way == "kill")

    assert capfd.readouterr() == ("", "")


def test_one_end_from_outside_is_made_good(tmp_path: Path) -> None:
    isolation.run_isolated(FAKE, "kill once", str(tmp_path / "killed"), seconds=30)

    assert (tmp_path / "killed").exists()


def test_a_hang_is_ended() -> None:
    start = time.monotonic()

    with pytest.raises(isolation.Failure, match=r"^it took longer than 1 s$"):
        isolation.run_isolated(FAKE, "hang", seconds=1)

    assert time.monotonic() - start < 5


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_memory_is_limited() -> None:
    isolation.run_isolated(
        FAKE, "allocate", str(isolation.MOST_MEMORY_BYTES // 8), seconds=30
    )
    with pytest.raises(isolation.Failure, match="ended with exit code 1"):
        isolation.run_isolated(
            FAKE, "allocate", str(isolation.MOST_MEMORY_BYTES), seconds=30
        )


def test_modules_in_the_current_folder_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)

    isolation.run_isolated(FAKE, "print", seconds=30)


def test_variables_are_passed_on() -> None:
    call = functools.partial(isolation.run_isolated, FAKE, "variable", seconds=30)

    call(variables={"A_NAME": "x"})
    with pytest.raises(isolation.Failure):
        call(variables={"A_NAME": "y"})


def test_every_end_has_a_reason() -> None:
    assert isolation.why_it_ended(3) == "ended with exit code 3"
    assert isolation.why_it_ended(-signal.SIGILL) == "ended by SIGILL"


class NoProcesses:
    """Stands for what starts processes, and keeps what they were to be given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def Pipe(self) -> Any:
        return SimpleNamespace(close=list), SimpleNamespace(close=list)

    def Process(self, args: Any, **_: Any) -> Any:
        self.given.append(args)
        return SimpleNamespace(**dict.fromkeys(("start", "terminate", "join"), list))


@pytest.mark.parametrize(
    ("gpus", "count", "expected"),
    [
        (["3", "7"], 3, ["3", "7", "3"]),
        ([], 2, [None, None]),
        # One process alone may use all of them.
        (["3", "7"], 1, [None]),
    ],
)
def test_each_worker_sees_one_gpu(
    monkeypatch: pytest.MonkeyPatch,
    gpus: list[str],
    count: int,
    expected: list[str | None],
) -> None:
    started = NoProcesses()
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: started)
    monkeypatch.setattr(isolation, "visible_gpus", lambda: gpus)

    with isolation.workers(abs, count):
        pass

    assert [device for *_, device in started.given] == expected


def _miss_signals(_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def test_a_worker_that_misses_its_signal_ends() -> None:
    """As one whose signal comes just before it begins to wait for a task."""
    with isolation.workers(_miss_signals, 1) as (worker,):
        worker.start("a task", None)
        worker.answer()
        lost = threading.Timer(30, worker.process.kill)
        lost.start()
    lost.cancel()

    assert worker.process.exitcode == 128 + signal.SIGTERM
