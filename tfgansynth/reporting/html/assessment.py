"""The assessment of a fold's synthetic set, as its two files hold it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.assessment.fidelity import Comparison, Estimate
from tfgansynth.assessment.neighbors import PARTS
from tfgansynth.assessment.quality import Spread
from tfgansynth.experiment.paths import ARRAYS, ASSESSMENT
from tfgansynth.reporting.html.forms import form_of
from tfgansynth.runtime import storage

Values = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Soundness:
    """Whether masks fit their images and look like masks, synthetic beside real.

    Attributes:
        agreement: `synthetic` and `real` to the Dice of each pair, float64 (n,).
        spreads: The same, described.
        plausible: The same to the share of masks with a plausible shape.
        misfits: Figure of shape to the number of synthetic masks outside its range.
    """

    agreement: Mapping[str, Values]
    spreads: Mapping[str, Spread]
    plausible: Mapping[str, float]
    misfits: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How alike both sets are.

    Attributes:
        features: Where the features come from, in words.
        figures: Name to figure, of features; empty if there were too few cases.
        shapes: Name to distance, of mask shapes; likewise.
        expected_coverage: Coverage of equal distributions; None without figures.
        hash_diversity: `synthetic` and `real` to their perceptual-hash diversity.
    """

    features: str
    figures: Mapping[str, Comparison]
    shapes: Mapping[str, Comparison]
    expected_coverage: float | None
    hash_diversity: Mapping[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PartAudit:
    """The audit of the images, the masks or the pairs of a set.

    Attributes:
        record: Its counts, bounds and verdict, by their names in the file.
        null: float64 (N,), how near real cases are to other real ones.
        nearest: float64 (n,), how near synthetic ones are to training cases.
    """

    record: Mapping[str, Any]
    null: Values
    nearest: Values


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
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
class Assessment:
    """All that was found about one synthetic set.

    Attributes:
        counts: Synthetic pairs, training cases and held-out ones.
        held_out: Which real cases are held out, in words.
        soundness: Of its pairs.
        fidelity: To the training cases.
        passed: Whether the audit passed.
        audits: Image, mask and pair to their audit.
        n_offenders: Pairs that `--drop` would drop.
        gallery: The closest pairs, closest first.
        real: The first training pairs: uint8 and bool (m, S, S).
    """

    counts: Mapping[str, int]
    held_out: str
    soundness: Soundness
    fidelity: Fidelity
    passed: bool
    audits: Mapping[str, PartAudit]
    n_offenders: int
    gallery: tuple[ClosePair, ...]
    real: tuple[ByteArray, MaskArray]


def read_assessment(folder: Path) -> Assessment | None:
    """Read `assessment.json` and `assessment.npz`; None if there is no such folder.

    Raises:
        InputError: A file is missing, altered, or of another form.
    """
    if not folder.exists():
        return None
    path = folder / ASSESSMENT
    record = storage.read_record(path)
    arrays = storage.read_arrays(folder / ARRAYS)
    with form_of(path):
        audited = record["memorization"]
        return Assessment(
            counts={
                "synthetic": int(record["synthetic_set"]["n"]),
                "training": int(record["n_training"]),
                "held_out": int(record["n_held_out"]),
            },
            held_out=str(record["held_out"]),
            soundness=_soundness(record["soundness"], arrays),
            fidelity=_fidelity(record["fidelity"]),
            passed=bool(audited["passed"]),
            audits={
                part: PartAudit(
                    record=audited["parts"][part],
                    null=arrays[f"null_{part}"],
                    nearest=arrays[f"nearest_distances_{part}"],
                )
                for part in PARTS
            },
            n_offenders=len(audited["offenders"]),
            gallery=_gallery(arrays),
            real=(arrays["real_images"], arrays["real_masks"].astype(np.bool_)),
        )


def _soundness(record: Any, arrays: Mapping[str, NDArray[Any]]) -> Soundness:
    kinds = "synthetic", "real"
    plausible = record["plausibility"]
    return Soundness(
        agreement={kind: arrays[f"agreement_{kind}"] for kind in kinds},
        spreads={kind: Spread(**record["agreement"][kind]) for kind in kinds},
        plausible={kind: float(plausible[kind]) for kind in kinds},
        misfits=dict(plausible["misfits"]),
    )


def _fidelity(record: Any) -> Fidelity:
    coverage = record["expected_coverage"]
    return Fidelity(
        features=str(record["features"]),
        figures=_comparisons(record["figures"]),
        shapes=_comparisons(record["shapes"]),
        expected_coverage=None if coverage is None else float(coverage),
        hash_diversity=dict(record["hash_diversity"]),
    )


def _comparisons(record: Mapping[str, Any]) -> dict[str, Comparison]:
    sides = "synthetic", "ruler", "difference"
    return {
        name: Comparison(
            **{side: Estimate(**found[side]) for side in sides}, size=found["size"]
        )
        for name, found in record.items()
    }


def _gallery(arrays: Mapping[str, NDArray[Any]]) -> tuple[ClosePair, ...]:
    names = ("synthetic", "case_ids", "distances", "images", "masks")
    columns = [arrays[f"gallery_{name}"] for name in names]
    return tuple(
        ClosePair(
            synthetic=int(index),
            case_id=str(case_id),
            distance=float(distance),
            image=image,
            mask=mask.astype(np.bool_),
        )
        for index, case_id, distance, image, mask in zip(*columns, strict=True)
    )
