"""What the chain says and records besides its results, and how long it takes."""

import errno
import pickle
import re
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfgansynth.errors import InputError, RunError
from tfgansynth.experiment import executors, stage_runs
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.run_folder import Run
from tfgansynth.experiment.stages import compute
from tfgansynth.planning.graph import Kind, PlannedStage
from tfgansynth.planning.requests import Request, curve_request
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import checkpoints, devices, storage
from tfgansynth.runtime.progress import remark
from tfgansynth.runtime.stage import Result, Stage
from tfgansynth.synthesis.failures import (
    EmptyMasksError,
    ModeCollapseError,
    UnusableGeneratorError,
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(root=tmp_path, config=PRESETS["fast"])


def tell(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *units: str,
) -> list[str]:
    """Begin, or go on with, a GAN on a machine with such units; what is said."""
    monkeypatch.setattr(devices, "bfloat16_units", lambda: units)
    monkeypatch.setattr(stage_runs, "describe_machine", lambda: {"units": list(units)})
    stage_runs.record_precision(run, "fold-1/gan", "step", "auto")
    return capsys.readouterr().out.splitlines()


def save(run: Run, step: int) -> None:
    checkpoints.save(run.gan(1) / "checkpoints", step, {"x": np.zeros(1)}, {})


def test_what_auto_chose_is_recorded(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(run, monkeypatch, capsys, "AMX") == []
    assert storage.read_record(run.root / "machine.json") == {
        "machines": [{"units": ["AMX"]}],
        "stages": {"fold-1/gan": [{"after": 0, "precision": "bfloat16", "machine": 0}]},
    }


def test_going_on_in_another_precision_is_said_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(run, monkeypatch, capsys, "AMX")
    save(run, 40)
    assert tell(run, monkeypatch, capsys) == [
        "was trained in bfloat16 up to step 40, continues in float32",
    ]
    # Once it is so, it is not said again.
    save(run, 60)
    assert tell(run, monkeypatch, capsys) == []
    record = storage.read_record(run.root / "machine.json")
    assert record["stages"]["fold-1/gan"] == [
        {"after": 0, "precision": "bfloat16", "machine": 0},
        {"after": 40, "precision": "float32", "machine": 1},
    ]


def test_an_attempt_that_left_nothing_is_forgotten(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(run, monkeypatch, capsys, "AMX")
    assert tell(run, monkeypatch, capsys) == []
    record = storage.read_record(run.root / "machine.json")
    assert [e["precision"] for e in record["stages"]["fold-1/gan"]] == ["float32"]


def test_a_stage_records_where_its_time_went_however_it_ends(run: Run) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        stage_runs.timed(run, "fold-1/gan") as timer,
        timer.part("steps"),
    ):
        raise KeyboardInterrupt
    assert list(run.seconds()) == [
        "fold-1/gan",
        "fold-1/gan/steps",
    ]


def test_what_ended_a_stage_is_not_hidden_by_times_that_cannot_be_written(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Run, seconds: dict[str, float]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "timings.json")

    monkeypatch.setattr(Run, "add_seconds", full)
    with pytest.raises(RunError, match="diverged"), stage_runs.timed(run, "fold-1/gan"):
        raise RunError("diverged")
    with pytest.raises(OSError, match=r"timings\.json"), stage_runs.timed(run, "x"):
        pass


def test_the_networks_of_a_finished_stage_are_released(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow alone keeps them for ever; see `networks_released`."""
    graphs: list[Any] = []

    def train(*_: object) -> Result:
        weights = tf.Variable([1.0])

        @tf.custom_gradient
        def doubled(x: Any) -> Any:
            return 2 * x, lambda upstream: 2 * upstream

        @tf.function
        def step() -> Any:
            with tf.GradientTape() as tape:
                loss = doubled(weights + 0.0)
            return tape.gradient(loss, weights)

        assert step() == 2
        graphs.append(weakref.ref(step.get_concrete_function().graph))
        return Result("trained")

    monkeypatch.setattr(compute, "COMPUTE", dict.fromkeys(Kind, train))
    (planned,) = experiment.plan([2], lambda _: Request(gan=True)).stages
    stage_runs.run_stage(experiment, planned)

    (graph,) = graphs
    assert graph() is None


def test_a_stage_hands_over_what_is_shown_of_it_and_prints_nothing(
    experiment: Experiment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(_: Experiment, __: PlannedStage, stage: Stage) -> Result:
        remark("resumed after step 2 of 6")
        with stage.timer.part("steps"):
            time.sleep(0.05)
        return Result("6 steps", details=("a sentence",))

    monkeypatch.setattr(compute, "COMPUTE", dict.fromkeys(Kind, train))
    (planned,) = experiment.plan([2], lambda _: Request(gan=True)).stages
    capsys.readouterr()

    found = stage_runs.run_stage(experiment, planned)

    assert found
    assert (found.stage, found.computed, found.failure) == (planned, True, None)
    assert found.text == "6 steps"
    assert found.remarks == ("resumed after step 2 of 6",)
    sentence, spent = found.details
    assert sentence == "a sentence"
    assert re.fullmatch(r"time: .*\bsteps \d+\.\d%.*", spent)
    assert found.seconds == pytest.approx(
        experiment.run.seconds()["fold-2/gan"], abs=0.5
    )
    # Another process may have run it.
    assert pickle.loads(pickle.dumps(found)) == found
    assert capsys.readouterr().out == ""


def test_what_was_remarked_before_a_stage_failed_is_printed(
    experiment: Experiment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(*_: object) -> Result:
        remark("step-000006.safetensors: cannot be read")
        raise RunError("diverged")

    monkeypatch.setattr(compute, "COMPUTE", dict.fromkeys(Kind, train))
    (planned,) = experiment.plan([2], lambda _: Request(gan=True)).stages
    capsys.readouterr()

    with pytest.raises(RunError, match="diverged"):
        stage_runs.run_stage(experiment, planned)

    assert capsys.readouterr().out == "step-000006.safetensors: cannot be read\n"


@pytest.mark.parametrize("fault", [ModeCollapseError, EmptyMasksError])
def test_a_collapse_leaves_what_needs_the_set_without_result(
    experiment: Experiment,
    monkeypatch: pytest.MonkeyPatch,
    fault: type[UnusableGeneratorError],
) -> None:
    """A generator that collapses on few cases is a gap in the curve, not its end."""

    def collapsing(_: Experiment, planned: PlannedStage) -> stage_runs.Outcome:
        if planned.kind == Kind.SET:
            raise fault("mode collapse: only 1 of 9")
        return stage_runs.Outcome(planned, computed=True)

    monkeypatch.setattr(stage_runs, "run_stage", collapsing)
    plan = experiment.plan([2], curve_request(experiment.config, 3))

    found = list(executors.execute(experiment, plan, tolerant=True))

    assert [(each.stage.name, each.failure is None) for each in found] == [
        ("fold-2/unet-r3-s0-fixed-budget", True),
        ("fold-2/gan", True),
        ("fold-2/synthetic", False),
        ("fold-2/unet-r3-s30-fixed-budget", False),
    ]
    assert str(found[-1].failure) == "mode collapse: only 1 of 9"
    with pytest.raises(fault):
        list(executors.execute(experiment, plan))


def sealed_gan(experiment: Experiment) -> tuple[PlannedStage, Path]:
    (planned,) = experiment.plan([2], lambda _: Request(gan=True)).stages
    folder = experiment.run.root / planned.name
    storage.write_text(folder / "weights", "of the last step")
    stage_runs.seal(folder, dict(planned.record), ["weights"])
    return planned, folder


def test_a_damaged_checkpoint_of_a_gan_is_made_again(experiment: Experiment) -> None:
    planned, folder = sealed_gan(experiment)
    record = dict(planned.record)
    assert stage_runs.is_done(experiment, planned, record)
    storage.write_text(folder / "weights", "of the last stop")
    assert not stage_runs.is_done(experiment, planned, record)


def test_a_network_that_met_test_cases_without_masks_is_refused(
    experiment: Experiment,
) -> None:
    planned, folder = sealed_gan(experiment)
    path = folder / "provenance.json"
    tests = experiment.fold(2).test.hashes
    case_id = next(iter(tests))
    met = {**storage.read_record(path), "unlabelled_cases": {case_id: tests[case_id]}}
    storage.write_record(path, met)
    words = rf"was trained on test cases of fold 2 \({case_id}\)"
    with pytest.raises(InputError, match=words):
        stage_runs.is_done(experiment, planned, dict(planned.record))


def test_a_stage_of_another_run_is_refused(experiment: Experiment) -> None:
    planned, folder = sealed_gan(experiment)
    path = folder / "provenance.json"
    foreign = {**storage.read_record(path), "fold": 1, "identity": "another"}
    storage.write_record(path, foreign)
    with pytest.raises(InputError, match=r"is of another run \(fold: 2 against 1\)"):
        stage_runs.run_stage(experiment, planned)


def test_a_finished_stage_is_not_run_again(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned, _ = sealed_gan(experiment)
    monkeypatch.setattr(compute, "COMPUTE", {})
    stage_runs.run_stage(experiment, planned)
    assert not experiment.run.seconds()
