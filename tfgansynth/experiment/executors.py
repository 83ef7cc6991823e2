"""Running the stages of a plan: resumed, timed, sealed, each in one way.

A stage whose folder is sealed is done. Any other one is computed, which continues what
an interrupted attempt has left, and then sealed: the record that says what it came
from, with the hashes of its files, is written last. `run_stage` needs nothing but the
experiment and the planned stage, so that another process may call it as well.

Several stages at a time run in worker processes, each with its share of the cores. A
worker gets the experiment once, and then one stage after another. It ends with the
process that started it, however that ends.
"""

import contextlib
import dataclasses
import io
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tfgansynth.config import Precision
from tfgansynth.config_checks import require_same
from tfgansynth.data.dataset import shared_cases
from tfgansynth.errors import InputError, RunError, name_few
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.graph import Kind, Plan, PlannedStage
from tfgansynth.experiment.run_folder import Run
from tfgansynth.records.files import ASSESSMENT, PROVENANCE
from tfgansynth.runtime import checkpoints, signals, storage
from tfgansynth.runtime.devices import (
    describe_machine,
    explain_device,
    explain_precision,
    import_tensorflow_quietly,
    limit_threads,
    networks_released,
    resident_peak,
    resolve_precision,
    usable_cores,
)
from tfgansynth.runtime.isolation import why_it_ended
from tfgansynth.runtime.progress import duration
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import START_UP, Timer, shares
from tfgansynth.synthesis.sampling import MANIFEST, UnusableGeneratorError


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a stage was computed now, or why it, or one it needs, has no result."""

    stage: PlannedStage
    computed: bool
    failure: UnusableGeneratorError | None = None


def execute(
    experiment: Experiment, plan: Plan, *, tolerant: bool = False, workers: int = 1
) -> Iterator[Outcome]:
    """Run the stages of an opened experiment that are not done.

    Args:
        experiment: The experiment.
        plan: Its stages run in order, or each as soon as what it needs is done.
        tolerant: Continue without a set whose generator has collapsed or draws empty
            masks, with the stages that do not need it.
        workers: Stages at a time, >= 1; one runs in this process.

    Yields:
        Each stage once it is done, or known to have no result.

    Raises:
        InputError: A stage cannot be computed, or a finished result was altered.
        RunError: A worker process was ended from outside.
    """
    for planned in plan.others:
        # An assessment is of a set, and no network is of it.
        if planned.kind not in (Kind.SEGMENTATION, Kind.ASSESSMENT):
            is_done(experiment, planned, dict(planned.record))
    failures: dict[str, UnusableGeneratorError] = {}
    if workers == 1:
        outcomes = _in_order(experiment, plan.stages, failures)
    else:
        outcomes = _side_by_side(experiment, plan.stages, failures, workers)
    for outcome in outcomes:
        if outcome.failure:
            if not tolerant:
                raise outcome.failure
            failures[outcome.stage.name] = outcome.failure
        yield outcome


def finish(experiment: Experiment, plan: Plan, *, workers: int = 1) -> None:
    """Run the stages that are not done; see `execute`."""
    for _ in execute(experiment, plan, workers=workers):
        pass


_Answer = tuple[bool, str, list[BaseException]]
"""Of a worker: whether a stage was not done, what it said, and what ended it."""
_Failures = Mapping[str, UnusableGeneratorError]
"""Why stages have no result, by their names, as far as they are known by now."""


def _in_order(
    experiment: Experiment, planned_stages: Sequence[PlannedStage], failures: _Failures
) -> Iterator[Outcome]:
    for planned in planned_stages:
        failure = _failure_before(planned, failures)
        yield Outcome(planned, False, failure) if failure else _run(experiment, planned)


def _side_by_side(
    experiment: Experiment,
    planned_stages: Sequence[PlannedStage],
    failures: _Failures,
    count: int,
) -> Iterator[Outcome]:
    """Run the first stages that can be run, as many at a time as there are workers."""
    waiting = list(planned_stages)
    unfinished = {planned.name for planned in waiting}
    with _workers(experiment, min(count, len(waiting))) as team:
        while unfinished:
            for planned in [s for s in waiting if unfinished.isdisjoint(s.needs)]:
                idle = next((worker for worker in team if not worker.stage), None)
                failure = _failure_before(planned, failures)
                if failure:
                    unfinished.remove(planned.name)
                    yield Outcome(planned, False, failure)
                elif idle:
                    idle.start(planned)
                else:
                    break
                waiting.remove(planned)
            busy = [worker for worker in team if worker.stage]
            # Of no connections it would wait for ever.
            ready = wait([worker.connection for worker in busy]) if busy else []
            for worker in [each for each in busy if each.connection in ready]:
                outcome = worker.outcome()
                unfinished.remove(outcome.stage.name)
                yield outcome


def _failure_before(
    planned: PlannedStage, failures: _Failures
) -> UnusableGeneratorError | None:
    return next((failures[name] for name in planned.needs if name in failures), None)


def _run(experiment: Experiment, planned: PlannedStage) -> Outcome:
    try:
        return Outcome(planned, run_stage(experiment, planned))
    except UnusableGeneratorError as fault:
        return Outcome(planned, False, fault)


@dataclasses.dataclass(slots=True)
class _Worker:
    """A process that runs stages, and the one that it runs now."""

    process: BaseProcess
    connection: Connection
    stage: PlannedStage | None = None

    def start(self, planned: PlannedStage) -> None:
        """Have a stage run."""
        self.stage = planned
        # Of a process that has ended, `outcome` tells.
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(planned)

    def outcome(self) -> Outcome:
        """Wait until the stage has ended, and print what it has said.

        Raises:
            RunError: The process has ended instead.
            Exception: What ended the stage.
        """
        planned, self.stage = self.stage, None
        assert planned
        try:
            computed, said, faults = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            raise RunError(
                f"{planned.name}: its process was {why_it_ended(self.process.exitcode)}"
                ": what was done is saved; the same command continues from there"
            ) from None
        print(said, end="")
        for fault, context in itertools.pairwise(faults):
            fault.__context__ = context
        if faults and not isinstance(faults[0], UnusableGeneratorError):
            raise faults[0]
        return Outcome(planned, computed, faults[0] if faults else None)


@contextlib.contextmanager
def _workers(experiment: Experiment, count: int) -> Iterator[list[_Worker]]:
    """Start processes; at the end of the block, let them save and wait for them."""
    # The lock stays with this process.
    run = dataclasses.replace(experiment.run, lock=None)
    sent = dataclasses.replace(experiment, run=run)
    context = multiprocessing.get_context("spawn")
    team: list[_Worker] = []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            arguments = theirs, sent, max(1, usable_cores() // count)
            process = context.Process(target=_work, args=arguments, daemon=True)
            with signals.blocked_signals():
                process.start()
            theirs.close()
            team.append(_Worker(process, ours))
        yield team
    finally:
        for worker in team:
            worker.process.terminate()
        for worker in team:
            worker.process.join()


def _work(connection: Any, experiment: Experiment, threads: int) -> None:
    """Run the stages that a connection asks for, until this process is told to end."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signals.install_handlers()
    # Of the terminal's signals the parent alone decides what they mean.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    try:
        import_tensorflow_quietly()
        limit_threads(threads)
        while True:
            planned = connection.recv()
            computed, said, faults = False, io.StringIO(), list[BaseException]()
            try:
                with contextlib.redirect_stdout(said):
                    computed = run_stage(experiment, planned)
            except Exception as fault:
                faults = _portable(fault)
            connection.send((computed, said.getvalue(), faults))
    except (KeyboardInterrupt, EOFError):
        signals.ignore_signals()
        sys.exit(128 + signal.SIGTERM)


