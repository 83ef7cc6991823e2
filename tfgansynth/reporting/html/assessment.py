"""The assessment of a fold's synthetic set, with what its plots and pictures need."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.assessment.neighbors import PARTS
from tfgansynth.errors import InputError
from tfgansynth.records import converter
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.files import ARRAYS, ASSESSMENT
from tfgansynth.runtime import storage

Values = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class ClosePair:
    """A synthetic pair and its nearest training case.

    Attributes:
        synthetic: Index in the set.
        case_id: The training case.
        distance: The relative distance of the two.
        image: uint8 (S, S), the training case's.
        mask: bool (S, S), the training case's.
    """

    synthetic: int
    case_id: str
    distance: float
    image: ByteArray
    mask: MaskArray


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShownAssessment:
    """All that was found about one synthetic set.

    Attributes:
        record: Its figures.
        agreement: `synthetic` and `real` to the Dice of each pair, float64 (n,).
        null: Image, mask and pair to float64 (N,): how near real cases are to others.
        nearest: The same to float64 (n,): how near synthetic ones are to training
            cases.
        gallery: The closest pairs, closest first.
        real: The first training pairs: uint8 and bool (m, S, S).
    """

    record: Assessment
    agreement: Mapping[str, Values]
    null: Mapping[str, Values]
    nearest: Mapping[str, Values]
    gallery: tuple[ClosePair, ...]
    real: tuple[ByteArray, MaskArray]


def read_assessment(folder: Path) -> ShownAssessment | None:
    """Read `assessment.json` and `assessment.npz`; None if there is no such folder.

    Raises:
        InputError: A file is missing, altered, or of another form.
    """
    if not folder.exists():
        return None
    record = converter.read(folder / ASSESSMENT, Assessment)
    arrays = storage.read_arrays(folder / ARRAYS)
    names = ("synthetic", "case_ids", "distances", "images", "masks")
    try:
        columns = [arrays[f"gallery_{name}"] for name in names]
        return ShownAssessment(
            record=record,
            agreement={
                kind: arrays[f"agreement_{kind}"] for kind in ("synthetic", "real")
            },
            null={part: arrays[f"null_{part}"] for part in PARTS},
            nearest={part: arrays[f"nearest_distances_{part}"] for part in PARTS},
            gallery=tuple(
                ClosePair(int(index), str(case_id), float(distance), image, mask > 0)
                for index, case_id, distance, image, mask in zip(*columns, strict=True)
            ),
            real=(arrays["real_images"], arrays["real_masks"].astype(np.bool_)),
        )
    except (LookupError, TypeError, ValueError) as fault:
        raise InputError(
            f"{folder / ARRAYS}: is not of the form that this version writes ({fault})"
        ) from fault
