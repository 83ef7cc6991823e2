"""Following the stages of a study on a running Dask cluster."""

import dataclasses
import functools
import hashlib
import pickle
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from distributed import Client, Future

from tfgansynth.cluster import artifacts
from tfgansynth.cluster.connection import cluster_line, connected
from tfgansynth.cluster.worker import (
    STAGE,
    Answer,
    Order,
    forget,
    replica_name,
    run_order,
    unpickled,
)
from tfgansynth.errors import FULL, InputError, RunError, counted, name_few, one_line
from tfgansynth.experiment.executors import failure_before
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stage_runs import Outcome, was_done
from tfgansynth.experiment.study import Part
from tfgansynth.planning.graph import Kind, PlannedStage
from tfgansynth.planning.schedule import in_order_of_need
from tfgansynth.runtime import storage
from tfgansynth.runtime.processes import leases
from tfgansynth.runtime.progress import shown_while

RETRIES = 2
"""A stage that fails so often and once more has failed."""
_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_BETWEEN_STATES = 5.0
_AGAIN = "what was done is saved; the same command continues from there"
_NO_GPU = (Kind.SET, Kind.ASSESSMENT)


@dataclasses.dataclass(slots=True, eq=False)
class _Task:
    """A stage of a part.

    `failures` says where it has failed, by the worker's address, and why; `only` names
    the workers that it is kept for, where it is not for any; `n_orders` counts how
    often it was handed to Dask.
    """

    number: int
    index: int
    part: Part
    stage: PlannedStage
    failures: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    only: frozenset[str] = frozenset()
    n_orders: int = 0

    @property
    def name(self) -> str:
        """Name it in messages."""
        return f"{self.part.name}/{self.stage.name}"

    @property
    def key(self) -> str:
        """Dask's name of it: the same stage of the same run is one task."""
        root = self.part.experiment.run.root.absolute()
        place = hashlib.sha256(str(root).encode()).hexdigest()
        kind, own = self.stage.kind.name.lower(), self.stage.identity
        again = f"-again{self.n_orders - 1}" if self.n_orders > 1 else ""
        return f"{kind}-{root.name}/{self.stage.name}-{place[:8]}-{own[:8]}{again}"


def execute(
    parts: Sequence[Part],
    scheduler: str,
    *,
    tolerant: bool,
    collect: bool,
    running: Callable[[Collection[tuple[str, str]], int], None],
) -> Iterator[tuple[Part, Outcome]]:
    """Run the stages of opened experiments that are not done, on a cluster.

    A stage is handed to Dask as soon as what it needs is done; Dask chooses the
    worker, in the order of `in_order_of_need`, and runs a stage again whose worker is
    lost. One that has failed is run again elsewhere.

    Args:
        parts: The experiments.
        scheduler: Dask's scheduler: its address, or the file that it has written.
        tolerant: Continue without a set whose generator is unusable, and do not fail.
        collect: Storage is not shared: send each stage what it needs, and take its
            files back.
        running: Is told from time to time which stages run, by part and stage, and how
            many workers there are.

    Yields:
        Each stage once it is done, or known to have no result.

    Raises:
        InputError: No scheduler answers, or a worker is of another version.
        RunError: Stages have failed; all others were run. Or the cluster is gone.
    """
    with connected(scheduler) as client:
        print(cluster_line(client))
        failed: dict[str, Exception] = {}
        for task, outcome in _follow(
            client, parts, scheduler, collect=collect, running=running
        ):
            unusable = outcome.failure and outcome.is_unusable
            if outcome.failure and not (tolerant and unusable):
                failed[task.name] = outcome.failure
            yield task.part, outcome
        if not failed:
            if collect:
                client.run(forget, [*map(_replica, parts)])
            return
    first = next(iter(failed.values()))
    if len({*map(str, failed.values())}) == 1 and isinstance(first, InputError):
        raise first
    have = "has" if len(failed) == 1 else "have"
    raise RunError(
        f"{counted(len(failed), 'stage')} {have} no result ({name_few(list(failed))}): "
        f"{first}: {_AGAIN}"
    ) from first


def _replica(part: Part) -> str:
    run = part.experiment.run
    return replica_name(run.root.absolute(), storage.hash_file(run.config_path))


