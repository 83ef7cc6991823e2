"""The predictions of a U-Net on its test cases: stored, read back, measured again."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, Labels, largest_class, one_hot
from tfgansynth.data.dataset import LUNGS
from tfgansynth.errors import InputError
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.metrics import mean_metrics, measure_classes
from tfgansynth.runtime import storage

CASES, PREDICTIONS, PICTURE = "cases.csv", "predictions.npz", "predictions.png"
"""Files of a U-Net's results on its test cases."""

Shown = tuple[int, int, int]
"""Indices of the best, the median and the worst case by Dice."""


@dataclasses.dataclass(frozen=True, slots=True)
class Predictions:
    """The predictions of a U-Net on its test cases, to measure again and to show.

    Attributes:
        case_ids: The n cases.
        predictions: uint8 (n, S, S), class indices.
        truths: uint8 (n, S, S).
        n_classes: Without the background.
        shown: Which are the best, the median and the worst by Dice.
        shown_images: uint8 (3, S, S[, 3]), theirs.
    """

    case_ids: tuple[str, ...]
    predictions: Labels
    truths: Labels
    n_classes: int
    shown: Shown
    shown_images: ByteArray


def measure_cases(
    case_ids: Sequence[str],
    predictions: Labels,
    truths: Labels,
    classes: Sequence[str] = LUNGS,
) -> list[CaseRow]:
    """Measure predictions for n cases against the true masks, both uint8 (n, S, S).

    Classes are named without the background.
    """
    rows = []
    for case_id, prediction, truth in zip(case_ids, predictions, truths, strict=True):
        found = measure_classes(prediction, truth, len(classes))
        by_class = dict(zip(classes, found, strict=True)) if len(classes) > 1 else {}
        rows.append(CaseRow(case_id, mean_metrics(found), by_class))
    return rows


def best_median_worst(rows: Sequence[CaseRow]) -> Shown:
    """Choose the cases to show, by Dice."""
    order = np.argsort([-row.metrics.dice for row in rows], kind="stable")
    return int(order[0]), int(order[len(order) // 2]), int(order[-1])


def write_predictions(path: Path, found: Predictions) -> None:
    """Write predictions and truths, one bit for each class of a pixel."""
    predictions, _ = pack_labels(found.predictions, found.n_classes)
    truths, shape = pack_labels(found.truths, found.n_classes)
    arrays = {
        "case_ids": np.array(found.case_ids),
        "shape": shape,
        "predictions": predictions,
        "truths": truths,
        "shown": np.array(found.shown),
        "shown_images": found.shown_images,
    }
    storage.write_arrays(path, arrays)


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        InputError: It is missing, or something else.
    """
    arrays = storage.read_arrays(path)
    try:
        shape = arrays["shape"]
        masks = {
            name: unpack_labels(arrays[name], shape)
            for name in ("predictions", "truths")
        }
        best, median, worst = (int(index) for index in arrays["shown"])
        return Predictions(
            case_ids=tuple(str(case_id) for case_id in arrays["case_ids"]),
            **masks,
            n_classes=int(shape[3]) if len(shape) == 4 else 1,
            shown=(best, median, worst),
            shown_images=arrays["shown_images"],
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise InputError(f"{path}: holds no predictions ({fault})") from fault


def pack_labels(labels: Labels, n_classes: int) -> tuple[ByteArray, NDArray[np.int64]]:
    """Pack label maps, uint8 (n, S, S), into one bit for each class of a pixel.

    Returns:
        The bits; and their shape, (n, S, S), with K as a fourth number where there are
        several classes.
    """
    planes = one_hot(labels, n_classes)
    shape = labels.shape if n_classes == 1 else planes.shape
    return np.packbits(planes), np.array(shape)


def unpack_labels(bits: ByteArray, shape: NDArray[np.int64]) -> Labels:
    """Unpack what `pack_labels` packed.

    Raises:
        ValueError: The bits are not of this shape.
    """
    count, side, other, *classes = (int(length) for length in shape)
    lengths = count, side, other, *(classes or [1])
    planes = np.unpackbits(bits, count=math.prod(lengths)).reshape(lengths)
    return largest_class(planes, np.asarray(planes.any(axis=-1)))
