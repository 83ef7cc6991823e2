"""From the test cases' metrics to the paper's tables, ours beside the paper's.

A table has three rows, the training sets of the experiment: U-Nets trained on real
pairs only, on real and synthetic pairs, on synthetic pairs only. Our rows stand beside
the paper's by training set and not by counts, as the counts may differ: 247 cases in
three folds leave one fold with 144 training cases instead of 145.

Mean, standard deviation and median are taken over all test cases of the folds that
are done, pooled. The standard deviation is that of a sample (n - 1); the paper does
not name its own, and at 247 cases the two differ by 0.2 %.
"""

import csv
import dataclasses
import enum
import io
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from tfgansynth.errors import InputError
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.runtime import storage

PHANTOM_WARNING = "PHANTOMS: procedural images, not patients"
"""First line of every rendering of a table made on phantoms."""

PAPER_IMAGE_SIZE = 128
"""Side in pixels of the images on which the paper's distances are. Paper: IV-A."""

METRIC_HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "dice": "Dice",
        "hausdorff_px": "HD [px]",
        "hausdorff_95_px": "HD95 [px]",
        "mean_surface_distance_px": "ASSD [px]",
    }
)
"""The metrics in the order of the columns: field of `CaseMetrics` to heading."""

_DECIMALS = 4
"""As printed in the paper's tables."""

_Number = TypeVar("_Number", int, float)

_NONE = "-"
_PENDING = "..."


class TrainingSet(enum.StrEnum):
    """What a U-Net was trained on. Paper: IV-B."""

    REAL = "real only"
    MIXED = "mixed"
    SYNTHETIC = "synthetic only"


class Status(enum.StrEnum):
    """How far a row of a growing table is."""

    PENDING = "pending"
    PARTIAL = "partial"
    DONE = "done"


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


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """One metric over many cases, in the metric's unit.

    Attributes:
        mean: Arithmetic mean.
        sd: Standard deviation of a sample (n - 1); None for a single case.
        median: Median; None where the paper gives none.
    """

    mean: float
    sd: float | None
    median: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class PaperRow:
    """One printed row of the paper's Table I or II.

    Attributes:
        n_real: Real training pairs.
        n_synthetic: Synthetic training pairs.
        dice: Dice coefficient.
        hausdorff_px: Hausdorff distance in pixels at 128 x 128; the paper does not
            say which form of it.
    """

    n_real: int
    n_synthetic: int
    dice: Summary
    hausdorff_px: Summary

    @property
    def training_set(self) -> TrainingSet:
        """The training set that the numbers of training pairs make."""
        return training_set_of(self.n_real, self.n_synthetic)


PAPER_TABLE_I = (
    PaperRow(145, 0, Summary(0.9608, 0.0101, None), Summary(6.1229, 5.0183, None)),
    PaperRow(145, 120, Summary(0.9537, 0.0121, None), Summary(6.3147, 4.8708, None)),
    PaperRow(0, 120, Summary(0.9172, 0.0283, None), Summary(9.3564, 6.0651, None)),
)
"""Results with the full training set, on JSRT/SCR. Paper: Table I."""

