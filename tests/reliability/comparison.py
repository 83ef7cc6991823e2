"""Compares run folders bit for bit, and names what may differ."""

import fnmatch
import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util.tensor_util import make_ndarray

MAY_DIFFER = {
    "leases/*": "names processes",
    "timings.json": "wall times",
    "memory.json": "memory of the process",
    "report.html": "shows wall times and memory",
}
"""Files of a run folder, by pattern, that two runs of one command need not share."""

MAY_LACK = {
    "*/checkpoints/*.safetensors": "a U-Net's come by the clock",
}
"""Files that only one of two runs may have; where both do, they are the same."""

_EVENTS = "events.out.tfevents.*"
_RATE = "steps_per_second"
"""The one curve in TensorBoard that is a measurement of time."""


def contents(run: Path) -> dict[str, Any]:
    """All that must be the same in two run folders, by relative path."""
    return {
        name: read_events(path) if path.match(_EVENTS) else path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and not may_differ(name := path.relative_to(run).as_posix())
    }


def may_differ(name: str) -> bool:
    """Whether a file is one of those that two runs need not share."""
    return _matches(name, MAY_DIFFER)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def differences(run: Path, other: Path) -> list[str]:
    """Name the files in which two run folders differ, or that only one has."""
    ours, theirs = contents(run), contents(other)
    both, either = ours.keys() & theirs.keys(), ours.keys() | theirs.keys()
    alone = {name for name in either - both if not _matches(name, MAY_LACK)}
    return sorted(alone | {name for name in both if ours[name] != theirs[name]})


def read_events(path: Path) -> list[tuple[int, str, Any]]:
    """Read (step, tag, value) of each point, in their order, without wall times.

    The rate, which is a wall time too, has no value.
    """
    points: list[tuple[int, str, Any]] = []
    file = io.BytesIO(path.read_bytes())
    while header := file.read(12):
        (length,) = struct.unpack("<Q", header[:8])
        try:
            event = Event.FromString(file.read(length))
        except Exception:  # protobuf has no types
            # A byte of it was flipped.
            return [*points, (-1, "damaged", None)]
        file.read(4)
        for value in event.summary.value:
            content = make_ndarray(value.tensor).tolist()
            rate = value.tag == _RATE
            points.append((event.step, value.tag, None if rate else content))
    return points
