"""Where the time of a job goes: named parts, their shares, and a table of stages."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

Item = TypeVar("Item")

START_UP, INPUT, STEPS, VALIDATION, RECORDS, PREDICTION, EVALUATION = PARTS = (
    "start-up",
    "input",
    "steps",
    "validation",
    "records",
    "prediction",
    "evaluation",
)
"""Parts of a stage in seconds: building networks and the first, compiling call of each
function; waiting for mini-batches; training steps; validation; checkpoints, samples
and all else that is written; the network on test cases; metrics and pictures."""
_REST = "rest"


class Timer:
    """Splits the time of one job into parts that do not overlap.

    Attributes:
        seconds: Time of each part so far, in the order of their beginning.
    """

    def __init__(self) -> None:
        """Start the clock."""
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()
        self._called: set[str] = set()

    @property
    def total(self) -> float:
        """Seconds since the start, in a part or not."""
        return time.perf_counter() - self._start

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside as a part, also where it fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            passed = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + passed

    def call(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Count the call of a compiled function; the first, which compiles, apart."""
        first = name not in self._called
        self._called.add(name)
        return self.part(START_UP if first else name)

    def waits(self, items: Iterable[Item]) -> Iterator[Item]:
        """Pass items on; count the time until each is there as `INPUT`."""
        with self.part(INPUT):
            iterator = iter(items)
        while True:
            with self.part(INPUT):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def timings(self, stage: str) -> dict[str, float]:
        """Seconds of a stage and its parts: `stage`, `stage/part` and so on."""
        parts = {f"{stage}/{name}": spent for name, spent in self.seconds.items()}
        return {stage: self.total, **parts}


def shares(total: float, seconds: Mapping[str, float]) -> str:
    """Render parts in percent of a total, the largest first; `""` without parts.

    Args:
        total: Seconds.
        seconds: Of each part; what they leave of the total is the rest.
    """
    if not seconds or not total:
        return ""
    parts = {**seconds, _REST: max(total - sum(seconds.values()), 0.0)}
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {spent / total:.1%}" for name, spent in ordered)


def stages_table(timings: Mapping[str, float]) -> str:
    """Render what `Timer.timings` gave for several stages, as fixed-width text.

    Args:
        timings: Seconds of stages; `a/b` is a part of `a` if there is an `a`.

    Returns:
        A line for each stage, the sums, and each sum's share of the total.
    """
    rows: dict[str, dict[str, float]] = {}
    for name, seconds in timings.items():
        stage, _, part = name.rpartition("/")
        if stage in timings:
            rows.setdefault(stage, {})[part if part in PARTS else _REST] = seconds
        else:
            rows.setdefault(name, {})["total"] = seconds
    for row in rows.values():
        named = sum(row.get(part, 0.0) for part in PARTS)
        row[_REST] = max(row["total"] - named, 0.0)
    columns = ["total", *PARTS, _REST]
    sums = {name: sum(row.get(name, 0.0) for row in rows.values()) for name in columns}
    lines = [["SECONDS", *columns]]
    for stage, row in {**rows, "all": sums}.items():
        lines.append([stage, *(_figure(row.get(name, 0.0)) for name in columns)])
    whole = sums["total"] or 1.0
    lines.append(["share", *(f"{sums[name] / whole:.1%}" for name in columns)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])])
        for cells in lines
    )


def _figure(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds else ""
