"""Running the stages of a plan: in order, or several at a time.

Several at a time run in worker processes (`runtime.processes.isolation`), each with its
share of the cores.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from multiprocessing.connection import wait

from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stage_runs import Outcome, is_done, outcome_of
from tfgansynth.planning.graph import Kind, Plan, PlannedStage
from tfgansynth.runtime.processes.isolation import workers
from tfgansynth.runtime.progress import shown_while

Running = Callable[[Collection[str], int], None]
"""Takes the names of the stages that run now, and how many could."""


def execute(
    experiment: Experiment,
    plan: Plan,
    *,
    tolerant: bool = False,
    workers: int = 1,
    running: Running = lambda names, n_workers: None,
) -> Iterator[Outcome]:
    """Run the stages of an opened experiment that are not done.

    Args:
        experiment: The experiment.
        plan: Its stages run in order, or each as soon as what it needs is done.
        tolerant: Continue without a set whose generator has collapsed or draws empty
            masks, with the stages that do not need it.
        workers: Stages at a time, >= 1; one runs in this process.
        running: Is told whenever that changes.

    Yields:
        Each stage once it is done, or known to have no result.

    Raises:
        InputError: A stage cannot be computed, or a finished result was altered.
        RunError: A worker process was ended from outside.
    """
    for planned in plan.others:
        # An assessment is of a set, and no network is of it.
        if planned.kind not in (Kind.SEGMENTATION, Kind.ASSESSMENT):
            is_done(experiment, planned, dict(planned.record))
    failures: dict[str, Exception] = {}
    if workers == 1:
        outcomes = _in_order(experiment, plan.stages, failures, running)
    else:
        outcomes = _side_by_side(experiment, plan.stages, failures, workers, running)
    for outcome in outcomes:
        if outcome.failure:
            if not tolerant:
                raise outcome.failure
            failures[outcome.stage.name] = outcome.failure
        yield outcome


_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_STATES = 5.0
_Failures = Mapping[str, Exception]
"""Why stages have no result, by their names, as far as they are known by now."""


def _in_order(
    experiment: Experiment,
    planned_stages: Sequence[PlannedStage],
    failures: _Failures,
    running: Running,
) -> Iterator[Outcome]:
    """Run the first stage that can be run, until there is none."""
    waiting = list(planned_stages)
    while waiting:
        unfinished = {planned.name for planned in waiting}
        for planned in [s for s in waiting if unfinished.isdisjoint(s.needs)]:
            running([planned.name], 1)
            if failure := failure_before(planned, failures):
                outcome = Outcome(planned, computed=False, failure=failure)
            elif found := outcome_of(experiment, planned):
                outcome = found
            else:
                continue
            waiting.remove(planned)
            yield outcome
            break
        else:
            running([], 1)
            _wait_for_others(waiting)


def _wait_for_others(waiting: Sequence[PlannedStage]) -> None:
    with shown_while(f"another process works on {waiting[0].label}"):
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _side_by_side(
    experiment: Experiment,
    planned_stages: Sequence[PlannedStage],
    failures: _Failures,
    count: int,
    running: Running,
) -> Iterator[Outcome]:
    """Run the first stages that can be run, as many at a time as there are workers."""
    waiting = list(planned_stages)
    stages = {planned.name: planned for planned in waiting}
    unfinished = {*stages}
    # Stages that another process works on.
    elsewhere: list[PlannedStage] = []
    # The lease stays with this process.
    run = dataclasses.replace(experiment.run, lease=None)
    sent = dataclasses.replace(experiment, run=run)
    with workers(functools.partial(outcome_of, sent), min(count, len(waiting))) as team:
        while unfinished:
            for planned in [s for s in waiting if unfinished.isdisjoint(s.needs)]:
                idle = next((worker for worker in team if not worker.task), None)
                failure = failure_before(planned, failures)
                if failure:
                    unfinished.remove(planned.name)
                    yield Outcome(planned, computed=False, failure=failure)
                elif idle:
                    idle.start(planned.name, planned)
                else:
                    break
                waiting.remove(planned)
            busy = [worker for worker in team if worker.task]
            running([worker.task for worker in busy], len(team))
            if elsewhere and not busy:
                _wait_for_others(elsewhere)
            waiting, elsewhere = [*waiting, *elsewhere], []
            with shown_while(", ".join(stages[worker.task].label for worker in busy)):
                connections = [worker.connection for worker in busy]
                ready = wait(connections, _SECONDS_BETWEEN_STATES) if busy else []
            for worker in [each for each in busy if each.connection in ready]:
                planned = stages[worker.task]
                outcome: Outcome | None = worker.answer()
                if outcome is None:
                    elsewhere.append(planned)
                    continue
                unfinished.remove(planned.name)
                yield outcome


def failure_before(planned: PlannedStage, failures: _Failures) -> Exception | None:
    """Why a stage cannot be run: a stage that it needs has no result."""
    return next((failures[name] for name in planned.needs if name in failures), None)
