"""Whether one regime of the experiment is better than another: figures and a verdict.

Each pair of regimes is compared on the test cases of the runs that both regimes have,
by paired differences, second regime minus first; `mixed_effects` defines their mean,
its interval and the test. The verdict is on the primary metric, Dice, and has two axes.
Neither depends on the other, so that more data never hide a direction:

- **direction**: *higher* or *lower* where the test of a mean of 0 rejects it, after
  Holm's correction (Scandinavian J. Statistics 6, 1979) over all pairs of the family;
- **size**: *below* the margin where the interval that holds for all pairs of the family
  at once (Bonferroni's: 1 - .05 / n for each of n) lies inside the margin, *above*
  where it lies beyond. At 95 % the first is Schuirmann's two one-sided tests
  (J. Pharmacokinetics and Biopharmaceutics 15, 1987) at 2.5 % each, half of the
  customary 5 %;
- either is *open* otherwise. There is no verdict, whatever the figures, where the
  caller says that the networks cannot support one.

The primary pair is declared before the first run. It is a family of its own, so that
nothing corrects it. Pairs with a baseline, pairs with a control and all others are
families too: each is about another question, which must not make the others harder to
settle. A step-down test
such as Holm's has no simultaneous intervals that both agree with it and have a size
(Strassburger & Bretz, Statistics in Medicine 27, 2008). So Holm's test, which is
sharper, decides on the direction, and Bonferroni's intervals on the size; where the
interval excludes 0, the test rejects it too.

Wilcoxon's test has no part in the verdict: it takes the networks as given, and asks
about ranks where the verdict is on a mean. Where it does not show a direction that is
claimed, the sentence says so. The other metrics stand beside the primary one with
figures of the same kind, each corrected over the same families; they have no verdict.
"""

import dataclasses
import enum
import itertools
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.mixed_effects import (
    SIGNIFICANCE,
    Differences,
    Estimate,
    estimate,
)
from tfgansynth.evaluation.tables import METRIC_HEADINGS
from tfgansynth.evaluation.verdicts import (
    PRIMARY,
    MetricDifference,
    OutlyingRun,
    PairComparison,
    decide,
    outlook,
    sentence,
)


@dataclasses.dataclass(frozen=True, slots=True)
class CaseResult:
    """The metrics of one test case under one trained network.

    Attributes:
        seed: Seed of the experiment.
        fold: Fold in which the case is tested; a seed has its own folds.
        case_id: The case, unique within the data set.
        regime: What the network was trained on, in words.
        metrics: How well the network segments the case.
    """

    seed: int
    fold: int
    case_id: str
    regime: str
    metrics: CaseMetrics


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """The estimates of two regimes, before they are corrected over a family.

    `runs` has seed and fold of each, and `run_means` the mean difference of Dice.
    """

    first: str
    second: str
    runs: Sequence[tuple[int, int]]
    run_means: Sequence[float]
    estimates: Mapping[str, Estimate]


