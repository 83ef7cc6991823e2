"""What all U-Nets of a fold share: training into a folder, and its mark when done."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfgansynth.config import Config, UNetConfig
from tfgansynth.config_checks import require_same
from tfgansynth.data.augmentation import augment
from tfgansynth.data.dataset import Case, images_and_masks
from tfgansynth.data.held_out import FoldCases
from tfgansynth.data.pipelines import Augment, LabelledImages
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.paths import HISTORY, MODEL, PROVENANCE
from tfgansynth.experiment.provenance import Provenance
from tfgansynth.experiment.stages import tell_precision, timed
from tfgansynth.runtime import storage
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import RECORDS, START_UP, Timer
from tfgansynth.segmentation.history import history_to_csv
from tfgansynth.segmentation.training import train_unet
from tfgansynth.segmentation.unet import save_unet


def train_in_folder(
    experiment: Experiment,
    fold: FoldCases,
    training: LabelledImages,
    config: UNetConfig,
    *,
    seed: int,
    folder: Path,
    provenance: Provenance,
    label: str,
    timer: Timer,
) -> Any:
    """Train a U-Net and write its history and model.

    Args:
        experiment: The experiment.
        fold: Its validation cases are used as such.
        training: All pairs to train on.
        config: The network's and the training's numbers.
        seed: Of initial weights and data order.
        folder: Where it goes on after an interruption; a folder of the run.
        provenance: All that goes into it.
        label: Names it in the progress line.
        timer: Takes the time.

    Returns:
        The trained U-Net.
    """
    run = experiment.run
    stage = folder.relative_to(run.root).as_posix()
    with timer.part(START_UP):
        tell_precision(run, stage, "U-Net", config.precision, folder)
    unet, history = train_unet(
        training,
        LabelledImages(*images_and_masks(fold.validation)),
        config,
        Stage(
            folder=folder,
            provenance=provenance,
            seed=seed,
            timer=timer,
            label=label,
        ),
        augment=_augmentation(config, experiment.config),
    )
    print(f"{folder.name}: stopped after {len(history)} epochs")
    with timer.part(RECORDS):
        storage.write_text(folder / HISTORY, history_to_csv(history))
        save_unet(unet, config, folder / MODEL, provenance)
    return unet


def ensure_unet(
    experiment: Experiment,
    fold: FoldCases,
    cases: Sequence[Case],
    config: UNetConfig,
    *,
    seed: int,
    folder: Path,
    provenance: Provenance,
    label: str,
) -> Path:
    """Train a U-Net on real cases, unless it is done; return the path of its model.

    Args:
        experiment: The experiment.
        fold: Its validation cases are used as such.
        cases: What it learns from.
        config: The network's and the training's numbers.
        seed: Of initial weights and data order.
        folder: A folder of the run.
        provenance: All that goes into it.
        label: Names it in the progress line.

    Raises:
        InputError: It was altered, or is another one.
    """
    if not is_done(folder, provenance):
        stage = folder.relative_to(experiment.run.root).as_posix()
        with timed(experiment.run, stage) as timer:
            train_in_folder(
                experiment,
                fold,
                LabelledImages(*images_and_masks(cases)),
                config,
                seed=seed,
                folder=folder,
                provenance=provenance,
                label=label,
                timer=timer,
            )
            mark_done(folder, provenance)
    return folder / MODEL


def _augmentation(config: UNetConfig, whole: Config) -> Augment | None:
    if config.augment == "none":
        return None
    return functools.partial(augment, config=whole.augmentation)


def mark_done(
    folder: Path, provenance: Provenance, results: Sequence[str] = ()
) -> None:
    """Write what a U-Net came from, with the hashes of its files: it is done.

    Args:
        folder: Its folder.
        provenance: All that went into it.
        results: Files that it has besides its history and model.
    """
    files = storage.hash_files(folder, (HISTORY, MODEL, *results))
    storage.write_record(folder / PROVENANCE, {**provenance, "files": files})


def is_done(folder: Path, provenance: Provenance) -> bool:
    """Tell whether a U-Net is done and still what was written.

    Raises:
        InputError: It was altered, or is another one.
    """
    path = folder / PROVENANCE
    if not path.exists():
        return False
    saved = storage.read_record(path)
    storage.require_files(folder, saved.pop("files"))
    require_same(provenance, saved, path)
    return True
