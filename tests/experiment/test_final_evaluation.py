"""The final evaluation: fast, and closed to whatever has seen a test case."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfgansynth.data.held_out import HeldOutTestSet
from tfgansynth.data.loading import load_phantoms
from tfgansynth.errors import InputError
from tfgansynth.evaluation.predictions import read_predictions
from tfgansynth.experiment.stages.compute import seen_cases
from tfgansynth.experiment.stages.results import summary, write_results
from tfgansynth.planning.graph import Kind, PlannedStage
from tfgansynth.records.regimes import Regime

STAGE = PlannedStage(
    kind=Kind.SEGMENTATION,
    fold=1,
    name="fold-1/unet-r30-s120",
    needs=(),
    record={},
    seed=0,
    label="",
    regime=Regime(30, 120),
)


@pytest.mark.parametrize(
    "part", ["training_cases", "validation_cases", "unlabelled_cases", "synthetic_set"]
)
def test_cases_that_a_network_has_met_in_any_part_are_held_back(part: str) -> None:
    cases = load_phantoms(2, 0, "both", 32, soft_masks=False).cases
    test = HeldOutTestSet(cases)
    met = {cases[1].case_id: "another content"}
    clean: dict[str, Any] = {
        "training_cases": {"a": "0"},
        "validation_cases": {"b": "1"},
        "synthetic_set": None,
    }
    assert test.release(seen_cases(clean), to="x", allow_duplicates=False)
    if part == "synthetic_set":
        spoiled = {**clean, part: {"training_cases": met}}
    else:
        spoiled = {**clean, part: met}
    with pytest.raises(InputError, match=f"made from test cases .{cases[1].case_id}"):
        test.release(seen_cases(spoiled), to="x", allow_duplicates=False)


@pytest.mark.slow
def test_evaluation_of_all_cases_takes_less_than_five_seconds(tmp_path: Path) -> None:
    few = load_phantoms(13, 0, "both", 128, soft_masks=False).cases
    cases = [
        dataclasses.replace(case, case_id=f"{copy}-{case.case_id}")
        for copy in range(19)
        for case in few
    ]
    # Not too good: holes, islands, and displaced.
    noise = np.random.default_rng(0).random((len(cases), 128, 128)) < 0.01
    masks = np.stack([case.labels for case in cases])
    predictions = np.roll(masks, (3, 2), (1, 2)) ^ noise

    start = time.monotonic()
    rows = write_results(cases, predictions, STAGE, tmp_path, ["lungs"])
    line = summary(rows)
    seconds = time.monotonic() - start

    assert (tmp_path / "predictions.png").exists()
    assert len((tmp_path / "cases.csv").read_text().splitlines()) == 248
    assert line.startswith("247, mean Dice ")
    assert seconds < 5
    again = read_predictions(tmp_path / "predictions.npz")
    assert again.case_ids == tuple(case.case_id for case in cases)
    np.testing.assert_array_equal(again.predictions, predictions)
    np.testing.assert_array_equal(again.truths, masks)
    dice = [row.metrics.dice for row in rows]
    best, median, worst = (dice[index] for index in again.shown)
    assert (best, worst) == (max(dice), min(dice))
    assert median == sorted(dice, reverse=True)[123]
