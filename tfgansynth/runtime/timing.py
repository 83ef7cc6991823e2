"""Where the time of a job goes: named parts, their shares, and a table of stages."""

import contextlib
import time
from collections.abc import Iterator, Mapping

from tfgansynth.runtime.progress import aligned

START_UP, INPUT, STEPS, VALIDATION, RECORDS, PREDICTION, EVALUATION = PARTS = (
    "start-up",
    "input",
    "steps",
    "validation",
    "records",
    "prediction",
    "evaluation",
)
"""Parts of a stage: building networks and the first call of each function, which
compiles it; waiting for mini-batches; training steps; validation; writing of
checkpoints, samples and records; the network on test cases; metrics and pictures."""
_REST = "rest"


class Timer:
    """Divides the time of one job into parts that do not overlap.

    Attributes:
        seconds: Time of each part so far.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()
        self._called: set[str] = set()
        self._open = contextlib.ExitStack()

    @property
    def total(self) -> float:
        """Seconds since the start, inside and outside of parts."""
        return time.perf_counter() - self._start

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block as a part, also if the block fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            passed = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + passed

    def begin(self, name: str) -> None:
        """Begin a part, and end the one that was begun before."""
        self.end()
        self._open.enter_context(self.part(name))

    def begin_call(self, name: str) -> None:
        """Begin a call of a compiled function; the first one compiles: `START_UP`."""
        self.begin(name if name in self._called else START_UP)
        self._called.add(name)

    def end(self) -> None:
        """End the part that was begun last, if one is open."""
        self._open.close()

    def timings(self, stage: str) -> dict[str, float]:
        """Return the seconds of a stage and its parts: `stage`, `stage/part`, ..."""
        parts = {f"{stage}/{name}": spent for name, spent in self.seconds.items()}
        return {stage: self.total, **parts}


def shares(total: float, seconds: Mapping[str, float]) -> str:
    """Render parts in percent of a total, the largest first; `""` without parts.

    Args:
        total: Seconds.
        seconds: Of each part; the remainder is shown as the rest.
    """
    if not seconds or not total:
        return ""
    parts = {**seconds, _REST: max(total - sum(seconds.values()), 0.0)}
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {spent / total:.1%}" for name, spent in ordered)


def stages_table(timings: Mapping[str, float]) -> str:
    """Render the results of `Timer.timings` for several stages as a plain-text table.

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
        spent = [row.get(name) for name in columns]
        lines.append([stage, *(f"{each:.1f}" if each else "" for each in spent)])
    whole = sums["total"] or 1.0
    lines.append(["share", *(f"{sums[name] / whole:.1%}" for name in columns)])
    return "\n".join(aligned(lines))
