"""The stage of a fold's assessment: is its synthetic set sound, alike and no copy?

Held-out real cases are the fold's validation cases and, of a reduced experiment, the
training cases that it leaves out: neither generator nor judges have learned from them.

Features are the bottleneck of one judge, since those of two networks have no common
meaning. The training cases compared are those that this judge has not seen, as it has
seen no synthetic or held-out image either: a network may treat images that it was
trained on in a way of its own, and the other sets would seem far from them. (In small
networks trained for 200 mini-batches on 15 radiographs nothing of this was measurable;
larger ones, trained longer, know their cases better.) With two judges that halves the
number of training cases; memorization and shapes need no network and are judged by all.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.assessment.memorization import Audit, audit
from tfgansynth.assessment.neighbors import PARTS, Pairs
from tfgansynth.assessment.quality import Values, agreement, shape_table
from tfgansynth.data.dataset import Case, images_and_masks
from tfgansynth.data.held_out import FoldCases
from tfgansynth.data.lungs import Lungs
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.judge_parts import Indices
from tfgansynth.experiment.judges import Judges, ensure_judges
from tfgansynth.experiment.regimes import drawn_kinds
from tfgansynth.experiment.stages import timed
from tfgansynth.experiment.synthetic_sets import read_own_set
from tfgansynth.records import assessments, converter
from tfgansynth.records.assessments import Assessment, EnsembleMember
from tfgansynth.records.files import ARRAYS, ASSESSMENT
from tfgansynth.records.provenance import DroppedPair
from tfgansynth.records.regimes import SetKind
from tfgansynth.runtime import storage
from tfgansynth.runtime.timing import EVALUATION, PREDICTION
from tfgansynth.seeds import derive_seed
from tfgansynth.synthesis.sampling import MANIFEST, pair_name

_FEWEST_CASES = 3
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
        """The pairs that the audit objects to, and the case that each is near."""
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


def assess_fold(
    experiment: Experiment,
    fold: FoldCases,
    show: Callable[[Assessment, Sequence[DroppedPair]], None],
) -> bool:
    """Assess the fold's set, and the filtered one if there is a filter; show both.

    Returns:
        Whether all passed the audit for copies.
    """
    found = [
        ensure_assessment(experiment, fold, kind)
        for kind in drawn_kinds(experiment.config)
    ]
    for assessment in found:
        show(assessment.record, assessment.flagged)
    return all(assessment.passed for assessment in found)


def ensure_assessment(
    experiment: Experiment, fold: FoldCases, kind: SetKind = "plain"
) -> FinishedAssessment:
    """Assess one of the fold's sets, if that is not done yet.

    Args:
        experiment: The experiment.
        fold: The fold.
        kind: Which set.

    Raises:
        InputError: There is no set or it is not the fold's own, there are too few
            training cases, or a finished result was altered.
    """
    run = experiment.run
    source = run.synthetic(fold.number, kind)
    folder = run.assessment(fold.number, kind)
    if not _is_done(folder, source):
        assessment = assess(experiment, fold, source)
        with storage.whole_folder(folder) as partial:
            storage.write_arrays(partial / ARRAYS, assessment.arrays)
            files = storage.hash_files(partial, [ARRAYS])
            record = dataclasses.replace(assessment.record, files=files)
            converter.write(partial / ASSESSMENT, record)
    return read_assessment(folder, fold)


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


def _is_done(folder: Path, source: Path) -> bool:
    path, manifest = folder / ASSESSMENT, source / MANIFEST
    if not path.exists() or not manifest.exists():
        return False
    assessed = converter.read(path, Assessment).synthetic_set
    if assessed.manifest_sha256 == storage.hash_file(manifest):
        return True
    print(f"{folder}: is of an earlier set: it is made anew")
    return False


def assess(experiment: Experiment, fold: FoldCases, source: Path) -> FinishedAssessment:
    """Assess any synthetic set of a fold; writes nothing but the fold's judges.

    Args:
        experiment: The experiment.
        fold: The fold whose generator the set is from.
        source: The set's folder.

    Raises:
        InputError: See `ensure_assessment`.
    """
    if len(fold.training) < _FEWEST_CASES:
        raise InputError(
            f"fold {fold.number} has {len(fold.training)} training cases: an audit for "
            f"copies needs {_FEWEST_CASES} or more"
        )
    images, masks, _ = read_own_set(experiment, fold, source)
    synthetic: Pairs = images, masks
    held_out = images_and_masks([*fold.validation, *fold.unused])
    judges = ensure_judges(experiment, fold)
    training = judges.training
    with timed(experiment.run, f"fold-{fold.number}/assessment") as timer:
        with timer.part(EVALUATION):
            found = audit(training, synthetic, held_out)
        with timer.part(PREDICTION):
            nearest = found.parts["image"].nearest.cases
            answers = _Answers.of(judges, synthetic, held_out, nearest)
        with timer.part(EVALUATION):
            sets = training, synthetic, held_out
            record = _record(experiment, fold, source, sets, answers, found, judges)
            arrays = {
                **_arrays(fold, training, synthetic, answers, found),
                **_shapes(training, held_out, experiment.config.lungs),
            }
    return FinishedAssessment(record, arrays, _ids(fold))


@dataclasses.dataclass(frozen=True, slots=True)
class _Answers:
    """What the judges make of the sets.

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
        cls, judges: Judges, synthetic: Pairs, held_out: Pairs, nearest: Indices
    ) -> "_Answers":
        training, _ = judges.training
        unseen = judges.parts[0]
        images = training[unseen], synthetic[0], held_out[0]
        first, second, third = map(judges.features, images)
        return cls(
            synthetic=judges.segment(synthetic[0], nearest),
            training=judges.segment(training, np.arange(len(training))),
            features=(first, second, third),
            cases=unseen,
        )


