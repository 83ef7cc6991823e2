"""The stage of a fold's synthetic sets: drawing pairs, handing them to training."""

import dataclasses
import functools
from pathlib import Path

from tfgansynth import storage
from tfgansynth.config import Config
from tfgansynth.data.augmentation import augment_set
from tfgansynth.data.sealed import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.evaluation.soundness import passes
from tfgansynth.experiment.gan_stage import generator_origin, trained_gan
from tfgansynth.experiment.judges import Judges, ensure_judges
from tfgansynth.experiment.origins import Origin, require_own_set
from tfgansynth.experiment.stages import timed
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.exported import open_exported
from tfgansynth.gan.training import sample_bytes
from tfgansynth.machine import describe_machine
from tfgansynth.materials import Experiment
from tfgansynth.pixels import ByteArray, FloatArray, MaskArray
from tfgansynth.precision import resolve_precision
from tfgansynth.seeds import derive_seed
from tfgansynth.stopwatch import START_UP
from tfgansynth.synthesis.sampling import (
    MANIFEST,
    Deformation,
    Filter,
    Sampler,
    draw_set,
    read_manifest,
    read_set,
    write_set,
)


def ensure_synthetic_set(experiment: Experiment, fold: FoldCases) -> None:
    """Draw the fold's synthetic set from its GAN. Paper: IV-B."""
    folder = experiment.run.synthetic(fold.number)
    if not folder.exists():
        _draw_own_set(experiment, fold, folder)


def ensure_filtered_set(experiment: Experiment, fold: FoldCases) -> None:
    """Draw as many pairs from the same noise whose masks agree with the fold's judges.

    Raises:
        InputError: Too few agree.
    """
    folder = experiment.run.synthetic(fold.number, filtered=True)
    if not folder.exists():
        judges = ensure_judges(experiment, fold)
        _draw_own_set(experiment, fold, folder, judges)


def _draw_own_set(
    experiment: Experiment,
    fold: FoldCases,
    folder: Path,
    judges: Judges | None = None,
) -> None:
    run, stage = experiment.run, f"fold-{fold.number}/{folder.name}"
    with timed(run, stage) as watch:
        with watch.part(START_UP):
            gan = trained_gan(experiment, fold)
        precision = resolve_precision(experiment.config.gan.precision)
        run.add_machine(stage, describe_machine(), precision=precision, done=0)
        count = experiment.config.synthesis.count
        _draw_set(experiment, fold, gan, count, folder, judges)


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
        _draw_set(experiment, fold, trained_gan(experiment, fold), count, folder)
        return
    found = open_exported(exported)
    sha256 = found.origin["generator_sha256"]
    folder = folder.with_name(f"{folder.name}-{sha256[:8]}")
    _write_set(experiment, fold, found.sample, found.z_dim, count, found.origin, folder)


def _draw_set(
    experiment: Experiment,
    fold: FoldCases,
    gan: DCGAN,
    count: int,
    folder: Path,
    judges: Judges | None = None,
) -> None:
    generator = gan.sampling_generator()

    def sampler(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        return sample_bytes(generator, z)

    origin = generator_origin(experiment, fold, generator.get_weights())
    z_dim = experiment.config.gan.z_dim
    _write_set(experiment, fold, sampler, z_dim, count, origin, folder, judges)


def _deformation(config: Config) -> Deformation | None:
    if config.synthesis.deform == "none":
        return None
    return functools.partial(augment_set, config=config.augmentation)


def _write_set(
    experiment: Experiment,
    fold: FoldCases,
    sampler: Sampler,
    z_dim: int,
    count: int,
    origin: Origin,
    folder: Path,
    judges: Judges | None = None,
) -> None:
    if folder.exists():
        raise InputError(f"{folder}: exists already: remove or rename it first")
    config = experiment.config
    synthesis = dataclasses.replace(config.synthesis, count=count)
    z_seed = derive_seed(config.seed, "synthesis", fold.number)
    synthetic = draw_set(
        sampler,
        synthesis,
        z_dim=z_dim,
        z_seed=z_seed,
        components=config.mask_components,
        deform=_deformation(config),
        agrees=_filter(judges, synthesis.min_agreement),
    )
    numbers: Origin = {
        "z_seed": z_seed,
        "mask_components": config.mask_components,
        "synthesis": dataclasses.asdict(synthesis),
    }
    dropped = (
        f"{synthetic.n_similar} almost identical, {synthetic.n_empty} with an empty "
        "mask"
    )
    if judges:
        numbers["min_agreement"] = synthesis.min_agreement
        numbers["dropped_for_disagreement"] = synthetic.n_disagreeing
        numbers["judges"] = judges.hashes
        dropped += f", {synthetic.n_disagreeing} that disagree"
    write_set(synthetic, {**origin, **numbers}, folder)
    print(
        f"SYNTHETIC SET: {len(synthetic.draws)} pairs of {synthetic.n_drawn} drawn "
        f"({dropped}), in {folder}"
    )


def _filter(judges: Judges | None, min_agreement: float) -> Filter | None:
    if judges is None:
        return None

    def agrees(images: ByteArray, masks: MaskArray) -> MaskArray:
        return passes(judges.agreement(images, masks), min_agreement)

    return agrees


def read_own_set(
    experiment: Experiment, fold: FoldCases, folder: Path
) -> tuple[FloatArray, MaskArray, Origin]:
    """Read a synthetic set, if it is the fold's own.

    Returns:
        float32 (n, S, S) images in [0, 255], bool (n, S, S) masks, and the manifest.

    Raises:
        InputError: There is no set, it was altered, or came from elsewhere.
    """
    if not folder.exists():
        raise InputError(
            f"{folder}: no synthetic set yet: run tools/synthesize.py with the same "
            "options first"
        )
    manifest = read_manifest(folder)
    require_own_set(experiment, fold, manifest, folder)
    return *read_set(folder), manifest


def synthetic_pairs(
    experiment: Experiment, fold: FoldCases, count: int, *, filtered: bool = False
) -> tuple[FloatArray, MaskArray, Origin]:
    """Read the first pairs of the fold's synthetic set, if it is the fold's own.

    Returns:
        float32 (count, S, S) images in [0, 255], bool (count, S, S) masks, and
        what they came from.

    Raises:
        InputError: There is no set, it has fewer pairs, was altered, or came from
            elsewhere.
    """
    folder = experiment.run.synthetic(fold.number, filtered=filtered)
    images, masks, manifest = read_own_set(experiment, fold, folder)
    if count > len(images):
        raise InputError(f"--synthetic {count}: the set in {folder} has {len(images)}")
    origin = {
        "manifest_sha256": storage.hash_file(folder / MANIFEST),
        "generator_sha256": manifest["generator_sha256"],
        "training_cases": manifest["training_cases"],
    }
    return images[:count], masks[:count], origin
