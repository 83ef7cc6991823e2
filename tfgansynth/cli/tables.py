"""Commands that run experiments: tables, learning curves, trials."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tfgansynth import ranges
from tfgansynth.cli.command import load, require_there
from tfgansynth.cli.options import SpreadOptions
from tfgansynth.errors import InputError

if TYPE_CHECKING:
    from tfgansynth.cli.command import Loaded
    from tfgansynth.experiment.study import Study
    from tfgansynth.records.curves import MissingPoint
    from tfgansynth.records.regimes import Baseline


_CurveBaseline = Literal[
    "all", "ensemble", "pretrained", "unlabelled", "strong", "cutmix", "learned"
]
_Baseline = Literal[_CurveBaseline, "ceiling", "validation"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunTable(SpreadOptions):
    """Run the whole chain, fold by fold; print its results and write its report.

    What is done already is not done again.
    """

    folds: ranges.Counts | None = None
    """Numbers of the folds, from 1; all without it."""
    seeds: ranges.Few = 1
    """Seeds to repeat everything with, --seed being the first: each has a split, a
    run folder and networks of its own."""
    regimes: Literal["paper", "fixed_budget", "augmented", "all"] = "paper"
    """The paper's three regimes; the fixed-budget ones, all trained with the same
    number of steps, without and with classical augmentation; of these the augmented
    ones alone; or the first two."""
    primary: tuple[str, str] | None = None
    """Two regimes, as in 'real only' mixed: the primary pair, whose verdict alone is
    not corrected for all others. It is declared in plan.json before the first run.
    Without it, real pairs alone, and real and synthetic ones."""
    control: bool = False
    """Also fixed-budget regimes whose set has training cases in place of generated
    images."""
    baselines: tuple[_Baseline, ...] = ()
    """Also other ways to use the same cases, beside the fixed-budget regimes; all of
    them, or some. ceiling: all real training cases, also those that --reduced leaves
    out. ensemble: the pseudo-label ensemble itself, which nothing is trained on.
    validation: validation cases are trained on too, and the last weights are kept.
    pretrained: synthetic pairs alone for the first half of the budget, real pairs
    alone for the second. unlabelled: beside the real pairs, the images in unlabelled/
    of the data set and those that --reduced leaves out, with the masks that the
    pseudo-label ensemble finds; also with classical augmentation, without and with
    synthetic pairs. strong: stronger classical augmentation
    (--augmentation.strong-scale and others). cutmix: CutMix of pairs.
    learned: deformations by which the training cases differ in the place of elastic
    ones. The last three are trained without and with synthetic pairs."""
    assess: bool = False
    """Also assess each fold's synthetic set after its U-Nets, as assess does, but for
    the exit code."""


def run_table(options: RunTable) -> None:
    """Run."""
    from tfgansynth.experiment.studies import declare, plan_verdicts, record_trials
    from tfgansynth.planning.requests import table_request
    from tfgansynth.records.regimes import BASELINES

    request = table_request(
        options.config,
        options.regimes,
        control=options.control,
        assessed=options.assess,
        baselines=_named(options.baselines, BASELINES),
    )
    loaded = load(options)
    study = loaded.study(request, folds=options.folds, n_seeds=options.seeds)
    planned = plan_verdicts(study, options.primary)
    opened = loaded.start(study)
    if opened:
        print(f"Primary pair: {planned.words if planned else 'none was declared'}")
        with opened.parts[0].experiment.run.writing():
            declare(opened, planned)
            for part in opened.parts:
                record_trials(part.experiment, options.out)
        _run_and_show(loaded, opened, verbose=options.verbose)


def _named(names: Sequence[str], possible: "Sequence[Baseline]") -> "list[Baseline]":
    """The baselines of these names, or all of them, in the order of tables."""
    return [each for each in possible if {*names} & {"all", each}]


def _run_and_show(loaded: "Loaded", study: "Study", *, verbose: bool) -> None:
    """Run a study; write and print what its folders have.

    No TensorFlow: processes of their own may run all stages.
    """
    from tfgansynth.planning.graph import Kind
    from tfgansynth.records import converter
    from tfgansynth.records.assessments import Assessment
    from tfgansynth.records.files import ASSESSMENT
    from tfgansynth.reporting.assessments import assessment_to_text
    from tfgansynth.reporting.comparisons import comparison_to_text
    from tfgansynth.reporting.html.page import write_report
    from tfgansynth.reporting.outputs import write_outputs
    from tfgansynth.reporting.screen import audits_to_text, results_to_text
    from tfgansynth.reporting.tables import table_to_text
    from tfgansynth.runtime.progress import shown_while
    from tfgansynth.runtime.timing import stages_table

    # All from the first on: a rerun that is ended early shows no less than before.
    roots = [part.experiment.run.root for part in study.parts]
    writing = study.parts[0].experiment.run.writing
    passed: dict[str, bool] = {}
    left = Counter(
        (part.name, stage.fold) for part in study.parts for stage in part.plan.stages
    )
    for part, outcome in loaded.outcomes(study.parts):
        root, stage = part.experiment.run.root, outcome.stage
        if stage.kind == Kind.ASSESSMENT and not outcome.failure:
            found = converter.read(root / stage.name / ASSESSMENT, Assessment)
            passed[f"{part.name}/{stage.name}"] = found.memorization.passed
            if verbose:
                print(assessment_to_text(found))
        elif stage.kind == Kind.SEGMENTATION and outcome.computed:
            with writing():
                write_outputs(roots, study.folder, root)
        left[part.name, stage.fold] -= 1
        if verbose and not left[part.name, stage.fold]:
            with writing():
                table, _ = write_outputs(roots, study.folder, root)
            if table:
                print(f"\n{table_to_text(table)}")
    for root in roots:
        with writing():
            table, comparison = write_outputs(roots, study.folder, root)
    if verbose:
        for part in study.parts:
            print(stages_table(part.experiment.run.seconds()))
    if comparison and verbose:
        print(f"\n{comparison_to_text(comparison)}")
    if comparison:
        print(f"\n{results_to_text(comparison, table)}")
    if passed:
        print(audits_to_text(passed))
    with shown_while("report"), writing():
        report = write_report(study.folder)
    print(f"Report: {report}")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunCurve(SpreadOptions):
    """Train with ever more real cases, with and without synthetic pairs.

    All U-Nets take the same number of steps (--evaluation.budgets); training sets
    are nested. --reduced and --data.n-reduced are set by it. What is done already is
    not done again.
    """

    counts: ranges.Counts = (5, 10, 20, 30, 60, 145)
    """Numbers of real training cases; each has its own generator, trained on those
    alone."""
    folds: ranges.Counts | None = None
    """Numbers of the folds, from 1; all without it."""
    seeds: ranges.Few = 1
    """Seeds to repeat everything with, --seed being the first."""
    generator_of: ranges.Count | None = None
    """Train one generator on this many cases and use it for all numbers up to that:
    how does a generator that is there help where fewer cases are labelled?"""
    augmented: bool = False
    """Also U-Nets that are trained with classical augmentation."""
    baselines: tuple[_CurveBaseline, ...] = ()
    """Also other ways to use the same cases, as run-table has them; all of them, or
    some. Each has a line. unlabelled takes the images in unlabelled/ of the data set
    and those of the training cases that a number of cases leaves out, and ends where
    there are none."""
    primary: tuple[str, str] | None = None
    """Two regimes of one number of real cases, as in '30 real + 0 synthetic
    (augmented)' '30 real + 1000 synthetic (augmented)': the primary pair, whose verdict
    alone is not corrected for all others. It is declared in plan.json before the first
    run. Not with --generator-of."""


def run_curve(options: RunCurve) -> None:
    """Run."""
    from tfgansynth.experiment.studies import declare, plan_verdicts, prepare_curve
    from tfgansynth.planning.requests import CURVE_BASELINES

    if options.primary and options.generator_of:
        raise InputError(
            "--primary: is declared of generators that learn from as many cases as the "
            "U-Nets: leave out --generator-of"
        )
    loaded = load(options)
    study = prepare_curve(
        loaded.data,
        options.config,
        options.out,
        counts=options.counts,
        n_seeds=options.seeds,
        folds=options.folds,
        generator_of=options.generator_of,
        augmented=options.augmented,
        baselines=_named(options.baselines, CURVE_BASELINES),
    )
    planned = None
    if not options.generator_of:
        planned = plan_verdicts(study, options.primary, is_curve=True)
    opened = loaded.start(study)
    if opened is None:
        return
    writing = opened.parts[0].experiment.run.writing
    with writing():
        declare(opened, planned)
    from tfgansynth.reporting.curves import curve_to_text
    from tfgansynth.reporting.outputs import curve_name, write_curve

    missing: list[MissingPoint] = []
    for point in _points(loaded, opened):
        missing += [point] if point else []
        with writing():
            write_curve(opened.folder, options.generator_of, missing, plot=False)
    with writing():
        curve = write_curve(opened.folder, options.generator_of, missing)
    if curve:
        print(f"\n{curve_to_text(curve)}")
    name = curve_name(options.generator_of)
    print(f"Curve: {opened.folder / name}.md, .json, .svg, .png")


def _points(loaded: "Loaded", study: "Study") -> "Iterator[MissingPoint | None]":
    """Do what is not done yet, point by point, and show it.

    Few cases may well be too few for a generator: a mode collapse, or masks that are
    empty, are a result, and a gap in the curve.

    Yields:
        None for each finished U-Net; or the point that could not be made.
    """
    from tfgansynth.planning.graph import Kind
    from tfgansynth.records.curves import MissingPoint

    for part, outcome in loaded.outcomes(study.parts, tolerant=True):
        stage, regime = outcome.stage, outcome.stage.regime
        if stage.kind != Kind.SEGMENTATION or regime is None:
            continue
        if outcome.is_unusable:
            yield MissingPoint(
                n_real=regime.n_real,
                seed=part.experiment.config.seed,
                fold=stage.fold,
                regime=regime.name,
                why=str(outcome.failure),
            )
        elif not outcome.failure:
            yield None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TryRecipe(SpreadOptions):
    """Compare a fold's regimes on development cases alone (--data.n-development).

    These have folds of their own, to train, to validate and to compare. The other
    options say what to try. run-table with the same --data.n-development tests none of
    these cases, so that settings may be chosen by what this prints.
    """

    fold: ranges.Count
    """Number of the fold, from 1."""
    baselines: tuple[_Baseline, ...] = ()
    """Also other ways to use the same cases, as run-table has them; all of them, or
    some."""
    augmented: bool = False
    """Also the regimes whose U-Nets are trained with classical augmentation."""
    control: bool = False
    """Also regimes with a control in the synthetic set's place: its training cases,
    given masks and augmented as the generated pairs are."""
    assess: bool = False
    """Also assess the synthetic set, as assess does."""
    baseline: Path | None = None
    """Run folder of an earlier trial, to take its U-Nets of real pairs alone from
    instead of training them again: they do not depend on the synthetic set."""


def try_recipe(options: TryRecipe) -> None:
    """Try."""
    from tfgansynth.experiment import studies
    from tfgansynth.planning.requests import trial_request
    from tfgansynth.records.regimes import BASELINES

    require_there(baseline=options.baseline)
    loaded = load(options)
    request = trial_request(
        options.config,
        augmented=options.augmented,
        control=options.control,
        assessed=options.assess,
        baselines=_named(options.baselines, BASELINES),
    )
    study = studies.prepare_trial(
        loaded.data, options.config, options.out, fold=options.fold, request=request
    )
    opened = loaded.start(study)
    if opened is None:
        return
    from tfgansynth.reporting.comparisons import comparison_to_text, trial_to_text
    from tfgansynth.reporting.outputs import write_outputs
    from tfgansynth.reporting.screen import results_to_text

    (part,) = opened.parts
    root = part.experiment.run.root
    if options.baseline:
        studies.adopt_baseline(part, options.baseline)
    loaded.finish(part)
    write_outputs([root], root)
    trial = studies.write_trial(part)
    if options.verbose:
        print(f"\n{comparison_to_text(trial.comparison)}")
    print(f"\n{results_to_text(trial.comparison)}\n\n{trial_to_text(trial)}")
