"""The metrics of test cases, one row a case, and their file of one U-Net."""

import csv
import dataclasses
import io
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tfgansynth.errors import InputError
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.tables import (
    METRIC_HEADINGS,
    GroupSummary,
    Summary,
    summarize,
)
from tfgansynth.runtime import storage

_FIRST = ("fold", "case_id", "n_real", "n_synthetic")
_CLASS, _MEAN = "class", "mean"
"""The column of several classes, and what it says of their mean, which comes first."""
_MOST_CSV_BYTES = 16 << 20
_MOST_PX = 1e6


@dataclasses.dataclass(frozen=True, slots=True)
class CaseRow:
    """The metrics of one test case, unique within the data set, under one U-Net.

    Attributes:
        case_id: The case.
        metrics: Of its class, or the means over classes.
        by_class: Those of each class by name, where there are several.
    """

    case_id: str
    metrics: CaseMetrics
    by_class: Mapping[str, CaseMetrics] = dataclasses.field(default_factory=dict)


def summarize_rows(rows: Sequence[CaseRow]) -> dict[str, Summary]:
    """Summarize each metric over at least one case."""
    return {
        metric: summarize([getattr(row.metrics, metric) for row in rows])
        for metric in METRIC_HEADINGS
    }


def summarize_classes(rows: Sequence[CaseRow]) -> dict[str, dict[str, Summary]]:
    """Summarize each metric of each class, where there are several."""
    return {
        name: summarize_rows([CaseRow(row.case_id, row.by_class[name]) for row in rows])
        for name in rows[0].by_class
    }


def summarize_groups(
    rows: Sequence[CaseRow], groups: Mapping[str, str]
) -> dict[str, GroupSummary]:
    """Summarize each metric of each group, by name; cases of no group are left out.

    Args:
        rows: Results; those of several seeds have a case more than once.
        groups: Group of a case.
    """
    found: dict[str, list[CaseRow]] = {}
    for row in rows:
        if group := groups.get(row.case_id):
            found.setdefault(group, []).append(row)
    return {
        group: GroupSummary(
            n_cases=len({row.case_id for row in own}),
            n_results=len(own),
            metrics=summarize_rows(own),
        )
        for group, own in sorted(found.items())
    }


def worst_tenth(rows: Sequence[CaseRow]) -> dict[str, float]:
    """Take the mean of the worst tenth of the results by each metric.

    That is of one at least. The worst Dice is the smallest, the worst distance the
    largest.
    """
    n_worst = math.ceil(len(rows) / 10)
    found = {}
    for metric in METRIC_HEADINGS:
        values = sorted(getattr(row.metrics, metric) for row in rows)
        worst = values[:n_worst] if metric == "dice" else values[-n_worst:]
        found[metric] = statistics.fmean(worst)
    return found