def _follow(
    client: Client,
    parts: Sequence[Part],
    address: str,
    *,
    collect: bool,
    running: Callable[[Collection[tuple[str, str]], int], None],
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
    submit = functools.partial(_submit, client, experiments, collect=collect)
    begun: dict[Future, _Task] = {}
    while waiting or begun:
        for task in [
            t for t in waiting if unfinished[t.index].isdisjoint(t.stage.needs)
        ]:
            waiting.remove(task)
            failure = failure_before(task.stage, failures[task.index])
            if not failure and not was_done(task.part.experiment, task.stage):
                failure = _unfit(client, task)
                if not failure:
                    begun[submit(task)] = task
                    continue
            if failure:
                failures[task.index][task.stage.name] = failure
            unfinished[task.index].remove(task.stage.name)
            yield task, Outcome(task.stage, computed=False, failure=failure)
            # Others may have waited for it.
            break
        else:
            at, workers = _at_work(client)
            for future in [
                future
                for future, task in begun.items()
                if future.status == "pending"
                and task.only
                and task.only.isdisjoint(workers)
            ]:
                # Those that it is kept for are gone.
                future.cancel()
                task = begun.pop(future)
                begun[submit(task)] = task
            names = {t: at[t.key] for t in begun.values() if t.key in at}
            running([(t.part.name, t.stage.name) for t in names], len(workers))
            words = [f"{task.stage.label} at {place}" for task, place in names.items()]
            with shown_while(name_few(words) or "waiting for workers"):
                ended = _ended(client, begun, address)
            for future in ended:
                task = begun.pop(future)
                outcome = _outcome(task, future, address, collect=collect)
                if outcome is None:
                    begun[submit(task)] = task
                    continue
                unfinished[task.index].remove(task.stage.name)
                if outcome.failure:
                    failures[task.index][task.stage.name] = outcome.failure
                yield task, outcome


def _at_work(client: Client) -> tuple[dict[str, str], Collection[str]]:
    """Find which tasks run at which worker, by key, and all workers."""
    found = client.scheduler_info(n_workers=-1)["workers"]
    at = {
        key: address.rpartition("/")[2]
        for address, worker in found.items()
        for key in worker["metrics"].get(STAGE, ())
    }
    return at, found.keys()


def _submit(
    client: Client, experiments: Future, task: _Task, *, collect: bool
) -> Future:
    run = task.part.experiment.run
    task.n_orders += 1
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
    taken, able = _resources(client, task)
    # Where it has not failed, if another worker can. One that fails at once is idle: if
    # it might, it would take all that waits for the others.
    failed_at = {address for address, _ in task.failures}
    task.only = frozenset({*(able or ())} - failed_at) if failed_at else frozenset()
    return client.submit(
        run_order,
        experiments,
        order,
        key=task.key,
        priority=-task.number,
        resources={STAGE: 1, **taken},
        workers=sorted(task.only) or None,
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


def _resources(
    client: Client, task: _Task
) -> tuple[dict[str, float], list[str] | None]:
    """What a stage takes of the resources that workers state: `GPU`, `MEMORY`.

    Returns:
        That, and the workers that state as much; None while there are no workers.
    """
    found = client.scheduler_info(n_workers=-1)["workers"]
    names = {name for worker in found.values() for name in worker["resources"]}
    taken: dict[str, float] = {}
    if "GPU" in names and task.stage.kind not in _NO_GPU:
        taken["GPU"] = 1
    if "MEMORY" in names:
        taken["MEMORY"] = task.part.expected_mib(task.stage) * 2**20
    able = [
        address
        for address, worker in found.items()
        if all(worker["resources"].get(k, 0) >= amount for k, amount in taken.items())
    ]
    return taken, able if found else None


def _unfit(client: Client, task: _Task) -> RunError | None:
    """Why a stage would wait for ever: no worker states as much as it takes."""
    taken, able = _resources(client, task)
    if able != []:
        return None
    words = [
        f"{amount / 2**30:.1f} GiB of MEMORY" if name == "MEMORY" else f"one {name}"
        for name, amount in taken.items()
    ]
    return RunError(
        f"{task.name}: takes {' and '.join(words)}, which no worker states in its "
        "--resources: start one that does, or take smaller networks"
    )


def _ended(client: Client, begun: dict[Future, _Task], address: str) -> list[Future]:
    """Wait until stages have ended, or what is shown of them is old."""
    until = time.monotonic() + _SECONDS_BETWEEN_STATES
    while time.monotonic() < until:
        found = [each for each in begun if each.status != "pending"]
        if found:
            return found
        if client.status != "running":
            raise RunError(f"--scheduler {address}: is gone: {_AGAIN}")
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return []


def _outcome(
    task: _Task, future: Future, address: str, *, collect: bool
) -> Outcome | None:
    """What became of a stage; None if it is to be run again."""
    if future.status == "error":
        # Of its worker, which Dask has replaced as often as it does.
        fault = future.exception()
        lost = RunError(f"{task.name}: {_words(fault)}")
        return Outcome(task.stage, computed=False, failure=lost)
    if future.status != "finished":
        raise RunError(
            f"--scheduler {address}: is gone, or has dropped the stages: {_AGAIN}"
        )
    answer: Answer = future.result()
    outcome, failure = answer.outcome, answer.outcome.failure
    if failure and not outcome.is_unusable:
        where = f"{outcome.where} ({answer.address.rpartition('/')[2]})"
        task.failures.append((answer.address, f"{where}: {_words(failure)}"))
        if len(task.failures) <= RETRIES:
            return None
        return dataclasses.replace(outcome, failure=_named(task, failure))
    if collect and answer.found:
        run, name = task.part.experiment.run, task.stage.name
        # Another command may have taken it as well.
        with leases.held(run.stage_lease(name)):
            if not was_done(task.part.experiment, task.stage):
                artifacts.unpack_stage(run.root, task.stage, answer.found.files)
                if answer.found.records["seconds"]:
                    run.put_records(name, answer.found.records)
                run.add_memory(name, answer.found.mib)
    remarks = tuple(f"failed on {words}; was run again" for _, words in task.failures)
    return dataclasses.replace(outcome, remarks=(*remarks, *outcome.remarks))


def _named(task: _Task, fault: Exception) -> Exception:
    """Name the stage in what ended it, unless its own message does."""
    if isinstance(fault, InputError | RunError):
        return fault
    n_times, (_, last) = len(task.failures), task.failures[-1]
    return RunError(f"{task.name}: failed {n_times} times, the last time on {last}")


def _words(fault: BaseException | None) -> str:
    """Say in one line what ended a stage."""
    if isinstance(fault, OSError) and fault.errno in FULL:
        return f"{fault.filename or 'a file'}: the disk is full"
    if isinstance(fault, InputError | RunError):
        return str(fault)
    return one_line(f"{type(fault).__name__}: {fault}")


def _portable(experiment: Experiment) -> Experiment:
    """The experiment for other processes: the lease stays with this one."""
    root = experiment.run.root.absolute()
    run = dataclasses.replace(experiment.run, root=root, lease=None)
    return dataclasses.replace(experiment, run=run)
