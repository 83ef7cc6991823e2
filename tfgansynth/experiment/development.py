"""Trying a recipe on real cases that nothing has learned from, and no test cases.

A reduced experiment leaves real training cases out. Which recipe is the best is decided
on these, as often as one likes; the test cases tell once, at the end, how good it is.
"""

import statistics
from collections.abc import Sequence

from tfgansynth import storage
from tfgansynth.data.dataset import images_and_masks
from tfgansynth.data.sealed import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.evidence import (
    EvaluatedUNet,
    Evidence,
    evidence_to_json,
    weigh,
)
from tfgansynth.evaluation.metrics import measure
from tfgansynth.evaluation.predictions import CASES
from tfgansynth.experiment.gan_stage import ensure_gan
from tfgansynth.experiment.recipes import Recipe, recipes
from tfgansynth.experiment.stages import timed
from tfgansynth.experiment.synthesis_stage import ensure_synthetic_set
from tfgansynth.experiment.unet_stage import training_pairs
from tfgansynth.experiment.unet_training import is_done, mark_done, train_in_folder
from tfgansynth.materials import Experiment
from tfgansynth.seeds import derive_seed
from tfgansynth.segmentation.unet import predict_masks

TRIAL = "trial.json"


def try_recipe(experiment: Experiment, fold: FoldCases) -> Evidence:
    """Train the fair rows of a fold and judge them on the cases it leaves out.

    Writes `fold-N/development/trial.json`.

    Raises:
        InputError: The experiment is not a reduced one: it leaves no cases out.
    """
    if not fold.unused:
        raise InputError("--reduced: only a reduced experiment leaves cases to try on")
    ensure_gan(experiment, fold)
    ensure_synthetic_set(experiment, fold)
    config = experiment.config
    (table,) = recipes(config, len(fold.training), "fair")
    tested = []
    for recipe in table:
        rows = _ensure_rows(experiment, fold, recipe)
        mean = statistics.fmean(row.metrics.dice for row in rows)
        print(f"TRIED: {recipe.name}: mean Dice {mean:.4f} of {len(rows)} cases")
        tested.append(EvaluatedUNet(config.seed, "development", recipe.name, rows))
    found = weigh(
        tested,
        context=f"{len(fold.unused)} training cases that the reduced set leaves out",
        is_phantom=experiment.data.is_phantom,
        margin=config.evaluation.equivalence_margin,
    )
    folder = experiment.run.fold(fold.number) / "development"
    storage.write_record(folder / TRIAL, evidence_to_json(found))
    return found


def _ensure_rows(
    experiment: Experiment, fold: FoldCases, recipe: Recipe
) -> Sequence[tables.CaseRow]:
    config = experiment.config
    root = experiment.run.fold(fold.number)
    folder = root / "development" / recipe.folder_name
    training, origin = training_pairs(experiment, fold, recipe)
    if is_done(folder, origin):
        return tables.read_cases(folder / CASES)
    with timed(
        experiment.run, folder.relative_to(experiment.run.root).as_posix()
    ) as watch:
        unet = train_in_folder(
            experiment,
            fold,
            training,
            recipe.unet_config(config),
            seed=derive_seed(config.seed, "unet", fold.number),
            folder=folder,
            origin=origin,
            label=f"fold {fold.number}, {recipe.label}:",
            watch=watch,
        )
    images, masks = images_and_masks(fold.unused)
    rows = [
        tables.CaseRow(
            fold=fold.number,
            case_id=case.case_id,
            n_real=recipe.n_real,
            n_synthetic=recipe.n_synthetic,
            metrics=measure(prediction, mask),
        )
        for case, prediction, mask in zip(
            fold.unused, predict_masks(unet, images), masks, strict=True
        )
    ]
    storage.write_text(folder / CASES, tables.cases_to_csv(rows))
    mark_done(folder, origin, (CASES,))
    return rows