PAPER_TABLE_II = (
    PaperRow(30, 0, Summary(0.9464, 0.0158, None), Summary(7.6384, 6.0395, None)),
    PaperRow(30, 120, Summary(0.9394, 0.0133, None), Summary(7.2885, 5.1007, None)),
    PaperRow(0, 120, Summary(0.9312, 0.0199, None), Summary(7.6091, 5.5654, None)),
)
"""Results with the reduced training set, on JSRT/SCR. Paper: Table II."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One training set of ours over all test cases of the folds that are done.

    Attributes:
        folds: The folds that are done, ascending.
        n_real: Real training pairs, one number per fold in `folds`.
        n_synthetic: Synthetic training pairs, one number per fold in `folds`.
        n_cases: Test cases pooled over `folds`.
        dice: Dice coefficient.
        hausdorff_px: Hausdorff distance, pixels.
        hausdorff_95_px: 95th-percentile Hausdorff distance, pixels.
        mean_surface_distance_px: Average symmetric surface distance, pixels.
    """

    folds: tuple[int, ...]
    n_real: tuple[int, ...]
    n_synthetic: tuple[int, ...]
    n_cases: int
    dice: Summary
    hausdorff_px: Summary
    hausdorff_95_px: Summary
    mean_surface_distance_px: Summary

    @property
    def training_set(self) -> TrainingSet:
        """The training set that the numbers of training pairs make."""
        return training_set_of(self.n_real[0], self.n_synthetic[0])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of ours, complete or still growing, with all that names it.

    Attributes:
        title: Heading of the table.
        dataset_name: Short name of the data set.
        is_phantom: Whether the cases are the built-in phantoms.
        is_paper_data: Whether the cases are the paper's own: JSRT with SCR masks.
            If not, every rendering says that the paper's figures are on other data.
        target: What is segmented, in words: `both lungs`.
        image_size: Side of the images in pixels, which distances depend on.
        reduced: True to stand beside the paper's Table II, False beside Table I.
        preset: Name of the configuration's preset.
        seed: Seed of the run.
        folds: The folds that the table will hold when complete, ascending.
        n_test_cases: Test cases in `folds`, that is, in each complete row.
        rows: What is done so far, one row at most for each training_set.
        remarks: What went amiss on the way and may have spoiled a figure.
    """

    title: str
    dataset_name: str
    is_phantom: bool
    is_paper_data: bool
    target: str
    image_size: int
    reduced: bool
    preset: str
    seed: int
    folds: tuple[int, ...]
    n_test_cases: int
    rows: tuple[TableRow, ...]
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the rows fit the table.

        Raises:
            ValueError: The folds are none or not ascending, the data are both
                phantoms and the paper's, a training set has two rows, or a row has
                folds or cases that the table has not.
        """
        if not self.folds or list(self.folds) != sorted(set(self.folds)):
            raise ValueError(f"expected ascending folds, got {self.folds}")
        if self.is_phantom and self.is_paper_data:
            raise ValueError("expected phantoms or the paper's data, got both")
        training_sets = [row.training_set for row in self.rows]
        if len(set(training_sets)) < len(training_sets):
            raise ValueError(
                f"expected one row for each training set, got {training_sets}"
            )
        for row in self.rows:
            if not set(row.folds) <= set(self.folds):
                raise ValueError(
                    f"{row.training_set}: expected folds among {self.folds}, "
                    f"got {row.folds}"
                )
            if row.n_cases > self.n_test_cases:
                raise ValueError(
                    f"{row.training_set}: expected at most {self.n_test_cases} test "
                    f"cases, got {row.n_cases}"
                )

    def row(self, training_set: TrainingSet) -> TableRow | None:
        """Our row of a training set; None while there is none."""
        return next(
            (row for row in self.rows if row.training_set is training_set), None
        )

    def paper_row(self, training_set: TrainingSet) -> PaperRow:
        """The paper's row of a training set, from its Table I or II."""
        rows = PAPER_TABLE_II if self.reduced else PAPER_TABLE_I
        return next(row for row in rows if row.training_set is training_set)

    def status(self, training_set: TrainingSet) -> Status:
        """How far our row of a training set is."""
        row = self.row(training_set)
        if row is None:
            return Status.PENDING
        return Status.DONE if row.n_cases == self.n_test_cases else Status.PARTIAL

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know: what went amiss, the metrics, the paper's."""
        side = self.image_size
        metrics = (
            "Metrics: Dice; Hausdorff distance (HD), its 95th percentile (HD95) and "
            "average symmetric surface distance (ASSD) between 4-neighbor contours, "
            f"in px at {side} x {side}; one empty mask counts as the image diagonal; "
            "over all test cases, sd with n - 1."
        )
        paper = "The paper does not say which form of the Hausdorff distance it took."
        if not self.is_paper_data:
            paper = (
                "The paper's figures are on other data (JSRT/SCR at "
                f"{PAPER_IMAGE_SIZE} px): for orientation only. {paper}"
            )
        elif side != PAPER_IMAGE_SIZE:
            paper = (
                f"The paper's distances are in px at {PAPER_IMAGE_SIZE} x "
                f"{PAPER_IMAGE_SIZE}: they do not compare with these. {paper}"
            )
        return *(f"REMARK: {remark}" for remark in self.remarks), metrics, paper


