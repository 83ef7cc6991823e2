"""Whether one regime of the experiment is better than another: figures and a verdict.

Each pair of regimes is compared on the test cases of the runs that both regimes have,
by paired differences, second regime minus first; `mixed_effects` defines their mean,
its interval and the tests. The verdict is on the primary metric, Dice:

- *equivalent*: the interval lies inside the equivalence margin. At 95 % this is
  Schuirmann's two one-sided tests (J. Pharmacokinetics and Biopharmaceutics 15,
  1987) at 2.5 % each, half of the customary 5 %. It goes before the next two: a
  difference that surely is smaller than what matters neither helps nor harms, even
  if it surely is not 0.
- *helps*, *harms*: the interval excludes 0, and so do both tests after Holm's
  correction (Scandinavian J. Statistics 6, 1979) over all pairs of its family.
- *inconclusive*: anything else.
- *withheld*: there is no verdict, whatever the figures, where the caller says that the
  networks cannot support one.

The claim of help or harm asks for two tests at once, since either alone can mislead:
Wilcoxon's takes the networks as given and knows nothing of the spread between runs,
and the t test of the mean may hang on a few failed cases. The larger of the two
p-values is that of the joint claim (Berger, Technometrics 24, 1982), and it is this
that Holm's correction takes. Pairs with a control are a family and all others are one:
they are about another question, which must not make the first harder to settle.
The other metrics stand beside the primary one with figures of the same kind, each
corrected over the same families; they have no verdict.
"""

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from scipy import stats

from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.mixed_effects import SIGNIFICANCE, Estimate, estimate
from tfgansynth.evaluation.tables import METRIC_HEADINGS
from tfgansynth.evaluation.verdicts import (
    MOST_SEEDS,
    PRIMARY,
    MetricDifference,
    PairComparison,
    Verdict,
    decide,
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
    """The estimates of two regimes, before they are corrected over a family."""

    first: str
    second: str
    n_seeds: int
    estimates: Mapping[str, Estimate]


def compare(
    results: Iterable[CaseResult],
    *,
    margin: float,
    tables: Sequence[Sequence[str]] | None = None,
    controls: Collection[str] = (),
    withheld: Mapping[tuple[str, str], str] = MappingProxyType({}),
    patients: Mapping[str, str] = MappingProxyType({}),
) -> tuple[PairComparison, ...]:
    """Compare each pair of regimes of a table on what both have.

    Args:
        results: Any number of seeds, folds, cases and regimes. The order only says
            which regime of a pair is compared against: the one that comes first.
        margin: Differences of Dice smaller than this do not matter; above 0.
        tables: The regimes of each table; without, all regimes are one table's.
        controls: The regimes that are controls.
        withheld: Pairs of regimes that get no verdict, and why.
        patients: The patient of a case; a case without is a patient of its own.

    Returns:
        One comparison for each pair of regimes of a table with two patients or more in
        common; Holm's correction goes over those of all tables, apart for pairs with
        and without a control.

    Raises:
        ValueError: The margin is not above 0, or a regime has a case twice in one
            fold of one seed.
    """
    if not margin > 0:
        raise ValueError(f"expected an equivalence margin above 0, got {margin}")
    regimes = _by_regime(results)
    found = (
        _pair(regimes, *names, patients)
        for table in ([list(regimes)] if tables is None else tables)
        for names in itertools.combinations(table, 2)
    )
    pairs = [pair for pair in found if pair is not None]
    families: dict[bool, list[_Pair]] = {True: [], False: []}
    for pair in pairs:
        families[_has_control(pair, controls)].append(pair)
    decided = {
        kind: _decide(family, margin, withheld) for kind, family in families.items()
    }
    return tuple(next(decided[_has_control(pair, controls)]) for pair in pairs)


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


def seeds_to_settle(
    found: Estimate, *, n_seeds: int, n_pairs: int, margin: float
) -> int | None:
    """Estimate how many more seeds would settle an inconclusive verdict.

    The estimated mean and variances are taken for the truth, so that this is a
    guide and no promise. With one seed, what differs between cases is taken to
    last, as nothing shows otherwise; Holm's correction is taken at its strictest.
    The error rates hold for a number of seeds fixed beforehand: judging anew after
    each seed until a verdict comes raises them.

    Args:
        found: The mean difference of the primary metric.
        n_seeds: Seeds so far.
        n_pairs: Pairs of regimes of its family.
        margin: Differences smaller than this do not matter.

    Returns:
        Seeds beyond those so far; None if all is from one training run, or if
        `MOST_SEEDS` in all would not do.
    """
    if found.design.runs == 1:
        return None
    for seeds in range(n_seeds + 1, MOST_SEEDS + 1):
        design = found.design.after(seeds, now=n_seeds)
        error, freedom = design.standard_error(found.components)
        interval, strictest = stats.t.isf(
            [SIGNIFICANCE / 2, SIGNIFICANCE / 2 / n_pairs], freedom
        )
        settled_inside = abs(found.mean) + interval * error < margin
        if settled_inside or abs(found.mean) > strictest * error:
            return seeds - n_seeds
    return None


_Cell = tuple[int, int, str]
"""Seed, fold and case."""


def _by_regime(results: Iterable[CaseResult]) -> dict[str, dict[_Cell, CaseMetrics]]:
    regimes: dict[str, dict[_Cell, CaseMetrics]] = {}
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
    regimes: Mapping[str, Mapping[_Cell, CaseMetrics]],
    first: str,
    second: str,
    patients: Mapping[str, str],
) -> _Pair | None:
    cells = sorted(regimes[first].keys() & regimes[second].keys())
    # Sorted, so that the order of the results changes nothing.
    case_ids = sorted({case_id for _, _, case_id in cells})
    cases = {case_id: number for number, case_id in enumerate(case_ids)}
    runs = {run: number for number, run in enumerate(sorted({c[:2] for c in cells}))}
    owners = [patients.get(case_id, case_id) for case_id in case_ids]
    if len({*owners}) < 2:
        return None
    where = (
        [cases[case_id] for _, _, case_id in cells],
        [runs[seed, fold] for seed, fold, _ in cells],
    )
    estimates = {}
    for metric in METRIC_HEADINGS:
        before, after = (
            np.array([getattr(regimes[regime][cell], metric) for cell in cells])
            for regime in (first, second)
        )
        differences = np.full((len(cases), len(runs)), np.nan)
        differences[where] = after - before
        estimates[metric] = estimate(differences, patients=owners)
    # With two runs Student's quantile may reach beyond what is possible at all.
    dice = estimates["dice"]
    low, high = max(dice.low, -1.0), min(dice.high, 1.0)
    estimates["dice"] = dataclasses.replace(dice, low=low, high=high)
    n_seeds = len({seed for seed, _, _ in cells})
    return _Pair(first=first, second=second, n_seeds=n_seeds, estimates=estimates)


