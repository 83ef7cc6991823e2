"""Plans of verdicts, learning curves, and trials on development cases."""

import dataclasses
import operator
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from tfgansynth.config import Config
from tfgansynth.config_checks import require_same
from tfgansynth.data.splits import Fold, make_folds
from tfgansynth.errors import InputError
from tfgansynth.evaluation.tables import TrainingSet
from tfgansynth.experiment import superseded
from tfgansynth.experiment.experiment_data import Experiment, ExperimentData
from tfgansynth.experiment.study import Part, Study, each_seed, prepare
from tfgansynth.planning.graph import Kind
from tfgansynth.planning.requests import RequestOf, curve_request
from tfgansynth.records import converter, files
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.comparisons import Trial, make_comparison
from tfgansynth.records.curves import curve_pairs, curve_settings
from tfgansynth.records.reading.remarks import remarks_behind
from tfgansynth.records.reading.run import read_run, unet_folders
from tfgansynth.records.regimes import AUGMENTED, Baseline, Regime, assessment_name
from tfgansynth.records.runs import (
    RunRecord,
    StudyPlan,
    Tried,
    differing_settings,
    settings_hash,
)
from tfgansynth.runtime import storage
from tfgansynth.runtime.progress import remark

_DEVELOPMENT = 75
"""Development cases to propose: the fewest that make folds with the paper's 20
validation and 30 reduced training cases. [choice]"""


# The plan of the verdicts: what is declared before any test case is met.


def plan_verdicts(
    study: Study, primary: tuple[str, str] | None, *, is_curve: bool = False
) -> StudyPlan | None:
    """Say which pair of regimes is primary; touches no file.

    Regimes of a curve are called by their labels, which have the numbers of pairs.

    Args:
        study: What a command is to run.
        primary: The pair that the user names; None for real pairs alone, and real and
            synthetic ones, of the first rule that both are trained by, with the largest
            budget; of a curve for none.
        is_curve: Whether the study is a learning curve.

    Returns:
        The plan that the study's folder has, or else a new one; None where U-Nets are
        finished already, as what they show may have chosen the pair.

    Raises:
        InputError: No such regimes are trained, or another pair was declared.
    """
    stages = [stage for part in study.parts for stage in part.plan.stages]
    found = {stage.regime for stage in stages if stage.regime}
    regimes = sorted(found, key=lambda regime: regime.order)
    name_of = operator.attrgetter("label" if is_curve else "name")
    by_name = {name_of(regime): regime for regime in regimes}
    names = list(by_name)
    if primary:
        pair = [by_name[name] for name in dict.fromkeys(primary) if name in by_name]
        pair.sort(key=lambda regime: regime.place)
        is_compared = len(pair) == 2 and (
            (pair[0], pair[1]) in curve_pairs(regimes)
            if is_curve
            else pair[0].is_compared(pair[1])
        )
        if not is_compared:
            raise InputError(
                f"--primary {' '.join(map(repr, primary))}: expected two that are "
                f"compared, of the regimes {', '.join(map(repr, names))}"
            )
        first, second = map(name_of, pair)
    path = study.folder / files.PLAN
    if path.exists():
        earlier = converter.read(path, StudyPlan)
        if primary and (first, second) != (earlier.first, earlier.second):
            raise InputError(
                f"{path}: another primary pair was declared ({earlier.second} against "
                f"{earlier.first}): leave out --primary, or name another --out"
            )
        return earlier
    roots = [part.experiment.run.root for part in study.parts]
    if any(next(unet_folders(root), None) for root in [*roots, *_asides(roots)]):
        if primary:
            raise InputError(
                f"--primary: {roots[0]} has results already, and a primary pair is "
                "declared before there are any: name another --out"
            )
        return None
    if is_curve and not primary:
        return None
    if not primary:
        plain = [r for r in regimes if r.kind == "plain" and not r.baseline]
        # Of several budgets, the largest comes last and replaces those before.
        real, mixed = (
            {r.schedule: r.name for r in plain if r.training_set is kind}
            for kind in (TrainingSet.REAL, TrainingSet.MIXED)
        )
        first, second = next(
            (real[rule], mixed[rule]) for rule in real if rule in mixed
        )
    config = study.parts[0].experiment.config
    return StudyPlan(
        first=first,
        second=second,
        regimes=tuple(names),
        seeds=tuple(dict.fromkeys(part.experiment.config.seed for part in study.parts)),
        folds=tuple(sorted({stage.fold for stage in stages})),
        margin=config.evaluation.equivalence_margin,
        settings=curve_settings(config) if is_curve else settings_hash(config),
    )


