import dataclasses
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.experiment.made_sets import open_experiment
from tfgansynth.config import Config, DataConfig
from tfgansynth.data.dataset import Case, UnlabelledImage
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment, load_experiment_data
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import storage

SMALL = dataclasses.replace(
    PRESETS["smoke"],
    data=DataConfig(phantoms=12, n_validation=2, n_reduced=3),
)


def opened(out: Path, config: Config = SMALL) -> Experiment:
    return open_experiment(config, None, out)


def ids(cases: Iterable[Case | UnlabelledImage]) -> set[str]:
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


def test_duplicates_across_the_split_are_refused_before_a_run(
    tmp_path: Path, copied: Path
) -> None:
    with pytest.raises(
        InputError,
        match=r"^phantom-002 is nearly the same image \(similarity \d\.\d\d\) as "
        r"phantom-003 \((training|validation|test) and (training|validation|test) of "
        r"fold 1\): .* remove one of each pair, or continue with --allow-duplicates$",
    ):
        open_experiment(SMALL, copied, tmp_path / "runs")

    assert not (tmp_path / "runs").exists()


def test_allowed_duplicates_are_said_and_kept(
    tmp_path: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = dataclasses.replace(SMALL, allow_duplicates=True)

    experiment = open_experiment(config, copied, tmp_path / "runs")

    assert {crossing.pair.second for crossing in experiment.splits.duplicates} == {
        "phantom-003"
    }
    for crossing in experiment.splits.duplicates:
        fold = experiment.fold(crossing.fold)
        parts = {
            "training": ids(fold.training),
            "validation": ids(fold.validation),
            "test": fold.test.hashes.keys(),
        }
        first, second = crossing.parts
        assert "phantom-002" in parts[first]
        assert "phantom-003" in parts[second]
    line = "Duplicates across the split, allowed: phantom-002 is nearly the same image"
    assert line in capsys.readouterr().out


def test_duplicates_on_one_side_of_the_split_are_no_matter(
    tmp_path: Path, copied: Path
) -> None:
    # With two folds and one validation case, some seed keeps the two together.
    config = dataclasses.replace(
        SMALL, data=dataclasses.replace(SMALL.data, folds=2, n_validation=1)
    )
    for seed in range(20):
        try:
            experiment = open_experiment(
                dataclasses.replace(config, seed=seed), copied, tmp_path / "runs"
            )
        except InputError:
            continue
        for fold in experiment.folds:
            parts = ids(fold.training), ids(fold.validation), fold.test.hashes.keys()
            together = [part >= {"phantom-002", "phantom-003"} for part in parts]
            assert together.count(True) == 1
        return
    pytest.fail("no seed of twenty keeps the two together")


def test_an_unlabelled_copy_of_a_case_is_refused(tmp_path: Path, copied: Path) -> None:
    """Each case is tested once: no network may learn from a copy of it."""
    (copied / "unlabelled").mkdir()
    copy = copied / "images/phantom-003.jpg"
    copy.rename(copied / "unlabelled/film.jpg")
    other = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(other).save(copied / "images/phantom-003.png")
    loaded = load_experiment_data(SMALL, copied)
    with pytest.raises(
        InputError,
        match=r"^phantom-002 is nearly the same image .* as film \((training|validation"
        r"|test) and unlabelled of fold 1\): .* remove one of each pair",
    ):
        loaded.experiment(SMALL, tmp_path / "runs")

    config = dataclasses.replace(SMALL, allow_duplicates=True)
    experiment = loaded.experiment(config, tmp_path / "runs").open()
    assert {str(each.pair.second) for each in experiment.splits.duplicates} == {"film"}
    for fold, hashes in zip(experiment.folds, experiment.splits.folds, strict=True):
        assert ids(fold.without_masks) == {*hashes.without_masks} == {"film"}
        pickled = pickle.loads(pickle.dumps(hashes))
        assert pickled.unlabelled == hashes.unlabelled
    assert {*experiment.cases.unlabelled} == {"film"}
    record = storage.read_record(experiment.run.root / "cases.json")
    assert record["unlabelled"] == dict(experiment.cases.unlabelled)


def test_a_trial_has_no_unlabelled_image_of_others_patients(
    tmp_path: Path, copied: Path
) -> None:
    (copied / "unlabelled").mkdir()
    for name, number in (("one", 3), ("two", 4), ("three", 5)):
        for path in copied.glob(f"images/phantom-{number:03}.*"):
            path.rename(copied / f"unlabelled/{name}{path.suffix}")
        (copied / f"masks/phantom-{number:03}.png").unlink()
    config = dataclasses.replace(SMALL, allow_duplicates=True)
    loaded = load_experiment_data(config, copied)
    names = loaded.dataset.case_ids
    (tried,) = loaded.development_part(1).dataset.case_ids
    other = next(name for name in names if name != tried)
    rows = [f"{name},{name}" for name in names]
    rows += [f"one,{tried}", f"two,{other}", "three,"]
    (copied / "cases.csv").write_text("\n".join(["case,patient", *rows]))
    trial = load_experiment_data(config, copied).development_part(1)
    assert trial.dataset.case_ids == (tried,)
    assert ids(trial.dataset.unlabelled) == {*trial.unlabelled} == {"one", "three"}


def part(**changes: Any) -> dict[str, Any]:
    whole = {
        "number": 1,
        "training": ["a", "b"],
        "reduced": ["a"],
        "validation": ["c"],
        "test": ["d"],
    }
    return {**whole, **changes}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"folds": None},
        {"folds": "abc"},
        {"folds": [None]},
        {"folds": [["a", "b"]]},
        {"folds": [{}]},
        {"folds": [{k: v for k, v in part().items() if k != "test"}]},
        {"folds": [{k: v for k, v in part().items() if k != "number"}]},
        {"folds": [part(training=None)]},
        {"folds": [part(training=7)]},
        {"folds": [part(training="abc")]},
        {"folds": [part(validation=[1, 2])]},
    ],
)
def test_a_split_of_another_form_is_refused(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    root = opened(tmp_path).run.root
    storage.write_record(root / "splits.json", content)

    with pytest.raises(InputError, match=r"splits\.json: is not of the form"):
        opened(tmp_path)
