"""Drawing the synthetic sets of a fold."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tfgansynth.arrays import Labels, MaskArray
from tfgansynth.assessment.quality import agreement
from tfgansynth.data.augmentation import augment_set, learned, switched
from tfgansynth.data.copies.distances import distances
from tfgansynth.data.dataset import images_and_labels
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stages.fold_networks import (
    generator_cases,
    generator_record,
    load_cross_fitted_ensemble,
    load_pseudo_label_ensemble,
    trained_generator,
)
from tfgansynth.gan.exchange.exported import Exported, Provenance, open_exported
from tfgansynth.planning.graph import PlannedStage
from tfgansynth.planning.requests import Request
from tfgansynth.records.converter import to_json
from tfgansynth.records.reading.remarks import gan_remarks
from tfgansynth.records.reading.run import read_identity
from tfgansynth.runtime.progress import remark
from tfgansynth.runtime.stage import Result, Stage
from tfgansynth.runtime.timing import START_UP
from tfgansynth.segmentation.ensembles import CrossFittedEnsemble
from tfgansynth.synthesis.rules import fold_rules, rules_to_text
from tfgansynth.synthesis.sampling import (
    Filter,
    Sampler,
    as_in_training,
    draw_set,
    write_set,
)
from tfgansynth.synthesis.substitutes import case_sampler, relabel


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
    provenance = {**generator_record(experiment, fold), "generator_sha256": None}
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
