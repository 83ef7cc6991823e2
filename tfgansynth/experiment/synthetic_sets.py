"""A fold's synthetic sets: drawing them, and reading those that are its own.

No set whose generator has seen a held-out case of the fold gets into a training.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, Labels, MaskArray, one_hot
from tfgansynth.assessment.quality import agreement
from tfgansynth.config import UNetConfig
from tfgansynth.config_checks import differences
from tfgansynth.data.augmentation import augment_set, learned, switched
from tfgansynth.data.copies.distances import distances
from tfgansynth.data.dataset import (
    Case,
    case_hashes,
    images_and_labels,
    shared_cases,
)
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError, name_few
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.graph import PlannedStage
from tfgansynth.experiment.plan import Request
from tfgansynth.gan.exchange.exported import Exported, Provenance, open_exported
from tfgansynth.gan.training import load_gan
from tfgansynth.records import files
from tfgansynth.records.converter import to_json
from tfgansynth.records.reading import read_identity
from tfgansynth.records.regimes import (
    SetKind,
    cross_fit_config,
    cross_fit_parts,
    pseudo_label_config,
)
from tfgansynth.records.run_remarks import gan_remarks
from tfgansynth.runtime import storage
from tfgansynth.runtime.progress import remark
from tfgansynth.runtime.stage import Result, Stage
from tfgansynth.runtime.timing import START_UP
from tfgansynth.segmentation.ensembles import (
    CrossFittedEnsemble,
    PseudoLabelEnsemble,
    load_networks,
)
from tfgansynth.synthesis.rules import fold_rules, rules_to_text
from tfgansynth.synthesis.sampling import (
    MANIFEST,
    Filter,
    Sampler,
    as_in_training,
    draw_set,
    read_set,
    write_set,
)
from tfgansynth.synthesis.substitutes import case_sampler, is_control, relabel


def draw_fold_set(
    experiment: Experiment, planned: PlannedStage, stage: Stage
) -> Result:
    """Draw one of the fold's own sets. Paper: IV-B.

    Raises:
        InputError: Its GAN is not trained, or too few pairs pass the filter.
    """
    fold, kind = experiment.fold(planned.fold), planned.set_kind
    with stage.timer.part(START_UP):
        cross_fitted = None
        if kind == "filtered":
            cross_fitted = load_cross_fitted_ensemble(experiment, fold)
        make = _case_source if kind == "control" else _own_source
        source = make(experiment, fold)
    count, record = experiment.config.synthesis.count, dict(stage.provenance)
    folder = stage.folder
    return _write_set(
        experiment,
        fold,
        source,
        count,
        folder,
        record,
        cross_fitted,
        require=stage.require,
    )


def draw_separate_set(
    experiment: Experiment, fold: FoldCases, count: int, exported: Path | None
) -> tuple[Path, Result]:
    """Draw a set beside the run's own: of another size or an exported generator.

    Returns:
        Its folder, and what it came to.

    Raises:
        InputError: The set exists, or cannot be drawn.
    """
    folder = experiment.run.fold(fold.number) / f"synthetic-{count}"
    if exported is None:
        source = _own_source(experiment, fold)
    else:
        found = open_exported(exported)
        _require_pairs_alike(found, experiment, exported)
        source = _Source(found.sample, found.z_dim, found.provenance)
        sha256 = found.provenance["generator_sha256"]
        folder = folder.with_name(f"{folder.name}-{sha256[:8]}")
    if folder.exists():
        raise InputError(f"{folder}: exists already: remove or rename it first")
    plan = experiment.plan([fold.number], lambda _: Request(sets=["plain"]))
    record = dict(plan.stages[-1].record)
    # It is a set of its own: of no stage, and of another generator's cases.
    for name in ("identity", "training_cases", "unlabelled_cases"):
        record.pop(name, None)
    record["kind"] = "separate"
    record["z_dim"] = source.z_dim
    record["synthesis"] = {**record["synthesis"], "count": count}
    if exported is not None:
        del record["inputs"]
        record = {**record, **source.provenance}
    return folder, _write_set(experiment, fold, source, count, folder, record)


def _require_pairs_alike(found: Exported, experiment: Experiment, path: Path) -> None:
    """Refuse a generator of other channels or classes."""
    data = experiment.data
    ours = data.channels, len(data.classes)
    if (found.channels, found.classes) != ours:
        raise InputError(
            f"{path}: draws images of {found.channels} channels with masks of "
            f"{found.classes} classes, the data set has {ours[0]} and {ours[1]}"
        )
    known = (found.provenance["dataset"] or {}).get("classes")
    if known and tuple(known) != data.classes:
        raise InputError(
            f"{path}: its masks show {', '.join(map(str, known))}, in this order, and "
            f"those of the data set {', '.join(data.classes)}"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    """A generator, or what stands in its place, and what it came from."""

    sampler: Sampler
    z_dim: int
    provenance: Provenance


def trained_generator(
    experiment: Experiment, fold: FoldCases
) -> tuple[Any, Provenance]:
    """Load the fold's fully trained generator, and what all that it draws came from.

    Raises:
        InputError: The training of its GAN is not finished.
    """
    config, planned = experiment.config, planned_gan(experiment, fold)
    gan = load_gan(
        config.gan,
        seed=planned.seed,
        folder=experiment.run.root / planned.name,
        provenance=planned.record,
        size=config.data.size,
        n_cases=len(planned.record["training_cases"]),
        channels=experiment.data.channels,
        classes=len(experiment.data.classes),
    )
    generator = gan.sampling_generator()
    provenance = {
        **_generator_record(experiment, fold),
        "step": config.gan.steps,
        "generator_sha256": storage.hash_arrays(generator.get_weights()),
    }
    return generator, provenance


def planned_gan(experiment: Experiment, fold: FoldCases) -> PlannedStage:
    """Plan the stage of a fold's GAN."""
    plan = experiment.plan([fold.number], lambda _: Request(gan=True))
    return plan.stages[-1]


