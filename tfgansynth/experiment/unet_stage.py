"""The stage of one U-Net: training it, and having it evaluated at the end."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from tfgansynth.data.dataset import Case, images_and_masks
from tfgansynth.data.held_out import FoldCases
from tfgansynth.data.pipelines import LabelledImages
from tfgansynth.errors import InputError
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.predictions import CASES, PICTURE, PREDICTIONS
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.final_evaluation import evaluate_finally
from tfgansynth.experiment.paths import HISTORY
from tfgansynth.experiment.provenance import Provenance, unet_provenance
from tfgansynth.experiment.regimes import Regime
from tfgansynth.experiment.stages import timed
from tfgansynth.experiment.synthetic_sets import synthetic_pairs
from tfgansynth.experiment.unet_training import is_done, mark_done, train_in_folder
from tfgansynth.runtime.timing import Timer
from tfgansynth.seeds import derive_seed
from tfgansynth.segmentation.history import history_from_csv, remarks


def unet_folder(experiment: Experiment, fold: FoldCases, regime: Regime) -> Path:
    """Folder of one U-Net of a fold."""
    return experiment.run.fold(fold.number) / regime.folder_name


def ensure_unet(
    experiment: Experiment, fold: FoldCases, regime: Regime
) -> list[tables.CaseRow]:
    """Train one U-Net and evaluate it on the fold's test cases. Paper: IV-B, IV-C.

    Args:
        experiment: The experiment.
        fold: Its training, validation and test cases are used as such.
        regime: What it is trained on, and how: real pairs drawn from the fold's by
            seed, and the first synthetic ones of its set.

    Returns:
        The metrics of every test case.

    Raises:
        InputError: There are not so many pairs, the synthetic set is not the
            fold's own, or a finished result was altered.
    """
    run = experiment.run
    folder = unet_folder(experiment, fold, regime)
    training, provenance = training_pairs(experiment, fold, regime)
    if is_done(folder, provenance):
        return tables.read_cases(folder / CASES)
    with timed(run, f"fold-{fold.number}/{folder.name}") as timer:
        unet = train_row(experiment, fold, regime, training, provenance, folder, timer)
        rows = evaluate_finally(experiment, fold, unet, provenance, folder, timer)
        mark_done(folder, provenance, (CASES, PREDICTIONS, PICTURE))
    return rows


def train_row(
    experiment: Experiment,
    fold: FoldCases,
    regime: Regime,
    training: LabelledImages,
    provenance: Provenance,
    folder: Path,
    timer: Timer,
) -> Any:
    """Train the U-Net of a row, of what `training_pairs` gave, into a folder."""
    return train_in_folder(
        experiment,
        fold,
        training,
        regime.unet_config(experiment.config),
        seed=derive_seed(experiment.config.seed, "unet", fold.number),
        folder=folder,
        provenance=provenance,
        label=f"fold {fold.number}, {regime.label}:",
        timer=timer,
    )


def unet_remarks(
    experiment: Experiment, fold: FoldCases, regime: Regime
) -> tuple[str, ...]:
    """What a reader of results must know of how a finished U-Net was trained."""
    path = unet_folder(experiment, fold, regime) / HISTORY
    history = history_from_csv(path.read_text("utf-8"))
    n_pairs = regime.n_real + regime.n_synthetic
    return remarks(history, regime.unet_config(experiment.config), n_pairs)


def training_pairs(
    experiment: Experiment, fold: FoldCases, regime: Regime
) -> tuple[LabelledImages, Provenance]:
    """Collect what a U-Net is trained on, and say where it comes from.

    Raises:
        InputError: There are not so many pairs, or the synthetic set is not the
            fold's own.
    """
    real = _draw_real(experiment, fold, regime.n_real)
    parts = []
    if real:
        parts.append(images_and_masks(real))
    synthetic = None
    if regime.n_synthetic:
        images, masks, synthetic = synthetic_pairs(
            experiment, fold, regime.n_synthetic, regime.kind
        )
        parts.append((images, masks))
    if not parts:
        raise InputError("--real 0 --synthetic 0: there is nothing to train on")
    images, masks = map(np.concatenate, zip(*parts, strict=True))
    provenance = unet_provenance(experiment, fold, real, synthetic)
    numbers = dataclasses.asdict(regime.unet_config(experiment.config))
    return LabelledImages(images, masks, len(real)), {
        **provenance,
        **regime.record(),
        "unet": numbers,
    }


def _draw_real(experiment: Experiment, fold: FoldCases, count: int) -> tuple[Case, ...]:
    """Draw training cases of a fold by the run's seed."""
    n_cases = len(fold.training)
    if not 0 <= count <= n_cases:
        raise InputError(
            f"--real {count}: fold {fold.number} has {n_cases} real training cases"
        )
    rng = np.random.default_rng(
        derive_seed(experiment.config.seed, "real", fold.number)
    )
    return tuple(fold.training[index] for index in rng.permutation(n_cases)[:count])
