"""The assessment of a fold's synthetic set: quality, fidelity, memorization.

Held-out real cases are the fold's validation cases and, of a reduced experiment, the
training cases that it leaves out: neither the generator nor the cross-fitted ensemble
has learned from them.

Features are the bottleneck of one network of the ensemble, since those of two networks
have no common meaning. The training cases compared are those that this network has not
seen, as it has seen no synthetic or held-out image either: a network may treat images
that it was trained on in a way of its own, and the other sets would seem far from them.
(In small networks trained for 200 mini-batches on 15 radiographs nothing of this was
measurable; larger ones, trained longer, know their cases better.) With two networks
that halves the number of training cases; memorization and shapes need no network and
use all of them.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.assessment.memorization import Audit, audit
from tfgansynth.assessment.quality import Values, agreement, shape_table
from tfgansynth.data.copies import PARTS, Pairs
from tfgansynth.data.dataset import Case, images_and_masks
from tfgansynth.data.held_out import FoldCases
from tfgansynth.data.lungs import Lungs
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.graph import PlannedStage
from tfgansynth.experiment.synthetic_sets import (
    load_cross_fitted_ensemble,
    read_fold_set,
)
from tfgansynth.records import assessments, converter
from tfgansynth.records.assessments import Assessment, EnsembleMember
from tfgansynth.records.files import ARRAYS, ASSESSMENT
from tfgansynth.records.provenance import DroppedPair
from tfgansynth.records.regimes import Indices
from tfgansynth.runtime import storage
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import EVALUATION, PREDICTION, Timer
from tfgansynth.seeds import derive_seed
from tfgansynth.segmentation.ensembles import CrossFittedEnsemble
from tfgansynth.synthesis.sampling import (
    MANIFEST,
    Draw,
    SyntheticSet,
    pair_name,
    write_set,
)

_GALLERY, _SHOWN = 12, 16


@dataclasses.dataclass(frozen=True, slots=True)
class FinishedAssessment:
    """All that was found of a synthetic set.

    Attributes:
        record: The figures.
        arrays: What they are from: `agreement_*`, float64; `segmented_*`, out-of-fold
            segmentations as packed bits with `shape_*`; `shapes_*`, what real masks
            measure, float64, a column for each of `shape_figures`; `features_*`,
            float32, with the ids of the training cases they are of; for each part of
            the audit `null_*`, `nearest_distances_*` and `nearest_cases_*`. To show:
            `gallery_*`, the pairs closest to a training case, with that case's image
            and mask; and `real_*`, the first training pairs.
        training_ids: The training cases.
    """

    record: Assessment
    arrays: Mapping[str, NDArray[Any]]
    training_ids: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the set passed the audit for copies."""
        return self.record.memorization.passed

    @property
    def flagged(self) -> tuple[DroppedPair, ...]:
        """The pairs that the audit flags, and the case that each is near."""
        found = []
        for index in self.record.memorization.flagged:
            distances = {
                part: float(self.arrays[f"nearest_distances_{part}"][index])
                for part in PARTS
            }
            part = min(distances, key=lambda name: distances[name])
            case = int(self.arrays[f"nearest_cases_{part}"][index])
            found.append(
                DroppedPair(
                    name=pair_name(index),
                    part=part,
                    case_id=self.training_ids[case],
                    distance=distances[part],
                )
            )
        return tuple(found)


def write_assessment(
    experiment: Experiment, planned: PlannedStage, stage: Stage
) -> None:
    """Assess one of the fold's sets and write what was found.

    Raises:
        InputError: There is no set, or it is not the fold's own.
    """
    fold = experiment.fold(planned.fold)
    source = experiment.run.synthetic(planned.fold, planned.set_kind)
    assessment = assess(experiment, fold, source, stage.timer)
    with storage.whole_folder(stage.folder) as partial:
        storage.write_arrays(partial / ARRAYS, assessment.arrays)
        files = storage.hash_files(partial, [ARRAYS])
        record = dataclasses.replace(
            assessment.record,
            inputs=planned.record["inputs"],
            identity=planned.identity,
            files=files,
        )
        converter.write(partial / ASSESSMENT, record)


def read_assessment(folder: Path, fold: FoldCases) -> FinishedAssessment:
    """Read an assessment.

    Raises:
        InputError: There is none, or it was altered.
    """
    record = converter.read(folder / ASSESSMENT, Assessment)
    storage.require_files(folder, record.files)
    return FinishedAssessment(record, storage.read_arrays(folder / ARRAYS), _ids(fold))


