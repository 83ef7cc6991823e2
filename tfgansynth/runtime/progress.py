"""What a tool shows of a long job: durations, progress, remarks, tables."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Self

from rich import progress as bars
from rich.console import Console, RenderableType
from rich.table import Column, Table
from rich.text import Text

_BAR_WIDTH = 24
_SECONDS_BETWEEN_REFRESHES = 0.2
_SECONDS_BETWEEN_LINES = 30.0
_SECONDS_BETWEEN_OVERVIEWS = 300.0
_WIDEST_TABLE = 10_000
_ERASE_LINE, _UP = "\r\x1b[2K", "\x1b[A"

_collected: list[list[str]] = []
"""The remarks of the stages that run in this process, the innermost last."""


class Overview:
    """What is said of a whole job, shown with all progress within a block.

    A terminal shows it above the progress. Elsewhere, as in a log file, it is printed
    every five minutes.

    Args:
        text: Says it, in one line, as it is now.
    """

    def __init__(self, text: Callable[[], str]) -> None:
        self.text = text
        self._last_printed = time.monotonic()

    def __enter__(self) -> None:
        _overviews.append(self)

    def __exit__(self, *_: object) -> None:
        """Show it no more."""
        _overviews.remove(self)

    def print_if_due(self) -> None:
        """Print it, if that was long ago."""
        now = time.monotonic()
        if now - self._last_printed >= _SECONDS_BETWEEN_OVERVIEWS:
            self._last_printed = now
            print(self.text(), flush=True)


_overviews: list[Overview] = []
"""Of the jobs that run in this process, the innermost last."""


def duration(seconds: float) -> str:
    """Render a time span: `42 s`, `3 min 05 s`, `2 h 10 min`, `3 days 5 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"


def aligned(rows: Sequence[Sequence[str]], *, n_text_columns: int = 1) -> list[str]:
    """Render rows of cells as lines of plain text with aligned columns.

    Args:
        rows: As many cells in each.
        n_text_columns: The first columns, which are aligned left. The others are
            aligned right, as numbers are.
    """
    table = Table.grid(padding=(0, 2, 0, 0))
    for index in range(len(rows[0])):
        is_text = index < n_text_columns
        table.add_column(justify="left" if is_text else "right", no_wrap=True)
    for cells in rows:
        table.add_row(*map(Text, cells))
    console = Console(width=_WIDEST_TABLE, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


def remark(text: str) -> None:
    """Tell people what they should know of the work that is done just now.

    What a stage remarks is shown below its line, see `collected_remarks`. Outside of a
    stage, as in a notebook, it is printed at once.
    """
    if _collected:
        _collected[-1].append(text)
    else:
        print(text, flush=True)


@contextlib.contextmanager
def collected_remarks() -> Iterator[list[str]]:
    """Collect the remarks of a block instead of printing them.

    What ends the block by an exception leaves nobody to show them: they are printed.
    """
    found: list[str] = []
    _collected.append(found)
    try:
        yield found
    except BaseException:
        for text in found:
            print(text, flush=True)
        raise
    finally:
        _collected.pop()


@contextlib.contextmanager
def shown_while(label: str) -> Iterator[None]:
    """Show on a terminal what is at work in a block that may have no bar.

    Bars of the block come in its place. Elsewhere than on a terminal it shows nothing.
    """
    console = _console()
    if not _is_interactive(console):
        if _overviews:
            _overviews[-1].print_if_due()
        yield
        return
    lines = [*(each.text() for each in _overviews[-1:]), f"{label} ..."]
    # A line that the terminal breaks could not be erased.
    shown = "\n".join(_cropped(line, console.width - 1) for line in lines)
    print(f"{shown}\r{_UP * (len(lines) - 1)}", end="", flush=True)
    try:
        yield
    finally:
        _erase()


def _cropped(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 3]}..."


def _erase() -> None:
    """Erase what `shown_while` shows; the cursor is where it began."""
    below = f"\n{_ERASE_LINE}{_UP}" if _overviews else ""
    print(f"{_ERASE_LINE}{below}", end="", flush=True)


def _console() -> Console:
    # Not rich's own guess, which takes a log for a terminal if FORCE_COLOR is set.
    return Console(force_terminal=sys.stdout.isatty())


def _is_interactive(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal


class _Bars(bars.Progress):
    """Bars, and what is said of the whole job above them."""

    def get_renderables(self) -> Iterator[RenderableType]:
        for each in _overviews[-1:]:
            yield Text(each.text(), no_wrap=True, overflow="ellipsis")
        yield self.make_tasks_table(self.tasks)


class Progress:
    """Progress of one job with a known number of steps.

    A terminal shows a bar until the job has ended. Elsewhere, as in a log file, a line
    is printed every 30 seconds, and none for a job that takes less.

    Args:
        label: What is being done.
        total: Steps of the whole job.
        may_end_early: The job may be done before its last step.
    """

    def __init__(self, label: str, total: int, *, may_end_early: bool = False) -> None:
        self._bound = "at most " if may_end_early else ""
        self._label = label
        self._total = total
        self._first = self._done = 0
        self._start = self._last_shown = time.monotonic()
        self._timed = False
        console = _console()
        self._interactive = _is_interactive(console)
        self._bar = _Bars(
            bars.BarColumn(_BAR_WIDTH),
            bars.TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis"),
            ),
            console=console,
            # A thread that refreshes would take time from the job.
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task(label, total=total)

    def __enter__(self) -> Self:
        if self._interactive:
            _erase()
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the bar."""
        if self._interactive:
            self._bar.stop()

    @property
    def seconds_per_step(self) -> float:
        """Mean time of a step in seconds; NaN until the second one is done.

        The first step of a training compiles it, so it does not count.
        """
        steps = self._done - self._first
        return (time.monotonic() - self._start) / steps if steps else float("nan")

    def update(self, done: int, note: str = "") -> None:
        """Note that `done` steps are done; show it if the last refresh is old enough.

        Args:
            done: Steps done so far, those of earlier attempts included.
            note: Shown after the time.
        """
        self._done = done
        now = time.monotonic()
        if not self._timed:
            self._timed, self._first, self._start = True, done, now
        pause = (
            _SECONDS_BETWEEN_REFRESHES if self._interactive else _SECONDS_BETWEEN_LINES
        )
        if now - self._last_shown < pause:
            return
        self._last_shown = now
        line = self._line(note)
        if self._interactive:
            self._bar.update(self._task, completed=done, description=line, refresh=True)
        else:
            print(line, flush=True)
            if _overviews:
                _overviews[-1].print_if_due()

    def _line(self, note: str) -> str:
        line = f"{self._label} {self._done}/{self._total}"
        rate = self.seconds_per_step
        if not math.isnan(rate):
            left = duration(rate * (self._total - self._done))
            line += f", {rate:.2f} s each, {self._bound}{left} left"
        return f"{line}, {note}" if note else line
