"""No synthetic set whose generator has seen held-out cases gets into training."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.experiment.made_sets import open_experiment
from tfgansynth.config import DataConfig
from tfgansynth.data.dataset import case_hashes
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.plan import Request
from tfgansynth.experiment.stages import seen_cases
from tfgansynth.experiment.synthetic_sets import planned_gan, require_fold_set
from tfgansynth.presets import PRESETS
from tfgansynth.records.regimes import Regime

SMALL = dataclasses.replace(
    PRESETS["smoke"],
    data=DataConfig(size=64, phantoms=12, n_validation=2, n_reduced=3),
)
SET = Path("fold-1/synthetic")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return open_experiment(SMALL, None, tmp_path_factory.mktemp("out"))


def gan_record(experiment: Experiment, number: int) -> dict[str, Any]:
    return dict(planned_gan(experiment, experiment.fold(number)).record)


@pytest.fixture
def fold(experiment: Experiment) -> FoldCases:
    return experiment.fold(1)


def test_the_folds_own_set_is_taken(experiment: Experiment, fold: FoldCases) -> None:
    manifest = {**gan_record(experiment, 1), "step": 9, "generator_sha256": "0"}
    require_fold_set(experiment, fold, manifest, SET)


@pytest.mark.parametrize("part", ["test", "validation"])
@pytest.mark.parametrize("by", ["id", "content"])
def test_set_that_has_seen_held_out_cases_is_refused(
    experiment: Experiment, fold: FoldCases, part: str, by: str
) -> None:
    held_out = fold.test.hashes if part == "test" else case_hashes(fold.validation)
    name, content = next(iter(held_out.items()))
    seen = {name: "0"} if by == "id" else {"another": content}
    manifest = gan_record(experiment, 1)
    manifest["training_cases"] = {**manifest["training_cases"], **seen}
    with pytest.raises(InputError, match=rf"on {part} cases of fold 1 \({name}\)"):
        require_fold_set(experiment, fold, manifest, SET)


def test_set_of_another_fold_is_refused(
    experiment: Experiment, fold: FoldCases
) -> None:
    with pytest.raises(InputError, match="was trained on test cases of fold 1"):
        require_fold_set(experiment, fold, gan_record(experiment, 2), SET)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"training_cases": None}, "does not say which cases"),
        ({"training_cases": {}}, "is not of this fold and run"),
        ({"fold": 2}, r"\(fold: 1 against 2\)"),
        ({"seed": 7}, r"\(seed: 0 against 7\)"),
        ({"dataset": {"name": "other"}}, r"dataset\.name: phantoms against other"),
        ({"network_version": 0}, r"network_version: \d against 0"),
    ],
)
def test_set_from_elsewhere_is_refused(
    experiment: Experiment, fold: FoldCases, changes: dict[str, Any], named: str
) -> None:
    manifest = {**gan_record(experiment, 1), **changes}
    with pytest.raises(InputError, match=named) as refusal:
        require_fold_set(experiment, fold, manifest, SET)
    assert str(refusal.value).startswith("fold-1/synthetic: ")
    assert "run synthesize with" in str(refusal.value)


def test_all_that_a_unet_has_seen(experiment: Experiment, fold: FoldCases) -> None:
    request = Request(regimes=[Regime(1, 0)])
    record = dict(experiment.plan([1], lambda _: request).stages[0].record)
    validation = case_hashes(fold.validation)
    alone = {**record, "synthetic_set": None}
    (learned,) = record["training_cases"].items()
    assert learned in case_hashes(fold.training).items()
    assert seen_cases(alone) == {learned[0]: learned[1], **validation}
    synthetic = {"training_cases": {"of the generator": "1"}}
    mixed = {**record, "synthetic_set": synthetic}
    assert seen_cases(mixed) == {**seen_cases(alone), "of the generator": "1"}
