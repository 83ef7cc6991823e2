"""Short forms of what the stages of an experiment do, for notebooks and scripts.

Nothing here writes to disk. The command line adds what a long experiment needs: resume,
provenance, timing, tables.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray
from tfgansynth.config import Config
from tfgansynth.data.copies.duplicates import across_split, find_duplicates
from tfgansynth.data.dataset import Case, Dataset, case_hashes, images_and_labels
from tfgansynth.data.held_out import FoldCases, select_fold
from tfgansynth.data.loading import load_directory, load_phantoms, with_patients
from tfgansynth.data.splits import make_folds
from tfgansynth.errors import InputError
from tfgansynth.evaluation.comparisons import CaseResult
from tfgansynth.evaluation.metrics import mean_metrics, measure_classes
from tfgansynth.synthesis import sampling
from tfgansynth.synthesis.rules import fold_rules
from tfgansynth.synthesis.sampling import SyntheticSet

if TYPE_CHECKING:
    import keras

    from tfgansynth.gan.dcgan import DCGAN


def load_cases(
    config: Config,
    folder: Path | str | None = None,
    *,
    patient_pattern: str | None = None,
) -> Dataset:
    """Load a data set, or make the built-in phantoms.

    Args:
        config: Its `data`, `target` and `lungs` say how many phantoms, which size and
            what the masks show.
        folder: Folder with `images/` and `masks/`, or with JSRT and SCR files. None
            makes phantoms, which are procedural images and not patients.
        patient_pattern: Regular expression that finds the patient in the name of each
            case: its first group, or all of its match. Without it, the column
            `patient` of the folder's `cases.csv`, if there is one.

    Raises:
        InputError: A file is wrong; the message names it.
    """
    if folder is None:
        dataset = load_phantoms(
            config.data.phantoms,
            config.data.phantom_seed,
            config.lungs,
            config.data.size,
            soft_masks=config.data.soft_masks,
            target=config.target,
        )
    else:
        dataset = load_directory(
            Path(folder),
            config.lungs,
            config.data.size,
            soft_masks=config.data.soft_masks,
            target=config.target,
            allow_duplicates=config.allow_duplicates,
        )
    if patient_pattern is not None:
        dataset = with_patients(dataset, patient_pattern)
    return dataset


def split_cases(dataset: Dataset, config: Config) -> tuple[FoldCases, ...]:
    """Split a data set into the folds of the cross-validation. Paper: IV-A.

    Args:
        dataset: The cases.
        config: Its `seed`, `data` and `reduced` determine the split. The cases of a
            patient stay together.

    Returns:
        The folds. Each has `training` and `validation` cases, and a held-out `test` set
        that only `evaluate` gets.

    Raises:
        InputError: There are too few cases, or a picture is in two parts of the split.
    """
    folds = make_folds(dataset.case_ids, config, dataset.table)
    unlabelled = {each.case_id: each.image for each in dataset.unlabelled}
    images = {case.case_id: case.image for case in dataset.cases} | unlabelled
    crossings = across_split(find_duplicates(images), folds, unlabelled)
    if crossings and not config.allow_duplicates:
        raise InputError(
            f"{crossings[0]}: the test would use what was trained on: remove one of "
            "each pair, or set Config.allow_duplicates"
        )
    return tuple(select_fold(dataset, fold, reduced=config.reduced) for fold in folds)


def real_pairs(cases: Sequence[Case], config: Config) -> FloatArray:
    """Stack image and mask of real cases, as a `DCGAN` learns them. Paper: III.

    Args:
        cases: n cases.
        config: Its `data.soft_masks` and `gan.pixel_scaling` say how.

    Returns:
        float32 (n, S, S, C + K) in [-1, 1]; first the image's channels.
    """
    from tfgansynth.data import pipelines

    return pipelines.real_pairs(
        cases, soft_masks=config.data.soft_masks, scaling=config.gan.pixel_scaling
    )


def pair_batches(pairs: FloatArray, *, batch: int, seed: int = 0) -> Any:
    """Serve mini-batches of pairs without end, to fit a `DCGAN` on.

    Every pair comes once before any comes again. A batch may be larger than the number
    of pairs.

    Args:
        pairs: float32 (n, S, S, C + K) in [-1, 1], as `real_pairs` gives them.
        batch: Pairs in a mini-batch.
        seed: Determines the order.

    Returns:
        A `tf.data.Dataset` of float32 (batch, S, S, C + K).
    """
    from tfgansynth.data.pipelines import gan_pairs

    return gan_pairs(pairs, batch=batch, seed=seed)


def draw_set(
    gan: "DCGAN",
    config: Config,
    fold: FoldCases,
    *,
    count: int | None = None,
    seed: int = 0,
) -> SyntheticSet:
    """Draw a synthetic set: distinct images with clean masks. Paper: IV-B.

    Args:
        gan: A trained GAN.
        config: Its `synthesis` says how near-duplicates are found and masks are
            cleaned. Its pseudo-labels and augmentation are not applied.
        fold: The fold that the GAN was trained on: where the settings say `auto`, masks
            are cleaned as its training masks are.
        count: Number of pairs; `config.synthesis.count` without it.
        seed: Determines the noise.

    Returns:
        The set: `images`, uint8 (n, S, S[, 3]), and `masks`, uint8 (n, S, S), class
        indices.

    Raises:
        ModeCollapseError: Too few of the drawn pairs are distinct.
        EmptyMasksError: Most of their masks are empty.
    """
    generator = gan.sampling_generator()
    numbers = config.synthesis
    if count is not None:
        numbers = dataclasses.replace(numbers, count=count)
    return sampling.draw_set(
        generator.sample,
        numbers,
        z_dim=config.gan.z_dim,
        z_seed=seed,
        rules=fold_rules(config, fold),
        **sampling.as_in_training(fold.training, numbers.count),
    )


def unet_arrays(
    cases: Sequence[Case] = (), synthetic: SyntheticSet | None = None
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Make arrays to fit a U-Net on: real cases, a synthetic set, or both.

    Returns:
        Images, float32 (n, S, S, C) in [-1, 1], and classes, int32 (n, S, S): 0 for
        the background.

    Raises:
        ValueError: Neither cases nor a set are given.
    """
    from tfgansynth.data.pipelines import network_inputs

    parts = []
    if cases:
        parts.append(network_inputs(*images_and_labels(cases)))
    if synthetic is not None:
        images = synthetic.images.astype(np.float32)
        parts.append(network_inputs(images, synthetic.masks))
    if not parts:
        raise ValueError("expected cases or a synthetic set, got neither")
    stacks = zip(*parts, strict=True)
    images, classes = map(np.concatenate, stacks)
    return images, classes


def evaluate(
    unet: "keras.Model", fold: FoldCases, *, regime: str, seed: int = 0
) -> list[CaseResult]:
    """Measure a U-Net on the held-out test set of a fold. Paper: IV-B.

    Args:
        unet: A trained U-Net.
        fold: The fold that it was trained on.
        regime: What it was trained on, in a few words: its name in `compare`.
        seed: Seed of the experiment, if there are several.

    Returns:
        For each test case Dice, Hausdorff distance, its 95th percentile, and average
        symmetric surface distance; of several classes their means.

    Raises:
        InputError: A test case is among the training or validation cases.
    """
    from tfgansynth.segmentation.unet import predict_masks

    used = case_hashes([*fold.training, *fold.validation])
    test = fold.test.release(used, to=regime, allow_duplicates=False)
    images, truths = images_and_labels(test)
    predictions, n_classes = predict_masks(unet, images), unet.output_shape[-1] - 1
    return [
        CaseResult(
            seed=seed,
            fold=fold.number,
            case_id=case.case_id,
            regime=regime,
            metrics=mean_metrics(measure_classes(prediction, truth, n_classes)),
        )
        for case, prediction, truth in zip(test, predictions, truths, strict=True)
    ]
