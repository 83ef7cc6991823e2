"""What commands write and print of what the run folders have."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgansynth.config import Config
from tfgansynth.config_checks import differences
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.curves import Missing, curve_to_text
from tfgansynth.evaluation.evidence import (
    EvaluatedUNet,
    Evidence,
    evidence_to_json,
    evidence_to_markdown,
    evidence_to_text,
    weigh,
)
from tfgansynth.evaluation.predictions import CASES
from tfgansynth.experiment import paths, results
from tfgansynth.experiment.assessment import read_assessment
from tfgansynth.experiment.evaluated import Evaluated, evaluated, remarks
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.graph import Kind
from tfgansynth.experiment.regimes import Regime, paper_regimes, planned_regimes
from tfgansynth.experiment.studies import Part
from tfgansynth.presets import PRESETS
from tfgansynth.reporting.cards import markdown
from tfgansynth.reporting.curve_plot import write_plot
from tfgansynth.reporting.quality_table import quality_cells
from tfgansynth.runtime import storage

_NO_RECIPE = {"reduced", "lungs", "seed", "allow_duplicates"}
"""Settings that say what is tried on, not what is tried."""


def write_outputs(experiments: Sequence[Experiment], folder: Path) -> str:
    """Write table and comparison of all that is finished; return them as text.

    Args:
        experiments: The runs.
        folder: Takes what they show together.
    """
    texts, everything = [], []
    for experiment in experiments:
        own = list(_finished(experiment))
        everything += own
        of_paper = [unet for unet in own if unet.result.regime in _paper(unet)]
        if of_paper:
            texts.append(tables.to_text(_write_table(experiment, of_paper)))
    if everything:
        texts.append(evidence_to_text(_write_comparison(everything, folder)))
    return "\n\n".join(texts)


def _finished(experiment: Experiment) -> Iterator[Evaluated]:
    config = experiment.config
    control = config.synthesis.augment != "none"
    for fold in experiment.folds:
        both = planned_regimes(config, len(fold.training), "all", control=control)
        for regime in (regime for table in both for regime in table):
            folder = experiment.run.fold(fold.number) / regime.folder_name
            if (folder / paths.PROVENANCE).exists():
                yield evaluated(experiment, fold, regime)


def _paper(unet: Evaluated) -> list[Regime]:
    n_synthetic = unet.experiment.config.synthesis.count
    return paper_regimes(len(unet.fold.training), n_synthetic)


def _write_table(experiment: Experiment, unets: Sequence[Evaluated]) -> tables.Table:
    """Write the paper's regimes of one run beside the paper's figures."""
    root = experiment.run.root
    folds = {unet.fold.number: len(unet.fold.test) for unet in unets}
    table = results.paper_table(
        experiment.config,
        experiment.data,
        folds,
        [unet.result for unet in unets],
        remarks(unets),
    )
    record = results.table_record(table, experiment.data)
    storage.write_json(root / results.TABLE, record)
    storage.write_text(root / results.TABLE_SHEET, tables.to_csv(table))
    storage.write_text(root / results.TABLE_TEXT, tables.to_markdown(table))
    return table


def _write_comparison(tested: Sequence[Evaluated], folder: Path) -> Evidence:
    data = tested[0].experiment.data
    found = [unet.result for unet in tested]
    evidence = results.weigh_results(found, data, remarks(tested))
    folder.mkdir(exist_ok=True)
    record = results.evidence_record(evidence, found, data)
    storage.write_record(folder / results.EVIDENCE, record)
    storage.write_text(folder / results.EVIDENCE_TEXT, evidence_to_markdown(evidence))
    return evidence


def write_curve(
    point: Evaluated | Missing | None,
    done: list[Evaluated],
    missing: list[Missing],
    folder: Path,
    generator_of: int | None,
) -> str:
    """Add a point to a curve and write its record; for None, also plot and print it.

    Returns:
        The stem of its files' names.
    """
    if isinstance(point, Missing):
        missing.append(point)
    elif point is not None:
        done.append(point)
    stem = results.CURVE
    if generator_of:
        stem = f"{stem}-generator-of-{generator_of}"
    data = done[0].experiment.data
    curve = results.curve_of(
        [unet.result for unet in done], data, generator_of, missing, remarks(done)
    )
    record = results.curve_record(curve, data, generator_of)
    storage.write_record(folder / f"{stem}.json", record)
    if point is None:
        write_plot(curve, folder, stem)
        print(f"\n{curve_to_text(curve)}")
    return stem


def write_trial(part: Part, *, assessed: bool) -> tuple[Evidence, str]:
    """Compare the regimes of a trial; write `fold-N/development/trial.json`.

    Args:
        part: A finished trial.
        assessed: Whether its set was assessed.

    Returns:
        The comparison, and the same as a Markdown table of one line.
    """
    experiment, config = part.experiment, part.experiment.config
    (number,) = {stage.fold for stage in part.plan.stages}
    fold = experiment.fold(number)
    found = weigh(
        _trial_unets(part),
        context=f"{len(fold.unused)} training cases that the reduced set leaves out",
        is_phantom=experiment.data.is_phantom,
        margin=config.evaluation.equivalence_margin,
    )
    quality = None
    if assessed:
        quality = read_assessment(experiment.run.assessment(number)).record
    seconds = experiment.run.seconds()
    members = config.synthesis.pseudo_label_members
    record = {
        "preset": config.preset,
        "settings": _settings(config),
        "fold": number,
        "seed": config.seed,
        "dataset": experiment.data.record(),
        "seconds": seconds,
        "set_seconds": paths.set_seconds(seconds, number, members),
        "assessment": quality,
        **evidence_to_json(found),
    }
    folder = experiment.run.fold(number) / paths.DEVELOPMENT
    storage.write_record(folder / results.TRIAL, record)
    return found, _line(record, found)


def _trial_unets(part: Part) -> Iterator[EvaluatedUNet]:
    for stage in part.plan.only({Kind.SEGMENTATION}).stages:
        regime = stage.regime
        assert regime is not None
        augmented = regime.schedule == "augmented"
        yield EvaluatedUNet(
            seed=part.experiment.config.seed,
            table="Augmented" if augmented else "Not augmented",
            regime=regime.name,
            rows=tables.read_cases(part.experiment.run.root / stage.name / CASES),
            is_control=regime.kind == "control",
        )


def _settings(config: Config) -> list[str]:
    """The settings in which a recipe differs from its preset."""
    ours, preset = (dataclasses.asdict(c) for c in (config, PRESETS[config.preset]))
    found = (line.split(" against ")[0] for line in differences(ours, preset))
    return [line for line in found if line.split(":")[0] not in _NO_RECIPE]


def _line(record: Mapping[str, Any], found: Evidence) -> str:
    """Render a trial as a Markdown table of one line."""
    cells = {
        "recipe": " ".join([record["preset"], ", ".join(record["settings"])]).strip(),
        "set made in": f"{record['set_seconds'] / 60:.0f} min",
    }
    if record["assessment"]:
        cells |= quality_cells(record["assessment"])
    for regimes in found.tables.values():
        cells |= {
            regime.name: f"{regime.metrics['dice'].mean:.4f}" for regime in regimes
        }
    return markdown.table(list(cells), [list(cells.values())])
