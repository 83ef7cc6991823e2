"""Comparisons of regimes in words and tables, for screen, Markdown and JSON."""

import dataclasses
import textwrap
from collections.abc import Sequence

from tfgansynth.evaluation.comparisons import (
    HIGHER_IS_BETTER,
    MOST_SEEDS,
    PRIMARY,
    Comparison,
    Verdict,
)
from tfgansynth.evaluation.mixed_effects import CONFIDENCE, Estimate
from tfgansynth.evaluation.tables import METRIC_HEADINGS, PHANTOM_WARNING

TITLE = "Comparison of the regimes"

_NO_PAIRS = "No two regimes have two test cases in common yet."
_INTERVAL = f"{100 * CONFIDENCE:.0f} % interval"
_HEADINGS = ("difference", _INTERVAL, "p (Wilcoxon)", "p (mean)", "p (Holm)")
_SCREEN = 88
"""Width of running text on the screen, in characters."""


def sentence(comparison: Comparison) -> str:
    """Say in one English sentence what the verdict is and what it rests on."""
    pair, found = comparison.pair, comparison.pair.primary
    opening = {
        Verdict.HELPS: f"{pair.second} helps against {pair.first}",
        Verdict.HARMS: f"{pair.second} harms against {pair.first}",
        Verdict.EQUIVALENT: f"{pair.second} is equivalent to {pair.first}",
        Verdict.INCONCLUSIVE: f"{pair.second} against {pair.first} is inconclusive",
    }[comparison.verdict]
    evidence = (
        f"{_INTERVAL} {found.low:+.4f} to {found.high:+.4f}, "
        f"{_p_words(comparison.p_holm[PRIMARY])} after Holm's correction over "
        f"{_count(comparison.n_pairs, 'pair')}, from "
        f"{_count(int(found.design.cases), 'test case')} and "
        f"{_count(int(found.design.runs), 'training run')} of "
        f"{_count(pair.n_seeds, 'seed')}"
    )
    clauses = [f"{opening}: Dice is {_change(found)} ({evidence})"]
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


def verdicts_to_text(comparisons: Sequence[Comparison], *, is_phantom: bool) -> str:
    """Render comparisons for a terminal.

    Returns:
        Lines of fixed-width text; the first is `PHANTOM_WARNING` for phantoms.
    """
    head = [PHANTOM_WARNING] if is_phantom else []
    lines = [*head, TITLE]
    if not comparisons:
        lines.append(_NO_PAIRS)
    for comparison in comparisons:
        rows = [["", *_HEADINGS], *_rows(comparison)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["", f"{_names(comparison)}: {comparison.verdict.upper()}"]
        for label, *cells in rows:
            padded = [cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True)]
            lines.append("  ".join([" ", label.ljust(widths[0]), *padded]))
        lines += textwrap.wrap(sentence(comparison), _SCREEN)
    return "\n".join(lines) + "\n"


def verdicts_to_markdown(comparisons: Sequence[Comparison], *, is_phantom: bool) -> str:
    """Render comparisons as Markdown.

    Returns:
        Markdown whose first line is `PHANTOM_WARNING`, in bold, for phantoms.
    """
    lines = [f"**{PHANTOM_WARNING}**", ""] if is_phantom else []
    lines += [f"### {TITLE}", ""]
    if not comparisons:
        return "\n".join([*lines, _NO_PAIRS]) + "\n"
    headings = ["Comparison", "Verdict", "Metric", *_HEADINGS]
    lines += [_markdown_line(headings), _markdown_line(["---"] * len(headings))]
    for comparison in comparisons:
        named = [_names(comparison), f"**{comparison.verdict}**"]
        for row in _rows(comparison):
            lines.append(_markdown_line([*named, *row]))
            named = ["", ""]
    lines += ["", *(f"- {sentence(comparison)}" for comparison in comparisons)]
    return "\n".join(lines) + "\n"


def verdicts_to_json(
    comparisons: Sequence[Comparison], *, is_phantom: bool
) -> dict[str, object]:
    """Render comparisons as plain dictionaries, lists, strings and numbers.

    Returns:
        `warning` (None unless phantoms), `confidence`, and `comparisons`: each with
        its regimes, counts, `verdict`, `more_seeds`, `sentence` and, under `metrics`,
        the attributes of each `Estimate` and its `p_holm`.
    """
    return {
        "warning": PHANTOM_WARNING if is_phantom else None,
        "confidence": CONFIDENCE,
        "comparisons": [_plain(comparison) for comparison in comparisons],
    }


def _plain(comparison: Comparison) -> dict[str, object]:
    pair = comparison.pair
    return {
        "first": pair.first,
        "second": pair.second,
        "n_pairs": comparison.n_pairs,
        "n_seeds": pair.n_seeds,
        "design": dataclasses.asdict(pair.primary.design),
        "margin": comparison.margin,
        "verdict": str(comparison.verdict),
        "more_seeds": comparison.more_seeds,
        "sentence": sentence(comparison),
        "metrics": {
            metric: _plain_estimate(found, comparison.p_holm[metric])
            for metric, found in pair.estimates.items()
        },
    }


def _plain_estimate(found: Estimate, p_holm: float) -> dict[str, object]:
    # The design is the pair's, the same for all metrics.
    plain = {**dataclasses.asdict(found), "p_holm": p_holm}
    return {name: value for name, value in plain.items() if name != "design"}


def _rows(comparison: Comparison) -> list[list[str]]:
    return [
        [
            METRIC_HEADINGS[metric],
            f"{found.mean:+.4f}",
            f"{found.low:+.4f} to {found.high:+.4f}",
            _p(found.p_wilcoxon),
            _p(found.p_mean),
            _p(comparison.p_holm[metric]),
        ]
        for metric, found in comparison.pair.estimates.items()
    ]


def _names(comparison: Comparison) -> str:
    return f"{comparison.pair.second} minus {comparison.pair.first}"


def _change(found: Estimate) -> str:
    if found.mean == 0:
        return "the same"
    return f"{abs(found.mean):.4f} {'higher' if found.mean > 0 else 'lower'}"


def _equivalence(comparison: Comparison) -> str:
    found = comparison.pair.primary
    if found.low <= 0 <= found.high:
        return f"differences below {comparison.margin:g} do not matter"
    return f"not 0, but less than the {comparison.margin:g} that would matter"


def _outlook(comparison: Comparison) -> str:
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


def _opposition(comparison: Comparison) -> str:
    changes = []
    for metric in comparison.opposed:
        mean = comparison.pair.estimates[metric].mean
        word = "better" if (mean > 0) is HIGHER_IS_BETTER[metric] else "worse"
        changes.append(f"{METRIC_HEADINGS[metric]} {word} ({mean:+.4f})")
    return f"against this, {' and '.join(changes)}"


def _p_words(p: float) -> str:
    return f"p {_p(p)}" if p < 0.001 else f"p = {_p(p)}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