def _has_control(pair: _Pair, controls: Collection[str]) -> bool:
    return pair.first in controls or pair.second in controls


def _decide(
    family: Sequence[_Pair], margin: float, withheld: Mapping[tuple[str, str], str]
) -> Iterator[PairComparison]:
    """Correct the p-values of a family of pairs, and give each its verdict."""
    corrected = {
        metric: holm([pair.estimates[metric].p for pair in family])
        for metric in METRIC_HEADINGS
    }
    for index, pair in enumerate(family):
        found = pair.estimates[PRIMARY]
        why = withheld.get((pair.first, pair.second), "")
        verdict = decide(found, corrected[PRIMARY][index], margin)
        if why:
            verdict = Verdict.WITHHELD
        more_seeds = None
        if verdict is Verdict.INCONCLUSIVE:
            more_seeds = seeds_to_settle(
                found, n_seeds=pair.n_seeds, n_pairs=len(family), margin=margin
            )
        decided = PairComparison(
            first=pair.first,
            second=pair.second,
            n_pairs=len(family),
            n_seeds=pair.n_seeds,
            design=found.design,
            margin=margin,
            verdict=verdict,
            more_seeds=more_seeds,
            sentence="",
            metrics={
                metric: MetricDifference(
                    mean=each.mean,
                    low=each.low,
                    high=each.high,
                    p_mean=each.p_mean,
                    p_wilcoxon=each.p_wilcoxon,
                    components=each.components,
                    p_holm=corrected[metric][index],
                )
                for metric, each in pair.estimates.items()
            },
        )
        yield dataclasses.replace(decided, sentence=sentence(decided, why))
