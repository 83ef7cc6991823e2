"""The verdict on a pair of regimes: its record, its rules and its words."""

import dataclasses
import enum
from collections.abc import Mapping

from tfgansynth.evaluation.mixed_effects import (
    CONFIDENCE,
    SIGNIFICANCE,
    Components,
    Design,
    Estimate,
)
from tfgansynth.evaluation.tables import METRIC_HEADINGS

PRIMARY = "dice"
"""The metric that the verdict is on. It grows as masks get better; the other metrics
are distances, which shrink."""

MOST_SEEDS = 100
"""Seeds in all beyond which no verdict is looked for."""

_INTERVAL = f"{100 * CONFIDENCE:.0f} % interval"


class Verdict(enum.StrEnum):
    """What the second regime of a pair is to the first."""

    HELPS = "helps"
    HARMS = "harms"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    WITHHELD = "withheld"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MetricDifference:
    """One metric's difference; see `mixed_effects.Estimate` and `comparisons`."""

    mean: float
    low: float
    high: float
    p_mean: float
    p_wilcoxon: float
    components: Components
    p_holm: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PairComparison:
    """The verdict on a pair of regimes, second minus first.

    Attributes:
        first: Name of the regime compared against.
        second: Name of the regime that the verdict is on.
        n_pairs: Pairs of its family, over which Holm's correction goes.
        n_seeds: Seeds that both regimes have.
        design: How many cases met how many runs.
        margin: Differences of Dice smaller than this do not matter.
        verdict: What the second regime is to the first.
        more_seeds: About how many more seeds would settle an inconclusive verdict if
            mean and variances stay as estimated. None for the other verdicts, after a
            single training run, which cannot show it, and where `MOST_SEEDS` in all
            would not do.
        sentence: The verdict and what it rests on, in words.
        metrics: The difference of each metric.
    """

    first: str
    second: str
    n_pairs: int
    n_seeds: int
    design: Design
    margin: float
    verdict: Verdict
    more_seeds: int | None
    sentence: str
    metrics: Mapping[str, MetricDifference]

    @property
    def primary(self) -> MetricDifference:
        """The difference that the verdict is on."""
        return self.metrics[PRIMARY]

    @property
    def opposed(self) -> tuple[str, ...]:
        """The metrics that significantly go the other way than the primary one."""
        return tuple(
            metric
            for metric, found in self.metrics.items()
            if metric != PRIMARY
            and _is_significant(found, found.p_holm)
            and found.mean * self.primary.mean > 0
        )


def decide(found: Estimate, p_holm: float, margin: float) -> Verdict:
    """Give the verdict; the text of `comparisons` has the rules.

    Args:
        found: The mean difference of the primary metric.
        p_holm: Its p-value after Holm's correction.
        margin: Differences smaller than this do not matter.
    """
    if -margin < found.low and found.high < margin:
        return Verdict.EQUIVALENT
    if not _is_significant(found, p_holm):
        return Verdict.INCONCLUSIVE
    return Verdict.HELPS if found.mean > 0 else Verdict.HARMS


def _is_significant(found: Estimate | MetricDifference, p_holm: float) -> bool:
    return not found.low <= 0 <= found.high and p_holm < SIGNIFICANCE


def sentence(pair: PairComparison, why: str = "") -> str:
    """Say in one English sentence what the verdict is and what it rests on.

    Args:
        pair: The comparison.
        why: Why its verdict is withheld.
    """
    if pair.verdict is Verdict.WITHHELD:
        return f"No verdict on {pair.second} against {pair.first}: {why}."
    found, design = pair.primary, pair.design
    opening = {
        Verdict.HELPS: f"{pair.second} helps against {pair.first}",
        Verdict.HARMS: f"{pair.second} harms against {pair.first}",
        Verdict.EQUIVALENT: f"{pair.second} is equivalent to {pair.first}",
        Verdict.INCONCLUSIVE: f"{pair.second} against {pair.first} is inconclusive",
    }[pair.verdict]
    of_patients = f" of {design.patients:.0f} patients" if design.patients else ""
    basis = (
        f"{_INTERVAL} {found.low:+.4f} to {found.high:+.4f}, "
        f"{_p_words(found.p_holm)} after Holm's correction over "
        f"{_count(pair.n_pairs, 'pair')}, from "
        f"{_count(int(design.cases), 'test case')}{of_patients} and "
        f"{_count(int(design.runs), 'training run')} of "
        f"{_count(pair.n_seeds, 'seed')}"
    )
    clauses = [f"{opening}: Dice is {_change(found)} ({basis})"]
    if pair.verdict is Verdict.EQUIVALENT:
        clauses.append(_equivalence(pair))
    if pair.verdict is Verdict.INCONCLUSIVE:
        clauses.append(_outlook(pair))
    if pair.opposed:
        clauses.append(_opposition(pair))
    if design.runs == 1:
        clauses.append(
            "this holds for these trained networks only, since one training run "
            "does not show how much others would differ"
        )
    return "; ".join(clauses) + "."


def _change(found: MetricDifference) -> str:
    if found.mean == 0:
        return "the same"
    return f"{abs(found.mean):.4f} {'higher' if found.mean > 0 else 'lower'}"


def _equivalence(pair: PairComparison) -> str:
    found = pair.primary
    if found.low <= 0 <= found.high:
        return f"differences below {pair.margin:g} do not matter"
    return f"not 0, but less than the {pair.margin:g} that would matter"


def _outlook(pair: PairComparison) -> str:
    if pair.more_seeds is None and pair.n_seeds == 1:
        return "a second seed will show how many more would settle it"
    if pair.more_seeds is None:
        return (
            f"at this difference not even {MOST_SEEDS} seeds would settle it, more "
            "test cases might"
        )
    return (
        f"about {_count(pair.more_seeds, 'more seed')} would settle it if "
        "difference and spread stay as they are"
    )


def _opposition(pair: PairComparison) -> str:
    changes = []
    for metric in pair.opposed:
        mean = pair.metrics[metric].mean
        word = "worse" if mean > 0 else "better"
        changes.append(f"{METRIC_HEADINGS[metric]} {word} ({mean:+.4f})")
    return f"against this, {' and '.join(changes)}"


def _p_words(p: float) -> str:
    return f"p {p_text(p)}" if p < 0.001 else f"p = {p_text(p)}"


def p_text(p: float) -> str:
    """Render a p-value."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
