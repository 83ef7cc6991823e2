import dataclasses
import json
from pathlib import Path

import pytest

from tfgansynth.config import PRESETS, Config, DataConfig
from tfgansynth.errors import InputError
from tfgansynth.materials import Experiment, open_experiment

SMALL = dataclasses.replace(
    PRESETS["smoke"],
    data=DataConfig(phantoms=12, n_validation=2, n_reduced=3),
)


def opened(out: Path, config: Config = SMALL) -> Experiment:
    return open_experiment(config, None, out)


def test_phantoms_are_said_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = opened(tmp_path)

    assert experiment.dataset.is_phantom
    assert "12 built-in PHANTOMS" in capsys.readouterr().out
    assert experiment.run.root.name == "phantoms-full-smoke-seed0"


def test_reduced_training_takes_the_reduced_cases(tmp_path: Path) -> None:
    full = opened(tmp_path)
    reduced = opened(tmp_path, dataclasses.replace(SMALL, reduced=True))

    assert full.folds == reduced.folds
    assert len(full.training_ids(full.fold(1))) == 6
    assert len(reduced.training_ids(reduced.fold(1))) == 3


@pytest.mark.parametrize("number", [-1, 0, 4])
def test_folds_count_from_1_to_3(tmp_path: Path, number: int) -> None:
    with pytest.raises(InputError, match=f"--fold {number}: expected 1 to 3"):
        opened(tmp_path).fold(number)


def test_an_altered_split_is_refused(tmp_path: Path) -> None:
    path = opened(tmp_path).run.splits_path
    content = json.loads(path.read_text())
    # A test case slips into training.
    content["folds"][0]["training"][0] = content["folds"][0]["test"][0]
    path.write_text(json.dumps(content))

    with pytest.raises(InputError, match=r"splits\.json: is not the split"):
        opened(tmp_path)


def test_other_phantoms_are_other_data(tmp_path: Path) -> None:
    opened(tmp_path)
    config = tmp_path / "phantoms-full-smoke-seed0" / "config.json"
    record = json.loads(config.read_text())
    record["dataset"]["hash"] = "0" * 64
    config.write_text(json.dumps(record))

    with pytest.raises(InputError, match=r"dataset\.hash"):
        opened(tmp_path)
