"""The assessment of a fold's synthetic set: quality, fidelity, memorization.

Held-out real cases are the fold's validation cases and, of a reduced experiment, the
training cases that it leaves out: neither the generator nor the cross-fitted ensemble
has learned from them. A generator that has learned from images without masks may copy
these as well: they are training cases of the audit and members of the attack, with
pseudo-labels, and left-out cases are among them and held out no more. Quality and
fidelity compare with cases whose masks are their own.

Features are the bottlenecks of the networks of the ensemble, each by itself, since
those of two networks have no common meaning. The real cases that a network compares are
those that it has not seen, as it has seen no synthetic image either: a network may
treat images that it was trained on in a way of its own, and the other sets would seem
far from them. (In small networks trained for 200 mini-batches on 15 radiographs nothing
of this was measurable; larger ones, trained longer, know their cases better.)
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.assessment.fidelity import NetworkFeatures
from tfgansynth.assessment.membership import nearest_pairs
from tfgansynth.assessment.memorization import Audit, audit
from tfgansynth.assessment.quality import Values, class_shapes
from tfgansynth.data.augmentation import augment_set, learned
from tfgansynth.data.copies.distances import PARTS, Pairs, distances
from tfgansynth.data.dataset import Case, UnlabelledImage, images_and_labels
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stages.assessment_files import (
    Findings,
    assessment_arrays,
    assessment_record,
    held_out_cases,
)
from tfgansynth.experiment.stages.fold_networks import (
    generator_cases,
    load_cross_fitted_ensemble,
)
from tfgansynth.experiment.stages.fold_sets import read_fold_set
from tfgansynth.planning.graph import PlannedStage
from tfgansynth.records import converter
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.files import ARRAYS, ASSESSMENT
from tfgansynth.records.provenance import DroppedPair, SetManifest
from tfgansynth.runtime import storage
from tfgansynth.runtime.stage import Result, Stage
from tfgansynth.runtime.timing import EVALUATION, PREDICTION, Timer
from tfgansynth.seeds import derive_seed
from tfgansynth.synthesis.sampling import (
    DRAWN,
    MANIFEST,
    Draw,
    SyntheticSet,
    pair_name,
    read_set,
    write_set,
)


@dataclasses.dataclass(frozen=True, slots=True)
class FinishedAssessment:
    """All that was found of a synthetic set.

    Attributes:
        record: The figures.
        arrays: What they are from: `agreement_*`, float64; `segmented_*`, out-of-fold
            segmentations as packed bits with `shape_*`; `shapes_*`, what real masks
            measure, float64, a column for each of `shape_figures`; `features_*`,
            float32, of each network, with the ids of the real cases; for each part of
            the audit `null_*`, `nearest_distances_*` and `nearest_cases_*`, and of the
            search for altered copies `search_*`, by `search.Search`. To show:
            `gallery_*`, the pairs closest to a training case, with that case's image
            and mask; and `real_*`, the first training pairs.
        fold: The fold of the set.
    """

    record: Assessment
    arrays: Mapping[str, NDArray[Any]]
    fold: FoldCases

    @property
    def _learned(self) -> tuple[Case | UnlabelledImage, ...]:
        others = self.fold.unlabelled if self.record.n_unlabelled else ()
        return *self.fold.training, *others

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
            nearest = self.arrays[f"nearest_cases_{part}"][index]
            search = self.record.memorization.search
            if search and self.arrays["search_scores"][index] >= search.cut:
                part, nearest = "image", self.arrays["search_cases"][index]
                distances[part] = 1 - float(self.arrays["search_scores"][index])
            found.append(
                DroppedPair(
                    name=pair_name(index),
                    part=part,
                    case_id=self._learned[nearest].case_id,
                    distance=distances[part],
                )
            )
        return tuple(found)


def write_assessment(
    experiment: Experiment, planned: PlannedStage, stage: Stage
) -> Result:
    """Assess one of the fold's sets and write what was found.

    Raises:
        InputError: There is no set, or it is not the fold's own.
    """
    fold = experiment.fold(planned.fold)
    source = experiment.run.synthetic(planned.fold, planned.set_kind)
    assessment = assess(experiment, fold, source, stage.timer)
    with storage.whole_folder(stage.folder) as partial:
        storage.write_arrays(partial / ARRAYS, assessment.arrays)
        record = dataclasses.replace(
            assessment.record,
            inputs=planned.record["inputs"],
            identity=planned.identity,
            files=storage.hash_files(partial, [ARRAYS]),
        )
        converter.write(partial / ASSESSMENT, record)
        stage.require()
    return Result(assessment.record.words)


def read_assessment(folder: Path, fold: FoldCases) -> FinishedAssessment:
    """Read an assessment.

    Raises:
        InputError: There is none, or it was altered.
    """
    record = converter.read(folder / ASSESSMENT, Assessment)
    storage.require_files(folder, record.files)
    return FinishedAssessment(record, storage.read_arrays(folder / ARRAYS), fold)


def assess(
    experiment: Experiment, fold: FoldCases, source: Path, timer: Timer
) -> FinishedAssessment:
    """Assess any synthetic set of a fold; writes nothing.

    The fold's cross-fitted ensemble must be trained.

    Raises:
        InputError: There is no set, or it is not the fold's own.
    """
    images, masks, _ = read_fold_set(experiment, fold, source)
    training, synthetic = images_and_labels(fold.training), (images, masks)
    held_out = images_and_labels(held_out_cases(experiment, fold))
    sets = training, synthetic, held_out
    ensemble = load_cross_fitted_ensemble(experiment, fold)
    learned = generator_cases(experiment, fold)
    with timer.part(EVALUATION):
        pairs = images_and_labels(learned), synthetic, held_out
        audited, nearest = _audit(experiment, fold, source, pairs)
        near = audited.parts["image"].cases
        if len(learned) > len(fold.training):
            # The ensemble knows the labelled cases alone.
            near = distances(training, synthetic)["image"].argmin(axis=1)
    with timer.part(PREDICTION):
        real = np.concatenate([training[0], held_out[0]])
        findings = Findings(
            sets=sets,
            learned=learned,
            audit=audited,
            nearest=nearest,
            ensemble=ensemble,
            features=[
                NetworkFeatures(cases, describe(real[cases]), describe(images))
                for cases, describe in ensemble.on_unseen(len(held_out[0]))
            ],
            segmented_synthetic=ensemble.segment(images, near),
            segmented_training=ensemble.segment(
                training[0], np.arange(len(training[0]))
            ),
        )
    with timer.part(EVALUATION):
        data, chosen = experiment.data, experiment.config.lungs
        classes, lungs = data.classes, data.lungs(chosen)
        first, second, third = (class_shapes(each, classes, lungs) for _, each in sets)
        shapes = first, second, third
        record = assessment_record(experiment, fold, source, findings, shapes)
        arrays = assessment_arrays(experiment, fold, findings, shapes)
    return FinishedAssessment(record, arrays, fold)


def _audit(
    experiment: Experiment,
    fold: FoldCases,
    source: Path,
    sets: tuple[Pairs, Pairs, Pairs],
) -> tuple[Audit, Mapping[str, Values]]:
    """Audit a set's pairs as they were drawn or, where they were not kept, as are.

    Returns:
        The audit, and how near the pairs come to each real case.
    """
    training, synthetic, held_out = sets
    manifest = converter.read(source / MANIFEST, SetManifest)
    augment = None
    if manifest.synthesis.augment != "none":
        # It is not handed over with a set, though the manifest is the same.
        if manifest.as_drawn and (source / f"{DRAWN}images").is_dir():
            synthetic = read_set(source, DRAWN)
        else:
            config = manifest.augmentation
            deformations = learned(manifest.synthesis.augment, config, training[1])
            augment = functools.partial(
                augment_set, config=config, deformations=deformations
            )
    seed = derive_seed(experiment.config.seed, "audit", fold.number)
    found = audit(training, synthetic, held_out, augment=augment, seed=seed)
    images, masks = map(np.concatenate, zip(training, held_out, strict=True))
    return found, nearest_pairs((images, masks), synthetic)


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
    entries = manifest.pop("pairs")
    draws = [
        Draw(**{field.name: entry[field.name] for field in dataclasses.fields(Draw)})
        for entry in entries
    ]
    before = None
    if all(f"{DRAWN}image_sha256" in entry for entry in entries):
        drawn, drawn_masks = read_set(source, DRAWN)
        before = np.rint(drawn[kept]).astype(np.uint8), drawn_masks[kept]
    audited = SyntheticSet(
        images=np.rint(images[kept]).astype(np.uint8),
        masks=masks[kept],
        draws=tuple(draws[index] for index in kept),
        n_drawn=manifest["drawn"],
        n_similar=manifest["dropped_as_almost_identical"],
        n_empty=manifest["dropped_for_an_empty_mask"],
        before=before,
    )
    provenance = {
        "audited_manifest_sha256": storage.hash_file(source / MANIFEST),
        "dropped_by_the_audit": converter.to_json(assessment.flagged),
    }
    folder = source.with_name(f"{source.name}-audited")
    write_set(audited, {**manifest, **provenance}, folder)
    return folder
