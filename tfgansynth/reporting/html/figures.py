"""The plots of the report, one function each: numbers in, SVG out."""

import itertools
import statistics
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from tfgansynth.assessment.fidelity import ReferencedFigure
from tfgansynth.evaluation.tables import METRIC_HEADINGS, TrainingSet
from tfgansynth.evaluation.verdicts import PRIMARY, PairComparison
from tfgansynth.records.comparisons import RegimeRow
from tfgansynth.records.curves import LearningCurve
from tfgansynth.records.regimes import Regime
from tfgansynth.reporting.curves import draw
from tfgansynth.reporting.html.plots import (
    BAD,
    BAND,
    INK,
    LINE,
    MIXED,
    MUTED,
    REAL,
    SYNTHETIC,
    WIDTH,
    as_svg,
    drawing,
)
from tfgansynth.reporting.html.study import ShownAssessment

_ROW = 44.0
"""Height of a row that has its name above it, in CSS pixels."""
_FRAME = 54.0
"""Height of what is around the rows."""
_KEY = 24.0
"""Height of a key of two lines above a plot of rows, less what rows leave free."""
_BARE_ROW, _NARROW = 18.0, 270.0
"""Height of a row without a name, and width of a plot that stands in a box."""
_KEY_LINE, _FEW_NAMES, _LABEL = 18.0, 5, 58
"""Height of a line of a key, names for which a plot has room, and letters of a line."""
_BINS = 24
_COLORS = {
    TrainingSet.REAL: REAL,
    TrainingSet.MIXED: MIXED,
    TrainingSet.SYNTHETIC: SYNTHETIC,
}


Style = tuple[str, str]
"""Color and line style, as Matplotlib takes them."""


def regime_style(regime: Regime | RegimeRow) -> Style:
    """Choose a color by kinds of pairs; dashes if augmented, dots for baselines."""
    kind = regime.kind if isinstance(regime, Regime) else regime.set
    color = MUTED if kind == "control" else _COLORS[regime.training_set]
    if regime.baseline:
        return color, ":"
    return color, "--" if regime.schedule == "augmented" else "-"


def forest(
    comparisons: Sequence[PairComparison],
    metric: str,
    name: str,
    *,
    named: bool = True,
) -> tuple[Markup, bool]:
    """Show differences with simultaneous intervals, and the margin of what matters.

    Args:
        comparisons: One or more.
        metric: Which of their metrics.
        name: Of the plot.
        named: Whether each line has its pair of rows above it.

    Returns:
        The plot, and whether intervals continue beyond it.
    """
    found = [comparison.metrics[metric] for comparison in comparisons]
    margin = comparisons[0].margin if metric == PRIMARY else 0.0
    spans = [(each.simultaneous_low, each.simultaneous_high) for each in found]
    ends = max(max(abs(low), abs(high)) for low, high in spans)
    middle = max(abs(each.mean) for each in found)
    # A single wide interval would press all others into one point.
    limit = min(1.08 * ends, max(2.2 * middle, 4 * margin)) or 1.0
    labels = [f"{each.second} minus {each.first}" for each in comparisons]
    row_height, width = (_ROW, WIDTH) if named else (_BARE_ROW, _NARROW)
    shown = [textwrap.fill(label, _LABEL) for label in labels]
    if named and any("\n" in label for label in shown):
        row_height += _KEY_LINE
    with drawing(_FRAME + row_height * len(found), width=width) as (figure, (axes,)):
        axes.axvspan(-margin, margin, color=BAND, linewidth=0)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for row, (each, (least, most)) in enumerate(zip(found, spans, strict=True)):
            low, high = max(least, -limit), min(most, limit)
            axes.plot([low, high], [row, row], color=INK, linewidth=1.8)
            axes.plot(each.mean, row, "o", color=INK, markersize=6)
            for end, marker, cut in (
                (-limit, "<", least < -limit),
                (limit, ">", most > limit),
            ):
                if cut:
                    axes.plot(end, row, marker, color=INK, markersize=6, clip_on=False)
        _rows(axes, shown if named else [""] * len(found))
        axes.set_xlim(-limit, limit)
        if not named:
            axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel(f"difference of {METRIC_HEADINGS[metric]}")
        alt = f"Differences of {METRIC_HEADINGS[metric]} with 95 % intervals: "
        alt += "; ".join(
            f"{label} {each.mean:+.4f}, {low:+.4f} to {high:+.4f}"
            for label, each, (low, high) in zip(labels, found, spans, strict=True)
        )
        return as_svg(figure, name, alt), ends > limit


