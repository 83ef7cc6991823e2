"""Stages side by side: which begin when, and what comes back from their processes."""

import contextlib
import errno
import multiprocessing
import pickle
from collections.abc import Iterator

import pytest
import tensorflow as tf

from tfgansynth.cli.failures import FAILED, explain
from tfgansynth.config import Config
from tfgansynth.errors import InputError, RunError
from tfgansynth.experiment import executors
from tfgansynth.experiment.executors import execute
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.run_folder import Run
from tfgansynth.experiment.stage_runs import Outcome
from tfgansynth.planning.graph import Kind, PlannedStage
from tfgansynth.planning.requests import Request, curve_request, table_request
from tfgansynth.runtime.processes import isolation
from tfgansynth.synthesis.failures import ModeCollapseError


class Team:
    """Workers that note the stages they get, and end the oldest whenever asked."""

    def __init__(self, size: int, fails: Kind | None = None) -> None:
        self.events: list[str] = []
        self.most = 0
        self._fails = fails
        self.workers = [Worker(self) for _ in range(size)]

    @contextlib.contextmanager
    def start(self, compute: object, count: int) -> Iterator[list["Worker"]]:
        yield self.workers[:count]

    def began(self, planned: PlannedStage) -> None:
        self.events.append(f"begin {planned.name}")
        self.most = max(self.most, sum(bool(each.task) for each in self.workers))

    def ended(self, planned: PlannedStage) -> Outcome:
        self.events.append(f"end {planned.name}")
        if planned.kind == self._fails:
            return Outcome(planned, False, ModeCollapseError("only 1 of 9"))
        return Outcome(planned, True)


class Worker:
    def __init__(self, team: Team) -> None:
        self.task = ""
        self._planned: PlannedStage | None = None
        self._team = team
        self.connection, self._other = multiprocessing.Pipe()

    def start(self, name: str, planned: PlannedStage) -> None:
        self.task, self._planned = name, planned
        self._team.began(planned)
        self._other.send(None)

    def answer(self) -> Outcome:
        self.connection.recv()
        self.task = ""
        assert self._planned
        return self._team.ended(self._planned)


def table(config: Config) -> object:
    return table_request(config, "paper", control=False, assessed=True)


def test_a_stage_begins_as_soon_as_what_it_needs_is_done(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = Team(3)
    monkeypatch.setattr(executors, "workers", team.start)
    plan = experiment.plan(None, table(experiment.config))  # type: ignore[arg-type]

    found = list(execute(experiment, plan, workers=3))

    assert sorted(each.stage.name for each in found) == sorted(plan.identities())
    assert all(each.computed for each in found)
    assert team.most == 3
    for planned in plan.stages:
        begun = team.events.index(f"begin {planned.name}")
        for needed in planned.needs:
            assert team.events.index(f"end {needed}") < begun
    # The U-Net of real pairs needs no set, and the second fold no first one.
    first = [name for name in team.events if name.startswith("begin")][:3]
    assert (
        first == [f"begin {stage.name}" for stage in plan.stages if not stage.needs][:3]
    )


def test_a_collapse_is_the_same_gap_side_by_side_and_in_order(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = Team(2, fails=Kind.SET)
    monkeypatch.setattr(executors, "workers", team.start)
    plan = experiment.plan([2], curve_request(experiment.config, 3))

    found = list(execute(experiment, plan, tolerant=True, workers=2))

    assert {each.stage.name: str(each.failure) for each in found} == {
        "fold-2/unet-r3-s0-fixed-budget": "None",
        "fold-2/gan": "None",
        "fold-2/synthetic": "only 1 of 9",
        "fold-2/unet-r3-s30-fixed-budget": "only 1 of 9",
    }
    assert "begin fold-2/unet-r3-s30-fixed-budget" not in team.events
    with pytest.raises(ModeCollapseError):
        list(execute(experiment, plan, workers=2))


def test_no_more_workers_start_than_there_are_stages(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = Team(4)
    monkeypatch.setattr(executors, "workers", team.start)
    plan = experiment.plan([2], lambda _: Request(gan=True))
    list(execute(experiment, plan, workers=4))
    assert team.most == 1
    assert not list(execute(experiment, plan.only([Kind.SET]), workers=4))


def faults() -> Iterator[BaseException]:
    yield InputError("images/a.png: is empty")
    yield RunError("GAN: the loss is NaN")
    full = OSError(errno.ENOSPC, "No space left on device", "checkpoint")
    try:
        try:
            raise full
        except OSError:
            raise ValueError("the file is closed")  # noqa: B904
    except ValueError as fault:
        yield fault
    yield MemoryError()
    yield tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")


@pytest.mark.parametrize("fault", list(faults()), ids=repr)
def test_what_ends_a_stage_is_explained_as_if_it_had_run_here(
    fault: BaseException,
) -> None:
    sent = pickle.loads(pickle.dumps(isolation._portable(fault)))
    worker = isolation.Worker(None, Answers((None, sent)), "fold-1/gan")  # type: ignore[arg-type]
    with pytest.raises(type(fault)) as found:
        worker.answer()
    expected = explain(fault, resumes=True)
    assert expected
    assert explain(found.value, resumes=True) == expected


def test_an_error_of_the_program_keeps_its_traceback() -> None:
    class Local(Exception):
        """Cannot be pickled."""

    for kind in (KeyError, Local):
        try:
            raise kind("nowhere")
        except Exception as fault:
            (sent,) = isolation._portable(fault)
        assert "test_workers.py" in "".join(
            [str(sent), *getattr(sent, "__notes__", ())]
        )


class Answers:
    """The end of a connection on which one answer has come."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def recv(self) -> object:
        return self._answer


def test_a_worker_that_is_killed_is_named_in_one_line() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=theirs.recv, daemon=True)
    process.start()
    theirs.close()
    worker = isolation.Worker(process, ours)
    worker.start("fold-1/gan", None)
    process.kill()
    with pytest.raises(RunError) as found:
        worker.answer()
    assert explain(found.value, resumes=True) == (
        FAILED,
        "error: fold-1/gan: its process was killed by the system, most likely out of "
        "memory: what was done is saved; the same command continues from there",
    )


def note_many(run: Run, stage: str) -> None:
    for _ in range(20):
        run.add_seconds({stage: 1.0})
        run.add_memory(stage, 7.0)
        run.add_machine(stage, {"processor": stage}, precision="float32", done=0)


def test_notes_of_stages_that_run_side_by_side_are_all_kept(
    experiment: Experiment,
) -> None:
    run = Run(experiment.run.root, experiment.config)
    context = multiprocessing.get_context("spawn")
    names = ["fold-1/gan", "fold-2/gan"]
    noting = [context.Process(target=note_many, args=(run, name)) for name in names]
    for process in noting:
        process.start()
    for process in noting:
        process.join()
        assert process.exitcode == 0
    assert run.seconds() == dict.fromkeys(names, 20.0)
    assert set(run._machines_record()["stages"]) == set(names)
