"""A run killed at any moment ends, by the same command, as one that was not."""

import collections
import functools
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.reliability.comparison import differences
from tests.reliability.conftest import Reference, Start, assert_same
from tests.reliability.faults import checkpoint_every_epoch, kill_at
from tests.reliability.processes import cold, finish
from tests.reliability.settings import FOLDER, MICRO
from tfgansynth.runtime.storage import PARTIAL

pytestmark = pytest.mark.slow

SMOKE = ("--preset", "smoke", "--reduced", "--folds", "1")
STAGES = {
    "Run: ": "start-up",
    "Machine: ": "GAN",
    "fold 1, GAN ": "synthesis",
    "fold 1, synthetic set ": "U-Net",
    "fold 1, U-Net ": "U-Net",
    "Mean ± sd": "report",
}
"""What is at work after a line with these words."""


def test_killed_at_exact_moments_of_writing(
    request: pytest.FixtureRequest, reference: Reference, start: Start, tmp_path: Path
) -> None:
    every = max(1, len(reference.moments) // request.config.getoption("--injections"))
    first = (every // 2 + request.config.getoption("--fault-seed")) % every
    for number, moment, call in reference.moments[first::every]:
        out = tmp_path / f"{number}-{moment}"
        out.mkdir()
        killed = start(out, functools.partial(kill_at, number, moment)).wait()
        assert killed.code == -signal.SIGKILL, killed.stderr
        print(f"killed {moment} {call}")

        assert_same(start(out, checkpoint_every_epoch).wait(), out, reference)
        shutil.rmtree(out)


def test_killed_at_random_moments(
    reference: Reference, tmp_path: Path, rng: random.Random
) -> None:
    """And, as all else is in warm processes, the same from a cold start."""
    settings = (*MICRO, "--folds", "1")

    killed_and_ended(settings, 1, tmp_path, rng, seconds=16)

    assert not differences(tmp_path / FOLDER, reference.run)


def test_the_smoke_preset_killed_at_random_moments(
    request: pytest.FixtureRequest, tmp_path: Path, rng: random.Random
) -> None:
    kills = request.config.getoption("--kills")
    if not kills:
        pytest.skip("long: --kills N")
    start = time.monotonic()
    killed_and_ended(SMOKE, 0, tmp_path / "whole", rng, seconds=0)
    seconds = time.monotonic() - start
    tally: collections.Counter[str] = collections.Counter()
    while tally.total() < kills:
        out = tmp_path / "killed"
        tally += killed_and_ended(SMOKE, kills - tally.total(), out, rng, seconds)
        assert not differences(out / FOLDER, tmp_path / "whole" / FOLDER)
        shutil.rmtree(out)
    print(f"KILLS: {dict(tally)}")


def killed_and_ended(
    settings: tuple[str, ...],
    most_kills: int,
    out: Path,
    rng: random.Random,
    seconds: float,
) -> collections.Counter[str]:
    """Run the table, killing it now and then, until it comes to its end.

    Args:
        settings: Of the run.
        most_kills: Then it is left alone.
        out: Takes the run folder.
        rng: Chooses the moments.
        seconds: That the run takes; on average it is killed after a quarter.

    Returns:
        The kills by what was at work.
    """
    tally: collections.Counter[str] = collections.Counter()
    while True:
        with cold("run_table", *settings, "--out", out) as process:
            if tally.total() < most_kills:
                kill_somewhere(process, out, rng, seconds)
            ended = finish(process)
        if ended.code != -signal.SIGKILL:
            break
        stage = stage_of(ended.stdout)
        torn = any(out.rglob(f"*{PARTIAL}*"))
        tally[f"{stage}, inside a write" if torn else stage] += 1
    assert ended.code == 0, ended.stderr
    assert not ended.stderr
    return tally


def kill_somewhere(
    process: "subprocess.Popen[str]", out: Path, rng: random.Random, seconds: float
) -> None:
    """Kill at a random moment; every third time when next a file is written."""
    time.sleep(rng.expovariate(4 / seconds))
    if rng.random() < 1 / 3:
        while process.poll() is None and not any(out.rglob(f"*{PARTIAL}*")):
            pass
    process.kill()


def stage_of(stdout: str) -> str:
    """What was at work when these lines had been printed."""
    words = max(STAGES, key=stdout.rfind)
    return STAGES[words] if words in stdout else "start-up"
