"""The metrics of test cases, one row a case, and their file of one U-Net."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

from tfgansynth.errors import InputError
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.tables import METRIC_HEADINGS, Summary, summarize
from tfgansynth.runtime import storage

_COLUMNS = ("fold", "case_id", "n_real", "n_synthetic", *METRIC_HEADINGS)
_MOST_CSV_BYTES = 16 << 20
_MOST_PX = 1e6


@dataclasses.dataclass(frozen=True, slots=True)
class CaseRow:
    """The metrics of one test case, unique within the data set, under one U-Net."""

    case_id: str
    metrics: CaseMetrics


def summarize_rows(rows: Sequence[CaseRow]) -> dict[str, Summary]:
    """Summarize each metric over at least one case."""
    return {
        metric: summarize([getattr(row.metrics, metric) for row in rows])
        for metric in METRIC_HEADINGS
    }


def cases_to_csv(
    rows: Sequence[CaseRow], fold: int, n_real: int, n_synthetic: int
) -> str:
    """Write the metrics of a U-Net's test cases as CSV, one line per case.

    Floats are written exactly: `cases_from_csv` gives the same rows back.

    Args:
        rows: The cases.
        fold: Fold in which they are tested, from 1.
        n_real: Real pairs that the U-Net was trained on.
        n_synthetic: Synthetic ones.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(_fields(row, fold, n_real, n_synthetic) for row in rows)
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
        header = next(reader, [])
        if tuple(header) != _COLUMNS:
            raise ValueError(f"expected the columns {_COLUMNS}, got {header}")
        for fields in reader:
            row = _row(fields)
            # Python takes more for a number than is written here: `1_0`, ` 1`, `0.50`.
            if (expected := _fields(row, fold, n_real, n_synthetic)) != fields:
                raise ValueError(f"expected {expected}, got {fields}")
            if row.case_id in rows:
                raise ValueError(f"case {row.case_id} is there twice")
            rows[row.case_id] = row
    except (csv.Error, ValueError) as fault:
        line = max(reader.line_num, 1)
        raise ValueError(f"cases, line {line}: {fault}") from fault
    if not rows:
        raise ValueError("expected at least one case")
    return [*rows.values()]


def _fields(row: CaseRow, fold: int, n_real: int, n_synthetic: int) -> list[str]:
    values = [float(getattr(row.metrics, name)) for name in METRIC_HEADINGS]
    counts = str(n_real), str(n_synthetic)
    return [str(fold), row.case_id, *counts, *map(repr, values)]


def _row(fields: Sequence[str]) -> CaseRow:
    if len(fields) != len(_COLUMNS):
        raise ValueError(f"expected {len(_COLUMNS)} fields, got {len(fields)}")
    _, case_id, _, _, *texts = fields
    dice, *distances = map(float, texts)
    if not (0 <= dice <= 1 and all(0 <= pixels <= _MOST_PX for pixels in distances)):
        raise ValueError(
            f"expected finite metrics of at least 0, and of Dice at most 1, got {texts}"
        )
    if not case_id or not case_id.isprintable():
        raise ValueError(f"expected a case id, got {case_id!r}")
    return CaseRow(case_id, CaseMetrics(dice, *distances))
