"""From what an assessment of a synthetic set has stored to its figures once more.

Made again are: agreement, from the out-of-fold segmentations and the set's masks;
shapes, from these masks and the stored shapes of real ones; figures of features, from
the stored features; the audit, from the stored distances; and the diversity of the
set's images. Not made again is what needs real images and masks, which no
result has: the agreement of each real case, and the diversity of the real images.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.assessment.memorization import Audit, PartAudit
from tfgansynth.assessment.quality import Values, agreement, shape_table
from tfgansynth.data.copies import PARTS, Pairs
from tfgansynth.records import assessments, converter
from tfgansynth.records.assessments import (
    Assessment,
    EnsembleMember,
    Fidelity,
    ShapeTables,
)
from tfgansynth.records.converter import to_json
from tfgansynth.records.files import ARRAYS, ASSESSMENT, MODEL, cross_fit_name
from tfgansynth.records.regimes import cross_fit_parts
from tfgansynth.records.runs import RunRecord
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.runtime import storage
from tfgansynth.seeds import derive_seed
from tfgansynth.synthesis.sampling import MANIFEST

_Arrays = Mapping[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class _Stored:
    """An assessment as stored, and what it is of."""

    run: RunRecord
    fold: int
    record: Assessment
    arrays: _Arrays
    pairs: Pairs

    @property
    def training(self) -> tuple[str, ...]:
        return self.run.training_ids(self.fold)


def reassess(
    run: RunRecord,
    fold: int,
    folder: Path,
    source: Path,
    pairs: Pairs,
    differences: Differences,
) -> None:
    """Make an assessment again.

    Args:
        run: The run.
        fold: Number of the fold.
        folder: The assessment's.
        source: The synthetic set's folder.
        pairs: The synthetic set.
        differences: Takes what differs.

    Raises:
        InputError: A file is missing, damaged or of another form.
        LookupError: An array is missing.
    """
    path, arrays = folder / ASSESSMENT, storage.read_arrays(folder / ARRAYS)
    record = converter.read(path, Assessment)
    stored = _Stored(run, fold, record, arrays, pairs)
    split, n_training = run.fold(fold), len(stored.training)
    agreed = _agreement(stored)
    audit = _audit(arrays)
    expected = dataclasses.replace(
        record,
        fold=fold,
        synthetic_set=dataclasses.replace(
            record.synthetic_set,
            manifest_sha256=storage.hash_file(source / MANIFEST),
            n=len(pairs[0]),
        ),
        n_training=n_training,
        n_held_out=len(split.validation) + len(split.training) - n_training,
        cross_fit=_members(stored),
        quality=assessments.make_quality(
            agreed, arrays["agreement_real"], _shape_tables(stored)
        ),
        fidelity=_fidelity(stored),
        memorization=assessments.make_memorization(audit),
        files=storage.hash_files(folder, [ARRAYS]),
    )
    differences.compare(path, "", to_json(record), to_json(expected))
    arrays_path, name = folder / ARRAYS, "agreement_synthetic"
    differences.compare_array(arrays_path, name, arrays[name], agreed)
    for name, values in _gallery(stored, audit).items():
        differences.compare_array(arrays_path, name, arrays[name], values)


def _agreement(stored: _Stored) -> Values:
    shape = tuple(int(side) for side in stored.arrays["shape_synthetic"])
    bits = np.unpackbits(stored.arrays["segmented_synthetic"], count=math.prod(shape))
    return agreement(stored.pairs[1], bits.reshape(shape).astype(np.bool_))


def _members(stored: _Stored) -> dict[str, EnsembleMember]:
    """Each member's hash, and how it does on the real cases that it has not seen."""
    parts = cross_fit_parts(stored.run.config, stored.fold, len(stored.training))
    found, folder = {}, stored.run.fold_folder(stored.fold)
    for number, part in enumerate(parts, start=1):
        name = cross_fit_name(number)
        found[name] = EnsembleMember(
            model_sha256=storage.hash_file(folder / name / MODEL),
            agreement=float(stored.arrays["agreement_real"][part].mean()),
        )
    return found


def _fidelity(stored: _Stored) -> Fidelity:
    arrays, record = stored.arrays, stored.record.fidelity
    found = assessments.make_fidelity(
        features=(
            arrays["features_training"],
            arrays["features_synthetic"],
            arrays["features_held_out"],
        ),
        shapes=_shape_tables(stored),
        source=record.features,
        diversity=dataclasses.replace(
            record.hash_diversity,
            synthetic=assessments.hash_diversity(stored.pairs[0]),
        ),
        seed=derive_seed(stored.run.config.seed, "assessment", stored.fold),
    )
    return dataclasses.replace(found, features=record.features)


def _shape_tables(stored: _Stored) -> ShapeTables:
    """Shapes of training, synthetic and held-out masks."""
    synthetic = shape_table(stored.pairs[1], stored.run.config.lungs)
    training, held_out = (
        dict(zip(synthetic, stored.arrays[f"shapes_{name}"].T, strict=True))
        for name in ("training", "held_out")
    )
    return training, synthetic, held_out


def _audit(arrays: _Arrays) -> Audit:
    return Audit(
        {
            part: PartAudit(
                cases=arrays[f"nearest_cases_{part}"],
                distances=arrays[f"nearest_distances_{part}"],
                null=np.sort(arrays[f"null_{part}"]),
            )
            for part in PARTS
        }
    )


def _gallery(stored: _Stored, audit: Audit) -> dict[str, NDArray[Any]]:
    part = audit.parts["pair"]
    shown = part.closest(len(stored.arrays["gallery_synthetic"]))
    nearest = [stored.training[index] for index in part.cases[shown]]
    return {
        "gallery_synthetic": shown,
        "gallery_distances": part.distances[shown],
        "gallery_case_ids": np.array(nearest),
    }
