"""Training one U-Net by `fit` until the paper's stopping rule ends it."""

import contextlib
from collections.abc import Iterator, Sequence

import keras

from tfgansynth.config import UNetConfig
from tfgansynth.data.pipelines import Augment, LabelledImages, labelled_pairs, whole_set
from tfgansynth.errors import RunError
from tfgansynth.runtime import checkpoints
from tfgansynth.runtime.progress import Progress
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.tensorboard import UNET_FILE_NAME, EventLog
from tfgansynth.runtime.timing import START_UP
from tfgansynth.seeds import derive_seed
from tfgansynth.segmentation.callbacks import (
    CHECKPOINTS,
    EpochRecords,
    MeasureTime,
    StopOnRisingAverage,
    ValidateAverages,
    load_checkpoint,
)
from tfgansynth.segmentation.history import (
    Epoch,
    is_over,
    most_epochs,
    pretraining_epochs,
    steps_per_epoch,
)
from tfgansynth.segmentation.unet import UNet, build_unet

TENSORBOARD = "tensorboard"
"""Folder of the curves in that of the stage."""


def train_unet(
    training: LabelledImages,
    validation: LabelledImages,
    config: UNetConfig,
    stage: Stage,
    *,
    classes: int = 1,
    augment: Augment | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[UNet, list[Epoch]]:
    """Train a U-Net, resuming from its newest checkpoint.

    Args:
        training: All pairs to train on.
        validation: Real cases that decide when to stop.
        config: The network's and the training's numbers.
        stage: Its folder takes `checkpoints/` and `tensorboard/`.
        classes: Without the background.
        augment: Augments each mini-batch.
        callbacks: More callbacks for `fit`; they come before the training's own.

    Returns:
        The U-Net with the weights that the configuration keeps, and its history.

    Raises:
        RunError: An error or a weight is NaN or infinite. The last epoch without is
            saved and stays.
    """
    n_pairs, size, _, *more = training.images.shape
    with stage.timer.part(START_UP):
        unet = build_unet(
            config,
            size=size,
            seed=derive_seed(stage.seed, "weights"),
            channels=more[0] if more else 1,
            classes=classes,
        )
        unet.compile()
        history, best, events_size = load_checkpoint(unet, stage)
    if not is_over(history, config, n_pairs):
        done = len(history)
        steps, epochs = steps_per_epoch(config, n_pairs), most_epochs(config, n_pairs)
        pairs = labelled_pairs(
            training,
            batch=config.batch,
            seed=derive_seed(stage.seed, "batches"),
            first_batch=done * steps,
            real_share=config.real_share,
            pretraining=config.pretraining_steps,
            augment=augment,
        )
        stopping = StopOnRisingAverage(
            unet.monitor,
            window=config.stop_window,
            go_on_while_falling=config.go_on_while_falling,
            min_steps=config.min_steps,
            earlier=[entry.validation_error for entry in history],
        )
        with (
            EventLog(stage.folder / TENSORBOARD, events_size, UNET_FILE_NAME) as events,
            Progress(
                f"{stage.label} epoch", epochs, may_end_early=not config.fixed_steps
            ) as progress,
        ):
            first_kept = pretraining_epochs(config)
            records = EpochRecords(stage, history, best, events, progress, first_kept)
            with _saved_when_stopped(records, stage):
                unet.fit(
                    pairs,
                    steps_per_epoch=steps,
                    initial_epoch=done,
                    epochs=epochs,
                    validation_data=whole_set(validation),
                    callbacks=[
                        *callbacks,
                        MeasureTime(stage.timer),
                        ValidateAverages(),
                        records,
                        *([] if config.fixed_steps else [stopping]),
                    ],
                    shuffle=False,
                    verbose=0,
                )
        best = records.best
    if config.keep == "best":
        unet.set_weights(best)
    else:
        unet.take_averages()
    return unet, history


@contextlib.contextmanager
def _saved_when_stopped(records: EpochRecords, stage: Stage) -> Iterator[None]:
    """Save the last whole epoch if `fit` is interrupted or diverges."""
    name = stage.folder.name
    try:
        yield
    except KeyboardInterrupt:
        records.save()
        raise
    except FloatingPointError as fault:
        records.save()
        kept = checkpoints.newest_step(stage.folder / CHECKPOINTS)
        left = f"the checkpoint of epoch {kept} is kept" if kept else "nothing is saved"
        raise RunError(
            f"{name}: {fault}: training stopped; {left}; try a lower "
            "--unet.learning-rate with another --out"
        ) from fault
