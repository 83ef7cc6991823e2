"""What each kind of stage computes; how stages are run stands in `executors`.

A function here takes an experiment, a planned stage and the `Stage` that its training
sees. It leaves its results in the stage's folder.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfgansynth import pictures
from tfgansynth.arrays import ByteArray, FloatArray, MaskArray
from tfgansynth.config import UNetConfig
from tfgansynth.data.augmentation import augment, augment_pair, switched
from tfgansynth.data.dataset import Case, CaseHashes, images_and_masks
from tfgansynth.data.held_out import FoldCases
from tfgansynth.data.pipelines import LabelledImages, real_pairs
from tfgansynth.evaluation.case_rows import CaseRow, cases_to_csv, summarize_rows
from tfgansynth.evaluation.predictions import (
    CASES,
    PICTURE,
    PREDICTIONS,
    Predictions,
    best_median_worst,
    measure_cases,
    write_predictions,
)
from tfgansynth.evaluation.tables import METRIC_HEADINGS
from tfgansynth.experiment.assessment import write_assessment
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.graph import Kind, PlannedStage
from tfgansynth.experiment.synthetic_sets import (
    Provenance,
    draw_fold_set,
    synthetic_pairs,
)
from tfgansynth.gan.training import train_gan
from tfgansynth.records.files import HISTORY, MODEL
from tfgansynth.records.regimes import (
    cross_fit_config,
    pseudo_label_config,
    real_indices,
)
from tfgansynth.runtime import checkpoints, storage
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import EVALUATION, PREDICTION, RECORDS
from tfgansynth.segmentation.history import history_to_csv
from tfgansynth.segmentation.training import train_unet
from tfgansynth.segmentation.unet import predict_masks, save_unet

Files = Sequence[str] | None
"""Files of a stage's folder that its seal covers; None where the stage seals itself, as
a set does by its manifest and an assessment by its record."""
Compute = Callable[[Experiment, PlannedStage, Stage], Files]


def compute_gan(experiment: Experiment, planned: PlannedStage, stage: Stage) -> Files:
    """Train the fold's GAN on its real training pairs. Paper: III, IV-B.

    Its validation cases only watch: what is trained does not depend on them, and they
    are no part of its provenance.
    """
    config, fold = experiment.config, experiment.fold(planned.fold)
    print(f"FOLD {fold.number}: training the GAN on {len(fold.training)} real pairs")
    train_gan(
        _pairs(experiment, fold.training),
        _pairs(experiment, fold.validation),
        config.gan,
        stage,
        mask_threshold=config.synthesis.mask_threshold,
        augment=switched(augment_pair, config.gan.augment_real, config.augmentation),
    )
    newest = checkpoints.path_of(stage.folder / "checkpoints", config.gan.steps)
    return [newest.relative_to(stage.folder).as_posix()]


def _pairs(experiment: Experiment, cases: Sequence[Case]) -> FloatArray:
    config = experiment.config
    return real_pairs(
        cases, soft_masks=config.data.soft_masks, scaling=config.gan.pixel_scaling
    )


def compute_member(
    experiment: Experiment, planned: PlannedStage, stage: Stage
) -> Files:
    """Train a member of an ensemble on real cases."""
    fold, config = experiment.fold(planned.fold), experiment.config
    known = planned.record["training_cases"]
    seen = [case for case in fold.training if case.case_id in known]
    make = (
        pseudo_label_config if planned.kind == Kind.PSEUDO_LABELS else cross_fit_config
    )
    training = LabelledImages(*images_and_masks(seen))
    train_in_folder(experiment, fold, training, make(config), stage)
    return [HISTORY, MODEL]


def compute_segmentation(
    experiment: Experiment, planned: PlannedStage, stage: Stage
) -> Files:
    """Train a U-Net and evaluate it. Paper: IV-B, IV-C."""
    regime, fold = planned.regime, experiment.fold(planned.fold)
    assert regime is not None
    training = training_pairs(experiment, planned)
    config = regime.unet_config(experiment.config)
    unet = train_in_folder(experiment, fold, training, config, stage)
    if planned.record["evaluated_on"] == "unused":
        predictions = predict_masks(unet, images_and_masks(fold.unused)[0])
        rows = evaluate(fold.unused, predictions)
        storage.write_text(stage.folder / CASES, cases_file(rows, planned))
        return [HISTORY, MODEL, CASES]
    evaluate_on_test_cases(experiment, planned, unet, stage)
    return [HISTORY, MODEL, CASES, PREDICTIONS, PICTURE]


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
) -> Any:
    """Train a U-Net on pairs and write its history and model; return it."""
    unet, history = train_unet(
        training,
        LabelledImages(*images_and_masks(fold.validation)),
        config,
        stage,
        augment=switched(augment, config.augment, experiment.config.augmentation),
    )
    print(f"{stage.folder.name}: stopped after {len(history)} epochs")
    with stage.timer.part(RECORDS):
        storage.write_text(stage.folder / HISTORY, history_to_csv(history))
        save_unet(unet, config, stage.folder / MODEL, stage.provenance)
    return unet


def training_pairs(experiment: Experiment, planned: PlannedStage) -> LabelledImages:
    """Collect the pairs that a U-Net is trained on.

    Raises:
        InputError: The synthetic set is not there, or is not the fold's own.
    """
    regime, fold = planned.regime, experiment.fold(planned.fold)
    assert regime is not None
    parts = []
    if regime.n_real:
        n_cases = len(fold.training)
        chosen = real_indices(experiment.config, fold.number, n_cases, regime.n_real)
        parts.append(images_and_masks([fold.training[index] for index in chosen]))
    if regime.n_synthetic:
        images, masks, _ = synthetic_pairs(
            experiment, fold, regime.n_synthetic, regime.kind
        )
        parts.append((images, masks))
    images, masks = map(np.concatenate, zip(*parts, strict=True))
    return LabelledImages(images, masks, regime.n_real)


# The final evaluation: the one place where test cases are opened. Paper: IV-C.


def seen_cases(unet: Mapping[str, Any]) -> CaseHashes:
    """All cases in a U-Net's provenance: its own and its generator's."""
    synthetic = unet["synthetic_set"] or {"training_cases": {}}
    return {
        **synthetic["training_cases"],
        **unet["validation_cases"],
        **unet["training_cases"],
    }


def evaluate_on_test_cases(
    experiment: Experiment, planned: PlannedStage, unet: Any, stage: Stage
) -> None:
    """Open the fold's test cases to a trained U-Net and measure its predictions.

    The stage's folder takes `cases.csv`, `predictions.npz` and `predictions.png`. Its
    provenance names all that went into the U-Net.

    Raises:
        InputError: One of the test cases went into the U-Net or its generator.
    """
    test = experiment.fold(planned.fold).test.release(
        seen_cases(stage.provenance),
        to=str(stage.folder),
        allow_duplicates=experiment.config.allow_duplicates,
    )
    with stage.timer.part(PREDICTION):
        predictions = predict_masks(unet, images_and_masks(test)[0])
    with stage.timer.part(EVALUATION):
        rows = evaluate(test, predictions)
        kept = collect(test, predictions, rows)
        write_predictions(stage.folder / PREDICTIONS, kept)
        picture = predictions_picture(kept, rows)
        storage.write_png(stage.folder / PICTURE, picture)
        storage.write_text(stage.folder / CASES, cases_file(rows, planned))
    print(summary(rows))


def evaluate(cases: Sequence[Case], predictions: MaskArray) -> list[CaseRow]:
    """Measure a U-Net's predictions for n cases, bool (n, S, S)."""
    ids = [case.case_id for case in cases]
    return measure_cases(ids, predictions, images_and_masks(cases)[1])


