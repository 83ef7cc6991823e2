"""The metrics of test cases, one row a case, and their file of one U-Net."""

import csv
import dataclasses
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from tfgansynth.errors import InputError
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.tables import METRIC_HEADINGS, TrainingSet, training_set_of
from tfgansynth.runtime import storage

_Number = TypeVar("_Number", int, float)


@dataclasses.dataclass(frozen=True, slots=True)
class CaseRow:
    """The metrics of one test case under one trained U-Net.

    Attributes:
        fold: Fold in which the case is tested, from 1.
        case_id: The case, unique within the data set.
        n_real: Real pairs the U-Net was trained on.
        n_synthetic: Synthetic pairs the U-Net was trained on.
        metrics: How well the U-Net segments the case.
    """

    fold: int
    case_id: str
    n_real: int
    n_synthetic: int
    metrics: CaseMetrics

    @property
    def training_set(self) -> TrainingSet:
        """The training set that the numbers of training pairs make."""
        return training_set_of(self.n_real, self.n_synthetic)


def cases_to_csv(rows: Iterable[CaseRow]) -> str:
    """Write the metrics of test cases as CSV, one line per case.

    Floats are written exactly: `cases_from_csv` gives the same rows back.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CASE_COLUMNS)
    for row in rows:
        counts = (row.fold, row.case_id, row.n_real, row.n_synthetic)
        values = [getattr(row.metrics, name) for name in METRIC_HEADINGS]
        writer.writerow([*counts, *(repr(float(value)) for value in values)])
    return stream.getvalue()


def read_cases(path: Path) -> list[CaseRow]:
    """Read the file of one U-Net, as `cases_to_csv` wrote it.

    Raises:
        InputError: The file is missing or unreadable, a line is not as
            `cases_to_csv` writes it, as after a visit to a spreadsheet, or the
            cases are none or of several U-Nets.
    """
    try:
        rows = cases_from_csv(storage.read_bytes(path, _MOST_CSV_BYTES).decode())
        if len({(row.fold, row.n_real, row.n_synthetic) for row in rows}) != 1:
            raise ValueError("expected the cases of one U-Net")
        return rows
    except UnicodeDecodeError as fault:
        raise InputError(f"{path}: is no UTF-8 text") from fault
    except ValueError as fault:
        raise InputError(f"{path}: cannot be read ({fault})") from fault


def cases_from_csv(text: str) -> list[CaseRow]:
    """Read back what `cases_to_csv` wrote.

    Raises:
        ValueError: The header or a line is not as `cases_to_csv` writes it, or a
            U-Net tests a case twice; the message names the line.
    """
    # newline="" leaves line breaks inside quotes to the CSV reader.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: dict[tuple[object, ...], CaseRow] = {}
    try:
        header = next(reader, [])
        if tuple(header) != _CASE_COLUMNS:
            raise ValueError(f"expected the columns {_CASE_COLUMNS}, got {header}")
        for fields in reader:
            row = _case_from_fields(fields)
            key = row.fold, row.case_id, row.n_real, row.n_synthetic
            if key in rows:
                raise ValueError(f"case {row.case_id} is there twice")
            rows[key] = row
    except (csv.Error, ValueError) as error:
        line = max(reader.line_num, 1)
        raise ValueError(f"cases, line {line}: {error}") from error
    return list(rows.values())


_CASE_COLUMNS = ("fold", "case_id", "n_real", "n_synthetic", *METRIC_HEADINGS)
_MOST_CSV_BYTES = 16 << 20
_MOST_COUNT = 10**9
_MOST_PX = 1e6


def _case_from_fields(fields: Sequence[str]) -> CaseRow:
    if len(fields) != len(_CASE_COLUMNS):
        raise ValueError(f"expected {len(_CASE_COLUMNS)} fields, got {len(fields)}")
    fold, case_id, n_real, n_synthetic, *texts = fields
    counts = [_exact(int, text) for text in (fold, n_real, n_synthetic)]
    if not all(0 <= count <= _MOST_COUNT for count in counts):
        raise ValueError(f"expected counts from 0 to {_MOST_COUNT}, got {counts}")
    dice, *distances = values = [_exact(float, text) for text in texts]
    if not (0 <= dice <= 1 and all(0 <= pixels <= _MOST_PX for pixels in distances)):
        raise ValueError(
            f"expected finite metrics of at least 0, and of Dice at most 1, got {texts}"
        )
    if not case_id or not case_id.isprintable():
        raise ValueError(f"expected a case id, got {case_id!r}")
    row = CaseRow(
        fold=counts[0],
        case_id=case_id,
        n_real=counts[1],
        n_synthetic=counts[2],
        metrics=CaseMetrics(**dict(zip(METRIC_HEADINGS, values, strict=True))),
    )
    training_set_of(row.n_real, row.n_synthetic)
    return row


def _exact(kind: Callable[[str], _Number], text: str) -> _Number:
    """Python takes more for a number than is written here: `1_0`, ` 1`, `0.50`."""
    number = kind(text)
    if str(number) != text:
        raise ValueError(f"expected {number}, got {text!r}")
    return number
