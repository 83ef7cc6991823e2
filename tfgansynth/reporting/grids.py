"""Tables of cells as text, Markdown and CSV: the one place where they are rendered."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from tfgansynth.assessment.fidelity import Figure

Row = Sequence[object]
"""The cells of a line; in text, a single one runs on over all columns."""


def to_text(headings: Row, rows: Iterable[Row], indent: str = "") -> list[str]:
    """Render lines of fixed width: a label to the left, then cells to the right."""
    grid = [[str(cell) for cell in row] for row in (headings, *rows)]
    whole = [cells for cells in grid if len(cells) > 1]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    lines = []
    for cells in grid:
        label = cells[0].ljust(widths[0])
        others = zip(cells[1:], widths[1:], strict=False)
        line = "  ".join([label, *(cell.rjust(width) for cell, width in others)])
        lines.append(f"{indent}{line}".rstrip())
    return lines


def to_markdown(headings: Row, rows: Iterable[Row]) -> str:
    """Render a Markdown table; what would end a cell is escaped."""
    grid = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(escaped, row))} |" for row in grid)


def escaped(cell: object) -> str:
    """Render the cell of a Markdown table."""
    return str(cell).replace("|", "\\|")


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Render CSV; the headings are the keys of the first row."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def span(counts: Sequence[int]) -> str:
    """`145`, or `144-145` where counts differ."""
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}-{high}"


def interval(figure: Figure) -> str:
    """`0.500 [0.250, 0.750]`."""
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def passed(verdict: bool) -> str:
    """Say whether an audit was passed."""
    return "passed" if verdict else "NOT PASSED"
