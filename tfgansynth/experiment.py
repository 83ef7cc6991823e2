"""The experiment, from cases to table. Paper: section IV.

Each stage of a fold looks whether its result is there, makes it if not, and leaves
it complete in the run folder: a chain that was interrupted goes on where it was.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth import checkpoints, pictures, storage
from tfgansynth.config import Config, Precision
from tfgansynth.data.dataset import Case, images_and_masks
from tfgansynth.data.folds import Fold
from tfgansynth.data.pipeline import real_pairs
from tfgansynth.errors import InputError
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.metrics import measure
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.export import compare_frozen, export_generator, freeze_moments
from tfgansynth.gan.exported import open_exported
from tfgansynth.gan.training import is_trained, load_gan, sample_bytes, train_gan
from tfgansynth.keras_files import save_keras
from tfgansynth.machine import describe_machine
from tfgansynth.materials import Experiment
from tfgansynth.pixels import ByteArray, FloatArray, MaskArray
from tfgansynth.precision import explain_precision, resolve_precision
from tfgansynth.progress import duration
from tfgansynth.runs import Run
from tfgansynth.seeds import derive_seed
from tfgansynth.segmentation.training import Labelled, history_to_csv, train_unet
from tfgansynth.segmentation.unet import plain_twin, predict_masks
from tfgansynth.stopwatch import (
    EVALUATION,
    PREDICTION,
    RECORDS,
    START_UP,
    Stopwatch,
    shares,
    stages_table,
)
from tfgansynth.synthesis.sampling import Sampler, draw_set, read_set, write_set


def ensure_gan(experiment: Experiment, fold: Fold) -> None:
    """Train the fold's GAN on its real training pairs. Paper: III, IV-B."""
    config, run = experiment.config, experiment.run
    stage, folder = f"fold-{fold.number}/gan", run.gan(fold.number)
    if is_trained(config.gan, folder):
        return
    ids = experiment.training_ids(fold)
    print(f"FOLD {fold.number}: training the GAN on {len(ids)} real pairs")
    with _timed(run, stage) as watch:
        with watch.part(START_UP):
            _tell_precision(run, stage, "GAN", config.gan.precision, folder)
        train_gan(
            real_pairs(
                experiment.dataset.select(ids), soft_masks=config.data.soft_masks
            ),
            config.gan,
            mask_threshold=config.synthesis.mask_threshold,
            seed=_gan_seed(config, fold),
            folder=folder,
            watch=watch,
        )


def trained_gan(experiment: Experiment, fold: Fold) -> DCGAN:
    """Load the fold's fully trained GAN.

    Raises:
        InputError: Its training has not come to its end.
    """
    config = experiment.config
    return load_gan(
        config.gan,
        size=config.data.size,
        seed=_gan_seed(config, fold),
        folder=experiment.run.gan(fold.number),
    )


def _gan_seed(config: Config, fold: Fold) -> int:
    return derive_seed(config.seed, "gan", fold.number)


def ensure_synthetic_set(experiment: Experiment, fold: Fold) -> None:
    """Draw the fold's synthetic set from its GAN. Paper: IV-B."""
    run, stage = experiment.run, f"fold-{fold.number}/synthetic"
    folder = run.synthetic(fold.number)
    if folder.exists():
        return
    with _timed(run, stage) as watch:
        with watch.part(START_UP):
            gan = trained_gan(experiment, fold)
        precision = resolve_precision(experiment.config.gan.precision)
        run.add_machine(stage, describe_machine(), precision=precision, done=0)
        _draw_set(experiment, fold, gan, folder)


def draw_separate_set(
    experiment: Experiment, fold: Fold, count: int, exported: Path | None
) -> None:
    """Draw a set apart from the run's own: of another size or another generator.

    Args:
        experiment: Its configuration but for the count applies.
        fold: The fold whose GAN is sampled.
        count: Pairs to draw.
        exported: Sample this exported generator instead.

    Raises:
        InputError: The set exists, or cannot be drawn.
    """
    synthesis = dataclasses.replace(experiment.config.synthesis, count=count)
    config = dataclasses.replace(experiment.config, synthesis=synthesis)
    run = dataclasses.replace(experiment.run, config=config)
    experiment = dataclasses.replace(experiment, run=run)
    folder = run.fold(fold.number) / f"synthetic-{count}"
    if exported is None:
        _draw_set(experiment, fold, trained_gan(experiment, fold), folder)
        return
    found = open_exported(exported)
    sha256 = found.origin["generator_sha256"]
    folder = folder.with_name(f"{folder.name}-{sha256[:8]}")
    _write_set(experiment, fold, found.sample, found.z_dim, found.origin, folder)


