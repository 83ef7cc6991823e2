"""Contestants take training steps in turn, each in a process of its own.

A machine's speed drifts, with heat and with its other tenants. Two contestants
that take turns meet the same drift, so what is compared is the ratio of their times
in one round, and of all rounds the median. Peers come one after the other: then no
more than two networks share the memory.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from tfgansynth.benchmark.results import Duel, Entry
from tfgansynth.benchmark.worker import Call, WorkerFailure, worker
from tfgansynth.config import Precision
from tfgansynth.errors import InputError

_ROUND_SECONDS = 0.5
"""A round has as many steps as take about this long, at least one."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """Who takes steps, and how a worker makes its `Stepper`."""

    name: str
    precision: Precision
    build: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        """Name and number format."""
        return f"{self.name}, {self.precision}"


def race(
    ours: Contestant,
    peers: Sequence[Contestant],
    repeats: int,
    *,
    options: str,
    say: Callable[[str], None],
) -> tuple[Entry, tuple[Duel, ...]]:
    """Time our steps alone, then in turn with each peer's.

    Args:
        ours: This package's network.
        peers: Those it is held against; one that fails is no end to the race.
        repeats: Rounds, both alone and with each peer.
        options: Those that sized our network, to name if it fails.
        say: Is told who comes next.

    Raises:
        InputError: Our own network fails.
    """
    try:
        say(str(ours))
        with worker(ours.build, *ours.arguments) as call:
            runner = _Runner(call)
            alone = tuple(runner.round() for _ in range(repeats))
            duels = []
            for peer in peers:
                say(str(peer))
                duels.append(_duel(runner, peer, repeats))
                call("device")  # raises if it was ours that ended that duel
            return _entry(ours, call, alone), tuple(duels)
    except WorkerFailure as fault:
        raise InputError(f"{options}: {fault}") from None


class _Runner:
    """A contestant that is warm."""

    def __init__(self, call: Call) -> None:
        self._call = call
        call("run", 1)  # compiles
        self._steps = max(1, math.ceil(_ROUND_SECONDS / call("run", 1)))

    def round(self) -> float:
        seconds: float = self._call("run", self._steps)
        return seconds


def _duel(ours: _Runner, peer: Contestant, repeats: int) -> Duel:
    theirs: list[float] = []
    our_seconds: list[float] = []
    try:
        with worker(peer.build, *peer.arguments) as call:
            runner = _Runner(call)
            for _ in range(repeats):
                theirs.append(runner.round())
                our_seconds.append(ours.round())
            entry = _entry(peer, call, tuple(theirs))
    except WorkerFailure as fault:
        failed = Entry(name=peer.name, precision=peer.precision, failure=str(fault))
        return Duel(peer=failed)
    return Duel(peer=entry, our_seconds=tuple(our_seconds))


def _entry(contestant: Contestant, call: Call, seconds: tuple[float, ...]) -> Entry:
    return Entry(
        name=contestant.name,
        precision=contestant.precision,
        seconds=seconds,
        device=call("device"),
        peak_bytes=call("peak_bytes"),
    )
