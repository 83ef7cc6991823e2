"""The assessment of a fold's synthetic set, with what its plots and pictures need."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.data.copies import PARTS
from tfgansynth.errors import InputError, name_few
from tfgansynth.records import converter
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.files import ARRAYS, ASSESSMENT
from tfgansynth.runtime import storage

_GALLERY = "synthetic", "case_ids", "distances", "images", "masks"
_SHOWN = (
    *("agreement_synthetic", "agreement_real", "real_images", "real_masks"),
    *(f"gallery_{name}" for name in _GALLERY),
    *(f"{name}_{part}" for name in ("null", "nearest_distances") for part in PARTS),
)


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


@dataclasses.dataclass(frozen=True, slots=True)
class ShownAssessment:
    """All that was found about one synthetic set.

    Attributes:
        record: Its figures.
        arrays: What they are from; see `experiment.assessment.FinishedAssessment`.
    """

    record: Assessment
    arrays: Mapping[str, NDArray[Any]]

    @property
    def gallery(self) -> list[ClosePair]:
        """The closest pairs, closest first."""
        columns = [self.arrays[f"gallery_{name}"] for name in _GALLERY]
        return [
            ClosePair(int(index), str(case_id), float(distance), image, mask)
            for index, case_id, distance, image, mask in zip(*columns, strict=True)
        ]


def read_assessment(folder: Path) -> ShownAssessment | None:
    """Read `assessment.json` and `assessment.npz`; None if there is no such folder.

    Raises:
        InputError: A file is missing, altered, or of another form.
    """
    if not folder.exists():
        return None
    record = converter.read(folder / ASSESSMENT, Assessment)
    arrays = storage.read_arrays(folder / ARRAYS)
    missing = [name for name in _SHOWN if name not in arrays]
    if missing:
        raise InputError(
            f"{folder / ARRAYS}: is not of the form that this version writes (without "
            f"{name_few(missing)})"
        )
    return ShownAssessment(record, arrays)