def generator_cases(experiment: Experiment, fold: FoldCases) -> tuple[Case, ...]:
    """What a fold's generator learns from, with masks.

    These are its training cases and, with `gan.unlabelled`, images without masks, whose
    masks the pseudo-label ensemble finds. Its members must be trained.
    """
    if not experiment.config.gan.unlabelled:
        return fold.training
    pseudo, others = load_pseudo_label_ensemble(experiment, fold), fold.unlabelled
    assert pseudo
    masks = pseudo.segment(np.stack([each.image for each in others]))
    found = one_hot(masks, len(experiment.data.classes))
    return *fold.training, *(
        Case(each.case_id, each.image, coverage)
        for each, coverage in zip(others, found, strict=True)
    )


def _generator_record(experiment: Experiment, fold: FoldCases) -> Provenance:
    """The GAN's record, but for what all that is drawn from it has of its own."""
    record = planned_gan(experiment, fold).record
    own = ("stage", "inputs", "identity")
    return {name: value for name, value in record.items() if name not in own}


def _own_source(experiment: Experiment, fold: FoldCases) -> _Source:
    generator, provenance = trained_generator(experiment, fold)
    root = experiment.run.root
    remarks = [each.text for each in gan_remarks(read_identity(root), fold.number)]
    if remarks:
        provenance["remarks"] = remarks
    return _Source(generator.sample, experiment.config.gan.z_dim, provenance)


def _case_source(experiment: Experiment, fold: FoldCases) -> _Source:
    n_classes = len(experiment.data.classes)
    cases = images_and_labels(generator_cases(experiment, fold))
    sampler = case_sampler(*cases, n_classes)
    provenance = {**_generator_record(experiment, fold), "generator_sha256": None}
    return _Source(sampler, experiment.config.gan.z_dim, provenance)