def _ids(fold: FoldCases) -> tuple[str, ...]:
    return tuple(case.case_id for case in fold.training)


def assess(
    experiment: Experiment, fold: FoldCases, source: Path, timer: Timer
) -> FinishedAssessment:
    """Assess any synthetic set of a fold; writes nothing.

    The fold's cross-fitted ensemble must be trained.

    Raises:
        InputError: There is no set, or it is not the fold's own.
    """
    images, masks, _ = read_fold_set(experiment, fold, source)
    synthetic: Pairs = images, masks
    held_out = images_and_masks([*fold.validation, *fold.unused])
    ensemble = load_cross_fitted_ensemble(experiment, fold)
    sets = images_and_masks(fold.training), synthetic, held_out
    with timer.part(EVALUATION):
        found = audit(*sets)
    with timer.part(PREDICTION):
        nearest = found.parts["image"].cases
        predictions = _Predictions.of(ensemble, *sets, nearest)
    with timer.part(EVALUATION):
        record = _record(experiment, fold, source, sets, predictions, found, ensemble)
        arrays = {
            **_arrays(fold, sets[0], synthetic, predictions, found),
            **_shapes(sets[0], held_out, experiment.config.lungs),
        }
    return FinishedAssessment(record, arrays, _ids(fold))


@dataclasses.dataclass(frozen=True, slots=True)
class _Predictions:
    """What the cross-fitted ensemble makes of the sets.

    Attributes:
        synthetic: Segmentations of the synthetic images, bool (m, S, S).
        training: Those of the training images, bool (n, S, S).
        features: Of training, synthetic and held-out images.
        cases: Which training cases the features are of.
    """

    synthetic: MaskArray
    training: MaskArray
    features: tuple[FloatArray, FloatArray, FloatArray]
    cases: Indices

    @classmethod
    def of(
        cls,
        ensemble: CrossFittedEnsemble,
        training: Pairs,
        synthetic: Pairs,
        held_out: Pairs,
        nearest: Indices,
    ) -> "_Predictions":
        unseen = ensemble.parts[0]
        images = training[0][unseen], synthetic[0], held_out[0]
        first, second, third = map(ensemble.features, images)
        return cls(
            synthetic=ensemble.segment(synthetic[0], nearest),
            training=ensemble.segment(training[0], np.arange(len(training[0]))),
            features=(first, second, third),
            cases=unseen,
        )


def _record(
    experiment: Experiment,
    fold: FoldCases,
    source: Path,
    sets: tuple[Pairs, Pairs, Pairs],
    predictions: _Predictions,
    found: Audit,
    ensemble: CrossFittedEnsemble,
) -> Assessment:
    config = experiment.config
    training, synthetic, held_out = sets
    first, second, third = (shape_table(masks, config.lungs) for _, masks in sets)
    shapes = first, second, third
    return Assessment(
        fold=fold.number,
        synthetic_set=assessments.AssessedSet(
            folder=_name(source, experiment.run.root),
            manifest_sha256=storage.hash_file(source / MANIFEST),
            n=len(synthetic[0]),
        ),
        n_training=len(training[0]),
        n_held_out=len(held_out[0]),
        held_out=_held_out_words(fold),
        cross_fit=_members(ensemble, training[1], predictions.training),
        quality=assessments.make_quality(
            agreement(synthetic[1], predictions.synthetic),
            agreement(training[1], predictions.training),
            shapes,
        ),
        fidelity=assessments.make_fidelity(
            features=predictions.features,
            shapes=shapes,
            source=(
                f"bottleneck of {next(iter(ensemble.hashes))}, averaged over the "
                f"image ({predictions.features[0].shape[1]} features); training cases "
                f"are the {len(predictions.cases)} of {len(training[0])} that it has "
                "not seen"
            ),
            diversity=assessments.Diversity(
                synthetic=assessments.hash_diversity(synthetic[0]),
                real=assessments.hash_diversity(training[0]),
            ),
            seed=derive_seed(config.seed, "assessment", fold.number),
        ),
        memorization=assessments.make_memorization(found),
        files={},
    )


def _members(
    ensemble: CrossFittedEnsemble, masks: MaskArray, segmentations: MaskArray
) -> dict[str, EnsembleMember]:
    """Hash of each member, and its agreement on the cases that it has not seen."""
    found = agreement(masks, segmentations)
    return {
        name: EnsembleMember(model_sha256=sha256, agreement=float(found[part].mean()))
        for (name, sha256), part in zip(
            ensemble.hashes.items(), ensemble.parts, strict=True
        )
    }


