"""Running one stage: resumed, timed, sealed, each in one way.

A stage whose folder is sealed is done. Any other one is computed, which continues what
an interrupted attempt has left, and then sealed: the record that says what it came
from, with the hashes of its files, is written last. `run_stage` needs nothing but the
experiment and the planned stage, so that another process may call it as well.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgansynth.config import Precision
from tfgansynth.config_checks import require_same
from tfgansynth.data.dataset import shared_cases
from tfgansynth.errors import InputError, name_few
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.run_folder import Run
from tfgansynth.experiment.superseded import sealed_record
from tfgansynth.planning.graph import Kind, PlannedStage
from tfgansynth.records.files import ASSESSMENT, PROVENANCE
from tfgansynth.runtime import checkpoints, storage
from tfgansynth.runtime.devices import (
    import_tensorflow_quietly,
    networks_released,
    resident_peak,
    resolve_precision,
)
from tfgansynth.runtime.machine_facts import describe_machine
from tfgansynth.runtime.processes import leases
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
    from tfgansynth.experiment.stages import compute

    return is_done(experiment, planned, compute.full_provenance(experiment, planned))


def run_stage(experiment: Experiment, planned: PlannedStage) -> Outcome | None:
    """Run one stage, if it is not done.

    Prints nothing but, for a long one, its progress.

    Returns:
        None while another process works on it, which may be another machine's.

    Raises:
        InputError: It cannot be computed, or its finished result was altered.
    """
    # Imported late: a process whose workers run all stages needs no TensorFlow.
    from tfgansynth.experiment.stages import compute

    provenance = compute.full_provenance(experiment, planned)
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
    from tfgansynth.experiment.stages import compute

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
        result = compute.COMPUTE[planned.kind](experiment, planned, stage)
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
        from tfgansynth.experiment.stages.fold_sets import read_fold_set

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