def _draw_set(experiment: Experiment, fold: Fold, gan: DCGAN, folder: Path) -> None:
    generator = gan.sampling_generator()

    def sampler(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        return sample_bytes(generator, z)

    origin = _origin(experiment, fold, generator.get_weights())
    z_dim = experiment.config.gan.z_dim
    _write_set(experiment, fold, sampler, z_dim, origin, folder)


def _origin(
    experiment: Experiment, fold: Fold, weights: Sequence[NDArray[Any]]
) -> dict[str, Any]:
    """What a generator, and all that is drawn from it, came from."""
    config = experiment.config
    training = experiment.dataset.select(experiment.training_ids(fold))
    return {
        "dataset": experiment.dataset.record(),
        "preset": config.preset,
        "reduced": config.reduced,
        "lungs": config.lungs,
        "fold": fold.number,
        "seed": config.seed,
        "step": config.gan.steps,
        "generator_sha256": storage.hash_arrays(weights),
        "training_cases": {case.case_id: case.content_hash for case in training},
    }


def _write_set(
    experiment: Experiment,
    fold: Fold,
    sampler: Sampler,
    z_dim: int,
    origin: dict[str, Any],
    folder: Path,
) -> None:
    if folder.exists():
        raise InputError(f"{folder}: exists already: remove or rename it first")
    config = experiment.config
    z_seed = derive_seed(config.seed, "synthesis", fold.number)
    synthetic = draw_set(
        sampler,
        config.synthesis,
        z_dim=z_dim,
        z_seed=z_seed,
        components=config.mask_components,
    )
    numbers = {
        "z_seed": z_seed,
        "mask_components": config.mask_components,
        "synthesis": dataclasses.asdict(config.synthesis),
    }
    write_set(synthetic, {**origin, **numbers}, folder)
    print(
        f"SYNTHETIC SET: {len(synthetic.draws)} pairs of {synthetic.n_drawn} drawn "
        f"({synthetic.n_similar} almost identical, {synthetic.n_empty} with an empty "
        f"mask), in {folder}"
    )


def export_fold_generator(experiment: Experiment, fold: Fold) -> None:
    """Export the fold's generator with frozen moments and a model card."""
    config = experiment.config
    generator = trained_gan(experiment, fold).sampling_generator()
    origin = _origin(experiment, fold, generator.get_weights())
    seed = derive_seed(config.seed, "export", fold.number)
    freeze_moments(generator, seed=seed)
    report = compare_frozen(
        generator,
        batch=config.synthesis.batch,
        mask_threshold=config.synthesis.mask_threshold,
        seed=derive_seed(seed, "compare"),
    )
    folder = experiment.run.gan(fold.number)
    export_generator(generator, origin, report, folder)
    print(
        f"FROZEN MOMENTS: over {report.n_population} z; against the batch's own, on "
        f"{report.n_compared} z: images differ by {report.image_difference:.2f} of 255 "
        f"grey levels on average, {report.mask_agreement:.2%} of mask pixels agree"
    )
    print(f"EXPORT: {folder / 'generator'}, generator.keras, model_card.md")


def ensure_unet(
    experiment: Experiment, fold: Fold, n_real: int, n_synthetic: int
) -> list[tables.CaseRow]:
    """Train one U-Net and evaluate it on the fold's test cases. Paper: IV-B, IV-C.

    Args:
        experiment: The experiment.
        fold: Its training, validation and test cases are used as such.
        n_real: Real training pairs, drawn from the fold's by seed.
        n_synthetic: Synthetic training pairs, the first of the fold's set.

    Returns:
        The metrics of every test case.

    Raises:
        InputError: There are not so many pairs.
    """
    run, config = experiment.run, experiment.config
    folder = run.unet(fold.number, n_real, n_synthetic)
    cases_path = folder / "cases.csv"
    if cases_path.exists():
        return tables.read_cases(cases_path)
    training = _training_pairs(experiment, fold, n_real, n_synthetic)
    stage = f"fold-{fold.number}/{folder.name}"
    with _timed(run, stage) as watch:
        with watch.part(START_UP):
            _tell_precision(run, stage, "U-Net", config.unet.precision, folder)
        unet, history = train_unet(
            training,
            _labelled(experiment.dataset.select(fold.validation)),
            config.unet,
            seed=derive_seed(config.seed, "unet", fold.number),
            folder=folder,
            label=f"fold {fold.number}, {n_real} real + {n_synthetic} synthetic:",
            watch=watch,
        )
        print(f"{folder.name}: stopped after {len(history)} epochs")
        with watch.part(RECORDS):
            storage.write_text(folder / "history.csv", history_to_csv(history))
            save_keras(plain_twin(unet, config.unet), folder / "model.keras")
        test = experiment.dataset.select(fold.test)
        with watch.part(PREDICTION):
            predictions = predict_masks(unet, images_and_masks(test)[0])
        with watch.part(EVALUATION):
            rows = evaluate(test, predictions, fold.number, n_real, n_synthetic)
            picture = _predictions_picture(test, predictions, rows)
            storage.write_png(folder / "predictions.png", picture)
            # Last, since this file says that the U-Net is done.
            storage.write_text(cases_path, tables.cases_to_csv(rows))
    return rows


def evaluate(
    test: Sequence[Case],
    predictions: MaskArray,
    fold_number: int,
    n_real: int,
    n_synthetic: int,
) -> list[tables.CaseRow]:
    """Measure predictions of a U-Net against the true masks of its test cases.

    Args:
        test: n cases.
        predictions: bool (n, S, S).
        fold_number: The fold whose cases these are, from 1.
        n_real: Real training pairs of the U-Net.
        n_synthetic: Its synthetic ones.
    """
    return [
        tables.CaseRow(
            fold=fold_number,
            case_id=case.case_id,
            n_real=n_real,
            n_synthetic=n_synthetic,
            metrics=measure(prediction, case.mask),
        )
        for case, prediction in zip(test, predictions, strict=True)
    ]


def _training_pairs(
    experiment: Experiment, fold: Fold, n_real: int, n_synthetic: int
) -> Labelled:
    config = experiment.config
    ids = experiment.training_ids(fold)
    if not 0 <= n_real <= len(ids):
        raise InputError(
            f"--real {n_real}: fold {fold.number} has {len(ids)} real training cases"
        )
    parts = []
    if n_real:
        rng = np.random.default_rng(derive_seed(config.seed, "real", fold.number))
        drawn = rng.permutation(ids)[:n_real]
        parts.append(_labelled(experiment.dataset.select([str(i) for i in drawn])))
    if n_synthetic:
        folder = experiment.run.synthetic(fold.number)
        if not folder.exists():
            raise InputError(
                f"{folder}: no synthetic set yet: run tools/synthesize.py with the "
                "same options first"
            )
        images, masks = read_set(folder)
        if n_synthetic > len(images):
            raise InputError(
                f"--synthetic {n_synthetic}: the set in {folder} has {len(images)}"
            )
        parts.append(Labelled(images[:n_synthetic], masks[:n_synthetic]))
    if not parts:
        raise InputError("--real 0 --synthetic 0: there is nothing to train on")
    return Labelled(
        images=np.concatenate([part.images for part in parts]),
        masks=np.concatenate([part.masks for part in parts]),
    )


def _labelled(cases: Sequence[Case]) -> Labelled:
    return Labelled(*images_and_masks(cases))


def _predictions_picture(
    test: Sequence[Case], predictions: MaskArray, rows: Sequence[tables.CaseRow]
) -> ByteArray:
    """The best, the median and the worst case by Dice, truth and answer outlined."""
    order = np.argsort([-row.metrics.dice for row in rows], kind="stable")
    chosen = {
        "best": order[0],
        "median": order[len(order) // 2],
        "worst": order[-1],
    }
    tiles = []
    for name, index in chosen.items():
        case = test[index]
        image = np.rint(case.image).astype(np.uint8)
        drawn = pictures.outline(image, case.mask, pictures.TRUTH, scale=4)
        drawn = pictures.outline(drawn, predictions[index], pictures.PREDICTION)
        found = rows[index].metrics
        text = f"{name}: {case.case_id}, Dice {found.dice:.4f}"
        text += f", HD {found.hausdorff_px:.1f} px (green truth, red U-Net)"
        tiles.append(pictures.caption(drawn, text))
    return pictures.grid(tiles, columns=len(tiles))


def arms(experiment: Experiment, fold: Fold) -> list[tuple[int, int]]:
    """The rows of the paper's tables as (n_real, n_synthetic). Paper: IV-C."""
    n_real = len(experiment.training_ids(fold))
    n_synthetic = experiment.config.synthesis.count
    return [(n_real, 0), (n_real, n_synthetic), (0, n_synthetic)]


def run_table(experiment: Experiment, fold_numbers: Sequence[int]) -> tables.Table:
    """Run the whole chain over some folds; print and write the table as it grows."""
    folds = [experiment.fold(number) for number in sorted(set(fold_numbers))]
    rows: list[tables.CaseRow] = []
    for fold in folds:
        ensure_gan(experiment, fold)
        ensure_synthetic_set(experiment, fold)
        for n_real, n_synthetic in arms(experiment, fold):
            rows += ensure_unet(experiment, fold, n_real, n_synthetic)
            table = _write_table(experiment, folds, rows)
            print(f"\n{tables.to_text(table)}")
    print(stages_table(storage.read_json(experiment.run.timings_path)))
    return table


def _write_table(
    experiment: Experiment, folds: Sequence[Fold], rows: Sequence[tables.CaseRow]
) -> tables.Table:
    config, dataset, root = experiment.config, experiment.dataset, experiment.run.root
    table = tables.Table(
        title=(
            "Table II: the reduced training set"
            if config.reduced
            else "Table I: the full training set"
        ),
        dataset_name=dataset.name,
        is_phantom=dataset.is_phantom,
        is_paper_data=dataset.is_paper_data,
        target={"both": "both lungs"}.get(config.lungs, f"{config.lungs} lung"),
        image_size=config.data.size,
        reduced=config.reduced,
        preset=config.preset,
        seed=config.seed,
        folds=tuple(fold.number for fold in folds),
        n_test_cases=sum(len(fold.test) for fold in folds),
        rows=tables.aggregate(rows),
    )
    record = {**tables.to_json(table), "dataset": dataset.record()}
    storage.write_json(root / "table.json", record)
    storage.write_text(root / "table.csv", tables.to_csv(table))
    storage.write_text(root / "table.md", tables.to_markdown(table))
    return table


def summary(rows: Sequence[tables.CaseRow]) -> str:
    """Say in one line how a U-Net did on its test cases."""
    (row,) = tables.aggregate(rows)
    means = [
        f"{heading} {getattr(row, name).mean:.4f}"
        for name, heading in tables.METRIC_HEADINGS.items()
    ]
    return f"TEST: {row.n_cases} cases, mean {', '.join(means)}"


@contextlib.contextmanager
def _timed(run: Run, stage: str) -> Iterator[Stopwatch]:
    """Say how long a stage took, and for what; add it to the run's `timings.json`."""
    watch = Stopwatch()
    try:
        yield watch
    finally:
        timings = watch.timings(stage)
        run.add_seconds(timings)
        parts = shares(timings[stage], watch.seconds)
        print(f"TIME: {stage} {duration(timings[stage])}{parts and f': {parts}'}")


def _tell_precision(
    run: Run, stage: str, network: str, precision: Precision, folder: Path
) -> None:
    """Say and record in which number format a network is trained from here on."""
    print(f"{network}: {explain_precision(precision)}")
    resolved = resolve_precision(precision)
    done = checkpoints.newest_step(folder / "checkpoints")
    earlier = run.add_machine(stage, describe_machine(), precision=resolved, done=done)
    if earlier and earlier[-1]["precision"] != resolved:
        unit = "step" if network == "GAN" else "epoch"
        print(
            f"{network}: was trained in {earlier[-1]['precision']} up to {unit} "
            f"{done}, goes on in {resolved}"
        )
