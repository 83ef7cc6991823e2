"""The final evaluation: the one place where test cases are opened. Paper: IV-C."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfgansynth import pictures, storage
from tfgansynth.data.dataset import Case, images_and_masks
from tfgansynth.data.sealed import FoldCases
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.metrics import measure
from tfgansynth.experiment.origins import Origin, seen_cases
from tfgansynth.materials import Experiment
from tfgansynth.pixels import ByteArray, MaskArray
from tfgansynth.segmentation.unet import predict_masks
from tfgansynth.stopwatch import EVALUATION, PREDICTION, Stopwatch

CASES, PREDICTIONS = "cases.csv", "predictions.png"
"""Files of a U-Net's results on its test cases."""


def evaluate_finally(
    experiment: Experiment,
    fold: FoldCases,
    unet: Any,
    origin: Origin,
    folder: Path,
    watch: Stopwatch,
) -> list[tables.CaseRow]:
    """Open the fold's test cases to a trained U-Net and measure its answers.

    Args:
        experiment: The experiment.
        fold: The fold whose test cases are opened.
        unet: A U-Net whose training is over.
        origin: All that went into it.
        folder: Takes `cases.csv` and `predictions.png`.
        watch: Takes the time of prediction and evaluation.

    Raises:
        InputError: One of the test cases went into the U-Net or its generator.
    """
    test = fold.test.open(
        seen_cases(origin),
        by=str(folder),
        allow_duplicates=experiment.config.allow_duplicates,
    )
    with watch.part(PREDICTION):
        predictions = predict_masks(unet, images_and_masks(test)[0])
    with watch.part(EVALUATION):
        counts = origin["n_real"], origin["n_synthetic"]
        rows = evaluate(test, predictions, fold.number, *counts)
        picture = predictions_picture(test, predictions, rows)
        storage.write_png(folder / PREDICTIONS, picture)
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
    return [
        tables.CaseRow(
            fold=fold_number,
            case_id=case.case_id,
            n_real=n_real,
            n_synthetic=n_synthetic,
            metrics=measure(prediction, case.mask),
        )
        for case, prediction in zip(test, predictions, strict=True)
    ]


def predictions_picture(
    test: Sequence[Case], predictions: MaskArray, rows: Sequence[tables.CaseRow]
) -> ByteArray:
    """Show the best, the median and the worst case by Dice, truth and answer outlined.

    Returns:
        uint8 (h, w, 3).
    """
    order = np.argsort([-row.metrics.dice for row in rows], kind="stable")
    chosen = {
        "best": order[0],
        "median": order[len(order) // 2],
        "worst": order[-1],
    }
    tiles = []
    for name, index in chosen.items():
        case = test[index]
        image = np.rint(case.image).astype(np.uint8)
        drawn = pictures.outline(image, case.mask, pictures.TRUTH, scale=4)
        drawn = pictures.outline(drawn, predictions[index], pictures.PREDICTION)
        found = rows[index].metrics
        text = f"{name}: {case.case_id}, Dice {found.dice:.4f}"
        text += f", HD {found.hausdorff_px:.1f} px (green truth, red U-Net)"
        tiles.append(pictures.caption(drawn, text))
    return pictures.grid(tiles, columns=len(tiles))
