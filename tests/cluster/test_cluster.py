"""A real cluster on this machine: a scheduler and three workers, some killed."""

import contextlib
import itertools
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from tests import once
from tests.cluster import faults, processes
from tests.reliability.comparison import differences
from tests.reliability.processes import Warm, cold, finish
from tests.reliability.test_signals import LINE
from tests.tools.conftest import SMALL_NETWORKS, TINY

pytestmark = pytest.mark.slow

STEPS = ("--evaluation.cross-fit-steps", "4")
ONE_SEED = (
    *("run_table", *TINY, *SMALL_NETWORKS, *STEPS),
    *("--folds", "1", "2", "--assess"),
)
STUDY = (*ONE_SEED, "--seeds", "2")
RUNS = ("phantoms-reduced-smoke-seed0", "phantoms-reduced-smoke-seed1")


RESOURCES = ("GPU=1 MEMORY=4e9", "GPU=1 MEMORY=4e9", "MEMORY=4e9")
"""Of the workers: the last one is for stages that train nothing."""


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with processes.cluster(tmp_path_factory.mktemp("cluster"), RESOURCES) as address:
        yield address


def alone() -> None:
    """Leave a process one core, and let it trace equal networks once."""
    (core, *_) = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, [core])
    contextlib.ExitStack().enter_context(once.networks_traced())


def as_it_is() -> None:
    """Prepare nothing."""


@contextlib.contextmanager
def started(log: Path, *command: str | Path) -> Iterator[Warm]:
    """Start a command, and kill it where a test goes no further."""
    name, *arguments = map(str, command)
    running = Warm(log, as_it_is, name, *arguments)
    try:
        yield running
    finally:
        running.process.kill()


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study in order in one process, with the threads of a worker."""
    folder = tmp_path_factory.mktemp("serial")
    ended = Warm(folder / "log", alone, *STUDY, "--out", folder / "out").wait()
    assert (ended.code, ended.stderr) == (0, "")
    return folder / "out"


def test_a_study_that_much_befalls_is_that_of_one_process(
    scheduler: Path, serial: Path, tmp_path: Path
) -> None:
    """Workers are killed in a GAN, at the end of a U-Net, and while a seal is written.

    The first command is killed as well. In the second one a stage fails.
    """
    flags = scheduler.parent / "flags"
    out = tmp_path / "out"
    command = (*STUDY, "--out", out, "--scheduler", scheduler)
    with started(tmp_path / "first", *command) as first:
        while not (flags / "gan").exists():
            assert first.process.is_alive()
            time.sleep(0.05)
    assert first.wait().code == -signal.SIGKILL

    failing = flags / faults.FAILING
    failing.write_text("seed1/fold-2/cross-fit/member-2/provenance.json\n")
    with started(tmp_path / "second", *command) as second:
        ended = second.wait()
    _, *attempts = failing.read_text().split()
    failing.unlink()
    assert ended.code == 1
    (line,) = ended.stderr.splitlines()
    failed = [
        f"{RUNS[1]}/fold-2/{name}" for name in ("cross-fit/member-2", "assessment")
    ]
    assert line.startswith(f"error: 2 stages have no result ({', '.join(failed)}): ")
    assert f"{failed[0]}: failed 3 times, the last time on " in line
    assert "RuntimeError: made to fail: what was done is saved" in line
    # Anywhere: while the other worker is being started again, there is no elsewhere.
    assert len(attempts) == 3
    # However many: those that were killed may not be back yet.
    assert re.search(r"^Cluster: .+ at tcp://127\.0\.0\.1:", ended.stdout, re.M)

    with started(tmp_path / "third", *command) as third:
        again = third.wait()
    assert (again.code, again.stderr) == (0, "")
    assert "30 of 32 stages are done already" in again.stdout
    assert all((flags / name).exists() for name in faults.KILLED)
    for run in RUNS:
        assert set(differences(out / run, serial / run)) <= {"machine.json"}
    assert_one_network_a_gpu(flags / faults.STAGES)


def assert_one_network_a_gpu(journal: Path) -> None:
    """Networks were trained where a GPU is stated, one at a time."""
    intervals: dict[str, list[tuple[float, float]]] = {}
    trained: dict[str, set[bool]] = {}
    for line in journal.read_text().splitlines():
        name, stage, begin, end = line.split()
        intervals.setdefault(name, []).append((float(begin), float(end)))
        _, last = stage.split("/", 1)
        is_network = last not in ("synthetic", "assessment")
        trained.setdefault(name, set()).add(is_network)
    assert True in trained["worker-0"]
    assert True in trained["worker-1"]
    assert True not in trained.get("worker-2", set())
    for found in intervals.values():
        for (_, ended), (begun, _) in itertools.pairwise(sorted(found)):
            assert ended <= begun


def test_results_come_back_where_no_folder_is_shared(
    scheduler: Path, serial: Path, tmp_path: Path
) -> None:
    """The disk of one worker is full: its stages are run elsewhere, which is told."""
    full = scheduler.parent / "flags" / f"{faults.FULL}worker-1"
    full.touch()
    command = (*ONE_SEED, "--out", tmp_path, "--scheduler", scheduler, "--collect")
    with cold(*command) as process:
        ended = finish(process)
    full.unlink()

    assert (ended.code, ended.stderr) == (0, "")
    run, _ = RUNS
    # Plan and verdicts of the serial study are of both seeds.
    other = {"machine.json", "plan.json", "comparison.json", "comparison.md"}
    assert set(differences(tmp_path / run, serial / run)) <= other
    told = re.findall("remark: failed on .*: the disk is full; was run", ended.stdout)
    assert told
    assert all("/worker-1/" in line for line in told)


def test_a_command_that_ends_lets_the_workers_save_and_be_free(
    scheduler: Path, tmp_path: Path
) -> None:
    """By Ctrl-C or killed, as a lost connection: nobody waits for the stages."""
    trial = ("--data.phantoms", "60", "--data.n-development", "30")
    long = ("try_recipe", *TINY, *SMALL_NETWORKS, *trial, "--gan.steps", "100000")
    ends = {signal.SIGINT: (130, LINE), signal.SIGKILL: (-signal.SIGKILL, "")}
    outs = {number: tmp_path / number.name for number in ends}
    where = ("--fold", "3", "--scheduler", scheduler, "--out")
    with contextlib.ExitStack() as stack:
        commands = {
            number: stack.enter_context(
                started(tmp_path / f"{number.name}-log", *long, *where, out)
            )
            for number, out in outs.items()
        }
        for number, command in commands.items():
            while not [*outs[number].glob("*/fold-3/gan/samples/step-000002.png")]:
                assert command.process.is_alive()
                time.sleep(0.05)
            assert command.process.pid
            os.kill(command.process.pid, number)
            ended = command.wait()
            assert (ended.code, ended.stderr) == ends[number]

    # But for what a killed command leaves.
    until = time.monotonic() + 60
    while [p for p in tmp_path.glob("*/*/leases/*") if "command-" not in p.name]:
        assert time.monotonic() < until
        time.sleep(0.1)
    for out in outs.values():
        assert [*out.glob("*/fold-3/gan/checkpoints/*.safetensors")]