def _end_with_parent() -> None:
    """End this process at once when its parent has ended, whose lock is free then."""
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)


def _portable(fault: BaseException) -> list[BaseException]:
    """Return an exception and those behind it as another process can read them."""
    fault.add_note("".join(traceback.format_exception(fault)))
    chain: list[BaseException] = []
    behind: BaseException | None = fault
    while behind:
        chain.append(behind)
        behind = behind.__context__
    try:
        pickle.loads(pickle.dumps(chain))
    except Exception:
        return [RuntimeError(*fault.__notes__)]
    return chain


def run_stage(experiment: Experiment, planned: PlannedStage) -> bool:
    """Run one stage, if it is not done.

    Returns:
        Whether it was not.

    Raises:
        InputError: It cannot be computed, or its finished result was altered.
    """
    # Imported late: a process whose workers run all stages needs no TensorFlow.
    from tfgansynth.experiment import stages

    run, folder = experiment.run, experiment.run.root / planned.name
    provenance = stages.full_provenance(experiment, planned)
    if is_done(experiment, planned, provenance):
        return False
    with networks_released(), timed(run, planned.name) as timer:
        stage = Stage(
            folder=folder,
            provenance=provenance,
            seed=planned.seed,
            timer=timer,
            label=planned.label,
        )
        with timer.part(START_UP):
            _record_machine(run, planned)
        files = stages.COMPUTE[planned.kind](experiment, planned, stage)
        run.add_memory(planned.name, resident_peak() / (1 << 20))
        if files is not None:
            seal(folder, provenance, files)
    return True


def seal(folder: Path, provenance: dict[str, Any], files: Sequence[str]) -> None:
    """Write what a stage came from, with the hashes of its files: it is done."""
    hashes = storage.hash_files(folder, files)
    storage.write_record(folder / PROVENANCE, {**provenance, "files": hashes})


