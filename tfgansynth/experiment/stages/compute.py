"""What each kind of stage computes; how stages are run stands in `stage_runs`.

A function here takes an experiment, a planned stage and the `Stage` that its training
sees. It leaves its results in the stage's folder.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfgansynth.arrays import FloatArray
from tfgansynth.config import UNetConfig
from tfgansynth.data.augmentation import augment_pair, batch_augmentation, switched
from tfgansynth.data.dataset import Case, CaseHashes, images_and_labels
from tfgansynth.data.held_out import FoldCases
from tfgansynth.data.pipelines import LabelledImages, real_pairs
from tfgansynth.evaluation.predictions import CASES, PICTURE, PREDICTIONS
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stages.assessment import write_assessment
from tfgansynth.experiment.stages.fold_networks import (
    generator_cases,
    load_pseudo_label_ensemble,
)
from tfgansynth.experiment.stages.fold_sets import synthetic_pairs
from tfgansynth.experiment.stages.results import (
    Predict,
    epochs_to_text,
    evaluate_network,
    write_results,
    write_validation,
)
from tfgansynth.experiment.stages.synthetic_sets import draw_fold_set
from tfgansynth.gan import health
from tfgansynth.gan.training import train_gan
from tfgansynth.planning.graph import Kind, PlannedStage
from tfgansynth.records.files import HISTORY, MODEL, VALIDATION
from tfgansynth.records.reading.run import pseudo_label_hashes
from tfgansynth.records.regimes import cross_fit_config, pseudo_label_config
from tfgansynth.runtime import checkpoints, storage
from tfgansynth.runtime.progress import remark
from tfgansynth.runtime.stage import Result, Stage
from tfgansynth.runtime.timing import EVALUATION, PREDICTION, RECORDS
from tfgansynth.segmentation.ensembles import PseudoLabelEnsemble
from tfgansynth.segmentation.history import Epoch, history_to_csv, kept_dice
from tfgansynth.segmentation.training import train_unet
from tfgansynth.segmentation.unet import predict_masks, save_unet

Compute = Callable[[Experiment, PlannedStage, Stage], Result]


def compute_gan(experiment: Experiment, planned: PlannedStage, stage: Stage) -> Result:
    """Train the fold's GAN on its real training pairs. Paper: III, IV-B."""
    config, fold = experiment.config, experiment.fold(planned.fold)
    _, history = train_gan(
        _pairs(experiment, generator_cases(experiment, fold)),
        _pairs(experiment, fold.validation),
        config.gan,
        stage,
        mask_threshold=config.synthesis.mask_threshold,
        channels=experiment.data.channels,
        augment=switched(
            augment_pair,
            config.gan.augment_real,
            config.augmentation,
            channels=experiment.data.channels,
        ),
    )
    newest = checkpoints.path_of(stage.folder / "checkpoints", config.gan.steps)
    for text in health.faults(history, config.gan).values():
        remark(text)
    shares = history.series.get(health.DIVERSITY, {})
    # The last one: of the samples of the last step.
    diversity = f", diversity {shares[max(shares)]:.2f} (real 1)"
    return Result(
        f"{config.gan.steps} steps{diversity if shares else ''}",
        [newest.relative_to(stage.folder).as_posix()],
    )


def _pairs(experiment: Experiment, cases: Sequence[Case]) -> FloatArray:
    config = experiment.config
    return real_pairs(
        cases, soft_masks=config.data.soft_masks, scaling=config.gan.pixel_scaling
    )


def compute_member(
    experiment: Experiment, planned: PlannedStage, stage: Stage
) -> Result:
    """Train a member of an ensemble on real cases."""
    fold, config = experiment.fold(planned.fold), experiment.config
    is_pseudo_label = planned.kind == Kind.PSEUDO_LABELS
    unet = (pseudo_label_config if is_pseudo_label else cross_fit_config)(config)
    training = LabelledImages(*images_and_labels(_learned(fold, planned)))
    _, history = train_in_folder(experiment, fold, training, unet, stage)
    measured = kept_dice(history, unet)
    dice = "" if measured is None else f", Dice {measured:.4f} on validation cases"
    return Result(f"{epochs_to_text(history)}{dice}", [HISTORY, MODEL])


def _learned(fold: FoldCases, planned: PlannedStage) -> list[Case]:
    """The real training cases of a stage, in the order of its plan."""
    cases = *fold.training, *fold.validation, *fold.unused
    by_id = {case.case_id: case for case in cases}
    return [by_id[name] for name in planned.record["training_cases"]]


