"""The predictions of a U-Net on its test cases: stored, read back, measured again."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.errors import InputError
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.metrics import measure
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
        predictions: bool (n, S, S).
        truths: bool (n, S, S).
        shown: Which are the best, the median and the worst by Dice.
        shown_images: uint8 (3, S, S), theirs.
    """

    case_ids: tuple[str, ...]
    predictions: MaskArray
    truths: MaskArray
    shown: Shown
    shown_images: ByteArray


def measure_cases(
    case_ids: Sequence[str], predictions: MaskArray, truths: MaskArray
) -> list[CaseRow]:
    """Measure predictions for n cases against the true masks, both bool (n, S, S)."""
    return [
        CaseRow(case_id, measure(prediction, truth))
        for case_id, prediction, truth in zip(
            case_ids, predictions, truths, strict=True
        )
    ]


def best_median_worst(rows: Sequence[CaseRow]) -> Shown:
    """Choose the cases to show, by Dice."""
    order = np.argsort([-row.metrics.dice for row in rows], kind="stable")
    return int(order[0]), int(order[len(order) // 2]), int(order[-1])


def write_predictions(path: Path, found: Predictions) -> None:
    """Write predictions and truths, one bit a pixel."""
    arrays = {
        "case_ids": np.array(found.case_ids),
        "shape": np.array(found.truths.shape),
        "predictions": np.packbits(found.predictions),
        "truths": np.packbits(found.truths),
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
