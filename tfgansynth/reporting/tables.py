"""The tables of the paper's regimes as text, Markdown and CSV.

The paper's figures are in them where `records.tables.shows_paper` says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from tfgansynth.evaluation.tables import METRIC_HEADINGS, Summary, headings, with_mm
from tfgansynth.records.runs import remark_lines
from tfgansynth.records.tables import PaperRow, Table, TableEntry, TableRow
from tfgansynth.reporting import grids
from tfgansynth.reporting.grids import span

_DECIMALS = 4
"""As printed in the paper's tables."""
_NONE, _PENDING = "-", "..."


def table_to_text(table: Table) -> str:
    """Render a table for a terminal, ours above the paper's if that is shown.

    The first line warns of phantoms.
    """
    rows: list[list[str]] = []
    for entry in table.rows:
        rows += [
            [f"{entry.training_set}: {_progress(table, entry)}"],
            ["  ours, mean ± sd", *_cells(table, entry.ours, mean_sd)],
            ["  ours, median", *_cells(table, entry.ours, _median)],
            *(
                [f"  {name}, mean ± sd", *cells]
                for name, cells in _classes(table, entry.ours)
            ),
        ]
        if paper := entry.paper:
            counts = f"{paper.n_real} + {paper.n_synthetic}"
            rows.append([f"  paper ({counts})", *_cells(table, paper, mean_sd)])
    metrics = headings(table.dataset.spacing_mm)
    heading, *lines = grids.to_text(["", *metrics.values()], rows)
    rule = "-" * max(map(len, [heading, *lines]))
    head = [table.warning] if table.warning else []
    head += [table.title, _context(table), rule, heading, rule]
    return "\n".join([*head, *lines, rule, *_notes(table)]) + "\n"


def table_to_markdown(table: Table) -> str:
    """Render a table as Markdown, ours above the paper's if that is shown.

    The first line warns of phantoms, in bold.
    """
    rows: list[list[str]] = []
    for entry in table.rows:
        ours, paper = entry.ours, entry.paper
        counts = [span(ours.n_real), span(ours.n_synthetic)] if ours else ["", ""]
        n_cases = f"{ours.n_cases if ours else 0} of {table.n_test_cases}"
        name = entry.training_set
        cells = *counts, n_cases, *_cells(table, ours, _mean_sd_median)
        rows += [
            [f"{name}, ours" if paper else name, *cells],
            *(
                [f"{name}, {each}", "", "", "", *own]
                for each, own in _classes(table, ours)
            ),
        ]
        if paper:
            counts = [str(paper.n_real), str(paper.n_synthetic)]
            printed = _cells(table, paper, mean_sd)
            rows.append([f"{name}, paper", *counts, "", *printed])
    columns = ["Training data", "Real", "Synthetic", "Cases"]
    metrics = headings(table.dataset.spacing_mm)
    text = grids.to_markdown([*columns, *metrics.values()], rows)
    head = [f"**{table.warning}**", ""] if table.warning else []
    head += [f"### {table.title}", "", _context(table), ""]
    legend = "Mean ± sd (median)."
    if any(entry.paper for entry in table.rows):
        legend = "Ours: mean ± sd (median). Paper: mean ± sd."
    notes = "  \n".join([legend, *_notes(table)])
    return "\n".join([*head, text, "", notes]) + "\n"


def table_to_csv(table: Table) -> str:
    """Render a table as CSV, one line per training set.

    What names the table (data set, phantoms, preset, seed) stands in every line, so
    that no line can be taken for something else. Of several classes, there is a line
    of the means and one for each, without the paper's figures. Counts that differ
    between folds are listed, one per fold: `145 145 144`. What is pending is empty.
    Floats are written exactly.
    """
    return grids.to_csv([line for row in table.rows for line in _csv_rows(table, row)])


def mean_sd(summary: Summary) -> str:
    """`0.9608 ± 0.0101`: the paper's decimals, with the leading 0."""
    return f"{_number(summary.mean)} ± {_number(summary.sd)}"


def _notes(table: Table) -> list[str]:
    remarks = remark_lines(table.remarks, n_seeds=1)
    return [*(f"REMARK: {line}" for line in remarks), *table.notes]


def _cells(
    table: Table, row: TableRow | PaperRow | None, show: Callable[[Summary], str]
) -> list[str]:
    found = _summaries(row)
    if isinstance(row, TableRow):
        found = with_mm(found, table.dataset.spacing_mm)
    # The paper's distances are not in mm.
    missing = _PENDING if row is None else _NONE
    return [
        show(found[name]) if name in found else missing
        for name in headings(table.dataset.spacing_mm)
    ]


