"""Following the stages of a study on a running Dask cluster."""

import contextlib
import dataclasses
import hashlib
import logging
import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dask
from distributed import Client, Future

from tfgansynth.cluster import artifacts
from tfgansynth.cluster.worker import (
    STAGE,
    Answer,
    Order,
    StageWorker,
    forget,
    own_versions,
    replica_name,
    run_order,
    unpickled,
)
from tfgansynth.errors import InputError, RunError, counted, name_few
from tfgansynth.experiment.executors import Outcome, failure_before, was_done
from tfgansynth.experiment.experiment_data import Experiment, Part
from tfgansynth.experiment.graph import Kind, PlannedStage
from tfgansynth.experiment.plan import in_order_of_need
from tfgansynth.runtime import leases, storage
from tfgansynth.runtime.progress import shown_while

RETRIES = 2
"""A stage that fails so often and once more has failed."""
_SECONDS_TO_CONNECT = 30
_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_BETWEEN_STATES = 5.0
_AGAIN = "what was done is saved; the same command continues from there"
_NO_GPU = (Kind.SET, Kind.ASSESSMENT)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """A stage of a part."""

    number: int
    index: int
    part: Part
    stage: PlannedStage

    @property
    def key(self) -> str:
        """Dask's name of it: the same stage of the same run is one task."""
        root = self.part.experiment.run.root.absolute()
        place = hashlib.sha256(str(root).encode()).hexdigest()
        kind, own = self.stage.kind.name.lower(), self.stage.identity
        return f"{kind}-{root.name}/{self.stage.name}-{place[:8]}-{own[:8]}"


def execute(
    parts: Sequence[Part], scheduler: str, *, tolerant: bool, collect: bool
) -> Iterator[tuple[Part, Outcome]]:
    """Run the stages of opened experiments that are not done, on a cluster.

    A stage is handed to Dask as soon as what it needs is done; Dask chooses the
    worker, in the order of `in_order_of_need`, and runs a stage again that has
    failed or whose worker is lost.

    Args:
        parts: The experiments.
        scheduler: Dask's scheduler: its address, or the file that it has written.
        tolerant: Continue without a set whose generator is unusable, and do not fail.
        collect: Storage is not shared: send each stage what it needs, and take its
            files back.

    Yields:
        Each stage once it is done, or known to have no result.

    Raises:
        InputError: No scheduler answers, or a worker is of another version.
        RunError: Stages have failed; all others were run. Or the cluster is gone.
    """
    with _connected(scheduler) as client:
        print(_cluster(client))
        failed: dict[str, Exception] = {}
        for task, outcome in _follow(client, parts, scheduler, collect=collect):
            unusable = outcome.failure and outcome.is_unusable
            if outcome.failure and not (tolerant and unusable):
                failed[f"{task.part.name}/{task.stage.name}"] = outcome.failure
            yield task.part, outcome
        if not failed:
            if collect:
                client.run(forget, [*map(_replica, parts)])
            return
    first = next(iter(failed.values()))
    if len({*map(str, failed.values())}) == 1 and isinstance(first, InputError):
        raise first
    raise RunError(
        f"{counted(len(failed), 'stage')} have no result ({name_few(list(failed))}): "
        f"{first}: {_AGAIN}"
    ) from first


def _replica(part: Part) -> str:
    run = part.experiment.run
    return replica_name(run.root.absolute(), storage.hash_file(run.config_path))


def _follow(
    client: Client, parts: Sequence[Part], address: str, *, collect: bool
) -> Iterator[tuple[_Task, Outcome]]:
    ordered = in_order_of_need([part.plan.stages for part in parts])
    waiting = [
        _Task(number, index, parts[index], stage)
        for number, (index, stage) in enumerate(ordered)
    ]
    unfinished: list[set[str]] = [{s.name for s in p.plan.stages} for p in parts]
    failures: list[dict[str, Exception]] = [{} for _ in parts]
    experiments = client.submit(
        unpickled,
        pickle.dumps(tuple(_portable(part.experiment) for part in parts)),
        pure=False,
        priority=1,
    )
    running: dict[Future, _Task] = {}
    while waiting or running:
        for task in [
            t for t in waiting if unfinished[t.index].isdisjoint(t.stage.needs)
        ]:
            waiting.remove(task)
            failure = failure_before(task.stage, failures[task.index])
            if not failure and not was_done(task.part.experiment, task.stage):
                future = _submit(client, experiments, task, collect=collect)
                running[future] = task
                continue
            if failure:
                failures[task.index][task.stage.name] = failure
            unfinished[task.index].remove(task.stage.name)
            yield task, Outcome(task.stage, computed=False, failure=failure)
            # Others may have waited for it.
            break
        else:
            with shown_while(_state(client, running, len(waiting))):
                ended = _ended(client, running, address)
            for future in ended:
                task = running.pop(future)
                outcome = _outcome(task, future, address, collect=collect)
                unfinished[task.index].remove(task.stage.name)
                if outcome.failure:
                    failures[task.index][task.stage.name] = outcome.failure
                yield task, outcome


