"""Trying a recipe on real cases that nothing has learned from, and no test cases.

A reduced experiment leaves real training cases out. Which recipe is the best is decided
on these, as often as one likes; the test cases show once, at the end, how good it is.
"""

import dataclasses
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

from tfgansynth.config import NETWORK_VERSIONS, Config
from tfgansynth.config_checks import differences
from tfgansynth.data.dataset import images_and_masks
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.evaluation.case_rows import CaseRow, cases_to_csv, read_cases
from tfgansynth.evaluation.predictions import CASES, measure_cases
from tfgansynth.experiment.assessment import ensure_assessment
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.gan_stage import ensure_gan
from tfgansynth.experiment.paths import set_seconds
from tfgansynth.experiment.regimes import planned_regimes
from tfgansynth.experiment.stages import timed
from tfgansynth.experiment.synthesis_stage import ensure_set
from tfgansynth.experiment.unet_stage import train_row, training_pairs
from tfgansynth.experiment.unet_training import is_done, mark_done
from tfgansynth.presets import PRESETS
from tfgansynth.records import converter
from tfgansynth.records.comparisons import make_comparison
from tfgansynth.records.files import PROVENANCE, TRIAL
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import FinishedUNet, Settings
from tfgansynth.records.trials import Trial
from tfgansynth.runtime import storage
from tfgansynth.segmentation.unet import predict_masks

_FOLDER = "development"
_NO_RECIPE = {"reduced", "lungs", "seed", "allow_duplicates"}
"""Settings that say what is tried on, not what is tried."""


def try_recipe(
    experiment: Experiment,
    fold: FoldCases,
    *,
    augmented: bool = False,
    control: bool = False,
    assessed: bool = False,
    baseline: Path | None = None,
) -> Trial:
    """Compare fixed-budget regimes of a fold on the training cases it leaves out.

    Writes `fold-N/development/trial.json`.

    Args:
        experiment: The experiment.
        fold: The fold.
        augmented: Also the rows with classical augmentation.
        control: Also the rows of the control.
        assessed: Also assess the synthetic set.
        baseline: Run folder of an earlier trial: rows of real pairs alone are taken
            from there where they are there, if they were trained in the same way.

    Returns:
        What was found.

    Raises:
        InputError: The experiment is not a reduced one: it leaves no cases out. Or
            there can be no control, or a row of the earlier trial was trained
            otherwise.
    """
    if not fold.unused:
        raise InputError("--reduced: only a reduced experiment leaves cases to try on")
    config = experiment.config
    (table,) = planned_regimes(
        config, len(fold.training), "fixed_budget", control=control
    )
    ensure_gan(experiment, fold)
    for kind in dict.fromkeys(regime.kind for regime in table):
        ensure_set(experiment, fold, kind)
    tested = []
    for regime in table:
        if regime.schedule == "augmented" and not augmented:
            continue
        rows = _ensure_rows(experiment, fold, regime, baseline)
        mean = statistics.fmean(row.metrics.dice for row in rows)
        print(f"TRIED: {regime.name}: mean Dice {mean:.4f} of {len(rows)} cases")
        tested.append(
            FinishedUNet(
                run=experiment.run.root.name,
                settings=Settings(networks=NETWORK_VERSIONS, config=config),
                dataset=experiment.data,
                fold=fold.number,
                regime=regime,
                cases=tuple(rows),
            )
        )
    seconds = experiment.run.seconds()
    trial = Trial(
        preset=config.preset,
        settings=tuple(_settings(config)),
        fold=fold.number,
        seed=config.seed,
        dataset=experiment.data,
        seconds=seconds,
        set_seconds=set_seconds(
            seconds, fold.number, config.synthesis.pseudo_label_members
        ),
        assessment=ensure_assessment(experiment, fold).record if assessed else None,
        comparison=make_comparison(
            tested,
            context=(
                f"{len(fold.unused)} training cases that the reduced set leaves out"
            ),
            title_of=_title,
        ),
    )
    folder = experiment.run.fold(fold.number) / _FOLDER
    converter.write(folder / TRIAL, trial)
    return trial


def _title(unet: FinishedUNet) -> str:
    return "Augmented" if unet.regime.schedule == "augmented" else "Not augmented"


def _settings(config: Config) -> list[str]:
    """The settings in which a recipe differs from its preset."""
    ours, preset = (dataclasses.asdict(c) for c in (config, PRESETS[config.preset]))
    found = (line.split(" against ")[0] for line in differences(ours, preset))
    return [line for line in found if line.split(":")[0] not in _NO_RECIPE]


def _ensure_rows(
    experiment: Experiment, fold: FoldCases, regime: Regime, baseline: Path | None
) -> Sequence[CaseRow]:
    root = experiment.run.fold(fold.number)
    folder = root / _FOLDER / regime.folder_name
    training, provenance = training_pairs(experiment, fold, regime)
    if baseline and not regime.n_synthetic:
        earlier = baseline / folder.relative_to(experiment.run.root)
        if (earlier / PROVENANCE).exists() and not folder.exists():
            is_done(earlier, provenance)
            with storage.whole_folder(folder) as partial:
                shutil.copytree(earlier, partial, dirs_exist_ok=True)
    if is_done(folder, provenance):
        return read_cases(folder / CASES)
    stage = folder.relative_to(experiment.run.root).as_posix()
    with timed(experiment.run, stage) as timer:
        unet = train_row(experiment, fold, regime, training, provenance, folder, timer)
    images, masks = images_and_masks(fold.unused)
    rows = measure_cases(
        [case.case_id for case in fold.unused],
        predict_masks(unet, images),
        masks,
        fold=fold.number,
        n_real=regime.n_real,
        n_synthetic=regime.n_synthetic,
    )
    storage.write_text(folder / CASES, cases_to_csv(rows))
    mark_done(folder, provenance, (CASES,))
    return rows