def cases_file(rows: Sequence[CaseRow], planned: PlannedStage) -> str:
    """Render the test cases of a stage's U-Net as CSV."""
    regime = planned.regime
    assert regime is not None
    return cases_to_csv(rows, planned.fold, regime.n_real, regime.n_synthetic)


def collect(
    test: Sequence[Case], predictions: MaskArray, rows: Sequence[CaseRow]
) -> Predictions:
    """Put predictions together with what they are measured and shown against."""
    shown = best_median_worst(rows)
    return Predictions(
        case_ids=tuple(case.case_id for case in test),
        predictions=predictions,
        truths=np.stack([case.mask for case in test]),
        shown=shown,
        shown_images=np.stack(
            [np.rint(test[index].image).astype(np.uint8) for index in shown]
        ),
    )


def predictions_picture(kept: Predictions, rows: Sequence[CaseRow]) -> ByteArray:
    """Show the best, the median and the worst case by Dice, truth and U-Net outlined.

    Returns:
        uint8 (h, w, 3).
    """
    tiles = []
    for name, index, image in zip(
        ("best", "median", "worst"), kept.shown, kept.shown_images, strict=True
    ):
        truth, prediction = kept.truths[index], kept.predictions[index]
        drawn = pictures.outline(image, truth, pictures.TRUTH, scale=4)
        drawn = pictures.outline(drawn, prediction, pictures.PREDICTION)
        found = rows[index].metrics
        text = f"{name}: {kept.case_ids[index]}, Dice {found.dice:.4f}"
        text += f", HD {found.hausdorff_px:.1f} px (green truth, red U-Net)"
        tiles.append(pictures.caption(drawn, text))
    return pictures.grid(tiles, columns=len(tiles))


def summary(rows: Sequence[CaseRow]) -> str:
    """Say in one line how a U-Net did on its test cases."""
    means = [
        f"{METRIC_HEADINGS[name]} {found.mean:.4f}"
        for name, found in summarize_rows(rows).items()
    ]
    return f"TEST: {len(rows)} cases, mean {', '.join(means)}"


def full_provenance(experiment: Experiment, planned: PlannedStage) -> Provenance:
    """All that bears on a stage, and the very set that a U-Net learns from.

    Raises:
        InputError: The set is not there, was altered, or is not the fold's own.
    """
    record = dict(planned.record)
    regime = planned.regime
    if regime is None:
        return record
    record["synthetic_set"] = None
    if regime.n_synthetic:
        fold = experiment.fold(planned.fold)
        *_, record["synthetic_set"] = synthetic_pairs(
            experiment, fold, regime.n_synthetic, regime.kind
        )
    return record