def training_set_of(n_real: int, n_synthetic: int) -> TrainingSet:
    """Name the training set that so many real and synthetic training pairs make.

    Raises:
        ValueError: Both are 0, or one is negative.
    """
    if min(n_real, n_synthetic) < 0 or n_real + n_synthetic == 0:
        raise ValueError(
            "expected real or synthetic training pairs, "
            f"got {n_real} real and {n_synthetic} synthetic"
        )
    if n_synthetic == 0:
        return TrainingSet.REAL
    return TrainingSet.SYNTHETIC if n_real == 0 else TrainingSet.MIXED


def aggregate(cases: Iterable[CaseRow]) -> tuple[TableRow, ...]:
    """Pool the test cases of each training set over its folds. Paper: IV-C.

    Args:
        cases: Any number of cases, training sets and folds, in any order.

    Returns:
        One row for each training set that has cases, in the order of the paper's
        tables.

    Raises:
        ValueError: A training set tests a case twice, or one fold of a training set has
            cases of differently many training pairs (two runs got mixed up).
    """
    by_training_set: dict[TrainingSet, list[CaseRow]] = {
        training_set: [] for training_set in TrainingSet
    }
    for case in cases:
        by_training_set[case.training_set].append(case)
    return tuple(
        _pool(training_set, members)
        for training_set, members in by_training_set.items()
        if members
    )


def _pool(training_set: TrainingSet, cases: Sequence[CaseRow]) -> TableRow:
    seen: set[str] = set()
    pairs_by_fold: dict[int, tuple[int, int]] = {}
    for case in cases:
        if case.case_id in seen:
            raise ValueError(
                f"{training_set}: case {case.case_id} is tested more than once"
            )
        seen.add(case.case_id)
        pairs = case.n_real, case.n_synthetic
        expected = pairs_by_fold.setdefault(case.fold, pairs)
        if pairs != expected:
            raise ValueError(
                f"{training_set}, fold {case.fold}: expected cases of one U-Net, got "
                f"(real, synthetic) training pairs {expected} and {pairs}"
            )
    folds = tuple(sorted(pairs_by_fold))
    return TableRow(
        folds=folds,
        n_real=tuple(pairs_by_fold[fold][0] for fold in folds),
        n_synthetic=tuple(pairs_by_fold[fold][1] for fold in folds),
        n_cases=len(cases),
        dice=summarize([case.metrics.dice for case in cases]),
        hausdorff_px=summarize([case.metrics.hausdorff_px for case in cases]),
        hausdorff_95_px=summarize([case.metrics.hausdorff_95_px for case in cases]),
        mean_surface_distance_px=summarize(
            [case.metrics.mean_surface_distance_px for case in cases]
        ),
    )


def summarize(values: Sequence[float]) -> Summary:
    """Take mean, standard deviation and median of at least one value."""
    return Summary(
        mean=statistics.fmean(values),
        # One case has no spread to estimate: None, as JSON knows no NaN.
        sd=statistics.stdev(values) if len(values) > 1 else None,
        median=statistics.median(values),
    )


