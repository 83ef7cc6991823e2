"""Commands on what a run has: report, verification, merging, export."""

import dataclasses
from pathlib import Path

import tyro

from tfgansynth import ranges
from tfgansynth.cli.command import load, require_there
from tfgansynth.cli.failures import DONE, FAILED
from tfgansynth.cli.options import RunOptions
from tfgansynth.errors import InputError
from tfgansynth.seeds import derive_seed

_MOST_LINES = 20


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Write report.html into a run's folder: one page that needs no network.

    The run's own files suffice; the data set is not read.
    """

    run: tyro.conf.Positional[Path]
    """The folder of a run or of a study of several seeds, which run-table names at its
    end, or a folder with one of them."""


def report(options: Report) -> None:
    """Write and print where."""
    # Imported late: --help must not wait for it.
    from tfgansynth.records.files import COMPARISON
    from tfgansynth.records.reading.run import find_folder
    from tfgansynth.reporting.html.page import write_report

    print(f"Report: {write_report(find_folder(options.run, COMPARISON))}")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Verify:
    """Recompute every number of a result, without data set or TensorFlow.

    Exit code 0: all are as stored. 1: some are not. 2: wrong use.
    """

    run: tyro.conf.Positional[Path]
    """The folder of a run, of a study of several seeds, of a learning curve, or of
    merged results, or a folder with one of them. Of merged results only the verdicts
    and means are recomputed."""
    rounding: ranges.Share = 0.0
    """Largest relative difference that counts as equal. Another kind of processor
    may round sums otherwise, in their last digits: 1e-9 allows for that."""


def verify(options: Verify) -> int:
    """Recompute and compare."""
    from tfgansynth.records.files import COMPARISON, CURVE
    from tfgansynth.records.reading.run import find_folder
    from tfgansynth.reporting.merged import is_merged
    from tfgansynth.reporting.merging import verify_merged
    from tfgansynth.reporting.verification import verify as verification

    run = find_folder(options.run, COMPARISON, f"{CURVE}*.json")
    recompute = verify_merged if is_merged(run) else verification.verify
    found = recompute(run, options.rounding)
    for note in found.notes[:_MOST_LINES]:
        print(f"NOTE: {note}")
    for line in found.lines[:_MOST_LINES]:
        print(line)
    n_files, n_wrong = len(found.files), len(found.lines)
    counted = f"{found.n_numbers} numbers of {n_files} files recomputed"
    if n_wrong > _MOST_LINES:
        print(f"... and {n_wrong - _MOST_LINES} more")
    print(f"{'DIFFERENT' if n_wrong else 'VERIFIED'}: {counted}, {n_wrong} differences")
    return FAILED if n_wrong else DONE


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MergeResults:
    """Merge the results of folds and seeds that ran on several machines.

    Only numbers are taken, each made again before: metrics of test cases, figures of
    assessments, settings, hashes. No image, mask or network is.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of runs or studies, which run-table names at its end, or of learning
    curves. None to compare again what the folder has."""
    to: Path
    """The folder that takes the numbers; it may have some already."""


def merge_results(options: MergeResults) -> None:
    """Merge and print."""
    from tfgansynth.reporting.comparisons import comparison_to_text
    from tfgansynth.reporting.curves import curve_to_text
    from tfgansynth.reporting.merging import merge, sets_to_markdown

    folds, comparison, curves = merge(options.runs, options.to)
    for fold in folds:
        seed, number = fold.order
        of_curve = f"{fold.place.split('/')[0]}, " if fold.is_curve else ""
        where = f"{of_curve}seed {seed}, fold {number}"
        print(f"MERGED: {where}: {len(fold.unets)} U-Nets")
    for curve in curves:
        print(f"\n{curve_to_text(curve)}")
    if comparison:
        print(f"\n{comparison_to_text(comparison)}\n{sets_to_markdown(folds)}")
        print(f"COMPARISON: {options.to}/comparison.md, .json")
    else:
        print(f"CURVES: {options.to}/curve*.json, .svg, .png")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExportGenerator(RunOptions):
    """Export a fold's generator: SavedModel, weights, .keras file and model card."""


def export_generator(options: ExportGenerator) -> None:
    """Export."""
    from tfgansynth.planning.requests import Request

    if options.config.gan.latent_codes:
        raise InputError(
            f"{options.run}: has a generator with latent codes, which can give its "
            "training cases back and is not handed on: hand on an audited set of it "
            "instead (export-set)"
        )
    part = load(options).start_one(lambda _: Request(gan=True), options.fold)
    if part is None:
        return
    from tfgansynth.experiment.stages.fold_networks import trained_generator
    from tfgansynth.gan.exchange import export
    from tfgansynth.records.converter import from_json
    from tfgansynth.records.files import gan_stage
    from tfgansynth.records.provenance import GeneratorFacts, GeneratorProvenance
    from tfgansynth.records.reading.run import read_identity
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
class ExportSet(RunOptions):
    """Write a fold's synthetic set for others, with a data card."""

    set: Path | None = None
    """Folder of another set of the same fold, as fold-1/synthetic-200."""
    to: Path | None = None
    """Folder to write, which must not exist; without it handover/ in the fold's
    folder, under the set's name."""


def export_set(options: ExportSet) -> None:
    """Export."""
    from tfgansynth.planning.requests import Request

    require_there(set=options.set)
    part = load(options).start_one(lambda _: Request(sets=["plain"]), options.fold)
    if part:
        from tfgansynth.reporting.cards import set_export

        fold = part.experiment.fold(options.fold)
        set_export.export_set(part.experiment, fold, options.set, options.to)
