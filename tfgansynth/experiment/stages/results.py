"""What a U-Net's folder says of it: validation, predictions, metrics."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tfgansynth import pictures
from tfgansynth.arrays import ByteArray, FloatArray, Labels
from tfgansynth.data.dataset import Case, images_and_labels
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import counted
from tfgansynth.evaluation.case_rows import (
    CaseRow,
    cases_to_csv,
    summarize_classes,
    summarize_rows,
)
from tfgansynth.evaluation.learning import (
    ValidationDice,
    constant_dice,
    validation_dice,
)
from tfgansynth.evaluation.predictions import (
    CASES,
    PICTURE,
    PREDICTIONS,
    Predictions,
    best_median_worst,
    measure_cases,
    write_predictions,
)
from tfgansynth.evaluation.tables import METRIC_HEADINGS
from tfgansynth.planning.graph import PlannedStage
from tfgansynth.records import converter
from tfgansynth.records.files import VALIDATION
from tfgansynth.runtime import storage
from tfgansynth.runtime.stage import Result, Stage
from tfgansynth.runtime.timing import PREDICTION
from tfgansynth.segmentation.history import Epoch

Predict = Callable[[FloatArray], Labels]
"""Segments images: float32 (n, S, S[, 3]) in [0, 255] -> uint8 (n, S, S)."""


def evaluate_network(
    history: Sequence[Epoch],
    rows: Sequence[CaseRow],
    kind: str,
    files: Sequence[str],
    learned: ValidationDice,
) -> Result:
    """Say how long a U-Net was trained, and how it did on cases of a kind."""
    mean = summarize_rows(rows)["dice"].mean
    trained = f"{epochs_to_text(history)}, " if history else ""
    return Result(
        f"{trained}Dice {mean:.4f} on {len(rows)} {kind} cases",
        files,
        (f"{kind} cases: {summary(rows)}", str(learned)),
    )


def epochs_to_text(history: Sequence[Epoch]) -> str:
    """Say how many there were."""
    return counted(len(history), "epoch")


def write_validation(
    predict: Predict,
    measured: float | None,
    fold: FoldCases,
    stage: Stage,
    n_classes: int,
) -> ValidationDice:
    """Find and write whether a U-Net has learned, by the fold's validation cases.

    Its Dice is what the training has measured, if it has: the kernels of a prediction
    may round a few pixels to another class, and one pixel of a class that a case does
    not show turns a Dice of 1 into 0.
    """
    with stage.timer.part(PREDICTION):
        images, truths = images_and_labels(fold.validation)
        training = images_and_labels(fold.training)[1]
        if measured is None:
            predictions = predict(images)
            found = validation_dice(predictions, truths, training, n_classes)
        else:
            constants = constant_dice(training, truths, n_classes)
            found = ValidationDice(network=measured, **constants)
    converter.write(stage.folder / VALIDATION, found)
    return found


def evaluate(
    cases: Sequence[Case], predictions: Labels, classes: Sequence[str]
) -> list[CaseRow]:
    """Measure a U-Net's predictions for n cases, uint8 (n, S, S), of these classes."""
    ids = [case.case_id for case in cases]
    return measure_cases(ids, predictions, images_and_labels(cases)[1], classes)


def cases_file(rows: Sequence[CaseRow], planned: PlannedStage) -> str:
    """Render the test cases of a stage's U-Net as CSV."""
    regime = planned.regime
    assert regime is not None
    return cases_to_csv(rows, planned.fold, regime.n_real, regime.n_synthetic)


def write_results(
    test: Sequence[Case],
    predictions: Labels,
    planned: PlannedStage,
    folder: Path,
    classes: Sequence[str],
) -> list[CaseRow]:
    """Write `cases.csv`, `predictions.npz` and `predictions.png` of n test cases.

    The predictions are uint8 (n, S, S), indices of these classes.
    """
    rows = evaluate(test, predictions, classes)
    shown = best_median_worst(rows)
    kept = Predictions(
        case_ids=tuple(case.case_id for case in test),
        predictions=predictions,
        truths=images_and_labels(test)[1],
        n_classes=len(classes),
        shown=shown,
        shown_images=np.stack(
            [np.rint(test[index].image).astype(np.uint8) for index in shown]
        ),
    )
    write_predictions(folder / PREDICTIONS, kept)
    storage.write_png(folder / PICTURE, predictions_picture(kept, rows))
    storage.write_text(folder / CASES, cases_file(rows, planned))
    return rows


def predictions_picture(kept: Predictions, rows: Sequence[CaseRow]) -> ByteArray:
    """Show the best, the median and the worst case by Dice, truth and U-Net outlined.

    Returns:
        uint8 (h, w, 3).
    """
    tiles = []
    for name, index, image in zip(
        ("best", "median", "worst"), kept.shown, kept.shown_images, strict=True
    ):
        truth, prediction = kept.truths[index], kept.predictions[index]
        drawn = pictures.outline(image, truth, pictures.TRUTH, scale=4)
        drawn = pictures.outline(drawn, prediction, pictures.PREDICTION, scale=4)
        found = rows[index].metrics
        text = f"{name}: {kept.case_ids[index]}, Dice {found.dice:.4f}"
        text += f", HD {found.hausdorff_px:.1f} px (green truth, red U-Net)"
        tiles.append(pictures.caption(drawn, text))
    return pictures.grid(tiles, columns=len(tiles))


def summary(rows: Sequence[CaseRow]) -> str:
    """Say how many cases a U-Net was evaluated on, and how it did."""
    means = [
        f"{METRIC_HEADINGS[name]} {found.mean:.4f}"
        for name, found in summarize_rows(rows).items()
    ]
    classes = [
        f"{name} {found['dice'].mean:.4f}"
        for name, found in summarize_classes(rows).items()
    ]
    shown = f"; Dice of {', '.join(classes)}" if classes else ""
    return f"{len(rows)}, mean {', '.join(means)}{shown}"
