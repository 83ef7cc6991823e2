"""Comparisons of regimes, and trials of recipes, as text and Markdown."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from tfgansynth.errors import name_few
from tfgansynth.evaluation.mixed_effects import CONFIDENCE
from tfgansynth.evaluation.other_figures import FigureSummary, OtherFigures
from tfgansynth.evaluation.tables import METRIC_HEADINGS, Summary, headings, with_mm
from tfgansynth.evaluation.verdicts import PairComparison, p_text
from tfgansynth.records.comparisons import Comparison, RegimeTable, Trial
from tfgansynth.records.runs import remark_lines
from tfgansynth.reporting import grids
from tfgansynth.reporting.assessments import assessment_cells
from tfgansynth.reporting.grids import span
from tfgansynth.reporting.tables import mean_sd

_TITLE = "Comparison of the regimes"

_NO_PAIRS = "No two regimes have two test cases in common yet."
_ROW_HEADINGS = ("", "Real", "Synthetic", "U-Nets", "Results")
_HEADINGS = (
    "difference",
    f"{100 * CONFIDENCE:.0f} % interval",
    "p",
    "simultaneous interval",
    "p (Holm)",
    "p (Wilcoxon, given these networks)",
)
_SCREEN = 88
"""Width of running text on the screen, in characters."""


def comparison_to_text(comparison: Comparison) -> str:
    """Render a comparison for a terminal; the first line warns of phantoms."""
    lines = [comparison.warning] if comparison.warning else []
    lines.append(f"Comparison: {comparison.context}")
    for table in comparison.tables:
        lines += ["", table.title, *grids.to_text(*_grid(comparison, table))]
    lines += ["", _TITLE, *textwrap.wrap(comparison.plan_note, _SCREEN)]
    if not comparison.comparisons:
        lines.append(_NO_PAIRS)
    for pair in comparison.comparisons:
        lines += ["", f"{_names(pair)}: {pair.words.upper()}"]
        lines += grids.to_text(("", *_HEADINGS), _metrics(pair), indent="   ")
        lines += textwrap.wrap(pair.sentence, _SCREEN)
    for sentence in comparison.gap_sentences:
        lines += ["", *textwrap.wrap(sentence, _SCREEN)]
    lines += [f"REMARK: {line}" for line in _remarks(comparison)]
    return "\n".join(lines) + "\n"


def comparison_to_markdown(comparison: Comparison) -> str:
    """Render a comparison as Markdown; the first line warns of phantoms, in bold."""
    parts = [f"**{comparison.warning}**"] if comparison.warning else []
    parts.append(comparison.context)
    for table in comparison.tables:
        grid = grids.to_markdown(*_grid(comparison, table))
        parts += [f"### {table.title}", grid]
    parts += [f"### {_TITLE}", comparison.plan_note]
    lines = [pair.sentence for pair in comparison.comparisons]
    lines += comparison.gap_sentences
    if comparison.comparisons:
        columns = ("Comparison", "Verdict", "Metric", *_HEADINGS)
        parts.append(grids.to_markdown(columns, _verdicts(comparison.comparisons)))
    else:
        parts.append(_NO_PAIRS)
    lines += [f"REMARK: {line}" for line in _remarks(comparison)]
    bullets = "\n".join(f"- {line}" for line in lines)
    return "\n\n".join([*parts, bullets]).rstrip("\n") + "\n"


def trial_to_text(trial: Trial) -> str:
    """Render a trial as a Markdown table of one line, below a heading.

    The tables of several trials can be put below each other.
    """
    cells = {
        "recipe": " ".join([trial.preset, ", ".join(trial.settings)]).strip(),
        "set made in": f"{trial.set_seconds / 60:.0f} min",
    }
    if trial.assessment:
        cells |= assessment_cells(trial.assessment)
    for table in trial.comparison.tables:
        cells |= {row.name: f"{row.metrics['dice'].mean:.4f}" for row in table.rows}
    line = grids.to_markdown(list(cells), [list(cells.values())])
    return f"Trial:\n{line}"


def other_figures_to_markdown(comparison: Comparison) -> str:
    """Render the other figures of all regimes; empty where there are none.

    The first line warns of phantoms, in bold.
    """
    found = comparison.other_figures
    if found is None:
        return ""
    headings, rows = figure_rows(comparison, found)
    parts = [f"**{comparison.warning}**"] if comparison.warning else []
    parts += ["### Other figures", comparison.context]
    parts += [grids.to_markdown(headings, rows), figure_notes(comparison, found)]
    return "\n\n".join(parts) + "\n"


def figure_rows(
    comparison: Comparison, found: OtherFigures
) -> tuple[list[str], list[list[str]]]:
    """Return the headings of the other figures, and a row for each structure."""
    spacing = comparison.dataset.spacing_mm
    distance = "HD [mm]" if spacing else "HD [px]"
    headings = ["", "Structure", "Results", "Failed", "Surface Dice", "Area error"]
    rows = []
    for name, structures in found.regimes.items():
        for structure, each in structures.items():
            cells = [str(each.n_results), _failed(each), *_shares(each)]
            hausdorff = each.hausdorff_px.times(spacing or 1)
            last = [f"{each.dice.mean:.4f}", f"{hausdorff.mean:.2f}"]
            rows.append([name, structure, *cells, *last])
            name = ""
    return [*headings, "Dice", distance], rows


def figure_notes(comparison: Comparison, found: OtherFigures) -> str:
    """Say what the columns mean."""
    tolerance, spacing = found.tolerance_px, comparison.dataset.spacing_mm
    in_mm = f" ({tolerance * spacing:.3g} mm)" if spacing else ""
    rows = [row.name for table in comparison.tables for row in table.rows]
    missing = [name for name in dict.fromkeys(rows) if name not in found.regimes]
    left_out = f" Not shown, as U-Nets have none: {name_few(missing)}."
    return (
        f"Failed: results with a Dice below {found.failure_dice:g}. Surface Dice: the "
        f"share of both contours that is within {tolerance:g} px{in_mm} of the other. "
        "Area error: area of the prediction over that of the truth, less 1, of the "
        "results whose truth is not empty. Mean ± sd over the results. There are no "
        f"verdicts on these figures.{left_out if missing else ''}"
    )


def _failed(found: FigureSummary) -> str:
    share = 100 * found.n_failed / found.n_results
    return f"{found.n_failed} ({share:.1f} %)"


def _shares(found: FigureSummary) -> list[str]:
    surface, area = found.surface_dice, found.area_error
    shown = f"{surface.mean:.4f}", "" if surface.sd is None else f" ± {surface.sd:.4f}"
    if area is None:
        return ["".join(shown), "-"]
    spread = "" if area.sd is None else f" ± {100 * area.sd:.1f}"
    return ["".join(shown), f"{100 * area.mean:+.1f}{spread} %"]


def _remarks(comparison: Comparison) -> list[str]:
    return remark_lines(comparison.remarks, n_seeds=len(comparison.seeds))


def _grid(
    comparison: Comparison, table: RegimeTable
) -> tuple[tuple[str, ...], list[list[object]]]:
    """Headings and rows of a table."""
    spacing = comparison.dataset.spacing_mm
    return (*_ROW_HEADINGS, *headings(spacing).values()), [*_rows(table, spacing)]


def _rows(table: RegimeTable, spacing_mm: float | None) -> Iterator[list[object]]:
    """Show each regime, and each class below it where there are several."""
    for row in table.rows:
        counts = [span(row.n_real), span(row.n_synthetic), row.n_unets, row.n_results]
        yield [row.name, *counts, *_metric_cells(row.metrics, spacing_mm)]
        for name, metrics in row.by_class.items():
            blank = [""] * len(counts)
            yield [f"  {name}", *blank, *_metric_cells(metrics, spacing_mm)]
        for name, group in row.by_group.items():
            own = ["", "", f"{group.n_cases} cases", group.n_results]
            cells = _metric_cells(group.metrics, spacing_mm)
            yield [f"  group {name}", *own, *cells]
        if row.worst_tenth:
            worst = {k: Summary(v, None, None) for k, v in row.worst_tenth.items()}
            means = [f"{e.mean:.4f}" for e in with_mm(worst, spacing_mm).values()]
            yield ["  worst tenth", *[""] * len(counts), *means]


def _metric_cells(
    metrics: Mapping[str, Summary], spacing_mm: float | None
) -> list[str]:
    return [mean_sd(each) for each in with_mm(metrics, spacing_mm).values()]


def _verdicts(pairs: Sequence[PairComparison]) -> list[list[str]]:
    rows = []
    for pair in pairs:
        named = [_names(pair), f"**{pair.words}**"]
        for cells in _metrics(pair):
            rows.append([*named, *cells])
            named = ["", ""]
    return rows


def _metrics(pair: PairComparison) -> list[list[str]]:
    return [
        [
            METRIC_HEADINGS[metric],
            f"{found.mean:+.4f}",
            f"{found.low:+.4f} to {found.high:+.4f}",
            p_text(found.p),
            f"{found.simultaneous_low:+.4f} to {found.simultaneous_high:+.4f}",
            p_text(found.p_holm),
            p_text(found.p_wilcoxon),
        ]
        for metric, found in pair.metrics.items()
    ]


def _names(pair: PairComparison) -> str:
    return f"{pair.second} minus {pair.first}"
