"""From what an assessment of a synthetic set has stored to its figures once more.

Recomputed are: agreement, from the judges' segmentations and the set's masks; figures
of features, from the stored features; the audit, from the stored distances; and the
diversity of the set's images. Not recomputed is what needs the masks and images of
real cases, which no result holds: their agreement case by case and their diversity,
and the shapes of masks.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth import storage
from tfgansynth.evaluation.fidelity import compare_features, expected_coverage
from tfgansynth.evaluation.memorization import Audit, PartAudit
from tfgansynth.evaluation.neighbors import PARTS, Nearest
from tfgansynth.evaluation.soundness import agreement, spread
from tfgansynth.pixels import FloatArray, MaskArray
from tfgansynth.seeds import derive_seed
from tfgansynth.similarity import mean_pairwise_distance, perceptual_hash
from tfgansynth.synthesis.sampling import MANIFEST
from tfgansynth.verification.findings import Findings
from tfgansynth.verification.stored_runs import StoredRun

ASSESSMENT, ARRAYS = "assessment.json", "assessment.npz"
_SETS = "training", "synthetic", "held_out"

_Arrays = Mapping[str, NDArray[Any]]


def recompute_assessment(
    run: StoredRun,
    fold: int,
    folder: Path,
    source: Path,
    pairs: tuple[FloatArray, MaskArray],
    findings: Findings,
) -> None:
    """Recompute an assessment.

    Args:
        run: The run.
        fold: Number of the fold.
        folder: The assessment's.
        source: The synthetic set's folder.
        pairs: The synthetic set: images in [0, 255], masks; (n, S, S) each.
        findings: Takes what differs.

    Raises:
        InputError: A file is missing, damaged or of another form.
        LookupError: A record is not of this program.
    """
    path, images, masks = folder / ASSESSMENT, *pairs
    record, arrays = storage.read_record(path), storage.read_arrays(folder / ARRAYS)
    split, training = run.fold(fold), run.training_ids(fold)
    n_held_out = len(split.validation) + len(split.training) - len(training)
    audit = _audit(arrays)
    expected = {
        "fold": fold,
        "synthetic_set": {
            **record["synthetic_set"],
            "manifest_sha256": storage.hash_file(source / MANIFEST),
            "n": len(images),
        },
        "n_training": len(training),
        "n_held_out": n_held_out,
        "memorization": _memorization(audit),
    }
    findings.compare(path, "", {name: record[name] for name in expected}, expected)
    _compare_agreement(record, arrays, masks, folder, findings)
    _compare_fidelity(record["fidelity"], arrays, run, fold, path, findings)
    hashes = [perceptual_hash(np.rint(image).astype(np.uint8)) for image in images]
    findings.compare(
        path,
        "fidelity.hash_diversity.synthetic",
        record["fidelity"]["hash_diversity"]["synthetic"],
        mean_pairwise_distance(hashes),
    )
    _compare_gallery(arrays, audit, training, folder / ARRAYS, findings)


def _compare_agreement(
    record: Mapping[str, Any],
    arrays: _Arrays,
    masks: MaskArray,
    folder: Path,
    findings: Findings,
) -> None:
    shape = tuple(int(side) for side in arrays["shape_synthetic"])
    bits = np.unpackbits(arrays["judged_synthetic"], count=math.prod(shape))
    found = agreement(masks, bits.reshape(shape).astype(np.bool_))
    name = "agreement_synthetic"
    findings.compare_array(folder / ARRAYS, name, arrays[name], found)
    spreads = {
        "synthetic": dataclasses.asdict(spread(found)),
        "real": dataclasses.asdict(spread(arrays["agreement_real"])),
    }
    stored = record["soundness"]["agreement"]
    findings.compare(folder / ASSESSMENT, "soundness.agreement", stored, spreads)


def _compare_fidelity(
    record: Mapping[str, Any],
    arrays: _Arrays,
    run: StoredRun,
    fold: int,
    path: Path,
    findings: Findings,
) -> None:
    features = [arrays[f"features_{name}"] for name in _SETS]
    seed = derive_seed(run.config.seed, "assessment", fold)
    try:
        found = compare_features(*features, seed=derive_seed(seed, "features"))
    except ValueError:
        # Too few cases, or all alike: then there is nothing to compare.
        found = {}
    coverage = [expected_coverage(each.size, each.size) for each in found.values()]
    figures = {name: dataclasses.asdict(each) for name, each in found.items()}
    expected = {
        "figures": figures,
        "expected_coverage": coverage[0] if coverage else None,
    }
    stored = {name: record[name] for name in expected}
    findings.compare(path, "fidelity", stored, expected)


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


def _memorization(audit: Audit) -> dict[str, Any]:
    return {
        "passed": audit.passed,
        "parts": {
            name: {
                "n_closer": part.n_closer,
                "share": part.share,
                "threshold": part.threshold,
                "expected_share": part.expected_share,
                "expected_share_interval": part.expected_share_interval,
                "copy_bound": part.copy_bound,
                "n_copies": len(part.copies),
                "p_value": part.p_value,
                "binomial_p_value": part.binomial_p_value,
                "passed": part.passed,
            }
            for name, part in audit.parts.items()
        },
        "offenders": audit.offenders.tolist(),
    }


def _compare_gallery(
    arrays: _Arrays,
    audit: Audit,
    training: tuple[str, ...],
    path: Path,
    findings: Findings,
) -> None:
    closest = audit.parts["pair"].closest(len(arrays["gallery_synthetic"]))
    pairs, cases, distances = map(np.array, zip(*closest, strict=True))
    expected = {
        "gallery_synthetic": pairs,
        "gallery_distances": distances,
        "gallery_case_ids": np.array([training[index] for index in cases]),
    }
    for name, values in expected.items():
        findings.compare_array(path, name, arrays[name], values)