def _arrays(
    fold: FoldCases,
    training: Pairs,
    synthetic: Pairs,
    predictions: _Predictions,
    found: Audit,
) -> dict[str, NDArray[Any]]:
    segmented = {
        "synthetic": (synthetic[1], predictions.synthetic),
        "real": (training[1], predictions.training),
    }
    arrays: dict[str, NDArray[Any]] = {}
    for name, (masks, segmentations) in segmented.items():
        arrays[f"agreement_{name}"] = agreement(masks, segmentations)
        arrays[f"segmented_{name}"] = np.packbits(segmentations)
        arrays[f"shape_{name}"] = np.array(segmentations.shape)
    for name, features in zip(
        ("training", "synthetic", "held_out"), predictions.features, strict=True
    ):
        arrays[f"features_{name}"] = features
    ids = [fold.training[index].case_id for index in predictions.cases]
    arrays["features_training_case_ids"] = np.array(ids)
    for name, part in found.parts.items():
        arrays[f"null_{name}"] = part.null
        arrays[f"nearest_distances_{name}"] = part.distances
        arrays[f"nearest_cases_{name}"] = part.cases
    return {
        **arrays,
        **_gallery(found, fold),
        **_shown("real", fold.training[:_SHOWN]),
    }


def _shapes(training: Pairs, held_out: Pairs, lungs: Lungs) -> dict[str, Values]:
    """What real masks measure, a column for each of `shape_figures`."""
    masks = {"training": training[1], "held_out": held_out[1]}
    return {
        f"shapes_{name}": np.stack([*shape_table(each, lungs).values()], axis=1)
        for name, each in masks.items()
    }


def _name(source: Path, root: Path) -> str:
    inside = source.resolve().is_relative_to(root.resolve())
    return str(source.resolve().relative_to(root.resolve()) if inside else source)


def _held_out_words(fold: FoldCases) -> str:
    words = f"{len(fold.validation)} validation cases"
    if fold.unused:
        words += (
            f" and {len(fold.unused)} training cases that the reduced set leaves out"
        )
    return words


def _gallery(found: Audit, fold: FoldCases) -> dict[str, NDArray[Any]]:
    part = found.parts["pair"]
    shown = part.closest(_GALLERY)
    nearest = [fold.training[index] for index in part.cases[shown]]
    return {
        "gallery_synthetic": shown,
        "gallery_distances": part.distances[shown],
        "gallery_case_ids": np.array([case.case_id for case in nearest]),
        **_shown("gallery", nearest),
    }


def _shown(name: str, cases: list[Case] | tuple[Case, ...]) -> dict[str, NDArray[Any]]:
    images, masks = images_and_masks(cases)
    return {f"{name}_images": np.rint(images).astype(np.uint8), f"{name}_masks": masks}


def drop_flagged(
    experiment: Experiment, fold: FoldCases, assessment: FinishedAssessment
) -> Path:
    """Write the fold's unfiltered set without the pairs that its audit flags.

    Returns:
        The folder, a synthetic set like the other; its manifest names the pairs
        that were dropped, and which case each is near.

    Raises:
        InputError: No pair would be left.
    """
    source = experiment.run.synthetic(fold.number)
    images, masks, manifest = read_fold_set(experiment, fold, source)
    flagged = [*assessment.record.memorization.flagged]
    kept = np.setdiff1d(np.arange(len(images)), flagged)
    if not kept.size:
        raise InputError(f"{source}: the audit flags all {len(images)} pairs")
    draws = [
        Draw(**{field.name: entry[field.name] for field in dataclasses.fields(Draw)})
        for entry in manifest.pop("pairs")
    ]
    audited = SyntheticSet(
        images=np.rint(images[kept]).astype(np.uint8),
        masks=masks[kept],
        draws=tuple(draws[index] for index in kept),
        n_drawn=manifest["drawn"],
        n_similar=manifest["dropped_as_almost_identical"],
        n_empty=manifest["dropped_for_an_empty_mask"],
    )
    provenance = {
        "audited_manifest_sha256": storage.hash_file(source / MANIFEST),
        "dropped_by_the_audit": converter.to_json(assessment.flagged),
    }
    folder = source.with_name(f"{source.name}-audited")
    write_set(audited, {**manifest, **provenance}, folder)
    return folder
