"""All regimes of an experiment, over folds and seeds, and the verdicts between them."""

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from tfgansynth.data.dataset import CaseHashes, Identity
from tfgansynth.errors import name_few
from tfgansynth.evaluation.case_rows import (
    summarize_classes,
    summarize_groups,
    summarize_rows,
    worst_tenth,
)
from tfgansynth.evaluation.comparisons import CaseResult, compare
from tfgansynth.evaluation.mixed_effects import CONFIDENCE
from tfgansynth.evaluation.other_figures import OtherFigures, summarize_regimes
from tfgansynth.evaluation.tables import (
    PHANTOM_WARNING,
    GroupSummary,
    Summary,
    TrainingSet,
    require_metrics,
)
from tfgansynth.evaluation.verdicts import PairComparison
from tfgansynth.ranges import OPTIONAL
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.regimes import Baseline, Schedule, SetKind
from tfgansynth.records.results.gaps import (
    GapShare,
    find_gaps,
    gap_sentences,
    gap_shares,
)
from tfgansynth.records.results.grouping import group, table_title, withheld_pairs
from tfgansynth.records.results.remarks import (
    budget_remarks,
    group_remarks,
    groups_of,
    overlap_remarks,
)
from tfgansynth.records.runs import FinishedUNet, Remark, StudyPlan, settings_hash


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RegimeRow:
    """One regime over all folds and seeds.

    Attributes:
        set: Of which set the pairs are that are not real.
        baseline: Which baseline it is; None for the regimes of the tables' own.
        n_real: Real training pairs, ascending, each number once.
        n_synthetic: Synthetic ones, likewise.
        n_unets: Trained U-Nets, one a fold and seed.
        n_results: Test cases of all of them; a case comes once a seed at most.
        dice_by_seed: Mean Dice of each seed.
        by_class: The metrics of each class by name, where there are several; then
            `metrics` are those of the means over classes.
        worst_tenth: Mean of the worst tenth of the results, by each metric.
        by_group: The metrics of each group by name, where groups are known.
    """

    name: str
    training_set: TrainingSet
    schedule: Schedule
    set: SetKind
    baseline: Baseline | None = dataclasses.field(default=None, metadata=OPTIONAL)
    n_real: tuple[int, ...]
    n_synthetic: tuple[int, ...]
    n_unets: int
    n_results: int
    metrics: Mapping[str, Summary]
    dice_by_seed: Mapping[str, float]
    by_class: Mapping[str, Mapping[str, Summary]] = dataclasses.field(
        default_factory=dict, metadata=OPTIONAL
    )
    worst_tenth: Mapping[str, float] = dataclasses.field(
        default_factory=dict, metadata=OPTIONAL
    )
    by_group: Mapping[str, GroupSummary] = dataclasses.field(
        default_factory=dict, metadata=OPTIONAL
    )

    def require_whole(self) -> None:
        """Refuse one without all metrics; see `require_metrics`."""
        for each in (self.metrics, *self.by_class.values()):
            require_metrics(each)
        # Earlier versions had none.
        if self.worst_tenth:
            require_metrics(self.worst_tenth)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RegimeTable:
    """Regimes trained by one rule, which are compared with each other."""

    title: str
    rows: tuple[RegimeRow, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UNetReference:
    """Where one of the compared U-Nets lies: run, fold, folder; and its regime."""

    run: str
    fold: int
    folder: str
    regime: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What an experiment has shown so far; all of `comparison.json`.

    Attributes:
        warning: That the cases are phantoms; None if they are not.
        context: Data set, target, preset, seeds and folds in one line.
        runs: What records call the runs.
        folds: The folds that have results, ascending.
        tables: The regimes. Those of one table are trained by one rule.
        confidence: Of all intervals.
        plans: What was declared; one, or that of each machine of merged results. Empty
            where nothing was.
        plan_note: Whether a primary pair is tested as it was declared, in words.
        comparisons: The verdict on each pair of regimes of a table; corrections go over
            the pairs of all tables, separately for those with a control, and without
            the primary pair.
        gaps: How much of the gap to the ceiling each regime closes, where there is one.
        other_figures: Those beside the paper's metrics; None where no U-Net has them.
    """

    warning: str | None
    context: str
    dataset: Identity
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    remarks: tuple[Remark, ...]
    tables: tuple[RegimeTable, ...]
    confidence: float
    plans: tuple[StudyPlan, ...]
    plan_note: str
    comparisons: tuple[PairComparison, ...]
    gaps: tuple[GapShare, ...] = dataclasses.field(default=(), metadata=OPTIONAL)
    unets: tuple[UNetReference, ...]
    other_figures: OtherFigures | None = dataclasses.field(
        default=None, metadata=OPTIONAL
    )

    @property
    def gap_sentences(self) -> tuple[str, ...]:
        """The gaps in words."""
        return tuple(gap_sentences(self.gaps))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The trial of a recipe; all of `trial.json`.

    Attributes:
        settings: Those in which the recipe differs from its preset.
        cases: All that it could use, by the hash of their content: to train, to
            validate, to compare.
        seconds: Of the fold's stages and their parts.
        set_seconds: How long it took to make the synthetic set.
        assessment: Of the set; None without one.
    """

    preset: str
    settings: tuple[str, ...]
    fold: int
    seed: int
    dataset: Identity
    cases: CaseHashes
    seconds: Mapping[str, float]
    set_seconds: float
    assessment: Assessment | None
    comparison: Comparison


def make_comparison(
    unets: Sequence[FinishedUNet],
    remarks: Iterable[Remark] = (),
    *,
    plans: Iterable[StudyPlan] = (),
    context: str = "",
    title_of: Callable[[FinishedUNet], str] | None = None,
) -> Comparison:
    """Summarize each regime, and decide on each pair of regimes of a table.

    Args:
        unets: One at least, of any number of seeds, folds and regimes; all of one
            data set, and one configuration but for the seed.
        remarks: Problems that may affect the results.
        plans: What was declared before the first run, on each machine.
        context: What it is of, in one line; without, settings, seeds and folds.
        title_of: Names the table of a U-Net; without, by the rule it was trained by.

    Raises:
        ValueError: A regime has a case twice in one fold of one seed.
    """
    unets = sorted(unets, key=lambda unet: (unet.seed, unet.fold, unet.regime.order))
    dataset = unets[0].dataset
    tables = group(unets, title_of or table_title)
    results = [
        CaseResult(unet.seed, unet.fold, row.case_id, unet.regime.name, row.metrics)
        for unet in unets
        for row in unet.cases
    ]
    plans = tuple(dict.fromkeys(plans))
    primary, plan_note = primary_pair(plans, unets)
    patients = {k: v for unet in unets for k, v in unet.table.patients.items()}
    withheld = {
        pair: why
        for regimes in tables.values()
        for pair, why in withheld_pairs(regimes)
    }
    found = compare(
        results,
        margin=unets[0].config.evaluation.equivalence_margin,
        tables=[list(regimes) for regimes in tables.values()],
        primary=primary,
        controls={u.regime.name for u in unets if u.regime.kind == "control"},
        baselines={u.regime.name: b for u in unets if (b := u.regime.baseline)},
        patients=patients,
        withheld=withheld,
    )
    return Comparison(
        warning=PHANTOM_WARNING if dataset.is_phantom else None,
        context=context or context_of(unets),
        dataset=dataset,
        runs=tuple(dict.fromkeys(unet.run for unet in unets)),
        seeds=tuple(sorted({unet.seed for unet in unets})),
        folds=tuple(sorted({unet.fold for unet in unets})),
        remarks=tuple(
            dict.fromkeys(
                [
                    *remarks,
                    *overlap_remarks(unets),
                    *group_remarks(unets),
                    *budget_remarks(tables),
                ]
            )
        ),
        tables=tuple(
            RegimeTable(
                title=title,
                rows=tuple(_row(name, members) for name, members in regimes.items()),
            )
            for title, regimes in tables.items()
        ),
        confidence=CONFIDENCE,
        plans=plans,
        plan_note=plan_note,
        comparisons=found,
        gaps=tuple(gap_shares(results, find_gaps(tables, withheld), patients)),
        unets=tuple(
            UNetReference(
                run=unet.run,
                fold=unet.fold,
                folder=unet.regime.folder_name,
                regime=unet.regime.name,
            )
            for unet in unets
        ),
        other_figures=summarize_regimes(
            {
                name: [unet.figures for unet in members]
                for regimes in tables.values()
                for name, members in regimes.items()
            },
            unets[0].config.evaluation,
        ),
    )


def primary_pair(
    plans: Sequence[StudyPlan],
    unets: Sequence[FinishedUNet],
    *,
    name_of: Callable[[FinishedUNet], str] = lambda unet: unet.regime.name,
    settings_of: Callable[[FinishedUNet], str] = lambda unet: settings_hash(
        unet.config
    ),
) -> tuple[tuple[str, str] | None, str]:
    """Find the primary pair, if results are as they were declared; and say so.

    A pair counts as primary on exactly the runs that were declared: while some are
    missing, and where others were added, what has been seen may have had a say in it.

    Args:
        plans: What was declared before the first run, on each machine.
        unets: All that is finished.
        name_of: What plans call the regime of a U-Net.
        settings_of: Hash of the settings that plans have declared.
    """
    others = "all pairs are exploratory, under Holm's correction"
    if not plans:
        return None, f"No primary pair was declared before the first run: {others}."
    plan = plans[0]
    pair = plan.first, plan.second
    declared = f"Primary pair, declared before the first run: {plan.words}"
    if len({(each.first, each.second, each.settings) for each in plans}) > 1:
        return None, f"The plans of these results differ: {others}."
    if any(settings_of(unet) != plan.settings for unet in unets):
        return None, f"{declared}. Settings were changed since: {others}."
    expected = set[tuple[int, int]]().union(*(each.runs for each in plans))
    first, second = (
        {(unet.seed, unet.fold) for unet in unets if name_of(unet) == name}
        for name in pair
    )
    if added := sorted((first & second) - expected):
        shown = name_few([f"fold {fold} of seed {seed}" for seed, fold in added])
        return None, f"{declared}. Added since: {shown}: {others}."
    n_done = len(first & second & expected)
    if n_done < len(expected):
        return None, (
            f"{declared}. Interim results, {n_done} of {len(expected)} folds: until "
            "all are done, every pair is under Holm's correction."
        )
    if len(plans) > 1:
        declared = f"{declared}, and other runs on other machines"
    known = {name for each in plans for name in each.regimes}
    new = sorted({name_of(unet) for unet in unets} - known)
    late = f" Regimes added since are exploratory: {name_few(new)}." if new else ""
    return pair, (
        f"{declared}. It alone is not corrected; all other pairs are secondary, under "
        f"Holm's correction.{late}"
    )


def context_of(unets: Sequence[FinishedUNet]) -> str:
    """Say in one line which data, settings, seeds and folds results are of."""
    config = unets[0].config
    seeds = ", ".join(map(str, dict.fromkeys(unet.seed for unet in unets)))
    folds = ", ".join(map(str, sorted({unet.fold for unet in unets})))
    size, dataset = config.data.size, unets[0].dataset
    network = ", modern U-Nets" if config.unet.architecture == "modern" else ""
    return (
        f"{dataset.name}, {dataset.target_words(config.lungs)}, {size} x {size} px, "
        f"{'reduced' if config.reduced else 'full'} training set; preset "
        f"{config.preset}{network}; seeds {seeds}; folds {folds}"
    )


def _row(name: str, unets: Sequence[FinishedUNet]) -> RegimeRow:
    rows = [row for unet in unets for row in unet.cases]
    regime = unets[0].regime
    return RegimeRow(
        name=name,
        training_set=regime.training_set,
        schedule=regime.schedule,
        set=regime.kind,
        baseline=regime.baseline,
        n_real=tuple(sorted({unet.regime.n_real for unet in unets})),
        n_synthetic=tuple(sorted({unet.regime.n_synthetic for unet in unets})),
        n_unets=len(unets),
        n_results=len(rows),
        metrics=summarize_rows(rows),
        dice_by_seed={
            str(seed): statistics.fmean(
                row.metrics.dice
                for unet in unets
                if unet.seed == seed
                for row in unet.cases
            )
            for seed in sorted({unet.seed for unet in unets})
        },
        by_class=summarize_classes(rows),
        worst_tenth=worst_tenth(rows),
        by_group=summarize_groups(rows, groups_of(unets)),
    )
