"""The final evaluation: fast, and closed to whatever has seen a test case."""

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest

from tfgansynth.data.loading import load_phantoms
from tfgansynth.evaluation.predictions import read_predictions
from tfgansynth.experiment.graph import Kind, PlannedStage
from tfgansynth.experiment.stages import summary, write_results
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
