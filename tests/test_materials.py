import dataclasses
from collections.abc import Iterable
from pathlib import Path

import pytest

from tfgansynth import storage
from tfgansynth.config import PRESETS, Config, DataConfig
from tfgansynth.data.dataset import Case
from tfgansynth.errors import InputError
from tfgansynth.materials import Experiment, open_experiment

SMALL = dataclasses.replace(
    PRESETS["smoke"],
    data=DataConfig(phantoms=12, n_validation=2, n_reduced=3),
)


def opened(out: Path, config: Config = SMALL) -> Experiment:
    return open_experiment(config, None, out)


def ids(cases: Iterable[Case]) -> set[str]:
    return {case.case_id for case in cases}


def test_phantoms_are_said_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = opened(tmp_path)

    assert experiment.data.is_phantom
    assert "12 built-in PHANTOMS" in capsys.readouterr().out
    assert experiment.run.root.name == "phantoms-full-smoke-seed0"


def test_reduced_training_takes_the_reduced_cases(tmp_path: Path) -> None:
    full = opened(tmp_path)
    reduced = opened(tmp_path, dataclasses.replace(SMALL, reduced=True))

    assert len(full.fold(1).training) == 6
    assert len(reduced.fold(1).training) == 3
    for ours, theirs in zip(full.folds, reduced.folds, strict=True):
        assert ids(theirs.training) < ids(ours.training)
        assert ids(theirs.validation) == ids(ours.validation)
        assert theirs.test.hashes == ours.test.hashes


@pytest.mark.parametrize("number", [-1, 0, 4])
def test_folds_count_from_1_to_3(tmp_path: Path, number: int) -> None:
    with pytest.raises(InputError, match=f"--fold {number}: expected 1 to 3"):
        opened(tmp_path).fold(number)


def test_an_altered_split_is_refused(tmp_path: Path) -> None:
    path = opened(tmp_path).run.splits_path
    content = storage.read_record(path)
    # A test case slips into training.
    content["folds"][0]["training"][0] = content["folds"][0]["test"][0]
    storage.write_record(path, content)

    with pytest.raises(InputError, match=r"splits\.json: is not the split"):
        opened(tmp_path)


def test_other_phantoms_are_other_data(tmp_path: Path) -> None:
    opened(tmp_path)
    path = tmp_path / "phantoms-full-smoke-seed0" / "cases.json"
    record = storage.read_record(path)
    record["cases"]["phantom-003"] = "0" * 64
    storage.write_record(path, record)

    with pytest.raises(InputError, match=r"other data \(changed: phantom-003\)"):
        opened(tmp_path)