def compute_segmentation(
    experiment: Experiment, planned: PlannedStage, stage: Stage
) -> Result:
    """Train a U-Net and evaluate it. Paper: IV-B, IV-C.

    This is the one place where test cases are opened. The stage's provenance names all
    that went into the U-Net.

    Raises:
        InputError: One of the test cases went into the U-Net or its generator.
    """
    regime, fold = planned.regime, experiment.fold(planned.fold)
    assert regime is not None
    classes = experiment.data.classes
    predict, measured, history = _predictor(experiment, planned, stage)
    learned = write_validation(predict, measured, fold, stage, len(classes))
    if not learned.has_learned:
        remark(f"has not learned: {learned}")
    test = fold.test.release(
        seen_cases(stage.provenance),
        to=str(stage.folder),
        allow_duplicates=experiment.config.allow_duplicates,
    )
    with stage.timer.part(PREDICTION):
        predictions = predict(images_and_labels(test)[0])
    with stage.timer.part(EVALUATION):
        rows = write_results(test, predictions, planned, stage.folder, classes)
    files = [*([HISTORY, MODEL] if history else []), *(VALIDATION, CASES)]
    return evaluate_network(
        history, rows, "test", [*files, PREDICTIONS, PICTURE], learned
    )


def _predictor(
    experiment: Experiment, planned: PlannedStage, stage: Stage
) -> tuple[Predict, float | None, list[Epoch]]:
    """Train a U-Net, or take the trained pseudo-label ensemble.

    Returns:
        What segments images; its Dice on validation cases, if the training has measured
        it; and the history of the training, empty of the ensemble.
    """
    regime, fold = planned.regime, experiment.fold(planned.fold)
    assert regime is not None
    if regime.baseline == "ensemble":
        return _ensemble(experiment, fold).segment, None, []
    config = regime.unet_config(experiment.config)
    training = training_pairs(experiment, planned)
    unet, history = train_in_folder(experiment, fold, training, config, stage)
    predict = functools.partial(predict_masks, unet)
    return predict, kept_dice(history, config), history


def _ensemble(experiment: Experiment, fold: FoldCases) -> PseudoLabelEnsemble:
    found = load_pseudo_label_ensemble(experiment, fold)
    assert found
    return found


COMPUTE: Mapping[Kind, Compute] = {
    Kind.GAN: compute_gan,
    Kind.SET: draw_fold_set,
    Kind.PSEUDO_LABELS: compute_member,
    Kind.CROSS_FIT: compute_member,
    Kind.SEGMENTATION: compute_segmentation,
    Kind.ASSESSMENT: write_assessment,
}


def train_in_folder(
    experiment: Experiment,
    fold: FoldCases,
    training: LabelledImages,
    config: UNetConfig,
    stage: Stage,
) -> tuple[Any, list[Epoch]]:
    """Train a U-Net on pairs; write its history and model, and return both.

    Raises:
        InputError: Deformations cannot be learned from them.
    """
    augmentation = experiment.config.augmentation
    # Deformations are those of its own real pairs, if it has some, and of no others.
    shapes = training.masks[: training.n_real or None]
    unet, history = train_unet(
        training,
        LabelledImages(*images_and_labels(fold.validation)),
        config,
        stage,
        classes=len(experiment.data.classes),
        augment=batch_augmentation(config.augment, augmentation, shapes),
    )
    with stage.timer.part(RECORDS):
        storage.write_text(stage.folder / HISTORY, history_to_csv(history))
        save_unet(unet, config, stage.folder / MODEL, stage.provenance)
    return unet, history


def training_pairs(experiment: Experiment, planned: PlannedStage) -> LabelledImages:
    """Collect the pairs that a U-Net is trained on.

    Raises:
        InputError: The synthetic set is not there, or is not the fold's own.
    """
    regime, fold = planned.regime, experiment.fold(planned.fold)
    assert regime is not None
    parts = []
    if regime.n_real:
        parts.append(images_and_labels(_learned(fold, planned)))
    if regime.n_synthetic:
        images, masks, _ = synthetic_pairs(
            experiment, fold, regime.n_synthetic, regime.kind
        )
        parts.append((images, masks))
    if regime.baseline == "unlabelled":
        # Their own masks are not looked at.
        images = np.stack([each.image for each in fold.unlabelled])
        parts.append((images, _ensemble(experiment, fold).segment(images)))
    images, masks = map(np.concatenate, zip(*parts, strict=True))
    return LabelledImages(images, masks, regime.n_real)


def seen_cases(unet: Mapping[str, Any]) -> CaseHashes:
    """All cases in a U-Net's provenance: its own and its generator's."""
    synthetic = unet["synthetic_set"] or {"training_cases": {}}
    return {
        **synthetic["training_cases"],
        **unet["validation_cases"],
        **unet.get("unlabelled_cases", {}),
        **unet["training_cases"],
    }


def full_provenance(experiment: Experiment, planned: PlannedStage) -> dict[str, Any]:
    """All that bears on a stage, and the very set or ensemble that a U-Net learns from.

    Raises:
        InputError: The set is not there, was altered, or is not the fold's own.
    """
    record = dict(planned.record)
    regime = planned.regime
    if regime is None:
        return record
    record["synthetic_set"] = None
    if regime.uses_ensemble:
        record["pseudo_labels"] = pseudo_label_hashes(
            experiment.run.root, planned.needs
        )
    if regime.n_synthetic:
        fold = experiment.fold(planned.fold)
        *_, record["synthetic_set"] = synthetic_pairs(
            experiment, fold, regime.n_synthetic, regime.kind
        )
    return record
