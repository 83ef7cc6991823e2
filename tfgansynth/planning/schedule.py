"""When stages are run, and how long that takes: their order, and a simulation."""

import dataclasses
import heapq
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from tfgansynth.planning.graph import PlannedStage

Name = TypeVar("Name")
"""Names a stage."""


@dataclasses.dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of one stage that is not done.

    Attributes:
        seconds: About; where it may end early, at its earliest end. None if nothing is
            known.
        latest: Seconds at its latest end; `seconds` where its length is fixed.
        mib: Memory; 0 if nothing is known.
        is_recorded: Whether runs below --out tell.
        like: The same for all stages of which a step takes as long.
        steps: Of such; 1 for a stage whose length is not fixed by them.
    """

    seconds: float | None
    latest: float
    mib: float
    is_recorded: bool
    like: str
    steps: int


def in_order_of_need(
    plans: Sequence[Sequence[PlannedStage]],
) -> list[tuple[int, PlannedStage]]:
    """Order the stages of several plans for many workers.

    The first plan's come first, as they are, for a first verdict. Then those with the
    longest chain of stages behind them: a GAN that begins last ends last.

    Returns:
        Number of the plan and stage; each stage after those that it needs.
    """
    found: list[tuple[int, PlannedStage, int]] = []
    for number, stages in enumerate(plans):
        behind = dict.fromkeys((stage.name for stage in stages), 0)
        for stage in reversed(stages):
            for need in behind.keys() & {*stage.needs}:
                behind[need] = max(behind[need], behind[stage.name] + 1)
        found += [(number, s, behind[s.name] if number else 0) for s in stages]
    found.sort(key=lambda each: (each[0] > 0, -each[2]))
    return [(number, stage) for number, stage, _ in found]


def play(
    stages: Mapping[Name, Collection[Name]],
    seconds: Mapping[Name, float],
    n_workers: int,
    running: Collection[Name] = (),
) -> dict[Name, float]:
    """Play stages on workers: a free one takes the first whose needs are done.

    Args:
        stages: What each needs, in the order in which they are taken; others are done.
        seconds: Of each stage; of those that run, what they still take.
        n_workers: Stages at a time, >= 1.
        running: Stages that run already.

    Returns:
        Seconds until each stage is done.
    """
    number = {name: index for index, name in enumerate(stages)}
    open_needs = {name: {*needs} & stages.keys() for name, needs in stages.items()}
    behind: dict[Name, list[Name]] = {name: [] for name in stages}
    for name, open_ones in open_needs.items():
        for need in open_ones:
            behind[need].append(name)
    ends = {name: seconds[name] for name in stages if name in running}
    at_work = [(end, number[name], name) for name, end in ends.items()]
    heapq.heapify(at_work)
    ready = [
        (number[name], name)
        for name, open_ones in open_needs.items()
        if not open_ones and name not in running
    ]
    now = 0.0
    while ready or at_work:
        while ready and len(at_work) < n_workers:
            first, name = heapq.heappop(ready)
            ends[name] = now + seconds[name]
            heapq.heappush(at_work, (ends[name], first, name))
        now = at_work[0][0]
        while at_work and at_work[0][0] == now:
            *_, name = heapq.heappop(at_work)
            for each in behind[name]:
                open_needs[each].remove(name)
                if not open_needs[each]:
                    heapq.heappush(ready, (number[each], each))
    return ends