def _summaries(row: TableRow | PaperRow | None) -> dict[str, Summary]:
    """The metrics that a row has."""
    found = {name: getattr(row, name, None) for name in METRIC_HEADINGS}
    return {name: each for name, each in found.items() if each}


def _classes(table: Table, row: TableRow | None) -> Iterator[tuple[str, list[str]]]:
    """Show the metrics of each class, where there are several."""
    spacing = table.dataset.spacing_mm
    for name, metrics in (row.by_class if row else {}).items():
        found = with_mm(metrics, spacing)
        yield name, [mean_sd(found[metric]) for metric in headings(spacing)]


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.{_DECIMALS}f}"


def _median(summary: Summary) -> str:
    return _number(summary.median)


def _mean_sd_median(summary: Summary) -> str:
    return f"{mean_sd(summary)} ({_median(summary)})"


def _progress(table: Table, entry: TableEntry) -> str:
    row = entry.ours
    if row is None:
        return str(entry.status)
    pairs = f"{span(row.n_real)} real, {span(row.n_synthetic)} synthetic"
    cases = f"{row.n_cases} of {table.n_test_cases} test cases"
    return f"{pairs}; {cases}, {_folds(row.folds)}"


def _context(table: Table) -> str:
    side = table.image_size
    return (
        f"{table.dataset.name}, {table.target}, {side} x {side} px; "
        f"preset {table.preset}, seed {table.seed}; "
        f"{_folds(table.folds)}, {table.n_test_cases} test cases"
    )


def _folds(folds: Sequence[int]) -> str:
    if len(folds) == 1:
        return f"fold {folds[0]}"
    if list(folds) == list(range(folds[0], folds[-1] + 1)):
        return f"folds {folds[0]}-{folds[-1]}"
    return "folds " + ", ".join(map(str, folds))


def _csv_rows(table: Table, entry: TableEntry) -> Iterator[dict[str, object]]:
    own = _csv_row(table, entry)
    if len(table.dataset.classes) == 1:
        yield own
        return
    yield {"class": "mean", **own}
    for name, metrics in (entry.ours.by_class if entry.ours else {}).items():
        blank = {column: "" for column in own if column.startswith("paper_")}
        yield {"class": name, **own, **_csv_metrics(table, metrics), **blank}


def _csv_row(table: Table, entry: TableEntry) -> dict[str, object]:
    ours, paper = entry.ours, entry.paper
    record: dict[str, object] = {
        "dataset": table.dataset.name,
        "is_phantom": table.dataset.is_phantom,
        "is_paper_data": table.dataset.is_paper_data,
        "target": table.target,
        "image_size_px": table.image_size,
        "reduced": table.reduced,
        "preset": table.preset,
        "seed": table.seed,
        "remarks": "; ".join(remark_lines(table.remarks, n_seeds=1)),
        "training_set": str(entry.training_set),
        "status": str(entry.status),
        "folds": _listed(ours.folds) if ours else "",
        "n_real": _listed(ours.n_real) if ours else "",
        "n_synthetic": _listed(ours.n_synthetic) if ours else "",
        "n_cases": ours.n_cases if ours else 0,
        "n_test_cases": table.n_test_cases,
    }
    record |= _csv_metrics(table, _summaries(ours))
    if not paper:
        return record
    record["paper_n_real"] = paper.n_real
    record["paper_n_synthetic"] = paper.n_synthetic
    for name in METRIC_HEADINGS:
        printed = getattr(paper, name, None)
        if printed:
            record[f"paper_{name}_mean"] = repr(printed.mean)
            record[f"paper_{name}_sd"] = repr(printed.sd)
    return record


def _csv_metrics(table: Table, metrics: Mapping[str, Summary]) -> dict[str, object]:
    record: dict[str, object] = {}
    found = with_mm(metrics, table.dataset.spacing_mm)
    for name in headings(table.dataset.spacing_mm):
        summary = found.get(name)
        for statistic in ("mean", "sd", "median"):
            value = getattr(summary, statistic) if summary else None
            record[f"{name}_{statistic}"] = "" if value is None else repr(value)
    return record


def _listed(counts: Sequence[int]) -> str:
    """All numbers, in order; a single one where all are equal."""
    return " ".join(map(str, counts if len(set(counts)) > 1 else counts[:1]))
