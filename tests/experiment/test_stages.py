"""What the chain says and records besides its results, and how long it takes."""

from pathlib import Path

import numpy as np
import pytest

from tfgansynth.experiment import stages
from tfgansynth.experiment.run_folder import Run
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import checkpoints, devices, storage

FLOAT32 = "float32 throughout (nothing for bfloat16 found)"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(root=tmp_path, config=PRESETS["fast"], dataset_name="data")


def tell(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *units: str,
) -> list[str]:
    """Begin, or go on with, a GAN on a machine with such units; what is said."""
    monkeypatch.setattr(devices, "bfloat16_units", lambda: units)
    monkeypatch.setattr(stages, "describe_machine", lambda: {"units": list(units)})
    stages.tell_precision(run, "fold-1/gan", "GAN", "auto", run.gan(1))
    return capsys.readouterr().out.splitlines()


def save(run: Run, step: int) -> None:
    checkpoints.save(run.gan(1) / "checkpoints", step, {"x": np.zeros(1)}, {})


def test_what_auto_chose_is_said_and_recorded(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(run, monkeypatch, capsys, "AMX") == [
        "GAN: bfloat16 convolutions (AMX found); weights, moments and losses float32"
    ]
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
        f"GAN: {FLOAT32}",
        "GAN: was trained in bfloat16 up to step 40, goes on in float32",
    ]
    # Once it is so, it is not said again.
    save(run, 60)
    assert tell(run, monkeypatch, capsys) == [f"GAN: {FLOAT32}"]
    record = storage.read_record(run.root / "machine.json")
    assert record["stages"]["fold-1/gan"] == [
        {"after": 0, "precision": "bfloat16", "machine": 0},
        {"after": 40, "precision": "float32", "machine": 1},
    ]


def test_an_attempt_that_left_nothing_is_forgotten(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(run, monkeypatch, capsys, "AMX")
    assert tell(run, monkeypatch, capsys) == [f"GAN: {FLOAT32}"]
    record = storage.read_record(run.root / "machine.json")
    assert [e["precision"] for e in record["stages"]["fold-1/gan"]] == ["float32"]


def test_a_stage_says_and_records_where_its_time_went(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        stages.timed(run, "fold-1/gan") as timer,
        timer.part("steps"),
    ):
        raise KeyboardInterrupt
    assert capsys.readouterr().out.startswith("TIME: fold-1/gan 0 s: ")
    assert list(run.seconds()) == [
        "fold-1/gan",
        "fold-1/gan/steps",
    ]
