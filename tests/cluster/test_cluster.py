"""A real cluster on this machine: a scheduler and three workers, some killed."""

import functools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from tests.cluster import killing, processes
from tests.reliability.comparison import differences
from tests.reliability.processes import Warm, cold, finish
from tests.reliability.test_signals import LINE
from tests.tools.conftest import SMALL_NETWORKS, TINY

pytestmark = pytest.mark.slow

STUDY = ("run_table", *TINY, *SMALL_NETWORKS, "--folds", "1", "2", "--assess")
RUNS = ("phantoms-reduced-smoke-seed0", "phantoms-reduced-smoke-seed1")


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with processes.cluster(tmp_path_factory.mktemp("cluster"), 3) as address:
        yield address


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study in order in one process, with the threads of a worker."""
    folder = tmp_path_factory.mktemp("serial")
    (core, *_) = sorted(os.sched_getaffinity(0))
    alone = functools.partial(os.sched_setaffinity, 0, [core])
    arguments = (*STUDY[1:], "--seeds", "2", "--out", folder / "out")
    ended = Warm(folder / "log", alone, STUDY[0], *arguments).wait()
    assert (ended.code, ended.stderr) == (0, "")
    return folder / "out"


def test_a_study_whose_workers_are_killed_is_that_of_one_process(
    scheduler: Path, serial: Path, tmp_path: Path
) -> None:
    """Killed in a GAN, at the end of a U-Net, and while a seal is written."""
    command = (*STUDY, "--seeds", "2", "--out", tmp_path, "--scheduler", scheduler)
    with cold(*command) as process:
        ended = finish(process)

    assert (ended.code, ended.stderr) == (0, "")
    assert sorted(p.name for p in (scheduler.parent / "flags").iterdir()) == sorted(
        killing.MOMENTS
    )
    assert "Cluster: 3 workers at tcp://127.0.0.1:" in ended.stdout
    for run in RUNS:
        assert set(differences(tmp_path / run, serial / run)) <= {"machine.json"}


def test_results_come_back_where_no_folder_is_shared(
    scheduler: Path, serial: Path, tmp_path: Path
) -> None:
    command = (*STUDY, "--out", tmp_path, "--scheduler", scheduler, "--collect")
    with cold(*command) as process:
        ended = finish(process)

    assert (ended.code, ended.stderr) == (0, "")
    found = {
        name
        for name in differences(tmp_path / RUNS[0], serial / RUNS[0])
        if name.startswith("fold-")
    }
    assert not found


def test_ctrl_c_lets_the_workers_save_and_be_free(
    scheduler: Path, tmp_path: Path
) -> None:
    """As a lost connection does: nobody waits for the stages any more."""
    arguments = ("--fold", "3", "--out", tmp_path, "--scheduler", scheduler)
    trial = ("--data.phantoms", "60", "--data.n-development", "30")
    long = ("try_recipe", *TINY, *SMALL_NETWORKS, *trial, "--gan.steps", "100000")
    with cold(*long, *arguments) as process:
        while not [*tmp_path.glob("*/fold-3/gan/samples/step-000002.png")]:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        ended = finish(process)

    assert (ended.code, ended.stderr) == (130, LINE)
    until = time.monotonic() + 60
    while [*tmp_path.glob("*/leases/*")]:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert [*tmp_path.glob("*/fold-3/gan/checkpoints/*.safetensors")]
