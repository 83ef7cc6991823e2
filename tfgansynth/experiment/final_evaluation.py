"""The final evaluation: the one place where test cases are opened. Paper: IV-C."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfgansynth import pictures
from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.data.dataset import Case, images_and_masks
from tfgansynth.data.held_out import FoldCases
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.predictions import (
    CASES,
    PICTURE,
    PREDICTIONS,
    Predictions,
    best_median_worst,
    measure_cases,
    write_predictions,
)
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.provenance import Provenance, seen_cases
from tfgansynth.runtime import storage
from tfgansynth.runtime.timing import EVALUATION, PREDICTION, Timer
from tfgansynth.segmentation.unet import predict_masks


def evaluate_finally(
    experiment: Experiment,
    fold: FoldCases,
    unet: Any,
    provenance: Provenance,
    folder: Path,
    timer: Timer,
) -> list[tables.CaseRow]:
    """Open the fold's test cases to a trained U-Net and measure its answers.

    Args:
        experiment: The experiment.
        fold: The fold whose test cases are opened.
        unet: A U-Net whose training is over.
        provenance: All that went into it.
        folder: Takes `cases.csv`, `predictions.npz` and `predictions.png`.
        timer: Takes the time of prediction and evaluation.

    Raises:
        InputError: One of the test cases went into the U-Net or its generator.
    """
    test = fold.test.release(
        seen_cases(provenance),
        to=str(folder),
        allow_duplicates=experiment.config.allow_duplicates,
    )
    with timer.part(PREDICTION):
        predictions = predict_masks(unet, images_and_masks(test)[0])
    with timer.part(EVALUATION):
        counts = provenance["n_real"], provenance["n_synthetic"]
        rows = evaluate(test, predictions, fold.number, *counts)
        answered = answer(test, predictions, rows)
        write_predictions(folder / PREDICTIONS, answered)
        picture = predictions_picture(answered, rows)
        storage.write_png(folder / PICTURE, picture)
        storage.write_text(folder / CASES, tables.cases_to_csv(rows))
    return rows


def evaluate(
    test: Sequence[Case],
    predictions: MaskArray,
    fold_number: int,
    n_real: int,
    n_synthetic: int,
) -> list[tables.CaseRow]:
    """Measure predictions of a U-Net against the true masks of its test cases.

    Args:
        test: n cases.
        predictions: bool (n, S, S).
        fold_number: The fold whose cases these are, from 1.
        n_real: Real training pairs of the U-Net.
        n_synthetic: Its synthetic ones.
    """
    return measure_cases(
        [case.case_id for case in test],
        predictions,
        images_and_masks(test)[1],
        fold=fold_number,
        n_real=n_real,
        n_synthetic=n_synthetic,
    )


def answer(
    test: Sequence[Case], predictions: MaskArray, rows: Sequence[tables.CaseRow]
) -> Predictions:
    """Put predictions together with what they are measured and shown against."""
    shown = best_median_worst(rows)
    return Predictions(
        case_ids=tuple(case.case_id for case in test),
        predictions=predictions,
        truths=np.stack([case.mask for case in test]),
        shown=shown,
        shown_images=np.stack(
            [np.rint(test[index].image).astype(np.uint8) for index in shown]
        ),
    )


def predictions_picture(
    answered: Predictions, rows: Sequence[tables.CaseRow]
) -> ByteArray:
    """Show the best, the median and the worst case by Dice, truth and answer outlined.

    Returns:
        uint8 (h, w, 3).
    """
    tiles = []
    for name, index, image in zip(
        ("best", "median", "worst"), answered.shown, answered.shown_images, strict=True
    ):
        truth, prediction = answered.truths[index], answered.predictions[index]
        drawn = pictures.outline(image, truth, pictures.TRUTH, scale=4)
        drawn = pictures.outline(drawn, prediction, pictures.PREDICTION)
        found = rows[index].metrics
        text = f"{name}: {answered.case_ids[index]}, Dice {found.dice:.4f}"
        text += f", HD {found.hausdorff_px:.1f} px (green truth, red U-Net)"
        tiles.append(pictures.caption(drawn, text))
    return pictures.grid(tiles, columns=len(tiles))
