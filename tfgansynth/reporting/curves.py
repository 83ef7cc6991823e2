"""Learning curves as text and as pictures."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tfgansynth.evaluation.verdicts import p_text
from tfgansynth.records.curves import CurveComparison, LearningCurve
from tfgansynth.records.runs import remark_lines
from tfgansynth.reporting import grids
from tfgansynth.runtime import storage

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
"""Distinct for all eyes (Okabe and Ito 2008)."""
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "h")
_INK, _FAINT = "#333333", "#888888"
_SPREAD = 1.02
"""Factor between regimes along the axis, so that no interval hides another."""
_HEADINGS = (
    *("U-Nets", "Dice", "interval", "difference", "simultaneous interval"),
    *("p (Holm)", "verdict"),
)
_SCREEN = 88
"""Width of running text on the screen, in characters."""

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _FAINT,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    # Without it the names in the file would be random.
    "svg.hashsalt": "tfgansynth",
}


def curve_to_text(curve: LearningCurve) -> str:
    """Render a curve for a terminal; the first line warns of phantoms."""
    lines = [curve.warning] if curve.warning else []
    rows: list[list[object]] = []
    for count in curve.counts:
        rows.append([f"{count} real cases"])
        rows += [[f"  {name}", *cells] for name, *cells in _rows(curve, count)]
    grid = grids.to_text(["", *_HEADINGS], rows)
    lines += [f"Learning curve: {curve.context}", *grid]
    for text in [*_notes(curve), curve.plan_note, *partings(curve)]:
        lines += textwrap.wrap(text, _SCREEN)
    return "\n".join([*lines, *_gaps(curve)]) + "\n"


def curve_to_markdown(curve: LearningCurve) -> str:
    """Render a curve as Markdown; the first line warns of phantoms, in bold."""
    parts = [f"**{curve.warning}**"] if curve.warning else []
    parts += [curve.context, grids.to_markdown(*curve_rows(curve))]
    parts += [*_notes(curve), curve.plan_note]
    lines = [*partings(curve), *(each.pair.sentence for each in curve.comparisons)]
    parts.append("\n".join(f"- {line}" for line in [*lines, *_gaps(curve)]))
    return "\n\n".join(part for part in parts if part) + "\n"


def curve_rows(curve: LearningCurve) -> tuple[list[str], list[list[object]]]:
    """Return the headings of a curve, and a row for each of its points."""
    rows = [[n, *cells] for n in curve.counts for cells in _rows(curve, n)]
    return ["Real", "Regime", *_HEADINGS], rows


def partings(curve: LearningCurve) -> list[str]:
    """Say of each pair of lines at which numbers of real cases they part, and how."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for each in curve.comparisons:
        verdicts = found.setdefault((each.second, each.first), {})
        verdicts.setdefault(each.pair.words, []).append(str(each.n_real))
    return [
        f"{second} against {first}, by the number of real cases: "
        + "; ".join(f"at {', '.join(at)}: {words}" for words, at in verdicts.items())
        + "."
        for (second, first), verdicts in found.items()
    ]


def _rows(curve: LearningCurve, count: int) -> Iterator[list[object]]:
    """A row for each regime, with its difference where it has synthetic pairs."""
    pairs = {each.second: each for each in curve.comparisons if each.n_real == count}
    for line in curve.lines:
        if line.n_real == count:
            interval = f"{line.low:.4f} to {line.high:.4f}"
            cells = [line.regime, line.n_runs, f"{line.mean_dice:.4f}", interval]
            yield [*cells, *_verdict(pairs.get(line.regime))]


def _verdict(found: CurveComparison | None) -> list[str]:
    if found is None:
        return ["", "", "", ""]
    pair, each = found.pair, found.pair.primary
    return [
        f"{each.mean:+.4f}",
        f"{each.simultaneous_low:+.4f} to {each.simultaneous_high:+.4f}",
        p_text(each.p_holm),
        f"{pair.words} (primary)" if pair.is_primary else pair.words,
    ]


def _notes(curve: LearningCurve) -> list[str]:
    notes = [f"Dice: mean; interval: {curve.intervals}.", curve.generator]
    if curve.comparisons:
        notes.append(
            "Differences: with synthetic pairs minus real pairs alone that are "
            "augmented alike. Simultaneous intervals and p are corrected over all "
            "numbers of real cases and all pairs; those of baselines separately."
        )
    return notes


def _gaps(curve: LearningCurve) -> list[str]:
    """What is missing, and the remarks."""
    missing = [
        f"MISSING: {each.n_real} real, seed {each.seed}, fold {each.fold}, "
        f"{each.regime}: {each.why}"
        for each in curve.missing
    ]
    n_seeds = len({point.seed for point in curve.points})
    found = remark_lines(curve.remarks, n_seeds=n_seeds)
    return [*missing, *(f"REMARK: {line}" for line in found)]


