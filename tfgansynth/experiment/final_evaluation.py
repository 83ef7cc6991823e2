"""The final evaluation: the one place where test cases are opened. Paper: IV-C."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfgansynth import pictures, storage
from tfgansynth.data.dataset import Case, images_and_masks
from tfgansynth.data.sealed import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.metrics import measure
from tfgansynth.experiment.origins import Origin, seen_cases
from tfgansynth.materials import Experiment
from tfgansynth.pixels import ByteArray, MaskArray
from tfgansynth.segmentation.unet import predict_masks
from tfgansynth.stopwatch import EVALUATION, PREDICTION, Stopwatch

CASES, PREDICTIONS, PICTURE = "cases.csv", "predictions.npz", "predictions.png"
"""Files of a U-Net's results on its test cases."""


@dataclasses.dataclass(frozen=True, slots=True)
class Predictions:
    """What a U-Net answered on its test cases, to measure again and to show.

    Attributes:
        case_ids: The n cases.
        predictions: bool (n, S, S).
        truths: bool (n, S, S).
        shown: Which are the best, the median and the worst by Dice.
        shown_images: uint8 (3, S, S), theirs.
    """

    case_ids: tuple[str, ...]
    predictions: MaskArray
    truths: MaskArray
    shown: tuple[int, int, int]
    shown_images: ByteArray


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
        folder: Takes `cases.csv`, `predictions.npz` and `predictions.png`.
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


def answer(
    test: Sequence[Case], predictions: MaskArray, rows: Sequence[tables.CaseRow]
) -> Predictions:
    """Put predictions together with what they are measured and shown against."""
    order = np.argsort([-row.metrics.dice for row in rows], kind="stable")
    shown = int(order[0]), int(order[len(order) // 2]), int(order[-1])
    return Predictions(
        case_ids=tuple(case.case_id for case in test),
        predictions=predictions,
        truths=np.stack([case.mask for case in test]),
        shown=shown,
        shown_images=np.stack(
            [np.rint(test[index].image).astype(np.uint8) for index in shown]
        ),
    )


def write_predictions(path: Path, answered: Predictions) -> None:
    """Write predictions and truths, one bit a pixel."""
    arrays = {
        "case_ids": np.array(answered.case_ids),
        "shape": np.array(answered.truths.shape),
        "predictions": np.packbits(answered.predictions),
        "truths": np.packbits(answered.truths),
        "shown": np.array(answered.shown),
        "shown_images": answered.shown_images,
    }
    storage.write_arrays(path, arrays)


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        InputError: It is missing, or something else.
    """
    arrays = storage.read_arrays(path)
    try:
        shape = tuple(int(side) for side in arrays["shape"])
        masks = {
            name: np.unpackbits(arrays[name], count=math.prod(shape))
            .reshape(shape)
            .astype(np.bool_)
            for name in ("predictions", "truths")
        }
        best, median, worst = (int(index) for index in arrays["shown"])
        return Predictions(
            case_ids=tuple(str(case_id) for case_id in arrays["case_ids"]),
            **masks,
            shown=(best, median, worst),
            shown_images=arrays["shown_images"],
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise InputError(f"{path}: holds no predictions ({fault})") from fault


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