def _state(client: Client, running: Mapping[Future, _Task], n_waiting: int) -> str:
    """Say what runs where, and how much waits."""
    at = {key: worker for worker, keys in client.processing().items() for key in keys}
    shown = [
        f"{task.stage.label} at {at[task.key].rpartition('/')[2]}"
        for task in running.values()
        if task.key in at
    ]
    n_waiting += len(running) - len(shown)
    return f"{n_waiting} stages wait; {name_few(shown)}"


def _submit(
    client: Client, experiments: Future, task: _Task, *, collect: bool
) -> Future:
    run = task.part.experiment.run
    order = Order(
        key=task.key,
        part=task.index,
        stage=task.stage,
        config_sha256=storage.hash_file(run.config_path),
    )
    if collect:
        needed = artifacts.pack_needed(run.root, _all_needs(task))
        content = {**artifacts.pack_run(run.root), **needed}
        order = dataclasses.replace(order, files=content)
    return client.submit(
        run_order,
        experiments,
        order,
        key=task.key,
        priority=-task.number,
        retries=RETRIES,
        resources={STAGE: 1, **_stated(client, task)},
    )


def _all_needs(task: _Task) -> list[str]:
    """What a stage needs, and what that needs."""
    stages = {stage.name: stage for stage in task.part.plan.stages}
    stages |= {stage.name: stage for stage in task.part.plan.others}
    found: list[str] = []
    open_names = [*task.stage.needs]
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.append(name)
            open_names += stages[name].needs
    return found


def _stated(client: Client, task: _Task) -> dict[str, float]:
    """What a stage takes of the resources that workers state: `GPU`, `MEMORY`."""
    found = client.scheduler_info(n_workers=-1)["workers"].values()
    names = {name for worker in found for name in worker["resources"]}
    taken: dict[str, float] = {}
    if "GPU" in names and task.stage.kind not in _NO_GPU:
        taken["GPU"] = 1
    if "MEMORY" in names:
        taken["MEMORY"] = task.part.expected_mib(task.stage) * 2**20
    return taken


def _ended(client: Client, running: dict[Future, _Task], address: str) -> list[Future]:
    """Wait until stages have ended, or what is shown of them is old."""
    until = time.monotonic() + _SECONDS_BETWEEN_STATES
    while time.monotonic() < until:
        found = [each for each in running if each.status != "pending"]
        if found:
            return found
        if client.status != "running":
            raise RunError(f"--scheduler {address}: is gone: {_AGAIN}")
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return []


def _outcome(task: _Task, future: Future, address: str, *, collect: bool) -> Outcome:
    if future.status == "error":
        fault = future.exception()
        assert isinstance(fault, Exception)
        return Outcome(task.stage, computed=False, failure=_named(task, fault))
    if future.status != "finished":
        raise RunError(
            f"--scheduler {address}: is gone, or has dropped the stages: {_AGAIN}"
        )
    answer: Answer = future.result()
    if collect and answer.found:
        run, name = task.part.experiment.run, task.stage.name
        # Another command may have taken it as well.
        with leases.held(run.stage_lease(name)):
            if not was_done(task.part.experiment, task.stage):
                artifacts.unpack_stage(run.root, task.stage, answer.found.files)
                if answer.found.records["seconds"]:
                    run.put_records(name, answer.found.records)
                run.add_memory(name, answer.found.mib)
    return answer.outcome


def _named(task: _Task, fault: Exception) -> Exception:
    """Name the stage in what ended it, unless its own message does."""
    name = f"{task.part.name}/{task.stage.name}"
    if isinstance(fault, InputError | RunError):
        return fault
    return RunError(f"{name}: failed {RETRIES + 1} times: {fault!r}")


def _portable(experiment: Experiment) -> Experiment:
    """The experiment for other processes: the lease stays with this one."""
    root = experiment.run.root.absolute()
    run = dataclasses.replace(experiment.run, root=root, lease=None)
    return dataclasses.replace(experiment, run=run)


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Client]:
    """Connect to a scheduler, and make its workers ready for stages.

    Raises:
        InputError: No scheduler answers, or a worker is of another version.
    """
    settings = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}
    with dask.config.set(settings), _silent():
        try:
            place = (
                {"scheduler_file": address}
                if Path(address).is_file()
                else {"address": address}
            )
            client = Client(timeout=_SECONDS_TO_CONNECT, **place)
        except (OSError, ValueError) as fault:
            raise InputError(
                f"--scheduler {address}: no Dask scheduler answers ({fault})"
            ) from fault
        with client:
            try:
                client.register_plugin(StageWorker(own_versions()))
            except ImportError as fault:
                raise InputError(
                    f"--scheduler {address}: a worker cannot import this program "
                    f"({fault}): install it there"
                ) from fault
            yield client


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Let no library complain: what is wrong is said in one line."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _cluster(client: Client) -> str:
    """Say in one line what the cluster is."""
    found = client.scheduler_info(n_workers=-1)
    try:
        dashboard = client.dashboard_link
    except KeyError:
        dashboard = None
    shown = f", dashboard {dashboard}" if dashboard else ""
    n_workers = len(found["workers"])
    words = counted(n_workers, "worker") if n_workers else "no worker yet"
    return f"Cluster: {words} at {found['address']}{shown}"