def write_plot(curve: LearningCurve, folder: Path, stem: str) -> None:
    """Write `<stem>.svg` and `<stem>.png`; the same curve gives the same files."""
    with matplotlib.rc_context(_STYLE):
        figure = _figure(curve)
        for kind, unstable in (("svg", {"Date": None}), ("png", {"Software": None})):
            with storage.whole_file(folder / f"{stem}.{kind}") as file:
                figure.savefig(file, format=kind, dpi=160, metadata=unstable)


def _figure(curve: LearningCurve) -> Figure:
    n_lines = len(curve.regimes)
    n_rows = 2 if curve.comparisons else 1
    height = 5 + 2.5 * (n_rows - 1) + 0.2 * (n_lines // 2 - 1)
    figure = Figure(figsize=(7.5, height), layout="constrained")
    rows = figure.subplots(
        *(n_rows, 1), sharex=True, squeeze=False, height_ratios=[5, 3][:n_rows]
    )
    axes = [row[0] for row in rows]
    draw(axes, curve, COLORS)
    for each in axes:
        each.grid(axis="y", color=_FAINT, alpha=0.25, linewidth=0.8)
    title = "Learning curve"
    if curve.warning:
        title += f" ({curve.warning})"
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        title=title,
        title_fontproperties={"weight": "bold", "size": 12},
        alignment="left",
        frameon=False,
        ncols=2,
        loc="outside upper left",
    )
    notes = [
        curve.context,
        f"Dots: U-Nets. Intervals: {curve.intervals}.",
        curve.generator,
    ]
    if curve.comparisons:
        notes.append("Below: differences, with intervals that hold for all at once.")
    figure.supxlabel("\n".join(notes), x=0.01, ha="left", fontsize=7, color=_INK)
    return figure


def draw(axes: Sequence[Axes], curve: LearningCurve, colors: Sequence[str]) -> None:
    """Draw mean Dice over the number of real cases, which is on a log axis.

    A U-Net is a dot, a regime a line with intervals, dashed without synthetic pairs, in
    the colors by turns. The second axes, if there are two, get the differences, each in
    the color of its regime with synthetic pairs.
    """
    with_synthetic = {point.regime for point in curve.points if point.n_synthetic}
    middle = (len(curve.regimes) - 1) / 2
    for index, regime in enumerate(curve.regimes):
        color, shift = colors[index % len(colors)], _SPREAD ** (index - middle)
        style = {
            "color": color,
            "marker": _MARKERS[index % len(_MARKERS)],
            "markersize": 5,
            "elinewidth": 1.2,
            "capsize": 3,
        }
        points = [point for point in curve.points if point.regime == regime]
        axes[0].scatter(
            [point.n_real * shift for point in points],
            [point.mean_dice for point in points],
            s=14,
            color=color,
            alpha=0.35,
            linewidths=0,
        )
        line = curve.line(regime)
        dashes = "-" if regime in with_synthetic else "--"
        _errorbar(
            axes[0],
            [(p.n_real * shift, p.mean_dice, p.low, p.high) for p in line],
            **style,
            label=regime,
            linestyle=dashes,
            linewidth=1.8,
        )
        pairs = [each for each in curve.comparisons if each.second == regime]
        for other in axes[1:] if pairs else ():
            found = [(each.n_real, each.pair.primary) for each in pairs]
            _errorbar(
                other,
                [
                    (n * shift, e.mean, e.simultaneous_low, e.simultaneous_high)
                    for n, e in found
                ],
                **style,
                linewidth=1.2,
            )
    axes[0].set_xscale("log")
    axes[0].set_ylabel("Mean Dice of the test cases")
    for other in axes[1:]:
        other.axhline(0, color=_FAINT, linewidth=0.8)
        other.set_ylabel("Difference by\nsynthetic pairs")
    axes[-1].set_xticks(curve.counts, [str(count) for count in curve.counts])
    axes[-1].xaxis.set_minor_locator(NullLocator())
    axes[-1].set_xlabel("Real training cases")


def _errorbar(
    axes: Axes, points: Sequence[tuple[float, float, float, float]], **style: Any
) -> None:
    """Draw a line through (x, y, low, high)."""
    x, y, low, high = zip(*points, strict=True)
    ends = [
        [mean - end for mean, end in zip(y, low, strict=True)],
        [end - mean for mean, end in zip(y, high, strict=True)],
    ]
    axes.errorbar(x, y, yerr=ends, **style)
