"""The verdict on a pair of regimes in words."""

from tfgansynth.evaluation.comparisons import (
    HIGHER_IS_BETTER,
    MOST_SEEDS,
    PRIMARY,
    PairVerdict,
    Verdict,
)
from tfgansynth.evaluation.mixed_effects import CONFIDENCE, Estimate
from tfgansynth.evaluation.tables import METRIC_HEADINGS

_INTERVAL = f"{100 * CONFIDENCE:.0f} % interval"


def sentence(comparison: PairVerdict) -> str:
    """Say in one English sentence what the verdict is and what it rests on."""
    pair, found = comparison.pair, comparison.pair.primary
    opening = {
        Verdict.HELPS: f"{pair.second} helps against {pair.first}",
        Verdict.HARMS: f"{pair.second} harms against {pair.first}",
        Verdict.EQUIVALENT: f"{pair.second} is equivalent to {pair.first}",
        Verdict.INCONCLUSIVE: f"{pair.second} against {pair.first} is inconclusive",
    }[comparison.verdict]
    basis = (
        f"{_INTERVAL} {found.low:+.4f} to {found.high:+.4f}, "
        f"{_p_words(comparison.p_holm[PRIMARY])} after Holm's correction over "
        f"{_count(comparison.n_pairs, 'pair')}, from "
        f"{_count(int(found.design.cases), 'test case')} and "
        f"{_count(int(found.design.runs), 'training run')} of "
        f"{_count(pair.n_seeds, 'seed')}"
    )
    clauses = [f"{opening}: Dice is {_change(found)} ({basis})"]
    if comparison.verdict is Verdict.EQUIVALENT:
        clauses.append(_equivalence(comparison))
    if comparison.verdict is Verdict.INCONCLUSIVE:
        clauses.append(_outlook(comparison))
    if comparison.opposed:
        clauses.append(_opposition(comparison))
    if pair.one_run:
        clauses.append(
            "this holds for these trained networks only, since one training run "
            "does not show how much others would differ"
        )
    return "; ".join(clauses) + "."


def _change(found: Estimate) -> str:
    if found.mean == 0:
        return "the same"
    return f"{abs(found.mean):.4f} {'higher' if found.mean > 0 else 'lower'}"


def _equivalence(comparison: PairVerdict) -> str:
    found = comparison.pair.primary
    if found.low <= 0 <= found.high:
        return f"differences below {comparison.margin:g} do not matter"
    return f"not 0, but less than the {comparison.margin:g} that would matter"


def _outlook(comparison: PairVerdict) -> str:
    if comparison.more_seeds is None and comparison.pair.n_seeds == 1:
        return "a second seed will show how many more would settle it"
    if comparison.more_seeds is None:
        return (
            f"at this difference not even {MOST_SEEDS} seeds would settle it, more "
            "test cases might"
        )
    return (
        f"about {_count(comparison.more_seeds, 'more seed')} would settle it if "
        "difference and spread stay as they are"
    )


def _opposition(comparison: PairVerdict) -> str:
    changes = []
    for metric in comparison.opposed:
        mean = comparison.pair.estimates[metric].mean
        word = "better" if (mean > 0) is HIGHER_IS_BETTER[metric] else "worse"
        changes.append(f"{METRIC_HEADINGS[metric]} {word} ({mean:+.4f})")
    return f"against this, {' and '.join(changes)}"


def _p_words(p: float) -> str:
    return f"p {p_text(p)}" if p < 0.001 else f"p = {p_text(p)}"


def p_text(p: float) -> str:
    """Render a p-value."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
