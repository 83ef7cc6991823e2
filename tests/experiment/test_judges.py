"""Each pair is judged by the network that has not seen its case."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from tfgansynth.assessment.neighbors import Pairs
from tfgansynth.config import DataConfig, EvaluationConfig
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import open_experiment
from tfgansynth.experiment.judges import Judges, ensure_judges, judge_config
from tfgansynth.presets import PRESETS

SIDE = 32


class Marker:
    """A network that finds one row of every image: its own."""

    def __init__(self, row: int) -> None:
        self.row = row

    def __call__(self, inputs: Any, training: bool) -> Any:
        logits = np.zeros((*inputs.shape[:3], 2), np.float32)
        logits[:, self.row, :, 1] = 1
        return logits


@pytest.fixture(scope="module")
def training() -> Pairs:
    rng = np.random.default_rng(0)
    images = np.kron(rng.uniform(0, 255, (6, 8, 8)), np.ones((4, 4)))
    return images.astype(np.float32), images > 128


@pytest.fixture(scope="module")
def judges(training: Pairs) -> Judges:
    parts = np.array([0, 3]), np.array([1, 5]), np.array([2, 4])
    return Judges(training, parts, tuple(map(Marker, range(3))), {})


def row_found(masks: Any) -> list[int]:
    assert (masks.sum(axis=(1, 2)) == SIDE).all()
    return [int(np.flatnonzero(mask.all(axis=1))[0]) for mask in masks]


def test_each_case_is_segmented_by_who_has_not_seen_it(
    judges: Judges, training: Pairs
) -> None:
    found = judges.segment(training[0], np.arange(6))
    assert row_found(found) == [0, 1, 2, 0, 2, 1]
    found = judges.segment(training[0][:3], np.array([4, 4, 0]))
    assert row_found(found) == [2, 2, 0]


def test_a_pair_is_judged_by_who_has_not_seen_its_nearest_case(
    judges: Judges, training: Pairs
) -> None:
    rng = np.random.default_rng(1)
    images, _ = training
    # Nearly cases 5, 2, 0 and 1, whose judges mark rows 1, 2, 0 and 1.
    nearly = images[[5, 2, 0, 1]] * 0.9 + rng.normal(0, 3, (4, SIDE, SIDE))
    rows = np.zeros((4, SIDE, SIDE), np.bool_)
    rows[np.arange(4), [1, 2, 0, 2]] = True
    np.testing.assert_array_equal(judges.agreement(nearly, rows), [1, 1, 1, 0])


@pytest.mark.parametrize(("steps", "epoch"), [(300, 10), (3, 3)])
def test_judges_train_for_a_fixed_time_and_keep_the_last_weights(
    steps: int, epoch: int
) -> None:
    fast = PRESETS["fast"]
    evaluation = dataclasses.replace(fast.evaluation, cross_fit_steps=steps)
    found = judge_config(dataclasses.replace(fast, evaluation=evaluation))
    assert (found.fixed_steps, found.steps_an_epoch) == (steps, epoch)
    assert (found.keep, found.augment) == ("last", "none")
    assert found.learning_rate == fast.unet.learning_rate


def test_more_judges_than_cases_are_refused(tmp_path: Any) -> None:
    config = dataclasses.replace(
        PRESETS["smoke"],
        reduced=True,
        data=DataConfig(size=64, phantoms=12, n_validation=2, n_reduced=3),
        evaluation=EvaluationConfig(cross_fit_splits=4),
    )
    experiment = open_experiment(config, None, tmp_path)
    with pytest.raises(InputError, match=r"judges 4: fold 1 has only 3 real training"):
        ensure_judges(experiment, experiment.fold(1))
