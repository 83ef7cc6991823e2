"""Learning curves as text and as pictures."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tfgansynth.records.curves import DifferencePoint, LearningCurve, LinePoint
from tfgansynth.records.runs import remark_lines
from tfgansynth.reporting import grids
from tfgansynth.runtime import storage

_COLORS = ("#0072B2", "#D55E00")
"""Distinct for all eyes (Okabe and Ito 2008)."""
_MARKERS = ("o", "s")
_INK, _FAINT = "#333333", "#888888"
_SPREAD = 1.015
"""Factor between regimes along the axis, so that no interval hides another."""

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
    lines = {
        regime: {point.n_real: point for point in curve.line(regime)}
        for regime in curve.regimes
    }
    differences = {point.n_real: point for point in curve.differences}
    rows = [
        [
            str(count),
            *(_mean(line.get(count)) for line in lines.values()),
            _difference(differences.get(count)),
        ]
        for count in curve.counts
    ]
    head = [curve.warning] if curve.warning else []
    foot = [f"Dice, mean [interval: {curve.intervals}].", curve.generator]
    foot += [
        f"MISSING: {each.n_real} real, seed {each.seed}, fold {each.fold}, "
        f"{each.regime}: {each.why}"
        for each in curve.missing
    ]
    n_seeds = len({point.seed for point in curve.points})
    foot += [f"REMARK: {line}" for line in remark_lines(curve.remarks, n_seeds=n_seeds)]
    grid = grids.to_text(["real", *curve.regimes, "difference"], rows)
    return "\n".join([*head, f"Learning curve: {curve.context}", *grid, *foot]) + "\n"


def _mean(found: LinePoint | None) -> str:
    if found is None:
        return "-"
    return f"{found.mean_dice:.4f} [{found.low:.4f}, {found.high:.4f}]"


def _difference(found: DifferencePoint | None) -> str:
    if found is None:
        return "-"
    return f"{found.mean_difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


def write_plot(curve: LearningCurve, folder: Path, stem: str) -> None:
    """Write `<stem>.svg` and `<stem>.png`; the same curve gives the same files."""
    with matplotlib.rc_context(_STYLE):
        figure = _figure(curve)
        for kind, unstable in (("svg", {"Date": None}), ("png", {"Software": None})):
            with storage.whole_file(folder / f"{stem}.{kind}") as file:
                figure.savefig(file, format=kind, dpi=160, metadata=unstable)


def _figure(curve: LearningCurve) -> Figure:
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    draw(axes, curve, _COLORS)
    axes.grid(axis="y", color=_FAINT, alpha=0.25, linewidth=0.8)
    axes.legend(
        frameon=False,
        ncols=len(curve.regimes),
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
    )
    title = "Learning curve"
    if curve.warning:
        title += f" ({curve.warning})"
    axes.set_title(title, loc="left", fontweight="bold", pad=30)
    notes = [
        curve.context,
        f"Dots: U-Nets. Intervals: {curve.intervals}.",
        curve.generator,
    ]
    figure.supxlabel("\n".join(notes), x=0.01, ha="left", fontsize=7, color=_INK)
    return figure


def draw(axes: Axes, curve: LearningCurve, colors: tuple[str, ...]) -> None:
    """Draw mean Dice over the number of real cases, which is on a log axis.

    A U-Net is a dot, a regime a line with intervals, in the colors by turns.
    """
    for index, regime in enumerate(curve.regimes):
        color, shift = colors[index % len(colors)], _SPREAD**index
        points = [point for point in curve.points if point.regime == regime]
        axes.scatter(
            [point.n_real * shift for point in points],
            [point.mean_dice for point in points],
            s=14,
            color=color,
            alpha=0.35,
            linewidths=0,
        )
        line = curve.line(regime)
        axes.errorbar(
            [point.n_real * shift for point in line],
            [point.mean_dice for point in line],
            yerr=[
                [point.mean_dice - point.low for point in line],
                [point.high - point.mean_dice for point in line],
            ],
            label=regime,
            color=color,
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=5,
            linewidth=1.8,
            elinewidth=1.2,
            capsize=3,
        )
    axes.set_xscale("log")
    axes.set_xticks(curve.counts, [str(count) for count in curve.counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Real training cases")
    axes.set_ylabel("Mean Dice of the test cases")
