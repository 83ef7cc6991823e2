"""Commands that write a generator or a set for others, with a card."""

import dataclasses
from pathlib import Path

from tfgansynth.cli.command import FoldOptions, load, require_there
from tfgansynth.errors import InputError
from tfgansynth.seeds import derive_seed


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExportGenerator(FoldOptions):
    """Export a fold's generator: SavedModel, weights, .keras file and model card."""


def export_generator(options: ExportGenerator) -> None:
    """Export."""
    from tfgansynth.experiment.plan import Request

    if options.config.gan.latent_codes:
        raise InputError(
            "--gan.latent-codes: such a generator can give its training cases back and "
            "is not handed on: hand on an audited set of it instead (export-set)"
        )
    part = load(options).start_one(lambda _: Request(gan=True), options.fold)
    if part is None:
        return
    from tfgansynth.experiment.synthetic_sets import trained_generator
    from tfgansynth.gan.exchange import export
    from tfgansynth.records.converter import from_json
    from tfgansynth.records.files import gan_stage
    from tfgansynth.records.provenance import (
        GeneratorFacts,
        GeneratorProvenance,
    )
    from tfgansynth.records.reading import read_identity
    from tfgansynth.reporting.cards.cards import model_card
    from tfgansynth.reporting.cards.findings import findings_of_generator
    from tfgansynth.synthesis.rules import fold_rules

    experiment, config = part.experiment, part.experiment.config
    fold = experiment.fold(options.fold)
    generator, provenance = trained_generator(experiment, fold)
    seed = derive_seed(config.seed, "export", fold.number)
    export.freeze_moments(generator, seed=seed)
    report = export.compare_frozen(
        generator,
        batch=config.synthesis.batch,
        mask_threshold=config.synthesis.mask_threshold,
        seed=derive_seed(seed, "compare"),
    )
    folder = experiment.run.gan(fold.number)
    stage = gan_stage(fold.number)
    run = read_identity(experiment.run.root)
    facts = GeneratorFacts(
        provenance=from_json(GeneratorProvenance, provenance, folder),
        size=config.data.size,
        mask_threshold=config.synthesis.mask_threshold,
        mask_rules=fold_rules(config, fold),
        freezing=report,
        seconds=run.timings.get(stage),
        machines=run.attempts(stage),
    )
    findings = findings_of_generator(experiment.run.root, facts.provenance)
    card = model_card(facts, findings)
    export.export_generator(generator, provenance, card, folder)
    print(
        f"FROZEN MOMENTS: over {report.n_population} z; against the batch's own, on "
        f"{report.n_compared} z: images differ by {report.image_difference:.2f} of 255 "
        f"grey levels on average, {report.mask_agreement:.2%} of mask pixels agree"
    )
    print(f"EXPORT: {folder / 'generator'}, generator.keras, model_card.md")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExportSet(FoldOptions):
    """Write a fold's synthetic set for others, with a data card."""

    set: Path | None = None
    """Folder of another set of the same fold, as fold-1/synthetic-200."""
    to: Path | None = None
    """Folder to write, which must not exist; without it handover/ in the fold's
    folder, under the set's name."""


def export_set(options: ExportSet) -> None:
    """Export."""
    from tfgansynth.experiment.plan import Request

    require_there(set=options.set)
    part = load(options).start_one(lambda _: Request(sets=["plain"]), options.fold)
    if part:
        from tfgansynth.reporting.cards import set_export

        fold = part.experiment.fold(options.fold)
        set_export.export_set(part.experiment, fold, options.set, options.to)
