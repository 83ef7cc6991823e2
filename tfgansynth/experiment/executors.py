"""Running the stages of a plan: resumed, timed, sealed, each in one way.

A stage whose folder is sealed is done. Any other one is computed, which continues what
an interrupted attempt has left, and then sealed: the record that says what it came
from, with the hashes of its files, is written last. `run_stage` needs nothing but the
experiment and the planned stage, so that another process may call it as well.

Several stages at a time run in worker processes (`runtime.isolation`), each with its
share of the cores.
"""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from tfgansynth.config import Precision
from tfgansynth.config_checks import require_same
from tfgansynth.data.dataset import shared_cases
from tfgansynth.errors import InputError, name_few
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.graph import Kind, Plan, PlannedStage
from tfgansynth.experiment.run_folder import Run
from tfgansynth.experiment.superseded import sealed_record
from tfgansynth.records.files import ASSESSMENT, PROVENANCE
from tfgansynth.runtime import checkpoints, leases, storage
from tfgansynth.runtime.devices import (
    describe_machine,
    import_tensorflow_quietly,
    networks_released,
    resident_peak,
    resolve_precision,
)
from tfgansynth.runtime.isolation import workers
from tfgansynth.runtime.progress import collected_remarks, remark, shown_while
from tfgansynth.runtime.stage import Result, Stage
from tfgansynth.runtime.timing import START_UP, Timer, shares
from tfgansynth.synthesis.failures import UnusableGeneratorError
from tfgansynth.synthesis.sampling import MANIFEST


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a stage: all that a screen shows of it, and nothing else.

    Attributes:
        computed: Whether it was computed now; if not, it was done before, or it has
            failed.
        failure: Why it, or one it needs, has no result.
        where: The machine that has computed it, where that is another one.
        seconds: What it took now.
        text: What it came to, in a few words.
        remarks: What people should know of it.
        details: Sentences for who wants to know more.
    """

    stage: PlannedStage
    computed: bool
    failure: Exception | None = None
    where: str = ""
    seconds: float = 0.0
    text: str = ""
    remarks: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def is_unusable(self) -> bool:
        """Whether a generator is unusable: a result of its own, and no fault."""
        return isinstance(self.failure, UnusableGeneratorError)


Running = Callable[[Collection[str], int], None]
"""Takes the names of the stages that run now, and how many could."""


def execute(
    experiment: Experiment,
    plan: Plan,
    *,
    tolerant: bool = False,
    workers: int = 1,
    running: Running = lambda names, n_workers: None,
) -> Iterator[Outcome]:
    """Run the stages of an opened experiment that are not done.

    Args:
        experiment: The experiment.
        plan: Its stages run in order, or each as soon as what it needs is done.
        tolerant: Continue without a set whose generator has collapsed or draws empty
            masks, with the stages that do not need it.
        workers: Stages at a time, >= 1; one runs in this process.
        running: Is told whenever that changes.

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
    failures: dict[str, Exception] = {}
    if workers == 1:
        outcomes = _in_order(experiment, plan.stages, failures, running)
    else:
        outcomes = _side_by_side(experiment, plan.stages, failures, workers, running)
    for outcome in outcomes:
        if outcome.failure:
            if not tolerant:
                raise outcome.failure
            failures[outcome.stage.name] = outcome.failure
        yield outcome


_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_STATES = 5.0

_Failures = Mapping[str, Exception]
"""Why stages have no result, by their names, as far as they are known by now."""


def _in_order(
    experiment: Experiment,
    planned_stages: Sequence[PlannedStage],
    failures: _Failures,
    running: Running,
) -> Iterator[Outcome]:
    """Run the first stage that can be run, until there is none."""
    waiting = list(planned_stages)
    while waiting:
        unfinished = {planned.name for planned in waiting}
        for planned in [s for s in waiting if unfinished.isdisjoint(s.needs)]:
            running([planned.name], 1)
            if failure := failure_before(planned, failures):
                outcome = Outcome(planned, computed=False, failure=failure)
            elif found := outcome_of(experiment, planned):
                outcome = found
            else:
                continue
            waiting.remove(planned)
            yield outcome
            break
        else:
            running([], 1)
            _wait_for_others(waiting)


def _wait_for_others(waiting: Sequence[PlannedStage]) -> None:
    with shown_while(f"another process works on {waiting[0].label}"):
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _side_by_side(
    experiment: Experiment,
    planned_stages: Sequence[PlannedStage],
    failures: _Failures,
    count: int,
    running: Running,
) -> Iterator[Outcome]:
    """Run the first stages that can be run, as many at a time as there are workers."""
    waiting = list(planned_stages)
    stages = {planned.name: planned for planned in waiting}
    unfinished = {*stages}
    # Stages that another process works on.
    elsewhere: list[PlannedStage] = []
    # The lease stays with this process.
    run = dataclasses.replace(experiment.run, lease=None)
    sent = dataclasses.replace(experiment, run=run)
    with workers(functools.partial(outcome_of, sent), min(count, len(waiting))) as team:
        while unfinished:
            for planned in [s for s in waiting if unfinished.isdisjoint(s.needs)]:
                idle = next((worker for worker in team if not worker.task), None)
                failure = failure_before(planned, failures)
                if failure:
                    unfinished.remove(planned.name)
                    yield Outcome(planned, computed=False, failure=failure)
                elif idle:
                    idle.start(planned.name, planned)
                else:
                    break
                waiting.remove(planned)
            busy = [worker for worker in team if worker.task]
            running([worker.task for worker in busy], len(team))
            if elsewhere and not busy:
                _wait_for_others(elsewhere)
            waiting, elsewhere = [*waiting, *elsewhere], []
            with shown_while(", ".join(stages[worker.task].label for worker in busy)):
                connections = [worker.connection for worker in busy]
                ready = wait(connections, _SECONDS_BETWEEN_STATES) if busy else []
            for worker in [each for each in busy if each.connection in ready]:
                planned = stages[worker.task]
                outcome: Outcome | None = worker.answer()
                if outcome is None:
                    elsewhere.append(planned)
                    continue
                unfinished.remove(planned.name)
                yield outcome