def _record(
    experiment: Experiment,
    fold: FoldCases,
    source: Path,
    sets: tuple[Pairs, Pairs, Pairs],
    answers: _Answers,
    found: Audit,
    judges: Judges,
) -> Assessment:
    config = experiment.config
    training, synthetic, held_out = sets
    shapes = [shape_table(masks, config.lungs) for _, masks in sets]
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
        cross_fit=_members(judges, answers.training),
        quality=assessments.make_quality(
            training[1],
            synthetic[1],
            held_out[1],
            segmented_training=answers.training,
            segmented_synthetic=answers.synthetic,
            lungs=config.lungs,
        ),
        fidelity=assessments.make_fidelity(
            features=answers.features,
            shapes=(shapes[0], shapes[1], shapes[2]),
            source=(
                f"bottleneck of {next(iter(judges.hashes))}, averaged over the image "
                f"({answers.features[0].shape[1]} features); training cases are the "
                f"{len(answers.cases)} of {len(training[0])} that it has not seen"
            ),
            diversity=assessments.make_diversity(synthetic, training),
            seed=derive_seed(config.seed, "assessment", fold.number),
        ),
        memorization=assessments.make_memorization(found),
        files={},
    )


def _members(judges: Judges, segmentations: MaskArray) -> dict[str, EnsembleMember]:
    """Tell each member's hash, and how it does on the cases that it has not seen."""
    found = agreement(judges.training[1], segmentations)
    return {
        name: EnsembleMember(model_sha256=sha256, agreement=float(found[part].mean()))
        for (name, sha256), part in zip(
            judges.hashes.items(), judges.parts, strict=True
        )
    }


def _arrays(
    fold: FoldCases,
    training: Pairs,
    synthetic: Pairs,
    answers: _Answers,
    found: Audit,
) -> dict[str, NDArray[Any]]:
    judged = {
        "synthetic": (synthetic[1], answers.synthetic),
        "real": (training[1], answers.training),
    }
    arrays: dict[str, NDArray[Any]] = {}
    for name, (masks, segmentations) in judged.items():
        arrays[f"agreement_{name}"] = agreement(masks, segmentations)
        arrays[f"segmented_{name}"] = np.packbits(segmentations)
        arrays[f"shape_{name}"] = np.array(segmentations.shape)
    for name, features in zip(
        ("training", "synthetic", "held_out"), answers.features, strict=True
    ):
        arrays[f"features_{name}"] = features
    ids = [fold.training[index].case_id for index in answers.cases]
    arrays["features_training_case_ids"] = np.array(ids)
    for name, part in found.parts.items():
        arrays[f"null_{name}"] = part.null
        arrays[f"nearest_distances_{name}"] = part.nearest.distances
        arrays[f"nearest_cases_{name}"] = part.nearest.cases
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
    pairs, cases, distances = zip(*found.parts["pair"].closest(_GALLERY), strict=True)
    nearest = [fold.training[index] for index in cases]
    return {
        "gallery_synthetic": np.array(pairs),
        "gallery_distances": np.array(distances),
        "gallery_case_ids": np.array([case.case_id for case in nearest]),
        **_shown("gallery", nearest),
    }


def _shown(name: str, cases: list[Case] | tuple[Case, ...]) -> dict[str, NDArray[Any]]:
    images, masks = images_and_masks(cases)
    return {f"{name}_images": np.rint(images).astype(np.uint8), f"{name}_masks": masks}
