"""What a command runs: one experiment a seed, or a learning curve, or a trial.

All of it is planned, and thereby checked, before the first training starts; the data
are loaded once. No TensorFlow is imported.
"""

import dataclasses
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from tfgansynth.config import Config
from tfgansynth.config_checks import differences, require_same
from tfgansynth.data.held_out import FoldCases
from tfgansynth.data.splits import make_folds
from tfgansynth.errors import InputError
from tfgansynth.evaluation.case_rows import read_cases
from tfgansynth.evaluation.predictions import CASES
from tfgansynth.experiment.experiment_data import Experiment, ExperimentData
from tfgansynth.experiment.graph import Kind, Plan
from tfgansynth.experiment.plan import Request, RequestOf, drawn_kinds, planned_regimes
from tfgansynth.experiment.run_folder import Run
from tfgansynth.presets import PRESETS
from tfgansynth.records import converter, files
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.comparisons import Trial, make_comparison
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import FinishedUNet
from tfgansynth.runtime import storage

_NOT_TRIED = {"reduced", "lungs", "seed", "allow_duplicates"}
"""Settings that say what is tried on, not what is tried."""


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One experiment of a study, its stages, and how records name its run."""

    experiment: Experiment
    plan: Plan
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Study:
    """Experiments on one data set, planned.

    Attributes:
        folder: Takes what they show together: the run's own if there is only one.
        parts: The experiments.
    """

    folder: Path
    parts: tuple[Part, ...]

    def open(self) -> "Study":
        """Open all run folders, as the only process that works in them.

        Raises:
            InputError: One belongs to other data, or another process works in it.
        """
        parts = [
            dataclasses.replace(part, experiment=part.experiment.open())
            for part in self.parts
        ]
        return dataclasses.replace(self, parts=tuple(parts))


def prepare(
    data: ExperimentData,
    config: Config,
    out: Path,
    *,
    n_seeds: int,
    folds: Sequence[int] | None,
    request_of: Callable[[Config], RequestOf],
    kinds: Collection[Kind] | None = None,
) -> Study:
    """Plan the same request for one seed or several; touches no file.

    Args:
        data: The data set.
        config: The experiment's numbers, with the first seed.
        out: Holds the run folders.
        n_seeds: Seeds.
        folds: Numbers of the folds; None for all.
        request_of: What is wanted of each fold.
        kinds: Stages of all other kinds are left to other commands; None for none.

    Raises:
        InputError: Something of it is impossible with these settings and cases.
    """
    if n_seeds < 1:
        raise InputError(f"--seeds {n_seeds}: expected 1 or more")
    parts = []
    for seed in range(config.seed, config.seed + n_seeds):
        experiment = data.experiment(dataclasses.replace(config, seed=seed), out)
        plan = experiment.plan(folds, request_of(experiment.config))
        plan = plan.only(kinds) if kinds else plan
        parts.append(Part(experiment, plan, experiment.run.root.name))
    name = Run.folder_name(data.dataset.name, config, n_seeds)
    return Study(out / name, tuple(parts))


# The learning curve: the chain once more for each number of real cases.


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CurveRequest:
    """What a learning curve is to hold.

    Attributes:
        counts: Numbers of real cases.
        folds: Numbers of the folds; None for all.
        n_seeds: Seeds, from the configuration's on.
        generator_of: Cases that the one generator of all numbers is trained on; None
            where each number has its own.
    """

    counts: Sequence[int]
    folds: Sequence[int] | None
    n_seeds: int
    generator_of: int | None


def fit(request: CurveRequest, case_ids: Sequence[str], config: Config) -> CurveRequest:
    """Clip the numbers to the cases that each fold, or the generator, has.

    Prints which it clips.

    Returns:
        The request with ascending numbers, each once.

    Raises:
        InputError: Something is impossible, or the cases are too few.
    """
    folds = make_folds(case_ids, config.data, config.seed)
    most = min(len(fold.training) for fold in folds)
    why = f"the {most} training cases that each fold has"
    shown = " ".join(map(str, request.counts))
    if min(request.counts, default=0) < 1:
        raise InputError(f"--counts {shown}: expected numbers from 1 on")
    if request.n_seeds < 1:
        raise InputError(f"--seeds {request.n_seeds}: expected 1 or more")
    if request.folds and not all(1 <= each <= len(folds) for each in request.folds):
        shown = " ".join(map(str, request.folds))
        raise InputError(f"--folds {shown}: expected 1 to {len(folds)}")
    if min(len(fold.test) for fold in folds) < 2:
        raise InputError(f"{len(case_ids)} cases leave a fold one test case: add cases")
    if request.generator_of is not None:
        if not 1 <= request.generator_of <= most:
            raise InputError(
                f"--generator-of {request.generator_of}: expected 1 to {most}, {why}"
            )
        most = request.generator_of
        why = f"the {most} that the generator is trained on"
    over = sorted({count for count in request.counts if count > most})
    if over:
        print(f"COUNTS: {', '.join(map(str, over))} is more than {why}: {most} instead")
    counts = sorted({min(count, most) for count in request.counts})
    return dataclasses.replace(request, counts=counts)


def prepare_curve(
    data: ExperimentData, config: Config, request: CurveRequest, out: Path
) -> Study:
    """Plan a learning curve; touches no file.

    Each number of real cases has a run of its own, with nested training sets and the
    same validation and test cases; the runs of different curves share a folder. The
    request must be fitted to the data.
    """
    folder = out / files.curve_folder_name(data.dataset.name, config)
    parts = []
    for seed in range(config.seed, config.seed + request.n_seeds):
        for count in request.counts:
            n_generator = request.generator_of or count
            numbers = dataclasses.replace(config.data, n_reduced=n_generator)
            settings = dataclasses.replace(
                config, seed=seed, reduced=True, data=numbers
            )
            beside = folder / f"n{n_generator:03d}"
            experiment = data.experiment(settings, beside)
            plan = experiment.plan(request.folds, curve_request(settings, count))
            name = f"{beside.name}/{experiment.run.root.name}"
            parts.append(Part(experiment, plan, name))
    return Study(folder, tuple(parts))


def curve_request(config: Config, count: int) -> RequestOf:
    """The U-Nets of one number of real cases, without and with synthetic pairs."""
    regimes = [
        Regime(count, n_synthetic, "fixed_budget")
        for n_synthetic in (0, config.synthesis.count)
    ]
    return lambda _: Request(regimes=regimes)


# A trial compares regimes on real cases that no network has learned from: the training
# cases that a reduced experiment leaves out. The best settings are chosen on these, as
# often as needed. The test cases then show once, at the end, how good they are.


def trial_request(
    config: Config, *, augmented: bool, control: bool, assessed: bool
) -> RequestOf:
    """The fixed-budget regimes, evaluated on cases that the reduced experiment omits.

    The options add regimes with classical augmentation, regimes of the control, and an
    assessment of the set.
    """

    def request(fold: FoldCases) -> Request:
        (table,) = planned_regimes(
            config, len(fold.training), "fixed_budget", control=control
        )
        regimes = [r for r in table if augmented or r.schedule != "augmented"]
        return Request(
            gan=True,
            sets=list(dict.fromkeys(regime.kind for regime in table)),
            regimes=regimes,
            assessments=drawn_kinds(config)[:1] if assessed else (),
            development=True,
        )

    return request


def adopt_baseline(part: Part, baseline: Path) -> None:
    """Copy finished U-Nets of real pairs alone from an earlier trial's run folder.

    Raises:
        InputError: Such a U-Net was trained otherwise, or was altered.
    """
    for planned in part.plan.only({Kind.SEGMENTATION}).stages:
        source = baseline / planned.name
        target = part.experiment.run.root / planned.name
        sealed = source / files.PROVENANCE
        if planned.needs or target.exists() or not sealed.exists():
            continue
        saved = storage.read_record(sealed)
        storage.require_files(source, saved["files"])
        stored = {name: saved.get(name) for name in planned.record}
        require_same(planned.record, stored, sealed)
        with storage.whole_folder(target) as partial:
            shutil.copytree(source, partial, dirs_exist_ok=True)


def write_trial(part: Part, *, assessed: bool) -> Trial:
    """Compare a finished trial's regimes; write `fold-N/development/trial.json`."""
    experiment, config = part.experiment, part.experiment.config
    (number,) = {stage.fold for stage in part.plan.stages}
    root = experiment.run.fold(number)
    seconds = experiment.run.seconds()
    assessment = None
    if assessed:
        path = experiment.run.assessment(number) / files.ASSESSMENT
        assessment = converter.read(path, Assessment)
    n_cases = len(experiment.fold(number).unused)
    trial = Trial(
        preset=config.preset,
        settings=tuple(_settings(config)),
        fold=number,
        seed=config.seed,
        dataset=experiment.data,
        seconds=seconds,
        set_seconds=files.set_seconds(
            seconds, number, config.synthesis.pseudo_label_members
        ),
        assessment=assessment,
        comparison=make_comparison(
            list(_tried(part)),
            context=f"{n_cases} training cases that the reduced set leaves out",
            title_of=_title,
        ),
    )
    converter.write(root / files.DEVELOPMENT / files.TRIAL, trial)
    return trial


def _tried(part: Part) -> Iterator[FinishedUNet]:
    run = part.experiment.run
    for stage in part.plan.only({Kind.SEGMENTATION}).stages:
        regime, path = stage.regime, run.root / stage.name / CASES
        assert regime is not None
        rows = read_cases(path, stage.fold, regime.n_real, regime.n_synthetic)
        yield FinishedUNet(
            run=part.name,
            settings=run.settings,
            dataset=part.experiment.data,
            fold=stage.fold,
            regime=regime,
            cases=tuple(rows),
        )


def _title(unet: FinishedUNet) -> str:
    return "Augmented" if unet.regime.schedule == "augmented" else "Not augmented"


def _settings(config: Config) -> list[str]:
    """The settings in which a trial differs from its preset."""
    ours, preset = (dataclasses.asdict(c) for c in (config, PRESETS[config.preset]))
    found = (line.split(" against ")[0] for line in differences(ours, preset))
    return [line for line in found if line.split(":")[0] not in _NOT_TRIED]


def folds_of(plan: Plan) -> Iterator[Plan]:
    """Split a plan into one for each fold."""
    for number in dict.fromkeys(stage.fold for stage in plan.stages):
        yield Plan(tuple(stage for stage in plan.stages if stage.fold == number))
