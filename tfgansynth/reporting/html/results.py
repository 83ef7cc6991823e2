"""The report's tables: our rows beside the paper's, their differences and cases."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from tfgansynth.evaluation.comparisons import PRIMARY
from tfgansynth.evaluation.tables import (
    METRIC_HEADINGS,
    PAPER_TABLE_I,
    PAPER_TABLE_II,
    Summary,
    span,
)
from tfgansynth.reporting.html.answers import Answer, Question, answers
from tfgansynth.reporting.html.figures import RegimeStyle, boxes, forest
from tfgansynth.reporting.html.study import Study

_SHOWN = "dice", "hausdorff_px"
"""The metrics that have plots: the paper's."""
_DECIMALS = {"dice": 4}
_DECIMALS_PX = 2


@dataclasses.dataclass(frozen=True, slots=True)
class TableRow:
    """One row in words, as the page shows it.

    Attributes:
        name: Of the row.
        pairs: Real + synthetic training pairs.
        sizes: Results and U-Nets.
        metrics: Each metric's mean and standard deviation.
        seeds: Mean Dice of each seed.
        paper: What the paper has beside `pairs` and `metrics`; may be empty.
    """

    name: str
    pairs: str
    sizes: str
    metrics: Mapping[str, str]
    seeds: str
    paper: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ResultTable:
    """One table with all that is said and drawn of it.

    Attributes:
        title: Its heading.
        rows: Its rows.
        has_paper: Whether the paper's figures stand beside any.
        answers: What it says of the synthetic set, each with its interval drawn.
        generator: What it says of the generator, likewise; empty without a control.
        comparisons: All its pairs of rows.
        forests: Their differences, a plot a metric.
        is_cut: Whether an interval goes on beyond a plot.
        boxes: All cases, a plot a metric.
    """

    title: str
    rows: tuple[TableRow, ...]
    has_paper: bool
    answers: tuple[tuple[Answer, Markup], ...]
    generator: tuple[tuple[Answer, Markup], ...]
    comparisons: tuple[Mapping[str, Any], ...]
    forests: tuple[Markup, ...]
    is_cut: bool
    boxes: tuple[Markup, ...]


def result_tables(study: Study) -> list[ResultTable]:
    """Make all tables of a study, in its order."""
    found = answers(study.evidence)
    return [
        _table(study, table, [each for each in found if each.table == table["title"]])
        for table in study.evidence["tables"]
    ]


def _table(
    study: Study, table: Mapping[str, Any], found: Sequence[Answer]
) -> ResultTable:
    names = [row["name"] for row in table["rows"]]
    comparisons = tuple(
        each for each in study.evidence["comparisons"] if each["first"] in names
    )
    slug = f"table{study.evidence['tables'].index(table)}"
    forests = [
        forest(comparisons, metric, f"{slug}-forest-{metric}")
        for metric in _SHOWN
        if comparisons
    ]
    rows = tuple(_row(row, study.runs[0].config["reduced"]) for row in table["rows"])
    drawn: dict[Question, list[tuple[Answer, Markup]]] = {each: [] for each in Question}
    for number, answer in enumerate(found):
        name = f"{slug}-answer{number}"
        plot, _ = forest([answer.comparison], PRIMARY, name, named=False)
        drawn[answer.question].append((answer, plot))
    return ResultTable(
        title=table["title"],
        rows=rows,
        has_paper=any(row.paper for row in rows),
        answers=tuple(drawn[Question.SET]),
        generator=tuple(drawn[Question.GENERATOR]),
        comparisons=comparisons,
        forests=tuple(plot for plot, _ in forests),
        is_cut=any(cut for _, cut in forests),
        boxes=tuple(
            boxes(_cases(study, table, metric), metric, f"{slug}-boxes-{metric}")
            for metric in _SHOWN
        ),
    )


def _row(row: Mapping[str, Any], reduced: bool) -> TableRow:
    printed = {
        each.training_set: each
        for each in (PAPER_TABLE_II if reduced else PAPER_TABLE_I)
    }
    paper = printed.get(row["name"])
    return TableRow(
        name=row["name"],
        pairs=f"{span(row['n_real'])} + {span(row['n_synthetic'])}",
        sizes=f"{row['n_results']} results, {_unets(row['n_unets'])}",
        metrics={
            name: _mean_sd(name, Summary(**row["metrics"][name]))
            for name in METRIC_HEADINGS
        },
        seeds=", ".join(f"{dice:.4f}" for dice in row["dice_by_seed"].values()),
        paper={
            "pairs": f"{paper.n_real} + {paper.n_synthetic}",
            **{name: _mean_sd(name, getattr(paper, name)) for name in _SHOWN},
        }
        if paper
        else {},
    )


def _unets(count: int) -> str:
    return f"{count} U-Net{'' if count == 1 else 's'}"


def _mean_sd(metric: str, summary: Summary) -> str:
    decimals = _DECIMALS.get(metric, _DECIMALS_PX)
    spread = "-" if summary.sd is None else f"{summary.sd:.{decimals}f}"
    return f"{summary.mean:.{decimals}f} ± {spread}"


def _cases(
    study: Study, table: Mapping[str, Any], metric: str
) -> dict[str, tuple[RegimeStyle, list[float]]]:
    """Each row's style, and the metric of all its cases over folds and seeds."""
    return {
        row["name"]: (
            RegimeStyle.of(row["n_real"][0], row["n_synthetic"][0], row["name"]),
            [
                getattr(case.metrics, metric)
                for unet in study.unets
                if (unet.table, unet.regime) == (table["title"], row["name"])
                for case in unet.rows
            ],
        )
        for row in table["rows"]
    }