def failure_before(planned: PlannedStage, failures: _Failures) -> Exception | None:
    """Why a stage cannot be run: a stage that it needs has no result."""
    return next((failures[name] for name in planned.needs if name in failures), None)


def outcome_of(experiment: Experiment, planned: PlannedStage) -> Outcome | None:
    """Run one stage; an unusable generator is an outcome too.

    Returns:
        None while another process works on it.

    Raises:
        InputError: It cannot be computed, or its finished result was altered.
    """
    try:
        return run_stage(experiment, planned)
    except UnusableGeneratorError as fault:
        return Outcome(planned, computed=False, failure=fault)


def was_done(experiment: Experiment, planned: PlannedStage) -> bool:
    """Whether a stage has a finished result, still as it was written.

    Raises:
        InputError: The result was altered, is of another plan, or was made from test
            cases.
    """
    sealed = sealed_record(experiment.run.root / planned.name)
    if sealed is None:
        return False
    import_tensorflow_quietly()
    from tfgansynth.experiment import stages

    return is_done(experiment, planned, stages.full_provenance(experiment, planned))


def run_stage(experiment: Experiment, planned: PlannedStage) -> Outcome | None:
    """Run one stage, if it is not done.

    Prints nothing but, for a long one, its progress.

    Returns:
        None while another process works on it, which may be another machine's.

    Raises:
        InputError: It cannot be computed, or its finished result was altered.
    """
    # Imported late: a process whose workers run all stages needs no TensorFlow.
    from tfgansynth.experiment import stages

    provenance = stages.full_provenance(experiment, planned)
    with collected_remarks() as remarks:
        if is_done(experiment, planned, provenance):
            return Outcome(planned, computed=False)
        lease = leases.take(experiment.run.stage_lease(planned.name))
        if lease is None:
            return None
        try:
            # Its last owner may have finished it since.
            if is_done(experiment, planned, provenance):
                return Outcome(planned, computed=False)
            with shown_while(planned.label), networks_released():
                result, seconds, spent = _compute(
                    experiment, planned, provenance, lease
                )
        except leases.LostError:
            return None
        finally:
            lease.release()
    return Outcome(
        planned,
        computed=True,
        seconds=seconds,
        text=result.text,
        remarks=tuple(remarks),
        details=(*result.details, *([f"time: {spent}"] if spent else [])),
    )


def _compute(
    experiment: Experiment,
    planned: PlannedStage,
    provenance: dict[str, Any],
    lease: leases.Lease,
) -> tuple[Result, float, str]:
    """Compute a stage and seal it.

    Returns:
        What it came to, the seconds that it took, and for what.
    """
    from tfgansynth.experiment import stages

    run, folder = experiment.run, experiment.run.root / planned.name
    with timed(run, planned.name) as timer:
        stage = Stage(
            folder=folder,
            provenance=provenance,
            seed=planned.seed,
            timer=timer,
            label=planned.label,
            require=lease.require,
        )
        with timer.part(START_UP):
            _record_machine(run, planned)
        result = stages.COMPUTE[planned.kind](experiment, planned, stage)
        run.add_memory(planned.name, resident_peak() / (1 << 20))
        if result.files is not None:
            lease.require()
            seal(folder, provenance, result.files)
    return result, timer.total, shares(timer.total, timer.seconds)


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
    parts = saved.get("training_cases"), saved.get("unlabelled_cases", {})
    learned = {
        k: v for part in parts if isinstance(part, Mapping) for k, v in part.items()
    }
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
    remark("is of an earlier set: it is made again")
    return False


@contextlib.contextmanager
def timed(run: Run, stage: str) -> Iterator[Timer]:
    """Add what a stage took, and for what, to the run's `timings.json`."""
    timer = Timer()
    try:
        yield timer
    except BaseException:
        # What has ended the stage is told, and not that its time has no room either.
        with contextlib.suppress(OSError):
            run.add_seconds(timer.timings(stage))
        raise
    run.add_seconds(timer.timings(stage))


def _record_machine(run: Run, planned: PlannedStage) -> None:
    """Record on which machine and in which number format a stage is computed."""
    gan, unet = run.config.gan.precision, run.config.unet.precision
    if planned.kind == Kind.SET:
        precision = resolve_precision(gan)
        run.add_machine(planned.name, describe_machine(), precision=precision, done=0)
    elif planned.kind == Kind.GAN:
        record_precision(run, planned.name, "step", gan)
    elif planned.kind != Kind.ASSESSMENT:
        record_precision(run, planned.name, "epoch", unet)


def record_precision(run: Run, stage: str, unit: str, precision: Precision) -> None:
    """Record where, and in which number format, a network is trained.

    It counts in steps or epochs: `unit`.
    """
    resolved = resolve_precision(precision)
    done = checkpoints.newest_step(run.root / stage / "checkpoints")
    earlier = run.add_machine(stage, describe_machine(), precision=resolved, done=done)
    if earlier and earlier[-1]["precision"] != resolved:
        remark(
            f"was trained in {earlier[-1]['precision']} up to {unit} {done}, continues "
            f"in {resolved}"
        )
