"""Commands that write a generator or a set for others, with a card."""

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfgansynth.cli.command import Options, load
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.runtime import storage
from tfgansynth.seeds import derive_seed
from tfgansynth.synthesis.control import is_control
from tfgansynth.synthesis.nnunet import labels, write_nnunet
from tfgansynth.synthesis.sampling import MANIFEST, pair_name

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import Experiment

_FIRST_ID = 500
"""nnU-Net's own data sets, and those it comes with, have lower numbers."""
_LABELS = {"both": "lungs", "left": "left lung", "right": "right lung"}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExportGenerator(Options):
    """Export a fold's generator: SavedModel, .keras file and model card."""

    fold: int
    """Number of the fold, from 1."""


def export_generator(options: ExportGenerator) -> None:
    """Export."""
    from tfgansynth.experiment.plan import Request

    if options.config.gan.latent_codes:
        raise InputError(
            "--gan.latent-codes: such a generator can give its training cases back and "
            "is not handed on: hand on an audited set of it instead "
            "(tools/export_set.py)"
        )
    part = load(options).start_one(lambda _: Request(gan=True), options.fold)
    if part:
        export_fold_generator(part.experiment, part.experiment.fold(options.fold))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExportSet(Options):
    """Write a fold's synthetic set for others, with a data card."""

    fold: int
    """Number of the fold, from 1."""
    set: Path | None = None
    """Folder of another set of the same fold, as fold-1/synthetic-200."""
    to: Path | None = None
    """Folder to write, which must not exist; without it handover/ in the fold's
    folder, under the set's name."""


def export_set(options: ExportSet) -> None:
    """Export."""
    from tfgansynth.experiment.plan import Request

    part = load(options).start_one(lambda _: Request(sets=["plain"]), options.fold)
    if part:
        fold = part.experiment.fold(options.fold)
        hand_over(part.experiment, fold, options.set, options.to)


def hand_over(
    experiment: "Experiment", fold: FoldCases, source: Path | None, target: Path | None
) -> Path:
    """Write a synthetic set for others, all or nothing.

    Args:
        experiment: The experiment.
        fold: The fold that the set is of.
        source: The set's folder; None for the fold's own.
        target: Folder to write; None for `handover/` in the fold's folder, under the
            set's name.

    Returns:
        The folder: `README.md`, the card; `images/`, `masks/` and `manifest.json`, as
        in the set; and `DatasetXXX_Name/`, in nnU-Net's layout.

    Raises:
        InputError: The folder exists; or there is no set, it was altered, is not the
            fold's own, or is a control.
    """
    from tfgansynth.evaluation.tables import PHANTOM_WARNING
    from tfgansynth.experiment.findings import findings_of_set
    from tfgansynth.experiment.synthetic_sets import read_own_set
    from tfgansynth.reporting.cards.data_card import SetFacts, data_card

    source = source or experiment.run.synthetic(fold.number)
    default = experiment.run.fold(fold.number) / "handover" / source.resolve().name
    target = target or default
    if target.exists() or target.is_symlink():
        raise InputError(f"{target}: exists already: remove it, or name another --to")
    images, masks, manifest = read_own_set(experiment, fold, source)
    if is_control(manifest):
        raise InputError(
            f"{source}: is a control, made of the training cases themselves, and is "
            "not handed on"
        )
    name = f"Dataset{_FIRST_ID + fold.number:03d}_SyntheticLungs"
    label = _LABELS[experiment.config.lungs]
    facts = SetFacts(
        manifest=manifest,
        manifest_sha256=storage.hash_file(source / MANIFEST),
        n_pairs=len(images),
        size=images.shape[1],
        nnunet=name,
        labels=labels(label),
    )
    card = data_card(facts, findings_of_set(experiment, fold, source, manifest))
    cases = [pair_name(index) for index in range(len(images))]
    planes = zip(images.astype(np.uint8), masks, strict=True)
    with storage.whole_folder(target) as partial:
        _copy_plain(source, partial, cases)
        write_nnunet(partial / name, dict(zip(cases, planes, strict=True)), label)
        storage.write_text(partial / "README.md", card)
    if experiment.data.is_phantom:
        print(PHANTOM_WARNING)
    print(f"HANDED OVER: {len(cases)} pairs in {target}; {name}, README.md")
    return target


def _copy_plain(source: Path, target: Path, cases: list[str]) -> None:
    """Copy the set's files as they are: their hashes stand in the manifest."""
    for part in ("images", "masks"):
        (target / part).mkdir()
        for case in cases:
            shutil.copyfile(
                source / part / f"{case}.png", target / part / f"{case}.png"
            )
    shutil.copyfile(source / MANIFEST, target / MANIFEST)


def export_fold_generator(experiment: "Experiment", fold: FoldCases) -> None:
    """Export the fold's generator with frozen moments and a model card.

    Raises:
        InputError: Its GAN is not trained.
    """
    from tfgansynth.experiment.findings import findings_of_generator
    from tfgansynth.experiment.synthetic_sets import (
        generator_provenance,
        planned_gan,
        trained_gan,
    )
    from tfgansynth.gan import export
    from tfgansynth.reporting.cards.model_card import GeneratorFacts, model_card

    config = experiment.config
    generator = trained_gan(experiment, fold).sampling_generator()
    provenance = generator_provenance(experiment, fold, generator.get_weights())
    seed = derive_seed(config.seed, "export", fold.number)
    export.freeze_moments(generator, seed=seed)
    report = export.compare_frozen(
        generator,
        batch=config.synthesis.batch,
        mask_threshold=config.synthesis.mask_threshold,
        seed=derive_seed(seed, "compare"),
    )
    folder = experiment.run.gan(fold.number)
    stage = planned_gan(experiment, fold).name
    facts = GeneratorFacts(
        provenance=provenance,
        settings=dataclasses.asdict(config.gan),
        size=config.data.size,
        report=report,
        seconds=experiment.run.seconds().get(stage),
        machines=experiment.run.machines(stage),
    )
    found = findings_of_generator(experiment, fold, provenance["generator_sha256"])
    export.export_generator(generator, provenance, model_card(facts, found), folder)
    print(
        f"FROZEN MOMENTS: over {report.n_population} z; against the batch's own, on "
        f"{report.n_compared} z: images differ by {report.image_difference:.2f} of 255 "
        f"grey levels on average, {report.mask_agreement:.2%} of mask pixels agree"
    )
    print(f"EXPORT: {folder / 'generator'}, generator.keras, model_card.md")