def compare(
    results: Iterable[CaseResult],
    *,
    margin: float,
    tables: Sequence[Sequence[str]] | None = None,
    primary: tuple[str, str] | None = None,
    controls: Collection[str] = (),
    baselines: Mapping[str, str] = MappingProxyType({}),
    withheld: Mapping[tuple[str, str], str] = MappingProxyType({}),
    patients: Mapping[str, str] = MappingProxyType({}),
) -> tuple[PairComparison, ...]:
    """Compare each pair of regimes of a table on what both have.

    Args:
        results: Any number of seeds, folds, cases and regimes. The order only says
            which regime of a pair is compared against: the one that comes first.
        margin: Differences of Dice smaller than this do not matter; above 0.
        tables: The regimes of each table; without, all regimes are one table's.
        primary: The pair that was declared before the first run, if one was: it alone
            is not corrected.
        controls: The regimes that are controls.
        baselines: The regimes that are baselines, and of which kind. They are compared
            neither with those of another kind nor with controls.
        withheld: Pairs of regimes that get no verdict, and why.
        patients: The patient of a case; a case without is a patient of its own.

    Returns:
        One comparison for each pair of regimes of a table with two patients or more in
        common; corrections go over those of all tables, apart for pairs with a
        baseline, with a control and with neither, and without the primary pair.

    Raises:
        ValueError: The margin is not above 0, or a regime has a case twice in one
            fold of one seed.
    """
    if not margin > 0:
        raise ValueError(f"expected an equivalence margin above 0, got {margin}")
    regimes = by_regime(results)
    found = (
        _pair(regimes, *names, patients)
        for table in ([list(regimes)] if tables is None else tables)
        for names in itertools.combinations(table, 2)
        # Baselines are there for the other regimes to be compared with.
        if len({baselines.get(name) for name in names}) == 1
        or not {*names} <= {*baselines, *controls}
    )
    pairs = [pair for pair in found if pair is not None]
    families: dict[_Family, list[_Pair]] = {family: [] for family in _Family}

    def family_of(pair: _Pair) -> _Family:
        return _family(pair, primary, controls, baselines)

    for pair in pairs:
        families[family_of(pair)].append(pair)
    decided = {
        family: _decide(members, family is _Family.PRIMARY, margin, withheld)
        for family, members in families.items()
    }
    return tuple(next(decided[family_of(pair)]) for pair in pairs)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct the p-values of a family of tests by Holm's step-down method.

    Returns:
        Adjusted p-values, at most 1, in the order given. Claims at those below a
        level are all true with a probability of 1 - level at least.
    """
    ascending = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[ascending] = np.maximum.accumulate(np.take(p_values, ascending) * factors)
    return [float(p) for p in np.minimum(adjusted, 1)]


Cell = tuple[int, int, str]
"""Seed, fold and case."""


def by_regime(results: Iterable[CaseResult]) -> dict[str, dict[Cell, CaseMetrics]]:
    """Give each regime its metrics in each cell.

    Raises:
        ValueError: A regime has a case twice in one fold of one seed.
    """
    regimes: dict[str, dict[Cell, CaseMetrics]] = {}
    for result in results:
        cells = regimes.setdefault(result.regime, {})
        cell = result.seed, result.fold, result.case_id
        if cell in cells:
            raise ValueError(
                f"{result.regime}: case {result.case_id} is tested more than once in "
                f"fold {result.fold} of seed {result.seed}"
            )
        cells[cell] = result.metrics
    return regimes


def _pair(
    regimes: Mapping[str, Mapping[Cell, CaseMetrics]],
    first: str,
    second: str,
    patients: Mapping[str, str],
) -> _Pair | None:
    cells = sorted(regimes[first].keys() & regimes[second].keys())
    case_ids = sorted({case_id for _, _, case_id in cells})
    owners = [patients.get(case_id, case_id) for case_id in case_ids]
    if len({*owners}) < 2:
        return None
    differences = differences_of(regimes[first], regimes[second], cells)
    return _Pair(
        first=first,
        second=second,
        runs=sorted({(seed, fold) for seed, fold, _ in cells}),
        run_means=np.nanmean(differences[PRIMARY], axis=0).tolist(),
        estimates={
            metric: estimate(each, patients=owners)
            for metric, each in differences.items()
        },
    )


def differences_of(
    before: Mapping[Cell, CaseMetrics],
    after: Mapping[Cell, CaseMetrics],
    cells: Sequence[Cell],
) -> dict[str, Differences]:
    """Subtract the metrics of two regimes, for `estimate`, on some cells.

    Cases and runs are sorted, so that the order of the results changes nothing.
    """
    cases = {case: row for row, case in enumerate(sorted({c[2] for c in cells}))}
    runs = {run: place for place, run in enumerate(sorted({c[:2] for c in cells}))}
    where = [cases[c[2]] for c in cells], [runs[c[:2]] for c in cells]
    found = {}
    for metric in METRIC_HEADINGS:
        first, second = (
            np.array([getattr(metrics[cell], metric) for cell in cells])
            for metrics in (before, after)
        )
        found[metric] = np.full((len(cases), len(runs)), np.nan)
        found[metric][where] = second - first
    return found


class _Family(enum.Enum):
    """Pairs that corrections go over together."""

    PRIMARY = enum.auto()
    BASELINE = enum.auto()
    CONTROL = enum.auto()
    OTHER = enum.auto()


def _family(
    pair: _Pair,
    primary: tuple[str, str] | None,
    controls: Collection[str],
    baselines: Collection[str],
) -> _Family:
    if (pair.first, pair.second) == primary:
        return _Family.PRIMARY
    if pair.first in baselines or pair.second in baselines:
        return _Family.BASELINE
    has_control = pair.first in controls or pair.second in controls
    return _Family.CONTROL if has_control else _Family.OTHER


def _decide(
    family: Sequence[_Pair],
    is_primary: bool,
    margin: float,
    withheld: Mapping[tuple[str, str], str],
) -> Iterator[PairComparison]:
    """Correct the p-values and intervals of a family, and give each its verdict."""
    corrected = {
        metric: holm([pair.estimates[metric].p for pair in family])
        for metric in METRIC_HEADINGS
    }
    for index, pair in enumerate(family):
        found = pair.estimates[PRIMARY]
        metrics = {
            metric: _difference(metric, each, corrected[metric][index], len(family))
            for metric, each in pair.estimates.items()
        }
        n_seeds = len({seed for seed, _ in pair.runs})
        why = withheld.get((pair.first, pair.second), "")
        verdict = None if why else decide(metrics[PRIMARY], margin)
        decided = PairComparison(
            first=pair.first,
            second=pair.second,
            is_primary=is_primary,
            n_pairs=len(family),
            n_seeds=n_seeds,
            design=found.design,
            margin=margin,
            verdict=verdict,
            outlook=outlook(
                found, verdict, n_seeds=n_seeds, n_pairs=len(family), margin=margin
            )
            if verdict
            else (),
            outlying=_outlying(pair, margin),
            sentence="",
            metrics=metrics,
        )
        yield dataclasses.replace(decided, sentence=sentence(decided, why))


def _difference(
    metric: str, found: Estimate, p_holm: float, n_pairs: int
) -> MetricDifference:
    low, high = found.interval()
    all_low, all_high = found.interval(SIGNIFICANCE / n_pairs)
    if metric == PRIMARY:
        # With few runs Student's quantile may reach beyond what is possible at all.
        low, all_low = max(low, -1.0), max(all_low, -1.0)
        high, all_high = min(high, 1.0), min(all_high, 1.0)
    return MetricDifference(
        mean=found.mean,
        low=low,
        high=high,
        p=found.p,
        p_wilcoxon=found.p_wilcoxon,
        components=found.components,
        p_holm=p_holm,
        simultaneous_low=all_low,
        simultaneous_high=all_high,
    )


def _outlying(pair: _Pair, margin: float) -> OutlyingRun | None:
    """The run that lies apart from the others, if by more than the margin."""
    index = pair.estimates[PRIMARY].outlying_run
    if index is None:
        return None
    mean = pair.run_means[index]
    others = [each for place, each in enumerate(pair.run_means) if place != index]
    if abs(mean - statistics.fmean(others)) <= margin:
        return None
    seed, fold = pair.runs[index]
    return OutlyingRun(seed=seed, fold=fold, mean=mean)