def declare(study: Study, planned: StudyPlan | None) -> None:
    """Write the plan of an opened study, once."""
    path = study.folder / files.PLAN
    if planned and not path.exists():
        study.folder.mkdir(exist_ok=True)
        converter.write(path, planned)


def _asides(roots: Sequence[Path]) -> list[Path]:
    """Where results of earlier settings are kept."""
    return [
        path
        for root in roots
        for path in (root / superseded.FOLDER).glob("*")
        if path.is_dir()
    ]


# The learning curve: the chain once more for each number of real cases.


def fit_counts(
    counts: Sequence[int],
    split: Sequence[Fold],
    *,
    folds: Sequence[int] | None,
    generator_of: int | None,
) -> list[int]:
    """Clip numbers of real cases to those that each fold, or the generator, has.

    Remarks which it clips. `split` has all folds; other arguments: `prepare_curve`.

    Returns:
        Ascending numbers, each once.

    Raises:
        InputError: Something is impossible, or the cases are too few.
    """
    most = min(len(fold.training) for fold in split)
    why = f"the {most} training cases that each fold has"
    if folds and not all(1 <= each <= len(split) for each in folds):
        shown = " ".join(map(str, folds))
        raise InputError(f"--folds {shown}: expected 1 to {len(split)}")
    if min(len(fold.test) for fold in split) < 2:
        n_cases = sum(len(fold.test) for fold in split)
        raise InputError(f"{n_cases} cases leave a fold one test case: add cases")
    if generator_of is not None:
        if generator_of > most:
            raise InputError(
                f"--generator-of {generator_of}: expected 1 to {most}, {why}"
            )
        most, why = generator_of, f"the {generator_of} that the generator is trained on"
    over = sorted({count for count in counts if count > most})
    if over:
        shown = ", ".join(map(str, over))
        remark(f"Counts: {shown} is more than {why}: {most} instead")
    return sorted({min(count, most) for count in counts})


def prepare_curve(
    data: ExperimentData,
    config: Config,
    out: Path,
    *,
    counts: Sequence[int],
    n_seeds: int,
    folds: Sequence[int] | None,
    generator_of: int | None,
    augmented: bool = False,
    baselines: Collection[Baseline] = (),
) -> Study:
    """Plan a learning curve; touches no file.

    Each number of real cases has a run of its own, with nested training sets and the
    same validation and test cases; the runs of different curves share a folder.

    Args:
        data: The data set.
        config: The experiment's numbers, with the first seed.
        out: Holds the folder of the curves.
        counts: Numbers of real cases; clipped, see `fit_counts`.
        n_seeds: Seeds.
        folds: Numbers of the folds; None for all.
        generator_of: Cases that the one generator of all numbers is trained on; None
            where each number has its own.
        augmented: Whether to train with classical augmentation too.
        baselines: Other ways to use the same cases; those that take cases that are left
            out end where none are.

    Raises:
        InputError: Something is impossible, or the cases are too few.
    """
    if len(budgets := config.evaluation.budgets) > 1:
        shown = " ".join(map(str, budgets))
        raise InputError(f"--evaluation.budgets {shown}: a curve has one: name one")
    dataset = data.dataset
    whole = dataclasses.replace(config, reduced=False)
    split = make_folds(dataset.case_ids, whole, dataset.table)
    counts = fit_counts(counts, split, folds=folds, generator_of=generator_of)
    folder = out / files.curve_folder_name(dataset.name, config)
    parts, ended = [], set[tuple[str, int]]()
    for each in each_seed(config, n_seeds):
        for count in counts:
            n_generator = generator_of or count
            numbers = dataclasses.replace(config.data, n_reduced=n_generator)
            settings = dataclasses.replace(each, reduced=True, data=numbers)
            beside = folder / files.curve_count_name(n_generator)
            experiment = data.experiment(settings, beside)
            if any(len(fold.training) < count for fold in experiment.splits.folds):
                raise InputError(
                    f"--counts {count}: no draw of whole patients has so many cases in "
                    "each fold: name other counts"
                )
            some = experiment.splits.some(folds)
            has_images = all(fold.unlabelled for fold in some)
            own = [each for each in baselines if has_images or each != "unlabelled"]
            ended |= {(each, count) for each in {*baselines} - {*own}}
            request = curve_request(settings, count, augmented=augmented, baselines=own)
            plan = experiment.plan(folds, request)
            name = f"{beside.name}/{experiment.run.root.name}"
            parts.append(Part(experiment, plan, name))
    for baseline, count in sorted(ended):
        words = f"{baseline}: {count} real cases leave out none that it could take"
        if len(counts) == 1:
            raise InputError(f"--baselines {words}: name smaller --counts")
        remark(f"Counts: {words}: its line ends before")
    return Study(folder, tuple(parts))


