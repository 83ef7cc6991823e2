"""The stage of a fold's synthetic sets: drawing pairs."""

import dataclasses
import functools
from pathlib import Path

from tfgansynth.arrays import ByteArray, FloatArray, MaskArray
from tfgansynth.assessment.quality import passes
from tfgansynth.config import Config
from tfgansynth.data.augmentation import augment_set
from tfgansynth.data.dataset import images_and_masks
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.gan_stage import generator_provenance, trained_gan
from tfgansynth.experiment.judges import Judges, ensure_judges
from tfgansynth.experiment.provenance import Provenance, gan_provenance, is_control
from tfgansynth.experiment.run_folder import SetKind
from tfgansynth.experiment.stages import timed
from tfgansynth.experiment.teachers import Teachers, ensure_teachers
from tfgansynth.gan.exported import open_exported
from tfgansynth.gan.training import sample_bytes
from tfgansynth.runtime.devices import describe_machine, resolve_precision
from tfgansynth.runtime.timing import START_UP
from tfgansynth.seeds import derive_seed
from tfgansynth.synthesis.control import case_sampler
from tfgansynth.synthesis.sampling import (
    Deformation,
    Filter,
    Sampler,
    draw_set,
    write_set,
)


def ensure_set(experiment: Experiment, fold: FoldCases, kind: SetKind) -> None:
    """Draw one of the fold's sets, all of them from the same noise. Paper: IV-B.

    Raises:
        InputError: Too few pairs pass the filter.
    """
    run, folder = experiment.run, experiment.run.synthetic(fold.number, kind)
    if folder.exists():
        return
    judges = ensure_judges(experiment, fold) if kind == "filtered" else None
    teachers = _teachers(experiment, fold)
    stage = f"fold-{fold.number}/{folder.name}"
    with timed(run, stage) as timer:
        with timer.part(START_UP):
            make = _case_source if kind == "control" else _own_source
            source = make(experiment, fold)
        precision = resolve_precision(experiment.config.gan.precision)
        run.add_machine(stage, describe_machine(), precision=precision, done=0)
        count = experiment.config.synthesis.count
        _write_set(experiment, fold, source, count, folder, teachers, judges)


def draw_separate_set(
    experiment: Experiment, fold: FoldCases, count: int, exported: Path | None
) -> None:
    """Draw a set apart from the run's own: of another size or another generator.

    Args:
        experiment: Its configuration but for the count applies.
        fold: The fold whose GAN is sampled.
        count: Pairs to draw.
        exported: Sample this exported generator instead.

    Raises:
        InputError: The set exists, or cannot be drawn.
    """
    folder = experiment.run.fold(fold.number) / f"synthetic-{count}"
    if exported is None:
        source = _own_source(experiment, fold)
    else:
        found = open_exported(exported)
        source = _Source(found.sample, found.z_dim, found.provenance)
        sha256 = found.provenance["generator_sha256"]
        folder = folder.with_name(f"{folder.name}-{sha256[:8]}")
    if folder.exists():
        raise InputError(f"{folder}: exists already: remove or rename it first")
    teachers = _teachers(experiment, fold)
    _write_set(experiment, fold, source, count, folder, teachers)


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    """A generator, or what stands in its place.

    Attributes:
        sampler: Draws pairs.
        z_dim: Length of its noise vector.
        provenance: What it came from.
    """

    sampler: Sampler
    z_dim: int
    provenance: Provenance


def _own_source(experiment: Experiment, fold: FoldCases) -> _Source:
    generator = trained_gan(experiment, fold).sampling_generator()

    def sampler(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        return sample_bytes(generator, z)

    provenance = generator_provenance(experiment, fold, generator.get_weights())
    return _Source(sampler, experiment.config.gan.z_dim, provenance)


def _case_source(experiment: Experiment, fold: FoldCases) -> _Source:
    sampler = case_sampler(*images_and_masks(fold.training))
    provenance = {
        **gan_provenance(experiment, fold),
        "control": True,
        "generator_sha256": None,
    }
    return _Source(sampler, experiment.config.gan.z_dim, provenance)


def _teachers(experiment: Experiment, fold: FoldCases) -> Teachers | None:
    if not experiment.config.synthesis.pseudo_label_members:
        return None
    return ensure_teachers(experiment, fold)


def _write_set(
    experiment: Experiment,
    fold: FoldCases,
    source: _Source,
    count: int,
    folder: Path,
    teachers: Teachers | None = None,
    judges: Judges | None = None,
) -> None:
    config = experiment.config
    synthesis = dataclasses.replace(config.synthesis, count=count)
    z_seed = derive_seed(config.seed, "synthesis", fold.number)
    synthetic = draw_set(
        teachers.relabel(source.sampler) if teachers else source.sampler,
        synthesis,
        z_dim=source.z_dim,
        z_seed=z_seed,
        components=config.mask_components,
        deform=_deformation(config),
        agrees=_filter(judges, synthesis.min_agreement),
    )
    numbers: Provenance = {
        "z_seed": z_seed,
        "mask_components": config.mask_components,
        "synthesis": dataclasses.asdict(synthesis),
    }
    if teachers:
        numbers["teachers"] = teachers.hashes
    dropped = (
        f"{synthetic.n_similar} almost identical, {synthetic.n_empty} with an empty "
        "mask"
    )
    if judges:
        numbers["min_agreement"] = synthesis.min_agreement
        numbers["dropped_for_disagreement"] = synthetic.n_disagreeing
        numbers["judges"] = judges.hashes
        dropped += f", {synthetic.n_disagreeing} that disagree"
    write_set(synthetic, {**source.provenance, **numbers}, folder)
    heading = "CONTROL" if is_control(source.provenance) else "SYNTHETIC SET"
    print(
        f"{heading}: {len(synthetic.draws)} pairs of {synthetic.n_drawn} drawn "
        f"({dropped}), in {folder}"
    )


def _deformation(config: Config) -> Deformation | None:
    if config.synthesis.augment == "none":
        return None
    return functools.partial(augment_set, config=config.augmentation)


def _filter(judges: Judges | None, min_agreement: float) -> Filter | None:
    if judges is None:
        return None

    def agrees(images: ByteArray, masks: MaskArray) -> MaskArray:
        return passes(judges.agreement(images, masks), min_agreement)

    return agrees
