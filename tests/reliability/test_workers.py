"""Runs whose stages run side by side: killed, interrupted, and what they come to."""

import functools
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.reliability.comparison import differences
from tests.reliability.conftest import Start
from tests.reliability.processes import cold, finish
from tests.reliability.settings import FOLDER, MICRO
from tests.reliability.test_signals import LINE
from tfgansynth.runtime.devices import usable_cores

pytestmark = pytest.mark.slow

COMMAND = ("run_table", *MICRO, "--folds", "1", "--workers", "2", "--out")
KILLED = (
    "its process was killed by the system, most likely out of memory: what was done "
    "is saved; the same command continues from there\n"
)


def workers_of(process: "subprocess.Popen[str]") -> list[int]:
    """The worker processes of a tool."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    command = {int(n): Path(f"/proc/{n}/cmdline").read_text() for n in children.split()}
    return [number for number, words in command.items() if "spawn_main" in words]


def wait_for_training(out: Path) -> None:
    """Wait until the GAN has drawn its first samples."""
    sample = out / FOLDER / "fold-1/gan/samples/step-000000.png"
    while not sample.exists():
        time.sleep(0.02)


def assert_gone(workers: list[int]) -> None:
    """No process is left that could write into the run folder."""
    until = time.monotonic() + 5
    while left := [each for each in workers if Path(f"/proc/{each}").exists()]:
        assert time.monotonic() < until, left
        time.sleep(0.02)


def test_two_workers_that_much_befalls_come_to_the_same_as_one(
    start: Start, tmp_path: Path
) -> None:
    """The same to the bit as in order on as many cores as each worker has."""
    out, alone = tmp_path / "two", tmp_path / "one"

    with cold(*COMMAND, out) as process:
        wait_for_training(out)
        first, *others = workers_of(process)
        os.kill(first, signal.SIGKILL)
        ended = finish(process)
        assert_gone(others)
    assert ended.code == 1
    assert ended.stderr.startswith("error: fold-1/")
    assert ended.stderr.endswith(KILLED)

    with cold(*COMMAND, out) as process:
        while len(found := workers_of(process)) < 2:
            time.sleep(0.02)
        time.sleep(3)
        # As a terminal does: all processes get it.
        os.killpg(process.pid, signal.SIGINT)
        ended = finish(process)
        assert_gone(found)
    assert (ended.code, ended.stderr) == (130, LINE)

    with cold(*COMMAND, out) as process:
        while len(found := workers_of(process)) < 2:
            time.sleep(0.02)
        time.sleep(3)
        process.kill()
        finish(process)
        assert_gone(found)

    with cold(*COMMAND, out) as process:
        ended = finish(process)
    assert (ended.code, ended.stderr) == (0, "")

    cores = sorted(os.sched_getaffinity(0))[: max(1, usable_cores() // 2)]
    one_share = functools.partial(os.sched_setaffinity, 0, cores)
    assert start(alone, one_share).wait().code == 0
    # Which attempts there were, and which stage came first.
    assert set(differences(out / FOLDER, alone / FOLDER)) <= {"machine.json"}