def to_text(table: Table) -> str:
    """Render a table for a terminal, ours above the paper's in each training_set.

    Returns:
        Lines of fixed-width text; the first is `PHANTOM_WARNING` for phantoms.
    """
    grid = [["", *METRIC_HEADINGS.values()]]
    for training_set in TrainingSet:
        ours, paper = table.row(training_set), table.paper_row(training_set)
        counts = f"{paper.n_real} + {paper.n_synthetic}"
        grid.append([f"{training_set}: {_progress(table, training_set)}"])
        grid.append(["  ours, mean ± sd", *_cells(ours, mean_sd)])
        grid.append(["  ours, median", *_cells(ours, _median)])
        grid.append([f"  paper ({counts})", *_cells(paper, mean_sd)])
    # The training set's own line has one cell, which may run on over the columns.
    rows = [cells for cells in grid if len(cells) > 1]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [padded(cells, widths) for cells in grid]
    rule = "-" * max(map(len, lines))
    head = [PHANTOM_WARNING] if table.is_phantom else []
    head += [table.title, _context(table), rule, lines[0], rule]
    return "\n".join([*head, *lines[1:], rule, *table.notes]) + "\n"


def to_markdown(table: Table) -> str:
    """Render a table as Markdown, each training set of ours above the paper's.

    Returns:
        Markdown whose first line is `PHANTOM_WARNING`, in bold, for phantoms.
    """
    headings = ["Training data", "Real", "Synthetic", "Cases"]
    headings += METRIC_HEADINGS.values()
    lines = [_markdown_line(headings), _markdown_line(["---"] * len(headings))]
    for training_set in TrainingSet:
        ours, paper = table.row(training_set), table.paper_row(training_set)
        counts = [span(ours.n_real), span(ours.n_synthetic)] if ours else ["", ""]
        n_cases = f"{ours.n_cases if ours else 0} of {table.n_test_cases}"
        cells = [
            f"{training_set}, ours",
            *counts,
            n_cases,
            *_cells(ours, _mean_sd_median),
        ]
        lines.append(_markdown_line(cells))
        counts = [str(paper.n_real), str(paper.n_synthetic)]
        cells = [f"{training_set}, paper", *counts, "", *_cells(paper, mean_sd)]
        lines.append(_markdown_line(cells))
    head = [f"**{PHANTOM_WARNING}**", ""] if table.is_phantom else []
    head += [f"### {table.title}", "", _context(table), ""]
    legend = "Ours: mean ± sd (median). Paper: mean ± sd."
    return "\n".join([*head, *lines, "", "  \n".join([legend, *table.notes])]) + "\n"


def to_json(table: Table) -> dict[str, object]:
    """Render a table as plain dictionaries, lists, strings and numbers, for JSON.

    Returns:
        The table's attributes, `warning` (None unless phantoms), `notes`, and
        `rows`: for each of the three training sets its `status`, `ours` (None while
        pending) and `paper`.
    """
    fields = [field.name for field in dataclasses.fields(Table)]
    context = {name: getattr(table, name) for name in fields if name != "rows"}
    rows: list[dict[str, object]] = []
    for training_set in TrainingSet:
        ours = table.row(training_set)
        rows.append(
            {
                "training_set": str(training_set),
                "status": str(table.status(training_set)),
                "ours": _plain(dataclasses.asdict(ours)) if ours else None,
                "paper": _plain(dataclasses.asdict(table.paper_row(training_set))),
            }
        )
    return {
        "warning": PHANTOM_WARNING if table.is_phantom else None,
        **{name: _plain(value) for name, value in context.items()},
        "rows": rows,
        "notes": list(table.notes),
    }


def to_csv(table: Table) -> str:
    """Render a table as CSV, one line per training set.

    What names the table (data set, phantoms, preset, seed) stands in every line, so
    that no line can be taken for something else. Counts that differ between folds
    are listed, one per fold: `145 145 144`. What is pending, or the paper does not
    give, is empty. Floats are written exactly.
    """
    lines = [_csv_record(table, training_set) for training_set in TrainingSet]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


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


def _summary(row: TableRow | PaperRow, metric: str) -> Summary | None:
    """The row's summary of a metric; None where the paper does not give it."""
    summary = getattr(row, metric, None)
    assert summary is None or isinstance(summary, Summary)
    return summary


