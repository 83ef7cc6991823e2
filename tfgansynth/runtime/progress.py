"""How far a long job is: a bar on a terminal, now and then a line elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self


def duration(seconds: float) -> str:
    """Render a time span for people: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """Progress of one job with a known number of steps.

    Args:
        label: What is being done.
        total: Steps of the whole job.
        may_end_early: The job may be done before its last step.
    """

    _BAR_WIDTH = 24
    _SECONDS_BETWEEN_LINES = 30.0

    def __init__(self, label: str, total: int, *, may_end_early: bool = False) -> None:
        """Start the clock."""
        self._bound = "at most " if may_end_early else ""
        self._label = label
        self._total = total
        self._first = self._done = 0
        self._start = self._last_shown = time.monotonic()
        self._timed = False
        self._interactive = sys.stdout.isatty()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the bar's line."""
        if self._interactive:
            print()

    @property
    def seconds_per_step(self) -> float:
        """Mean time of a step in seconds; NaN until the second one is done.

        The first step of a training compiles it, so it does not count.
        """
        steps = self._done - self._first
        return (time.monotonic() - self._start) / steps if steps else float("nan")

    def update(self, done: int, note: str = "") -> None:
        """Say that `done` steps are done; show it if it is time to."""
        self._done = done
        now = time.monotonic()
        if not self._timed:
            self._timed, self._first, self._start = True, done, now
        pause = 0.2 if self._interactive else self._SECONDS_BETWEEN_LINES
        if now - self._last_shown < pause and done < self._total:
            return
        self._last_shown = now
        line = f"{self._label} {done}/{self._total}"
        rate = self.seconds_per_step
        if rate == rate:
            left = duration(rate * (self._total - done))
            line += f", {rate:.2f} s each, {self._bound}{left} left"
        if note:
            line += f", {note}"
        if self._interactive:
            filled = self._BAR_WIDTH * done // self._total
            bar = "━" * filled + "╌" * (self._BAR_WIDTH - filled)
            print(f"\r\x1b[2K{bar} {line}", end="", flush=True)
        else:
            print(line, flush=True)