def is_done(
    experiment: Experiment, planned: PlannedStage, provenance: dict[str, Any]
) -> bool:
    """Whether a stage is done, and still as it was written.

    A GAN whose checkpoint was damaged counts as not done: its training continues from
    the checkpoint before. An assessment of an earlier set is made again.

    Raises:
        InputError: It was altered, is another one, or was made from test cases.
    """
    folder = experiment.run.root / planned.name
    if planned.kind == Kind.SET:
        if not folder.exists():
            return False
        from tfgansynth.experiment.synthetic_sets import read_fold_set

        # Reads every file by its hash, and refuses what is not of this fold.
        *_, found = read_fold_set(experiment, experiment.fold(planned.fold), folder)
        stored = {name: found.get(name) for name in planned.record}
        _require_same(planned.record, stored, folder / MANIFEST)
        return True
    if planned.kind == Kind.ASSESSMENT:
        return _is_assessed(planned, experiment.run.root)
    path = folder / PROVENANCE
    if not path.exists():
        return False
    saved = storage.read_record(path)
    _refuse_leakage(experiment, planned, saved, path)
    files = saved.pop("files")
    _require_same(provenance, saved, path)
    try:
        storage.require_files(folder, files)
    except InputError:
        if planned.kind != Kind.GAN:
            raise
        return False
    return True


def _refuse_leakage(
    experiment: Experiment, planned: PlannedStage, saved: Mapping[str, Any], path: Path
) -> None:
    """Refuse a network that a test case went into, whatever its plan says."""
    by_content = not experiment.config.allow_duplicates
    tests = experiment.fold(planned.fold).test.hashes
    learned = saved.get("training_cases")
    if not isinstance(learned, Mapping):
        return
    if leaked := shared_cases(tests, learned, by_content=by_content):
        raise InputError(
            f"{path}: was trained on test cases of fold {planned.fold} "
            f"({name_few(leaked)}): remove {path.parent}, and all that was made from it"
        )


def _require_same(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], path: Path
) -> None:
    """Refuse what is of another run; name settings before hashes."""
    hashes = dict.fromkeys(("identity", "inputs"))
    require_same({**ours, **hashes}, {**theirs, **hashes}, path)
    require_same(ours, theirs, path)


def _is_assessed(planned: PlannedStage, root: Path) -> bool:
    path = root / planned.name / ASSESSMENT
    manifest = root / planned.needs[0] / MANIFEST
    if not path.exists() or not manifest.exists():
        return False
    record = storage.read_record(path)
    storage.require_files(path.parent, record["files"])
    assessed = record["synthetic_set"]["manifest_sha256"]
    same_set = assessed == storage.hash_file(manifest)
    if same_set and record.get("identity") == planned.identity:
        return True
    print(f"{path.parent}: is of an earlier set: it is made again")
    return False


@contextlib.contextmanager
def timed(run: Run, stage: str) -> Iterator[Timer]:
    """Print how long a stage took, and for what; add it to the run's `timings.json`."""
    timer = Timer()
    try:
        yield timer
    except BaseException:
        # What has ended the stage is told, and not that its time has no room either.
        with contextlib.suppress(OSError):
            _tell_time(run, stage, timer)
        raise
    _tell_time(run, stage, timer)


def _tell_time(run: Run, stage: str, timer: Timer) -> None:
    timings = timer.timings(stage)
    run.add_seconds(timings)
    parts = shares(timings[stage], timer.seconds)
    print(f"TIME: {stage} {duration(timings[stage])}{parts and f': {parts}'}")


def _record_machine(run: Run, planned: PlannedStage) -> None:
    """Record on which machine and in which number format a stage is computed."""
    gan, unet = run.config.gan.precision, run.config.unet.precision
    if planned.kind == Kind.SET:
        precision = resolve_precision(gan)
        run.add_machine(planned.name, describe_machine(), precision=precision, done=0)
    elif planned.kind == Kind.GAN:
        report_precision(run, planned.name, "GAN", gan)
    elif planned.kind != Kind.ASSESSMENT:
        report_precision(run, planned.name, "U-Net", unet)


def report_precision(run: Run, stage: str, network: str, precision: Precision) -> None:
    """Print and record where, and in which number format, a network is trained."""
    print(f"{network}: {explain_device()}, {explain_precision(precision)}")
    resolved = resolve_precision(precision)
    done = checkpoints.newest_step(run.root / stage / "checkpoints")
    earlier = run.add_machine(stage, describe_machine(), precision=resolved, done=done)
    if earlier and earlier[-1]["precision"] != resolved:
        unit = "step" if network == "GAN" else "epoch"
        print(
            f"{network}: was trained in {earlier[-1]['precision']} up to {unit} "
            f"{done}, continues in {resolved}"
        )