def _write_set(
    experiment: Experiment,
    fold: FoldCases,
    source: _Source,
    count: int,
    folder: Path,
    record: Provenance,
    cross_fitted: CrossFittedEnsemble | None = None,
    *,
    require: Callable[[], None] = lambda: None,
) -> Result:
    config, sampler, agrees = experiment.config, source.sampler, None
    synthesis = dataclasses.replace(config.synthesis, count=count)
    manifest, rules = {**source.provenance, **record}, fold_rules(config, fold)
    if "mask_components" not in manifest:
        manifest["mask_rules"] = to_json(rules)
    pseudo = load_pseudo_label_ensemble(experiment, fold)
    if pseudo:
        sampler = relabel(sampler, pseudo.segment, len(experiment.data.classes))
        manifest["pseudo_labels"] = pseudo.hashes
    if cross_fitted:
        agrees = _filter(experiment, fold, cross_fitted, synthesis.min_agreement)
    shapes = images_and_labels(fold.training)[1]
    deformations = learned(synthesis.augment, config.augmentation, shapes)
    synthetic = draw_set(
        sampler,
        synthesis,
        z_dim=source.z_dim,
        z_seed=record["z_seed"],
        rules=rules,
        augment=switched(
            augment_set,
            synthesis.augment,
            config.augmentation,
            deformations=deformations,
        ),
        agrees=agrees,
        **as_in_training(fold.training, count),
    )
    dropped = {
        "almost identical": synthetic.n_similar,
        "with an empty mask": synthetic.n_empty,
        "that disagree": synthetic.n_disagreeing,
    }
    if cross_fitted:
        manifest["min_agreement"] = synthesis.min_agreement
        manifest["dropped_for_disagreement"] = synthetic.n_disagreeing
        manifest["cross_fit"] = cross_fitted.hashes
    require()
    write_set(synthetic, manifest, folder, deformations)
    if synthetic.n_alike:
        remark(
            f"{synthetic.n_alike} of {count} images are almost identical to earlier "
            "ones, though their hashes are not: --synthesis.near-duplicates pixels "
            "drops them"
        )
    why = ", ".join(f"{number} {words}" for words, number in dropped.items() if number)
    return Result(
        f"{len(synthetic.draws)} pairs of {synthetic.n_drawn} drawn"
        f"{f' (dropped: {why})' if why else ''}",
        details=(f"masks: {rules_to_text(rules, experiment.data.classes)}",),
    )


def _filter(
    experiment: Experiment,
    fold: FoldCases,
    ensemble: CrossFittedEnsemble,
    least: float,
) -> Filter:
    training, n_classes = images_and_labels(fold.training), len(experiment.data.classes)

    def agrees(images: NDArray[Any], masks: Labels) -> MaskArray:
        # Networks that have not seen the nearest case know no copy of it either.
        nearest = distances(training, (images, masks))["image"].argmin(axis=1)
        return agreement(masks, ensemble.segment(images, nearest), n_classes) >= least

    return agrees


def load_pseudo_label_ensemble(
    experiment: Experiment, fold: FoldCases
) -> PseudoLabelEnsemble | None:
    """Load a fold's trained pseudo-label ensemble; None where the run has none."""
    names = files.pseudo_label_names(experiment.config.synthesis.pseudo_label_members)
    if not names:
        return None
    unet = pseudo_label_config(experiment.config)
    return PseudoLabelEnsemble(*_load_networks(experiment, fold, names, unet))


def load_cross_fitted_ensemble(
    experiment: Experiment, fold: FoldCases
) -> CrossFittedEnsemble:
    """Load a fold's trained cross-fitted ensemble."""
    parts = cross_fit_parts(experiment.config, fold.number, len(fold.training))
    names = [files.cross_fit_name(member) for member in range(1, len(parts) + 1)]
    unet = cross_fit_config(experiment.config)
    return CrossFittedEnsemble(parts, *_load_networks(experiment, fold, names, unet))


