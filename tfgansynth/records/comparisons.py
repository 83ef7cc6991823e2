"""All regimes of an experiment, over folds and seeds, and the verdicts between them."""

import dataclasses
import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from tfgansynth.data.dataset import Identity
from tfgansynth.errors import name_few
from tfgansynth.evaluation.case_rows import (
    summarize_classes,
    summarize_groups,
    summarize_rows,
    worst_tenth,
)
from tfgansynth.evaluation.comparisons import CaseResult, compare, gap_shares
from tfgansynth.evaluation.mixed_effects import CONFIDENCE
from tfgansynth.evaluation.other_figures import OtherFigures, summarize_regimes
from tfgansynth.evaluation.tables import (
    PHANTOM_WARNING,
    GroupSummary,
    Summary,
    TrainingSet,
)
from tfgansynth.evaluation.verdicts import GapShare, PairComparison
from tfgansynth.ranges import OPTIONAL
from tfgansynth.records.regimes import Baseline, Schedule, SetKind
from tfgansynth.records.runs import (
    DATA,
    FinishedUNet,
    Remark,
    StudyPlan,
    overlap_remarks,
    settings_hash,
)
from tfgansynth.segmentation.history import is_lowest_late

_FEW_IN_GROUP = 10
"""Test cases of a group below which its figures have a remark. [choice]"""


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
    tables = _tables(unets, title_of or table_title)
    results = [
        CaseResult(unet.seed, unet.fold, row.case_id, unet.regime.name, row.metrics)
        for unet in unets
        for row in unet.cases
    ]
    plans = tuple(dict.fromkeys(plans))
    primary, plan_note = _primary(plans, unets)
    patients = {k: v for unet in unets for k, v in unet.table.patients.items()}
    withheld = {
        pair: why for regimes in tables.values() for pair, why in _withheld(regimes)
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
                    *_group_remarks(unets),
                    *_budget_remarks(tables),
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
        gaps=tuple(gap_shares(results, _gaps(tables, withheld), patients)),
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


_Tables = dict[str, dict[str, list[FinishedUNet]]]
"""By title and by the name of the regime."""


def _tables(
    unets: Iterable[FinishedUNet], title_of: Callable[[FinishedUNet], str]
) -> _Tables:
    """Put U-Nets into tables, in their own order, whatever the first fold has."""
    tables: _Tables = {}
    ordered = sorted(unets, key=lambda unet: unet.regime.order)
    # An ensemble is trained for no budget, and stands beside each.
    for unet in sorted(ordered, key=lambda unet: unet.regime.baseline == "ensemble"):
        titles = [title_of(unet)]
        if unet.regime.baseline == "ensemble":
            titles += [
                title
                for title, regimes in tables.items()
                if unet.regime.is_beside(next(iter(regimes.values()))[0].regime)
            ]
        for title in dict.fromkeys(titles):
            regimes = tables.setdefault(title, {})
            regimes.setdefault(unet.regime.name, []).append(unet)
    return {
        title: dict(sorted(regimes.items(), key=lambda each: each[1][0].regime.place))
        for title, regimes in tables.items()
    }


def _primary(
    plans: Sequence[StudyPlan], unets: Sequence[FinishedUNet]
) -> tuple[tuple[str, str] | None, str]:
    """Find the primary pair, if results are as they were declared; and say so.

    A pair counts as primary on exactly the runs that were declared: while some are
    missing, and where others were added, what has been seen may have had a say in it.
    """
    others = "all pairs are exploratory, under Holm's correction"
    if not plans:
        return None, f"No primary pair was declared before the first run: {others}."
    plan = plans[0]
    pair = plan.first, plan.second
    declared = f"Primary pair, declared before the first run: {plan.words}"
    if len({(each.first, each.second, each.settings) for each in plans}) > 1:
        return None, f"The plans of these results differ: {others}."
    if any(settings_hash(unet.config) != plan.settings for unet in unets):
        return None, f"{declared}. Settings were changed since: {others}."
    expected = set[tuple[int, int]]().union(*(each.runs for each in plans))
    first, second = (
        {(unet.seed, unet.fold) for unet in unets if unet.regime.name == name}
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
    new = sorted({unet.regime.name for unet in unets} - known)
    late = f" Regimes added since are exploratory: {name_few(new)}." if new else ""
    return pair, (
        f"{declared}. It alone is not corrected; all other pairs are secondary, under "
        f"Holm's correction.{late}"
    )


def _gaps(
    tables: _Tables, withheld: Collection[tuple[str, str]]
) -> dict[str, tuple[str, str]]:
    """Find what stands between real pairs alone and the ceiling, by its table."""
    gaps: dict[str, tuple[str, str]] = {}
    for regimes in tables.values():
        found = {name: members[0].regime for name, members in regimes.items()}
        ceiling = [name for name, each in found.items() if each.baseline == "ceiling"]
        real = [
            name
            for name, each in found.items()
            if each.training_set is TrainingSet.REAL
            and each.schedule == "fixed_budget"
            and not each.baseline
        ]
        # An ensemble is in several tables: its gap is that of the last.
        for first, last in zip(real, ceiling, strict=False):
            gaps |= {
                name: (first, last)
                for name in found
                if name not in (first, last)
                and not {(first, last), (first, name)} & {*withheld}
            }
    return gaps


def _withheld(
    regimes: Mapping[str, Sequence[FinishedUNet]],
) -> Iterator[tuple[tuple[str, str], str]]:
    """Say which pairs of a table's regimes get no verdict, and why.

    A verdict rests on the networks of real pairs alone, where the table has them:
    those of each rule that the two regimes are trained by must have learned in each
    fold. A network that has not learned beside them is a result. Two of them are none.
    """
    by_run = {
        name: {(unet.seed, unet.fold): unet for unet in members}
        for name, members in regimes.items()
    }
    references = {
        members[0].regime.schedule: by_run[name]
        for name, members in regimes.items()
        if members[0].regime.training_set is TrainingSet.REAL
        and not members[0].regime.baseline
    }
    for first, second in itertools.combinations(regimes, 2):
        found: dict[str, None] = {}
        for run in sorted(by_run[first].keys() & by_run[second].keys()):
            pair = by_run[first][run], by_run[second][run]
            behind = [
                references.get(unet.regime.schedule, {}).get(run) for unet in pair
            ]
            failed = [unet for unet in behind if unet and not unet.has_learned]
            if not failed and not any(unet.has_learned for unet in pair):
                failed = [*pair]
            for unet in failed:
                found[
                    f"{unet.regime.name} has not learned in fold {unet.fold} of seed "
                    f"{unet.seed} ({unet.validation})"
                ] = None
        if found:
            yield (first, second), name_few([*found], "; ")


def table_title(unet: FinishedUNet) -> str:
    """The heading under which a U-Net's regime stands: the rule it was trained by."""
    steps = unet.regime.budget(unet.config)
    if unet.regime.schedule == "paper":
        until_stopped = "until the paper's rule stops them"
        rule = f"{steps} mini-batches each" if steps else until_stopped
        return f"The paper's regimes: trained {rule}"
    return f"Fixed budget: {steps} mini-batches each"


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
        by_group=summarize_groups(rows, _groups(unets)),
    )


def _groups(unets: Sequence[FinishedUNet]) -> dict[str, str]:
    return {k: v for unet in unets for k, v in unet.table.groups.items()}


def _group_remarks(unets: Sequence[FinishedUNet]) -> Iterator[Remark]:
    """Name groups of few test cases."""
    groups = _groups(unets)
    tested = {row.case_id for unet in unets for row in unet.cases}
    counts = Counter(groups[case_id] for case_id in tested if case_id in groups)
    few = [f"{k} ({n})" for k, n in sorted(counts.items()) if n < _FEW_IN_GROUP]
    if few:
        text = (
            f"groups of less than {_FEW_IN_GROUP} test cases: {name_few(few)}: their "
            "figures depend on which cases these are"
        )
        yield Remark(seed=None, fold=None, stage=DATA, kind="small_group", text=text)


def _budget_remarks(
    tables: Mapping[str, Mapping[str, Sequence[FinishedUNet]]],
) -> Iterator[Remark]:
    """Name the regimes of each budget that may not have converged within it."""
    for title, regimes in tables.items():
        found = []
        for name, unets in regimes.items():
            late = [unet for unet in unets if is_lowest_late(unet.epochs)]
            regime = unets[0].regime
            # The errors on cases that are trained on always fall.
            if late and regime.schedule != "paper" and regime.baseline != "validation":
                found.append(f"{name} ({len(late)} of {len(unets)} U-Nets)")
        if found:
            text = (
                f"{title}: the validation error was lowest in the last tenth of "
                f"{name_few(found, most=12)}: a longer training may do better "
                "(--evaluation.budgets)"
            )
            yield Remark(seed=None, fold=None, stage=DATA, kind="budget", text=text)