def boxes(
    rows: Mapping[str, tuple[Style, Sequence[float]]], metric: str, name: str
) -> Markup:
    """Show a metric over all cases, a box a row: quartiles, median, mean, whiskers.

    Args:
        rows: Name of a row to its style and its cases' values; one row or more.
        metric: Its field's name.
        name: Of the plot.
    """
    with drawing(_FRAME + _ROW * len(rows)) as (figure, (axes,)):
        for place, ((color, dashes), values) in enumerate(rows.values()):
            line = {"color": color, "linewidth": 1.4, "linestyle": dashes}
            axes.boxplot(
                [values],
                positions=[place],
                orientation="horizontal",
                widths=0.36,
                showmeans=True,
                manage_ticks=False,
                boxprops=line,
                whiskerprops=line,
                capprops={**line, "linestyle": "-"},
                medianprops={"color": color, "linewidth": 3},
                meanprops={
                    "marker": "D",
                    "markersize": 4,
                    "markerfacecolor": INK,
                    "markeredgecolor": INK,
                },
                flierprops={
                    "marker": "o",
                    "markersize": 2.6,
                    "markerfacecolor": color,
                    "markeredgecolor": color,
                },
            )
        _rows(axes, list(rows))
        axes.set_xlabel(f"{METRIC_HEADINGS[metric]} of each test case")
        alt = f"{METRIC_HEADINGS[metric]} of each test case, medians: " + "; ".join(
            f"{row} {statistics.median(values):.4g}"
            for row, (_, values) in rows.items()
        )
        return as_svg(figure, name, alt)


def learning_curve(curve: LearningCurve, name: str) -> Markup:
    """Show mean Dice with intervals over the number of real training cases."""
    n_rows = 2 if curve.comparisons else 1
    height = 280 + 160 * (n_rows - 1) + _KEY_LINE * (len(curve.regimes) - 2)
    with drawing(height, n_rows) as (figure, axes):
        draw(axes, curve, (REAL, MIXED, SYNTHETIC, INK, BAD, MUTED))
        axes[-1].set_xlabel("real training cases")
        axes[0].set_ylabel("mean Dice")
        _legend(axes[0])
        alt = "Mean Dice by number of real training cases: " + "; ".join(
            f"{point.regime}, {point.n_real} real: {point.mean_dice:.4f}"
            for point in curve.lines
        )
        return as_svg(figure, name, alt)


def agreement(found: ShownAssessment, name: str) -> Markup:
    """Show how well masks agree with what a U-Net finds in their images."""
    real, synthetic = (
        found.arrays[f"agreement_{kind}"] for kind in ("real", "synthetic")
    )
    least = min(float(real.min()), float(synthetic.min()))
    bins = np.linspace(min(0.9, np.floor(10 * least) / 10), 1, _BINS + 1)
    with drawing(240, n_rows=2) as (figure, both):
        titles = "real pairs", "synthetic pairs"
        _histograms(both, titles, (real, synthetic), bins)
        both[-1].set_xlabel("Dice of the mask with a U-Net's segmentation")
        alt = (
            "Agreement of masks with segmentations, medians: "
            f"real {float(np.median(real)):.4f}, "
            f"synthetic {float(np.median(synthetic)):.4f}"
        )
        return as_svg(figure, name, alt)


def beside_reference(
    figures: Mapping[str, ReferencedFigure], label: str, name: str
) -> Markup:
    """Show figures of the synthetic set, each beside that of held-out real cases."""
    with drawing(_FRAME + _KEY + _ROW * len(figures)) as (figure, (axes,)):
        for row, found in enumerate(figures.values()):
            for estimate, shift, color, marker, kind in (
                (found.real_reference, -0.1, REAL, "s", "held-out real cases"),
                (found.synthetic, 0.14, SYNTHETIC, "o", "synthetic pairs"),
            ):
                place = row + shift
                axes.plot([estimate.low, estimate.high], [place, place], color=color)
                axes.plot(
                    *(estimate.value, place, marker),
                    color=color,
                    markersize=5.5,
                    label="" if row else kind,
                )
        _rows(axes, [each.replace("_", " ") for each in figures])
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
        axes.set_xlabel(label)
        _legend(axes)
        alt = f"{label}, synthetic and held-out real: " + "; ".join(
            f"{each} {found.synthetic.value:.3g} and {found.real_reference.value:.3g}"
            for each, found in figures.items()
        )
        return as_svg(figure, name, alt)