def _load_networks(
    experiment: Experiment, fold: FoldCases, names: Sequence[str], unet: UNetConfig
) -> tuple[tuple[Any, ...], dict[str, str]]:
    return load_networks(
        experiment.run.fold(fold.number),
        names,
        files.MODEL,
        unet,
        size=experiment.config.data.size,
        channels=experiment.data.channels,
        classes=len(experiment.data.classes),
    )


def require_fold_set(
    experiment: Experiment, fold: FoldCases, manifest: Mapping[str, Any], path: Path
) -> None:
    """Refuse a synthetic set, by its manifest, that is not this fold's own.

    Raises:
        InputError: The set's generator was trained on validation or test cases of
            the fold, on unknown ones, or elsewhere than in this fold of this run.
    """
    remedy = "remove it and run synthesize"
    learned = manifest.get("training_cases")
    if not isinstance(learned, Mapping):
        raise InputError(
            f"{path}: does not say which cases its generator was trained on: {remedy}"
        )
    by_content = not experiment.config.allow_duplicates
    held_out = {"test": fold.test.hashes, "validation": case_hashes(fold.validation)}
    for part, hashes in held_out.items():
        leaked = shared_cases(hashes, learned, by_content=by_content)
        if leaked:
            raise InputError(
                f"{path}: its generator was trained on {part} cases of fold "
                f"{fold.number} ({name_few(leaked)}): {remedy}"
            )
    expected = _generator_record(experiment, fold)
    # The set has that of its own pairs.
    del expected["augmentation"]
    if is_control(manifest):
        # No generator has drawn it.
        del expected["gan"], expected["network_version"]
    found = {name: manifest.get(name) for name in expected}
    foreign = list(differences(expected, found))
    if foreign:
        raise InputError(
            f"{path}: is not of this fold and run ({name_few(foreign, '; ')}): {remedy}"
        )


def read_fold_set(
    experiment: Experiment, fold: FoldCases, folder: Path
) -> tuple[FloatArray, Labels, Provenance]:
    """Read a synthetic set, if it is the fold's own.

    Returns:
        float32 (n, S, S[, 3]) images in [0, 255], uint8 (n, S, S) masks of class
        indices, and the manifest.

    Raises:
        InputError: There is no set, it was altered, or came from elsewhere.
    """
    if not folder.exists():
        raise InputError(
            f"{folder}: there is no synthetic set yet: run synthesize with the same "
            "options first"
        )
    manifest = storage.read_record(folder / MANIFEST)
    require_fold_set(experiment, fold, manifest, folder)
    images, masks = read_set(folder)
    found = fold.test.found_in(images)
    if found and not experiment.config.allow_duplicates:
        raise InputError(
            f"{folder}: has images of test cases of fold {fold.number} "
            f"({name_few(found)}): remove it to have it drawn again"
        )
    return images, masks, manifest


def synthetic_pairs(
    experiment: Experiment, fold: FoldCases, count: int, kind: SetKind = "plain"
) -> tuple[FloatArray, Labels, Provenance]:
    """Read the first pairs of one of the fold's sets, if it is the fold's own.

    Returns:
        float32 (count, S, S[, 3]) images in [0, 255], uint8 (count, S, S) masks of
        class indices, and what they came from.

    Raises:
        InputError: There is no set, it has fewer pairs, was altered, or came from
            elsewhere.
    """
    folder = experiment.run.synthetic(fold.number, kind)
    images, masks, manifest = read_fold_set(experiment, fold, folder)
    if count > len(images):
        raise InputError(f"--synthetic {count}: the set in {folder} has {len(images)}")
    provenance = {
        "manifest_sha256": storage.hash_file(folder / MANIFEST),
        "generator_sha256": manifest["generator_sha256"],
        "training_cases": manifest["training_cases"],
    }
    return images[:count], masks[:count], provenance
