"""From what an assessment of a synthetic set has stored to its figures once more.

Recomputed are: agreement, from the judges' segmentations and the set's masks; shapes,
from these masks and the stored shapes of real ones; figures of features, from the
stored features; the audit, from the stored distances; and the diversity of the set's
images. Not recomputed is what only real images and masks could tell, which no result
holds: the agreement of each real case, and the diversity of the real images.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.assessment.memorization import Audit, PartAudit
from tfgansynth.assessment.neighbors import PARTS, Nearest, Pairs
from tfgansynth.assessment.quality import Values, agreement, shape_table, spread
from tfgansynth.assessment.record import (
    features_record,
    hash_diversity,
    memorization_record,
    plausibility_record,
    shapes_record,
)
from tfgansynth.experiment.paths import ARRAYS, ASSESSMENT, MODEL, cross_fit_name
from tfgansynth.experiment.regimes import cross_fit_parts
from tfgansynth.reporting.verification.findings import Findings
from tfgansynth.reporting.verification.stored_runs import StoredRun
from tfgansynth.runtime import storage
from tfgansynth.seeds import derive_seed
from tfgansynth.synthesis.sampling import MANIFEST

_Arrays = Mapping[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class _Stored:
    """An assessment as stored, and what it is of."""

    run: StoredRun
    fold: int
    record: Mapping[str, Any]
    arrays: _Arrays
    pairs: Pairs

    @property
    def training(self) -> tuple[str, ...]:
        return self.run.training_ids(self.fold)


def recompute_assessment(
    run: StoredRun,
    fold: int,
    folder: Path,
    source: Path,
    pairs: Pairs,
    findings: Findings,
) -> None:
    """Recompute an assessment.

    Args:
        run: The run.
        fold: Number of the fold.
        folder: The assessment's.
        source: The synthetic set's folder.
        pairs: The synthetic set.
        findings: Takes what differs.

    Raises:
        InputError: A file is missing, damaged or of another form.
        LookupError: A record is not of this program.
    """
    path, arrays = folder / ASSESSMENT, storage.read_arrays(folder / ARRAYS)
    stored = _Stored(run, fold, storage.read_record(path), arrays, pairs)
    split, record = run.fold(fold), stored.record
    judged = _agreement(stored)
    audit = _audit(arrays)
    expected = {
        "fold": fold,
        "synthetic_set": {
            **record["synthetic_set"],
            "manifest_sha256": storage.hash_file(source / MANIFEST),
            "n": len(pairs[0]),
        },
        "n_training": len(stored.training),
        "n_held_out": (
            len(split.validation) + len(split.training) - len(stored.training)
        ),
        "judges": _judges(stored),
        "soundness": _soundness(stored, judged),
        "fidelity": _fidelity(stored),
        "memorization": memorization_record(audit),
        "files": storage.hash_files(folder, [ARRAYS]),
    }
    findings.compare(path, "", {name: record[name] for name in expected}, expected)
    arrays_path, name = folder / ARRAYS, "agreement_synthetic"
    findings.compare_array(arrays_path, name, arrays[name], judged)
    for name, values in _gallery(stored, audit).items():
        findings.compare_array(arrays_path, name, arrays[name], values)


def _agreement(stored: _Stored) -> Values:
    shape = tuple(int(side) for side in stored.arrays["shape_synthetic"])
    bits = np.unpackbits(stored.arrays["judged_synthetic"], count=math.prod(shape))
    return agreement(stored.pairs[1], bits.reshape(shape).astype(np.bool_))


def _judges(stored: _Stored) -> dict[str, Any]:
    """Each judge's hash, and how it does on the real cases that it has not seen."""
    parts = cross_fit_parts(stored.run.config, stored.fold, len(stored.training))
    found, folder = {}, stored.run.fold_folder(stored.fold)
    for number, part in enumerate(parts, start=1):
        name = cross_fit_name(number)
        found[name] = {
            "model_sha256": storage.hash_file(folder / name / MODEL),
            "agreement": float(stored.arrays["agreement_real"][part].mean()),
        }
    return found


def _soundness(stored: _Stored, judged: Values) -> dict[str, Any]:
    agrees = {"synthetic": judged, "real": stored.arrays["agreement_real"]}
    return {
        "agreement": {
            name: dataclasses.asdict(spread(values)) for name, values in agrees.items()
        },
        "plausibility": plausibility_record(*_shape_tables(stored)),
    }


def _fidelity(stored: _Stored) -> dict[str, Any]:
    arrays, record = stored.arrays, stored.record["fidelity"]
    features = (
        arrays["features_training"],
        arrays["features_synthetic"],
        arrays["features_held_out"],
    )
    seed = derive_seed(stored.run.config.seed, "assessment", stored.fold)
    compared = features_record(features, seed)
    del compared["not_compared"]
    return {
        "features": record["features"],
        **compared,
        "shapes": shapes_record(*_shape_tables(stored), seed=seed),
        "hash_diversity": {
            "synthetic": hash_diversity(stored.pairs[0]),
            "real": record["hash_diversity"]["real"],
        },
    }


def _shape_tables(
    stored: _Stored,
) -> tuple[dict[str, Values], dict[str, Values], dict[str, Values]]:
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
                nearest=Nearest(
                    cases=arrays[f"nearest_cases_{part}"],
                    distances=arrays[f"nearest_distances_{part}"],
                ),
                null=np.sort(arrays[f"null_{part}"]),
            )
            for part in PARTS
        }
    )


def _gallery(stored: _Stored, audit: Audit) -> dict[str, NDArray[Any]]:
    n_shown = len(stored.arrays["gallery_synthetic"])
    closest = audit.parts["pair"].closest(n_shown)
    pairs, cases, distances = zip(*closest, strict=True)
    return {
        "gallery_synthetic": np.array(pairs),
        "gallery_distances": np.array(distances),
        "gallery_case_ids": np.array([stored.training[index] for index in cases]),
    }