# A trial compares regimes on development cases, which no fold of an experiment has. The
# best settings are chosen on these, as often as needed. The test cases then show once,
# at the end, how good they are.


def prepare_trial(
    data: ExperimentData, config: Config, out: Path, *, fold: int, request: RequestOf
) -> Study:
    """Plan a trial on the development cases alone; touches no file.

    It is an experiment on a data set of these, with folds of its own.

    Raises:
        InputError: There are no or too few development cases, or something is
            impossible.
    """
    n_development = config.data.n_development
    if not n_development:
        raise InputError(
            "--data.n-development 0: settings are tried on development cases, which "
            f"run-table with the same number leaves out of all folds: name one, such "
            f"as {_DEVELOPMENT}"
        )
    part = data.development_part(n_development)
    numbers = dataclasses.replace(config.data, n_development=0)
    config = dataclasses.replace(config, data=numbers)
    try:
        make_folds(part.dataset.case_ids, config, part.dataset.table)
    except InputError as fault:
        raise InputError(f"--data.n-development {n_development}: {fault}") from fault
    return prepare(part, config, out, n_seeds=1, folds=[fold], request=request)


def adopt_baseline(part: Part, baseline: Path) -> None:
    """Copy finished U-Nets of real pairs alone from an earlier trial's run folder.

    Raises:
        InputError: Such a U-Net was trained otherwise, or was altered; or the folder
            has links.
    """
    storage.require_own_files(baseline)
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


def write_trial(part: Part) -> Trial:
    """Compare a finished trial's regimes; write `fold-N/trial.json`."""
    run = read_run(part.experiment.run.root)
    (number,) = {stage.fold for stage in part.plan.stages}
    names = [stage.regime.folder_name for stage in part.plan.stages if stage.regime]
    trial = make_trial(run, number, names, part.experiment.run.seconds())
    converter.write(run.fold_folder(number) / files.TRIAL, trial)
    return trial


def make_trial(
    run: RunRecord, fold: int, names: Collection[str], seconds: Mapping[str, float]
) -> Trial:
    """Compare some U-Nets of a fold of a run, by their folders; of known times."""
    config, folder = run.config, run.fold_folder(fold)
    # Other figures are made after a trial, where they are.
    unets = [
        dataclasses.replace(unet, figures=())
        for unet in run.unets
        if unet.fold == fold and unet.regime.folder_name in names
    ]
    own = {
        name: spent
        for name, spent in seconds.items()
        if name.startswith(f"{folder.name}/")
    }
    path = folder / assessment_name("plain") / files.ASSESSMENT
    split = run.fold(fold)
    return Trial(
        preset=config.preset,
        settings=tuple(differing_settings(config)),
        fold=fold,
        seed=config.seed,
        dataset=unets[0].dataset,
        cases=run.cases,
        seconds=own,
        set_seconds=files.set_seconds(own, fold, config.synthesis.pseudo_label_members),
        assessment=converter.read(path, Assessment) if path.exists() else None,
        comparison=make_comparison(
            unets,
            remarks_behind(run, unets),
            context=f"{len(split.test)} of {len(run.cases)} development cases",
            title_of=lambda unet: _trial_title(unet.regime),
        ),
    )


def _trial_title(regime: Regime) -> str:
    is_augmented = regime.schedule == "augmented" or regime.baseline in AUGMENTED
    words = "Augmented" if is_augmented else "Not augmented"
    return f"{words}, {regime.steps} steps" if regime.steps else words


def record_trials(experiment: Experiment, out: Path) -> None:
    """Note in `tried.json` which test cases of a run the trials below `out` have used.

    Cases of the same name are the same where the trial is on the same data set, at
    whatever size; cases of the same content always are.
    """
    path = experiment.run.root / files.TRIED
    trials = dict(converter.read(path, Tried).trials) if path.exists() else {}
    tests = {case_id for fold in experiment.ids for case_id in fold.test}
    own = f"{experiment.data.name}-{files.DEVELOPMENT}"
    for place in sorted(out.glob(f"*/fold-*/{files.TRIAL}")):
        trial = converter.read(place, Trial)
        contents = {*trial.cases.values()}
        met = {
            case_id: content
            for case_id, content in experiment.cases.cases.items()
            if case_id in tests
            and (
                content in contents
                or (trial.dataset.name == own and case_id in trial.cases)
            )
        }
        if met:
            trials[place.parent.relative_to(out).as_posix()] = met
    if trials:
        converter.write(path, Tried(trials))
