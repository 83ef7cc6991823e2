"""The learning curve as a picture: each U-Net, and a line with intervals by regime."""

import statistics
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tfgansynth.evaluation.curves import INTERVALS, Curve
from tfgansynth.evaluation.tables import PHANTOM_WARNING
from tfgansynth.runtime import storage

_COLORS = ("#0072B2", "#D55E00")
"""Told apart by all eyes (Okabe and Ito 2008)."""
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


def write_plot(curve: Curve, folder: Path, stem: str) -> None:
    """Write `<stem>.svg` and `<stem>.png`; the same curve gives the same files.

    Args:
        curve: With one U-Net at least.
        folder: Takes the files.
        stem: Their names' beginning.
    """
    with matplotlib.rc_context(_STYLE):
        figure = draw(curve)
        for kind, unstable in (("svg", {"Date": None}), ("png", {"Software": None})):
            with storage.whole_file(folder / f"{stem}.{kind}") as beside:
                figure.savefig(beside, format=kind, dpi=160, metadata=unstable)


def draw(curve: Curve) -> Figure:
    """Draw mean Dice over the number of real cases, which is on a log axis."""
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    for index, regime in enumerate(curve.regimes):
        _draw_line(axes, curve, regime, index)
    axes.set_xscale("log")
    axes.set_xticks(curve.counts, [str(count) for count in curve.counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Real training cases")
    axes.set_ylabel("Mean Dice of the test cases")
    axes.grid(axis="y", color=_FAINT, alpha=0.25, linewidth=0.8)
    axes.legend(
        frameon=False,
        ncols=len(curve.regimes),
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
    )
    title = "Learning curve"
    if curve.is_phantom:
        title += f" ({PHANTOM_WARNING})"
    axes.set_title(title, loc="left", fontweight="bold", pad=30)
    notes = [curve.context, f"Dots: U-Nets. Intervals: {INTERVALS}.", curve.generator]
    figure.supxlabel("\n".join(notes), x=0.01, ha="left", fontsize=7, color=_INK)
    return figure


def _draw_line(axes: Axes, curve: Curve, regime: str, index: int) -> None:
    color, shift = _COLORS[index % len(_COLORS)], _SPREAD**index
    unets = [unet for unet in curve.unets if unet.regime == regime]
    axes.scatter(
        [unet.n_real * shift for unet in unets],
        [statistics.fmean(unet.dice.values()) for unet in unets],
        s=14,
        color=color,
        alpha=0.35,
        linewidths=0,
    )
    line = curve.line(regime)
    means = [found.mean for found in line.values()]
    below = [found.mean - found.low for found in line.values()]
    above = [found.high - found.mean for found in line.values()]
    axes.errorbar(
        [count * shift for count in line],
        means,
        yerr=[below, above],
        label=regime,
        color=color,
        marker=_MARKERS[index % len(_MARKERS)],
        markersize=5,
        linewidth=1.8,
        elinewidth=1.2,
        capsize=3,
    )