def _cells(
    row: TableRow | PaperRow | None, show: Callable[[Summary], str]
) -> list[str]:
    if row is None:
        return [_PENDING] * len(METRIC_HEADINGS)
    summaries = [_summary(row, name) for name in METRIC_HEADINGS]
    return [show(summary) if summary else _NONE for summary in summaries]


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.{_DECIMALS}f}"


def mean_sd(summary: Summary) -> str:
    """`.9608 ± .0101` as the paper prints it, with the leading 0."""
    return f"{_number(summary.mean)} ± {_number(summary.sd)}"


def _median(summary: Summary) -> str:
    return _number(summary.median)


def _mean_sd_median(summary: Summary) -> str:
    return f"{mean_sd(summary)} ({_median(summary)})"


def _progress(table: Table, training_set: TrainingSet) -> str:
    row = table.row(training_set)
    if row is None:
        return str(Status.PENDING)
    pairs = f"{span(row.n_real)} real, {span(row.n_synthetic)} synthetic"
    cases = f"{row.n_cases} of {table.n_test_cases} test cases"
    return f"{pairs}; {cases}, {_folds(row.folds)}"


def _context(table: Table) -> str:
    side = table.image_size
    return (
        f"{table.dataset_name}, {table.target}, {side} x {side} px; "
        f"preset {table.preset}, seed {table.seed}; "
        f"{_folds(table.folds)}, {table.n_test_cases} test cases"
    )


def span(counts: Sequence[int]) -> str:
    """`145`, or `144-145` where counts differ."""
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}-{high}"


def _folds(folds: Sequence[int]) -> str:
    if len(folds) == 1:
        return f"fold {folds[0]}"
    if list(folds) == list(range(folds[0], folds[-1] + 1)):
        return f"folds {folds[0]}-{folds[-1]}"
    return "folds " + ", ".join(map(str, folds))


def padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line of a table of fixed-width text: a label, then numbers."""
    label = cells[0].ljust(widths[0])
    numbers = zip(cells[1:], widths[1:], strict=False)
    return "  ".join([label, *(cell.rjust(width) for cell, width in numbers)]).rstrip()


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(value: object) -> object:
    """Turn tuples into lists, all the way down, as JSON reads them back."""
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    return value


def _csv_record(table: Table, training_set: TrainingSet) -> dict[str, object]:
    ours, paper = table.row(training_set), table.paper_row(training_set)
    record: dict[str, object] = {
        "dataset": table.dataset_name,
        "is_phantom": table.is_phantom,
        "is_paper_data": table.is_paper_data,
        "target": table.target,
        "image_size_px": table.image_size,
        "reduced": table.reduced,
        "preset": table.preset,
        "seed": table.seed,
        "remarks": "; ".join(table.remarks),
        "training_set": str(training_set),
        "status": str(table.status(training_set)),
        "folds": _listed(ours.folds) if ours else "",
        "n_real": _listed(ours.n_real) if ours else "",
        "n_synthetic": _listed(ours.n_synthetic) if ours else "",
        "n_cases": ours.n_cases if ours else 0,
        "n_test_cases": table.n_test_cases,
    }
    for name in METRIC_HEADINGS:
        summary = _summary(ours, name) if ours else None
        for statistic in ("mean", "sd", "median"):
            value = getattr(summary, statistic) if summary else None
            record[f"{name}_{statistic}"] = "" if value is None else repr(value)
    record["paper_n_real"] = paper.n_real
    record["paper_n_synthetic"] = paper.n_synthetic
    for name in METRIC_HEADINGS:
        printed = _summary(paper, name)
        if printed:
            record[f"paper_{name}_mean"] = repr(printed.mean)
            record[f"paper_{name}_sd"] = repr(printed.sd)
    return record


def _listed(counts: Sequence[int]) -> str:
    """All numbers, in order; a single one where all are equal."""
    return " ".join(map(str, counts if len(set(counts)) > 1 else counts[:1]))
