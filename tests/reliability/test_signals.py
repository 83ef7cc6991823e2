"""A signal ends a run with one line, wherever it is, and the run goes on."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reliability.conftest import Reference, Start, assert_same
from tests.reliability.faults import checkpoint_every_epoch
from tests.reliability.processes import Ended, cold, finish
from tests.reliability.settings import MICRO
from tests.tools.conftest import TOOLS, environment

pytestmark = pytest.mark.slow

LINE = "interrupted: what was done is saved; the same command continues from there\n"
GONE = (
    "error: the output was closed by its reader: what was done is saved; the same "
    "command continues from there\n"
)
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COMMAND = ("run_table", *MICRO, "--folds", "1", "--out")
UNTIL_HANDLED = 0.2
"""Seconds from which on a signal surely meets a tool and not yet the interpreter."""


def assert_interrupted(ended: Ended) -> None:
    assert ended.code == 130, ended
    in_start = ended.stderr == "interrupted\n" and not ended.stdout
    assert in_start or ended.stderr == LINE


def test_interrupted_twice_in_training(
    reference: Reference, start: Start, tmp_path: Path
) -> None:
    with cold(*COMMAND, tmp_path) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("Machine: "))
        # A closed terminal sends one, and someone impatient another.
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        assert_interrupted(finish(process))

    assert_same(start(tmp_path, checkpoint_every_epoch).wait(), tmp_path, reference)


def test_signals_at_random_moments(
    request: pytest.FixtureRequest,
    reference: Reference,
    start: Start,
    tmp_path: Path,
    rng: random.Random,
) -> None:
    signals = request.config.getoption("--signals")
    if not signals:
        pytest.skip("long: --signals N")
    for number in range(signals):
        with cold(*COMMAND, tmp_path) as process:
            time.sleep(UNTIL_HANDLED + rng.expovariate(1 / 4))
            process.send_signal(rng.choice(STOPS))
            if rng.random() < 0.3:
                time.sleep(rng.uniform(0, 0.05))
                process.send_signal(rng.choice(STOPS))
            ended = finish(process)
        if ended.code:
            assert_interrupted(ended)
        last = (ended.stdout.splitlines() or ["start-up"])[-1]
        print(f"SIGNAL {number}: {ended.code} after: {last}")

    assert_same(start(tmp_path, checkpoint_every_epoch).wait(), tmp_path, reference)


@pytest.mark.parametrize("lines", [0, 1])
def test_a_reader_that_leaves_early(tmp_path: Path, lines: int) -> None:
    with subprocess.Popen(
        [sys.executable, TOOLS / "train_gan.py", *MICRO, "--fold", "1"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == GONE
        assert process.wait() == 1
