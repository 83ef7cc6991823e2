"""Training one GAN by `fit`, and loading it again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgansynth.arrays import FloatArray
from tfgansynth.config import GANConfig
from tfgansynth.data.pipelines import AugmentPair, gan_pairs
from tfgansynth.errors import InputError
from tfgansynth.gan import callbacks, recording
from tfgansynth.gan.callbacks import load_checkpoint
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.health import History
from tfgansynth.runtime.progress import Progress, remark
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import START_UP
from tfgansynth.seeds import derive_seed


def train_gan(
    pairs: FloatArray,
    validation: FloatArray,
    config: GANConfig,
    stage: Stage,
    *,
    mask_threshold: int,
    channels: int = 1,
    augment: AugmentPair | None = None,
) -> tuple[DCGAN, History]:
    """Train a GAN to its last step, or resume its training from its newest checkpoint.

    Args:
        pairs: float32 (n, S, S, C + K) in [-1, 1], the real training pairs.
        validation: float32 (n, S, S, C + K) in [-1, 1], the fold's validation pairs.
            Only the curves of fidelity depend on them: no weight, sample or stop does.
        config: The GAN's settings.
        stage: Its folder gets `checkpoints/`, `samples/`, `tensorboard/` and
            `history.csv`.
        mask_threshold: Grey value from which a mask pixel is drawn as foreground.
        channels: C, those of the images.
        augment: Augments each training pair each time it is served.

    Returns:
        The trained GAN, and what was measured in its training.

    Raises:
        RunError: A loss or a weight is NaN or infinite. The last checkpoint, which
            is good, stays.
    """
    log = recording.TrainingLog(stage.folder)
    checkpoint = callbacks.ExactCheckpoint(log, stage.provenance)
    with stage.timer.part(START_UP):
        n_cases, size, _, in_all = pairs.shape
        gan = DCGAN(
            config,
            size=size,
            seed=stage.seed,
            n_cases=n_cases,
            channels=channels,
            classes=in_all - channels,
        )
        gan.compile()
        gan.set_cases(pairs)
        checkpoint.restore(gan)
    first = int(gan.step)
    if first == config.steps:
        return gan, log.history
    if first:
        remark(f"resumed after step {first} of {config.steps}")
    batches = gan_pairs(
        pairs,
        batch=config.batch,
        seed=derive_seed(stage.seed, "batches"),
        first_step=first,
        augment=augment,
    )
    with log, checkpoint, Progress(f"{stage.label} step", config.steps) as progress:
        used = [
            callbacks.StepTimer(stage.timer),
            log,
            callbacks.ShowProgress(progress, log),
            recording.SampleGrid(log, pairs, mask_threshold),
            recording.Fidelity(log, validation),
            checkpoint,
        ]
        gan.fit(
            batches,
            steps_per_epoch=config.steps - first,
            callbacks=callbacks.Callbacks(used, add_history=True, model=gan),
            shuffle=False,
            verbose=0,
        )
    return gan, log.history


def load_gan(
    config: GANConfig,
    *,
    seed: int,
    folder: Path,
    provenance: Mapping[str, Any],
    **shape: int,
) -> DCGAN:
    """Load a GAN that has been trained to its last step.

    The shape is `size`, `n_cases`, `channels` and `classes`, as for `DCGAN`.

    Raises:
        InputError: Its training in this folder is not finished.
    """
    gan = DCGAN(config, seed=seed, **shape)
    gan.compile()
    load_checkpoint(gan, folder, provenance)
    step = int(gan.step)
    if step < config.steps:
        raise InputError(
            f"{folder}: its GAN is at step {step} of {config.steps}: "
            "run train-gan with the options of the run first"
        )
    return gan
