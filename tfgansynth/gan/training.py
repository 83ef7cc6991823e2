"""Training one GAN: the loop, its checkpoints, its samples and its records."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.histogram.metadata import create_summary_metadata

from tfgansynth import checkpoints, pictures, storage
from tfgansynth.config import GANConfig
from tfgansynth.data.pipeline import endless_batches
from tfgansynth.devices import compile_step
from tfgansynth.errors import InputError
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.networks import Generator
from tfgansynth.pixels import ByteArray, FloatArray, split_pair
from tfgansynth.progress import Progress, duration
from tfgansynth.seeds import derive_seed
from tfgansynth.stopwatch import RECORDS, START_UP, STEPS, Stopwatch

_GRID_COLUMNS, _GRID_ROWS = 8, 2
_HISTOGRAM_BINS = 30
_STEPS_TO_ANNOUNCE = 4
"""Steps after which the time that training takes is worth saying."""


def train_gan(
    pairs: FloatArray,
    config: GANConfig,
    *,
    mask_threshold: int,
    seed: int,
    folder: Path,
    origin: Mapping[str, Any],
    watch: Stopwatch | None = None,
) -> DCGAN:
    """Train a GAN to its last step, going on from its newest checkpoint.

    Args:
        pairs: float32 (n, S, S, 2) in [-1, 1], the real training pairs.
        config: The GAN's numbers.
        mask_threshold: Grey value from which a mask pixel is drawn as foreground.
        seed: Of initial weights, data order, noise and augmentation.
        folder: Takes `checkpoints/`, `samples/` and `tensorboard/`.
        origin: What the pairs and the configuration are; saved with the weights.
        watch: Takes the time of start-up, input, steps and records.

    Returns:
        The trained GAN.
    """
    watch = watch or Stopwatch()
    with watch.part(START_UP):
        gan = DCGAN(config, size=pairs.shape[1], seed=seed)
        first = load_checkpoint(gan, folder, origin)
    if first == config.steps:
        return gan
    if first:
        print(f"GAN: going on after step {first} of {config.steps}")
    batches = endless_batches(
        pairs,
        batch=config.batch,
        seed=derive_seed(seed, "batches"),
        first_step=first,
    )
    step_function = compile_step(gan.train_step)
    recorder = _Recorder(gan, folder, mask_threshold)
    if not first:
        with watch.part(RECORDS):
            recorder.samples(0)
    with (
        _saved_on_interrupt(gan, folder, origin),
        Progress("GAN step", config.steps) as progress,
    ):
        for step, real in enumerate(watch.waits(batches), start=first + 1):
            logged = step % config.log_every == 0
            sampled = step % config.sample_every == 0 or step == config.steps
            with watch.call(STEPS):
                scalars = step_function(real)
                if logged or sampled:
                    # Waits for a GPU, so that its steps do not count as records.
                    scalars = {name: float(value) for name, value in scalars.items()}
            with watch.part(RECORDS):
                if logged:
                    recorder.scalars(step, scalars, 1 / progress.seconds_per_step)
                progress.update(step)
                if step == first + _STEPS_TO_ANNOUNCE:
                    _announce(progress, config.steps - step)
                if sampled:
                    recorder.samples(step)
                    checkpoints.save(folder / "checkpoints", step, gan.state(), origin)
            if step == config.steps:
                break
    return gan


def load_gan(
    config: GANConfig, *, size: int, seed: int, folder: Path, origin: Mapping[str, Any]
) -> DCGAN:
    """Load a GAN that has been trained to its last step.

    Raises:
        InputError: Training has not come to its end in this folder.
    """
    gan = DCGAN(config, size=size, seed=seed)
    step = load_checkpoint(gan, folder, origin)
    if step < config.steps:
        raise InputError(
            f"{folder}: its GAN is at step {step} of {config.steps}: "
            "run tools/train_gan.py with the same options first"
        )
    return gan


def is_trained(config: GANConfig, folder: Path, origin: Mapping[str, Any]) -> bool:
    """Whether a fully trained GAN lies in this folder, and can be read."""
    arrays = checkpoints.load_newest(folder / "checkpoints", origin)
    return arrays is not None and int(arrays["step"]) == config.steps


def load_checkpoint(gan: DCGAN, folder: Path, origin: Mapping[str, Any]) -> int:
    """Set all variables of a GAN from its newest checkpoint.

    Returns:
        The step it was written at; 0 if there is none.

    Raises:
        InputError: It is of other networks, or of a longer training.
    """
    arrays = checkpoints.load_newest(folder / "checkpoints", origin)
    if arrays is None:
        return 0
    checkpoints.restore(gan.state(), arrays, folder)
    step = int(gan.step)
    if step > gan.config.steps:
        raise InputError(
            f"{folder}: its GAN is at step {step}, beyond the {gan.config.steps} "
            "configured: name another --out"
        )
    return step


def sample_bytes(generator: Generator, z: Any) -> tuple[ByteArray, ByteArray]:
    """Sample with the moments of this batch, as the paper's chain does.

    Args:
        generator: The generator.
        z: float32 (m, z_dim).

    Returns:
        uint8 images and uint8 grey masks, each (m, S, S).
    """
    return split_pair(np.asarray(generator(z, training=True)))


@contextlib.contextmanager
def _saved_on_interrupt(
    gan: DCGAN, folder: Path, origin: Mapping[str, Any]
) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        # A step runs inside one compiled call, which no signal cuts in two.
        step = int(gan.step)
        checkpoints.save(folder / "checkpoints", step, gan.state(), origin)
        print(f"GAN: checkpoint of step {step} written")
        raise


def _announce(progress: Progress, steps_left: int) -> None:
    rate = progress.seconds_per_step
    print(
        f"GAN: about {duration(rate * steps_left)} for {steps_left} steps here; "
        "Ctrl-C stops, the same command goes on from the last checkpoint",
        flush=True,
    )


def _write_histogram(tag: str, values: FloatArray) -> None:
    """Write what `tf.summary.histogram` does, which holds 30 times the values."""
    counts, edges = np.histogram(values, bins=_HISTOGRAM_BINS)
    buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
    tf.summary.write(tag, buckets, metadata=create_summary_metadata(None, None))


@dataclasses.dataclass(slots=True)
class _Recorder:
    """Writes what a person wants to see of a training: TensorBoard and PNG."""

    gan: DCGAN
    folder: Path
    mask_threshold: int
    writer: Any = None

    def __post_init__(self) -> None:
        self.writer = tf.summary.create_file_writer(str(self.folder / "tensorboard"))

    def scalars(
        self, step: int, scalars: dict[str, Any], steps_per_second: float
    ) -> None:
        with self.writer.as_default(step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
            tf.summary.scalar("steps_per_second", steps_per_second)

    def samples(self, step: int) -> None:
        """Always the same z, so that the grids show one place change."""
        count = _GRID_COLUMNS * _GRID_ROWS
        rng = np.random.default_rng(0)
        z = rng.uniform(-1, 1, (count, self.gan.config.z_dim)).astype(np.float32)
        images, grey = sample_bytes(self.gan.sampling_generator(), z)
        with self.writer.as_default(step):
            for name, picture in self._pictures(images, grey):
                tf.summary.image(name, picture[None])
            for weight in self.gan.generator.trainable_variables:
                _write_histogram(f"weights/{weight.path}", np.asarray(weight))
        self.writer.flush()
        path = self.folder / "samples" / f"step-{step:06d}.png"
        masks = grey >= self.mask_threshold
        storage.write_png(
            path, pictures.pairs_sheet(images, masks, columns=_GRID_COLUMNS)
        )

    def _pictures(
        self, images: ByteArray, grey: ByteArray
    ) -> Iterator[tuple[str, ByteArray]]:
        masks = grey >= self.mask_threshold
        plain = [pictures.enlarge(image, 1) for image in images]
        grey_masks = [pictures.enlarge(mask, 1) for mask in grey]
        drawn = [pictures.outline(i, m) for i, m in zip(images, masks, strict=True)]
        for name, tiles in (("image", plain), ("mask", grey_masks), ("outline", drawn)):
            yield f"samples/{name}", pictures.grid(tiles, _GRID_COLUMNS)