def nearest(part: str, found: ShownAssessment, name: str) -> Markup:
    """Show how near samples come to training cases, against real cases' nearness."""
    audit = found.record.memorization.parts[part]
    null = found.arrays[f"null_{part}"]
    near = found.arrays[f"nearest_distances_{part}"]
    bins = np.linspace(0, max(1.0, float(near.max())), _BINS + 1)
    with drawing(230, n_rows=2) as (figure, both):
        _histograms(both, ("real cases", "synthetic"), (null, near), bins)
        for axes in both:
            axes.axvline(audit.threshold, color=INK, linewidth=1, ls="--")
            axes.axvline(audit.copy_bound, color=BAD, linewidth=1.4)
        both[-1].set_xlabel(f"{part}: relative distance to the nearest case")
        alt = (
            f"Nearest distances of the {part}s: {audit.n_closer} of "
            f"{len(near)} below the threshold, {audit.n_copies} "
            "below the copy bound"
        )
        return as_svg(figure, name, alt)


def series(
    lines: Sequence[tuple[str, Mapping[int, float]]], label: str, name: str
) -> Markup:
    """Show what was measured at steps of a GAN's training, several lines at once.

    Args:
        lines: What a line is, and its values by step; lines of one name share a
            color.
        label: What is measured.
        name: Of the plot.
    """
    kinds = dict.fromkeys(kind for kind, _ in lines)
    colors = dict(zip(kinds, itertools.cycle((REAL, MIXED, SYNTHETIC, INK))))
    styled = [(kind, (colors[kind], "-"), points) for kind, points in lines]
    with drawing(220) as (figure, (axes,)):
        shown = _curves(axes, styled, "step")
        return as_svg(figure, name, f"{label} over training steps: {shown}")


def validation_errors(
    lines: Sequence[tuple[str, Style, Mapping[int, float]]], name: str
) -> Markup:
    """Show the validation error of U-Nets over their mini-batches, a line each."""
    # The key has a line for each name, and the plot room beside it.
    n_names = len({each for each, *_ in lines})
    with drawing(270 + _KEY_LINE * max(0, n_names - _FEW_NAMES)) as (figure, (axes,)):
        shown = _curves(axes, lines, "mini-batches")
        axes.set_ylabel("validation error")
        return as_svg(figure, name, f"Validation error over mini-batches: {shown}")


def _curves(
    axes: Axes, lines: Iterable[tuple[str, Style, Mapping[int, float]]], step: str
) -> str:
    """Draw lines and a key with each name once; return the names."""
    shown: dict[str, None] = {}
    for name, (color, dashes), points in lines:
        axes.plot(
            *([*points], [*points.values()], dashes),
            color=color,
            label="" if name in shown else name,
            marker="o" if len(points) < 3 else None,
            markersize=4,
            linewidth=1.3,
        )
        shown[name] = None
    axes.set_xlabel(step)
    _legend(axes)
    return ", ".join(shown)


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    """Put each row's name above it, where a phone has room for it."""
    for row, label in enumerate(labels):
        axes.text(
            *(0, row - 0.32, label),
            transform=axes.get_yaxis_transform(),
            va="bottom",
            fontsize=11,
        )
    above = 0.25 + 0.15 * any("\n" in label for label in labels) if any(labels) else 0
    axes.set_ylim(len(labels) - 0.5, -0.5 - above)
    axes.set_yticks([])
    axes.grid(axis="x")


def _histograms(
    both: Sequence[Axes],
    titles: tuple[str, str],
    samples: tuple[NDArray[Any], NDArray[Any]],
    bins: NDArray[Any],
) -> None:
    """Show shares in percent: of real ones above, of synthetic ones below."""
    rows = zip(both, titles, samples, (REAL, SYNTHETIC), strict=True)
    for axes, title, values, color in rows:
        weights = np.full(len(values), 100 / len(values))
        axes.hist(
            *(values, list(bins)),
            weights=weights,
            color=color,
            edgecolor=color,
            linewidth=0,
        )
        axes.set_ylabel("%")
        axes.spines["bottom"].set_color(LINE)
        axes.set_title(title, loc="left", fontsize=11, color=color)


def _legend(axes: Axes) -> None:
    """Above the plot, a line each: names are long and phones narrow."""
    if len(axes.get_legend_handles_labels()[1]) < 2:
        return
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.4)
