"""The report's tables: our regimes beside the paper's, their differences and cases."""

import dataclasses
import statistics

from markupsafe import Markup

from tfgansynth.evaluation.tables import Summary, with_mm
from tfgansynth.evaluation.verdicts import PRIMARY, PairComparison
from tfgansynth.records.comparisons import RegimeRow, RegimeTable
from tfgansynth.records.tables import PaperRow, paper_rows, shows_paper
from tfgansynth.reporting.html.conclusions import Conclusion, Question, conclusions
from tfgansynth.reporting.html.figures import Style, boxes, forest, regime_style
from tfgansynth.reporting.html.study import Study, TestedUNet
from tfgansynth.reporting.html.thumbnails import Thumbnail, thumbnail

_SHOWN = "dice", "hausdorff_px"
"""The metrics that have plots: the paper's."""
_DECIMALS = {"dice": 4}
_DECIMALS_PX = 2
_BEST, _MEDIAN, _WORST = range(3)
"""Places in `Predictions.shown`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShownTable:
    """One table with all that is said and drawn of it.

    Attributes:
        rows: Its regimes, each with what the paper has beside it.
        set: What it says of the synthetic set, each with its interval drawn.
        generator: What it says of the generator, likewise; empty without a control.
        baseline: What it says of the set beside baselines, likewise.
        comparisons: All its pairs of regimes.
        forests: Their differences, a plot a metric.
        is_cut: Whether an interval continues beyond a plot.
        boxes: All cases, a plot a metric.
    """

    title: str
    rows: tuple[tuple[RegimeRow, PaperRow | None], ...]
    set: tuple[tuple[Conclusion, Markup], ...]
    generator: tuple[tuple[Conclusion, Markup], ...]
    baseline: tuple[tuple[Conclusion, Markup], ...]
    comparisons: tuple[PairComparison, ...]
    forests: tuple[Markup, ...]
    is_cut: bool
    boxes: tuple[Markup, ...]


def shown_tables(study: Study) -> list[ShownTable]:
    """Make all tables of a study, in its order."""
    tables = enumerate(study.comparison.tables)
    return [_table(study, table, f"table{number}") for number, table in tables]


def shown_predictions(study: Study) -> list[tuple[str, list[Thumbnail]]]:
    """Pick each regime's best, median and worst case among those that have pictures.

    Each U-Net keeps its own three. The best and the worst of the regime are among
    them; its median is that of the U-Net which comes nearest to it.
    """
    by_name: dict[str, list[TestedUNet]] = {
        row.name: [] for table in study.comparison.tables for row in table.rows
    }
    for each in study.unets:
        by_name.setdefault(each.unet.regime.name, []).append(each)
    return [(name, _three(unets)) for name, unets in by_name.items() if unets]


def _table(study: Study, table: RegimeTable, slug: str) -> ShownTable:
    names = [row.name for row in table.rows]
    comparisons = tuple(
        each
        for each in study.comparison.comparisons
        if {each.first, each.second} <= {*names}
    )
    forests = [
        forest(comparisons, metric, f"{slug}-forest-{metric}")
        for metric in _SHOWN
        if comparisons
    ]
    spacing = study.comparison.dataset.spacing_mm
    drawn: dict[Question, list[tuple[Conclusion, Markup]]] = {q: [] for q in Question}
    for number, each in enumerate(conclusions(table, study.comparison)):
        name = f"{slug}-answer{number}"
        plot, _ = forest([each.pair], PRIMARY, name, named=False)
        drawn[each.question].append((each, plot))
    return ShownTable(
        title=table.title,
        rows=tuple(
            (
                dataclasses.replace(
                    row,
                    metrics=with_mm(row.metrics, spacing),
                    by_class={
                        name: with_mm(each, spacing)
                        for name, each in row.by_class.items()
                    },
                    by_group={
                        name: dataclasses.replace(
                            each, metrics=with_mm(each.metrics, spacing)
                        )
                        for name, each in row.by_group.items()
                    },
                    worst_tenth={
                        name: each.mean
                        for name, each in with_mm(
                            {
                                metric: Summary(value, None, None)
                                for metric, value in row.worst_tenth.items()
                            },
                            spacing,
                        ).items()
                    },
                ),
                _paper_row(study, row),
            )
            for row in table.rows
        ),
        set=tuple(drawn[Question.SET]),
        generator=tuple(drawn[Question.GENERATOR]),
        baseline=tuple(drawn[Question.BASELINE]),
        comparisons=comparisons,
        forests=tuple(plot for plot, _ in forests),
        is_cut=any(cut for _, cut in forests),
        boxes=tuple(
            boxes(_cases(study, table, metric), metric, f"{slug}-boxes-{metric}")
            for metric in _SHOWN
        ),
    )


def _paper_row(study: Study, row: RegimeRow) -> PaperRow | None:
    config = study.runs[0].config
    if row.schedule != "paper" or row.set != "plain":
        return None
    if not shows_paper(config, study.comparison.dataset):
        return None
    printed = {each.training_set: each for each in paper_rows(reduced=config.reduced)}
    return printed[row.training_set]


def mean_sd(summary: Summary, metric: str) -> str:
    """Render a metric's mean and standard deviation, briefer than the paper's."""
    decimals = _DECIMALS.get(metric, _DECIMALS_PX)
    spread = "-" if summary.sd is None else f"{summary.sd:.{decimals}f}"
    return f"{summary.mean:.{decimals}f} ± {spread}"


def mean(value: float, metric: str) -> str:
    """Render a mean as `mean_sd` does."""
    return f"{value:.{_DECIMALS.get(metric, _DECIMALS_PX)}f}"


def _cases(
    study: Study, table: RegimeTable, metric: str
) -> dict[str, tuple[Style, list[float]]]:
    """Each regime's style, and the metric of all its cases over folds and seeds."""
    return {
        row.name: (
            regime_style(row),
            [
                getattr(case.metrics, metric)
                for each in study.unets
                if each.unet.regime.name == row.name
                for case in each.unet.cases
            ],
        )
        for row in table.rows
    }


def _three(unets: list[TestedUNet]) -> list[Thumbnail]:
    middle = statistics.median(
        row.metrics.dice for each in unets for row in each.unet.cases
    )
    best = max(unets, key=lambda unet: _dice(unet, _BEST))
    median = min(unets, key=lambda unet: abs(_dice(unet, _MEDIAN) - middle))
    worst = min(unets, key=lambda unet: _dice(unet, _WORST))
    return [
        _thumbnail(best, _BEST, "best"),
        _thumbnail(median, _MEDIAN, "median"),
        _thumbnail(worst, _WORST, "worst"),
    ]


def _dice(each: TestedUNet, place: int) -> float:
    return each.unet.cases[each.predictions.shown[place]].metrics.dice


def _thumbnail(each: TestedUNet, place: int, word: str) -> Thumbnail:
    unet, found = each.unet, each.predictions
    index = found.shown[place]
    metrics = unet.cases[index].metrics
    case = found.case_ids[index]
    figures = f"Dice {metrics.dice:.4f}, HD {metrics.hausdorff_px:.1f} px"
    return thumbnail(
        found.shown_images[place],
        alt=(
            f"{unet.regime.name}, {word} case {case}: {figures}; truth and prediction "
            "outlined"
        ),
        caption=f"{word}: {case}, {figures} (seed {unet.seed}, fold {unet.fold})",
        truth=found.truths[index],
        prediction=found.predictions[index],
    )
