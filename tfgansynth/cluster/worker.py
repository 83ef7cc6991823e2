"""One stage on a worker of a cluster, in a process of its own."""

import dataclasses
import functools
import hashlib
import multiprocessing
import os
import pickle
import shutil
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

from tfgansynth.cluster import artifacts
from tfgansynth.config_checks import differences
from tfgansynth.errors import FULL, InputError, RunError, name_few
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stage_runs import Outcome, outcome_of
from tfgansynth.planning.graph import PlannedStage
from tfgansynth.records import files
from tfgansynth.runtime import machine_facts, storage
from tfgansynth.runtime.processes.isolation import workers

STAGE = "tfgansynth-stage"
"""A resource of each worker, of which there is one: it runs one stage at a time."""

_PRELOADED = "tfgansynth.cluster.preloaded"
_SECONDS_BETWEEN_LOOKS = 0.5
_LIBRARIES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that Dask sets to 1 for its workers, which would change rounding."""


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """A stage to run.

    Attributes:
        key: The task's key.
        part: Number of its experiment.
        stage: The stage.
        config_sha256: Hash of the run folder's settings, which a worker on the same
            storage sees as well.
        files: Where no storage is shared: what it needs of the run folder.
    """

    key: str
    part: int
    stage: PlannedStage
    config_sha256: str
    files: artifacts.Files | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What became of a stage, where, and its files where no storage is shared.

    `address` is the worker's.
    """

    outcome: Outcome
    address: str
    found: artifacts.Artifacts | None = None


class StageWorker(WorkerPlugin):
    """Makes a worker ready for stages; refuses one of another version.

    Args:
        versions: What the command has, see `own_versions`.
    """

    name = "tfgansynth"
    idempotent = False

    def __init__(self, versions: Mapping[str, Any]) -> None:
        self._versions = versions

    async def setup(self, worker: Worker) -> None:
        """Let the worker run one stage at a time, in a process with its threads.

        Raises:
            InputError: The worker is of another version.
        """
        changes = list(differences(own_versions(), self._versions))
        if changes:
            raise InputError(
                f"worker {worker.address} on {socket.gethostname()}: is not of the "
                f"command's version ({name_few(changes, '; ')}): install the same "
                "versions on all machines"
            )
        # Dask marks its workers as processes that may have none of their own.
        multiprocessing.current_process().daemon = False
        os.environ.update(dict.fromkeys(_LIBRARIES, str(worker.state.nthreads)))
        worker.metrics[STAGE] = _running
        await worker.set_resources(**{STAGE: 1})


def _running(worker: Worker) -> list[str]:
    """The keys of what a worker computes now, of which the scheduler does not know."""
    return [str(task.key) for task in worker.state.executing]


def own_versions() -> dict[str, Any]:
    """Versions that must be the same on all machines."""
    return {**machine_facts.versions(), "commit": machine_facts.commit()}


def unpickled(content: bytes) -> Any:
    """Read what the command has sent once for all stages of this worker."""
    return pickle.loads(content)


def run_order(experiments: tuple[Experiment, ...], order: Order) -> Answer:
    """Run a stage; what ends it is an answer, with the worker's address."""
    worker = get_worker()
    try:
        return _run(worker, experiments[order.part], order)
    except Exception as fault:
        failure = _first_fault(fault)
        outcome = Outcome(
            order.stage, computed=False, failure=failure, where=socket.gethostname()
        )
        return Answer(outcome, worker.address)


def _first_fault(fault: Exception) -> Exception:
    """What a full disk has ended first; Dask carries no exception behind another."""
    behind: BaseException | None = fault
    while behind:
        if isinstance(behind, OSError) and behind.errno in FULL:
            return behind
        behind = behind.__context__
    return fault


def _run(worker: Worker, experiment: Experiment, order: Order) -> Answer:
    """Run a stage.

    Raises:
        RunError: The storage is not that of the command, the process of the stage was
            ended, or nobody wants its result any more.
        Exception: What ended the stage.
    """
    if order.files is None:
        _require_shared(experiment.run.root, order.config_sha256)
        return Answer(_compute(worker, experiment, order), worker.address)
    run = dataclasses.replace(experiment.run, root=_replica(worker, experiment, order))
    experiment = dataclasses.replace(experiment, run=run)
    # Workers of one machine may share the folder.
    with run.opening():
        artifacts.unpack(run.root, order.files)
    outcome = _compute(worker, experiment, order)
    if outcome.failure:
        return Answer(outcome, worker.address)
    with run.opening():
        records = run.take_records(order.stage.name)
    found = artifacts.pack_folder(run.root / order.stage.name)
    mib = run.memory().get(order.stage.name, 0.0)
    return Answer(outcome, worker.address, artifacts.Artifacts(found, records, mib))


def _compute(worker: Worker, experiment: Experiment, order: Order) -> Outcome:
    compute = functools.partial(_until_done, experiment)
    threads = worker.state.nthreads
    with workers(compute, 1, threads=threads, preloaded=_PRELOADED) as (process,):
        process.start(order.stage.name, order.stage)
        while not process.connection.poll(_SECONDS_BETWEEN_LOOKS):
            task = worker.state.tasks.get(order.key)
            if task is None or task.state == "cancelled":
                # The process saves what it has, as at Ctrl-C.
                raise RunError(f"{order.stage.name}: nobody waits for it any more")
        outcome: Outcome = process.answer()
    return dataclasses.replace(outcome, where=socket.gethostname())


def _until_done(experiment: Experiment, planned: PlannedStage) -> Outcome:
    """Run a stage, or wait until another command's process has done so."""
    while (outcome := outcome_of(experiment, planned)) is None:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return outcome


def _require_shared(root: Path, config_sha256: str) -> None:
    path = root / files.CONFIG
    if not path.exists() or storage.hash_file(path) != config_sha256:
        raise RunError(
            f"{root}: is not on {socket.gethostname()} as it is where the command "
            "runs: name a shared folder with --out, or use --collect"
        )


def _replica(worker: Worker, experiment: Experiment, order: Order) -> Path:
    """Where a worker keeps its copy of a run, also when it is started again."""
    name = replica_name(experiment.run.root, order.config_sha256)
    return Path(worker.local_directory).parent / name


def replica_name(root: Path, config_sha256: str) -> str:
    """Name the copies of a run on workers."""
    key = hashlib.sha256(f"{root}\n{config_sha256}".encode()).hexdigest()
    return f"tfgansynth-{key[:16]}"


def forget(names: Iterable[str], dask_worker: Worker) -> None:
    """Remove copies of runs whose results have come back."""
    for name in names:
        place = Path(dask_worker.local_directory).parent / name
        shutil.rmtree(place, ignore_errors=True)
