"""What an assessment's folder has: its record, and arrays for pictures."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import Labels
from tfgansynth.assessment.fidelity import NetworkFeatures
from tfgansynth.assessment.membership import infer_membership
from tfgansynth.assessment.memorization import Audit
from tfgansynth.assessment.quality import ShapeTable, Values, agreement
from tfgansynth.data.copies.distances import Pairs
from tfgansynth.data.dataset import Case, images_and_labels
from tfgansynth.data.held_out import FoldCases
from tfgansynth.evaluation.predictions import pack_labels
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.records import assessments
from tfgansynth.records.assessments import Assessment, EnsembleMember
from tfgansynth.runtime import storage
from tfgansynth.seeds import derive_seed
from tfgansynth.segmentation.ensembles import CrossFittedEnsemble
from tfgansynth.synthesis.sampling import MANIFEST

_GALLERY, _SHOWN = 12, 16
Shapes = tuple[ShapeTable, ShapeTable, ShapeTable]


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """What the audit and the cross-fitted ensemble find in the sets.

    Attributes:
        sets: Training cases with masks of their own, synthetic pairs, held-out cases.
        learned: All cases that the generator has learned from.
        audit: Of the synthetic pairs.
        nearest: See `membership.nearest_pairs`; the generator's cases first.
        ensemble: The networks.
        features: Of each network.
        segmented_synthetic: Segmentations of the synthetic images, uint8 (m, S, S).
        segmented_training: Those of the training images, uint8 (n, S, S).
    """

    sets: tuple[Pairs, Pairs, Pairs]
    learned: tuple[Case, ...]
    audit: Audit
    nearest: Mapping[str, Values]
    ensemble: CrossFittedEnsemble
    features: list[NetworkFeatures]
    segmented_synthetic: Labels
    segmented_training: Labels


def assessment_record(
    experiment: Experiment,
    fold: FoldCases,
    source: Path,
    found: Findings,
    shapes: Shapes,
) -> Assessment:
    """Make the record of what was found."""
    training, synthetic, held_out = found.sets
    root, folder = experiment.run.root.resolve(), source.resolve()
    inside = folder.is_relative_to(root)
    hashes, parts = found.ensemble.hashes, found.ensemble.parts
    n_classes = len(experiment.data.classes)
    agreements = agreement(training[1], found.segmented_training, n_classes)
    return Assessment(
        fold=fold.number,
        synthetic_set=assessments.AssessedSet(
            folder=str(folder.relative_to(root) if inside else source),
            manifest_sha256=storage.hash_file(source / MANIFEST),
            n=len(synthetic[0]),
        ),
        n_training=len(found.learned),
        n_unlabelled=len(found.learned) - len(training[0]),
        n_held_out=len(held_out[0]),
        held_out=assessments.held_out_words(
            len(fold.validation), len(held_out[0]) - len(fold.validation)
        ),
        cross_fit={
            name: EnsembleMember(
                model_sha256=sha256, agreement=float(agreements[part].mean())
            )
            for (name, sha256), part in zip(hashes.items(), parts, strict=True)
        },
        quality=assessments.make_quality(
            agreement(synthetic[1], found.segmented_synthetic, n_classes),
            agreements,
            shapes,
        ),
        fidelity=assessments.make_fidelity(
            features=found.features,
            shapes=shapes,
            source=assessments.features_words(
                found.features, len(training[0]), len(held_out[0])
            ),
            diversity=assessments.Diversity(
                synthetic=assessments.hash_diversity(synthetic[0]),
                real=assessments.hash_diversity(training[0]),
            ),
            seed=derive_seed(experiment.config.seed, "assessment", fold.number),
        ),
        memorization=assessments.make_memorization(found.audit),
        membership=infer_membership(
            found.nearest,
            len(found.learned),
            experiment.cases.table.patients_of(
                case.case_id
                for case in (*found.learned, *held_out_cases(experiment, fold))
            ),
        ),
        files={},
    )


def assessment_arrays(
    experiment: Experiment, fold: FoldCases, found: Findings, shapes: Shapes
) -> dict[str, NDArray[Any]]:
    """Make the arrays that pictures and verification are made from."""
    training, synthetic, _ = found.sets
    n_classes = len(experiment.data.classes)
    arrays: dict[str, NDArray[Any]] = {}
    for name, masks, segmented in (
        ("synthetic", synthetic[1], found.segmented_synthetic),
        ("real", training[1], found.segmented_training),
    ):
        arrays[f"agreement_{name}"] = agreement(masks, segmented, n_classes)
        bits, shape = pack_labels(segmented, n_classes)
        arrays[f"segmented_{name}"], arrays[f"shape_{name}"] = bits, shape
    # Training cases first.
    real = [c.case_id for c in (*fold.training, *held_out_cases(experiment, fold))]
    for number, features in enumerate(found.features, start=1):
        arrays[f"features_real_{number}"] = features.real
        arrays[f"features_synthetic_{number}"] = features.synthetic
        ids = [real[index] for index in features.cases]
        arrays[f"features_real_case_ids_{number}"] = np.array(ids)
    for name, part in found.audit.parts.items():
        arrays[f"null_{name}"] = part.null
        arrays[f"nearest_distances_{name}"] = part.distances
        arrays[f"nearest_cases_{name}"] = part.cases
        arrays[f"nearest_pairs_{name}"] = found.nearest[name]
    if found.audit.search:
        search = dataclasses.asdict(found.audit.search)
        arrays |= {f"search_{name}": values for name, values in search.items()}
    return {
        **arrays,
        **_gallery(found.audit, found.learned),
        **_shown("real", fold.training[:_SHOWN]),
        "shapes_training": np.stack([*shapes[0].values()], axis=1),
        "shapes_held_out": np.stack([*shapes[2].values()], axis=1),
    }


def _gallery(found: Audit, learned: Sequence[Case]) -> dict[str, NDArray[Any]]:
    part = found.parts["pair"]
    shown = part.closest(_GALLERY)
    nearest = [learned[index] for index in part.cases[shown]]
    return {
        "gallery_synthetic": shown,
        "gallery_distances": part.distances[shown],
        "gallery_case_ids": np.array([case.case_id for case in nearest]),
        **_shown("gallery", nearest),
    }


def _shown(name: str, cases: Sequence[Case]) -> dict[str, NDArray[Any]]:
    images, masks = images_and_labels(cases)
    return {f"{name}_images": np.rint(images).astype(np.uint8), f"{name}_masks": masks}


def held_out_cases(experiment: Experiment, fold: FoldCases) -> tuple[Case, ...]:
    """Cases that neither the generator nor the cross-fitted ensemble has seen."""
    unused = () if experiment.config.gan.unlabelled else fold.unused
    return *fold.validation, *unused