def cases_to_csv(
    rows: Sequence[CaseRow], fold: int, n_real: int, n_synthetic: int
) -> str:
    """Write the metrics of a U-Net's test cases as CSV, one line per case.

    Of several classes, there is a line of the means and one for each class. Floats are
    written exactly: `cases_from_csv` gives the same rows back.

    Args:
        rows: The cases.
        fold: Fold in which they are tested, from 1.
        n_real: Real pairs that the U-Net was trained on.
        n_synthetic: Synthetic ones.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_columns(bool(rows and rows[0].by_class)))
    for row in rows:
        writer.writerows(_lines(row, fold, n_real, n_synthetic))
    return stream.getvalue()


def read_cases(path: Path, fold: int, n_real: int, n_synthetic: int) -> list[CaseRow]:
    """Read the file of a U-Net of this fold and these numbers of training pairs.

    Raises:
        InputError: The file is missing or unreadable, or is not as `cases_to_csv`
            writes it, as after a visit to a spreadsheet.
    """
    try:
        text = storage.read_bytes(path, _MOST_CSV_BYTES).decode()
        return cases_from_csv(text, fold, n_real, n_synthetic)
    except UnicodeDecodeError as fault:
        raise InputError(f"{path}: is no UTF-8 text") from fault
    except ValueError as fault:
        raise InputError(f"{path}: cannot be read ({fault})") from fault


def cases_from_csv(
    text: str, fold: int, n_real: int, n_synthetic: int
) -> list[CaseRow]:
    """Read back what `cases_to_csv` wrote of the same U-Net.

    Raises:
        ValueError: There are no cases, a case is there twice, or a line is not as
            `cases_to_csv` writes it; the message names the line.
    """
    # newline="" leaves line breaks inside quotes to the CSV reader.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: dict[str, CaseRow] = {}
    try:
        header = tuple(next(reader, []))
        several = _CLASS in header
        if header != (columns := _columns(several)):
            raise ValueError(f"expected the columns {columns}, got {[*header]}")
        for fields in reader:
            case_id, name, found = _parsed(fields, columns)
            if name == _MEAN or not several:
                if case_id in rows:
                    raise ValueError(f"case {case_id} is there twice")
                rows[case_id] = CaseRow(case_id, found)
            elif not rows or case_id != [*rows][-1] or name in rows[case_id].by_class:
                raise ValueError(f"expected each class of a case once, got {fields}")
            else:
                by_class = {**rows[case_id].by_class, name: found}
                rows[case_id] = dataclasses.replace(rows[case_id], by_class=by_class)
            # Python takes more for a number than is written here: `1_0`, ` 1`, `0.50`.
            expected = _fields(case_id, name, found, fold, n_real, n_synthetic)
            if expected != fields:
                raise ValueError(f"expected {expected}, got {fields}")
        if len({tuple(row.by_class) for row in rows.values()}) > 1:
            raise ValueError("cases have different classes")
    except (csv.Error, ValueError) as fault:
        line = max(reader.line_num, 1)
        raise ValueError(f"cases, line {line}: {fault}") from fault
    if not rows:
        raise ValueError("expected at least one case")
    return [*rows.values()]


def _columns(several: bool) -> tuple[str, ...]:
    return (*_FIRST, *([_CLASS] if several else []), *METRIC_HEADINGS)


def _lines(
    row: CaseRow, fold: int, n_real: int, n_synthetic: int
) -> Iterator[list[str]]:
    counts = fold, n_real, n_synthetic
    yield _fields(row.case_id, _MEAN if row.by_class else "", row.metrics, *counts)
    for name, found in row.by_class.items():
        yield _fields(row.case_id, name, found, *counts)


def _fields(
    case_id: str,
    name: str,
    found: CaseMetrics,
    fold: int,
    n_real: int,
    n_synthetic: int,
) -> list[str]:
    values = [float(getattr(found, metric)) for metric in METRIC_HEADINGS]
    first = [str(fold), case_id, str(n_real), str(n_synthetic)]
    return [*first, *([name] if name else []), *map(repr, values)]


def _parsed(
    fields: Sequence[str], columns: Sequence[str]
) -> tuple[str, str, CaseMetrics]:
    """Read the case, the class and the metrics of a line."""
    if len(fields) != len(columns):
        raise ValueError(f"expected {len(columns)} fields, got {len(fields)}")
    named = dict(zip(columns, fields, strict=True))
    case_id, texts = named["case_id"], [named[metric] for metric in METRIC_HEADINGS]
    dice, *distances = map(float, texts)
    if not (0 <= dice <= 1 and all(0 <= pixels <= _MOST_PX for pixels in distances)):
        raise ValueError(
            f"expected finite metrics of at least 0, and of Dice at most 1, got {texts}"
        )
    if not case_id or not case_id.isprintable():
        raise ValueError(f"expected a case id, got {case_id!r}")
    return case_id, named.get(_CLASS, ""), CaseMetrics(dice, *distances)
