"""What a GAN's training leaves for people: curves, sample grids and fidelity.

These callbacks of `DCGAN.fit` work every `log_every` steps (`TrainingLog`), or every
`sample_every` steps and at the last one (`SampleGrid`, `Fidelity`).
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from tfgansynth import pictures
from tfgansynth.arrays import (
    ByteArray,
    FloatArray,
    largest_class,
    resize_area,
    split_pair,
)
from tfgansynth.config import GANConfig
from tfgansynth.data.similarity import diversity
from tfgansynth.errors import RunError
from tfgansynth.evaluation.generative_metrics import NEIGHBORS, feature_figures
from tfgansynth.gan import health
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.runtime import checkpoints, storage
from tfgansynth.runtime.signals import deferred_signals
from tfgansynth.runtime.tensorboard import EventLog

RATE = "steps_per_second"
"""Name of the step rate in TensorBoard. No history has it: it is the clock's."""
_EVENTS_SIZE = "events_size"
_GRID_COLUMNS, _GRID_ROWS = 8, 2
_LEAST_CASES = 2 * (NEIGHBORS + 1)
"""With fewer, a ball reaches over half of the cases or more."""
_LARGEST_BATCH = 64
_PROBE_SEED = 1


def fixed_latent_vectors(z_dim: int) -> FloatArray:
    """The z of every sample grid: each tile shows how one sample changes."""
    rng = np.random.default_rng(0)
    shape = (_GRID_COLUMNS * _GRID_ROWS, z_dim)
    return rng.uniform(-1, 1, shape).astype(np.float32)


class StepCallback(keras.callbacks.Callback):
    """Counts the steps of a training, also over several epochs and calls of `fit`."""

    first = 0
    """Steps done before this epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Read the step, which is restored by now; call `on_samples` before the first.

        A signal waits until the samples are drawn.
        """
        self.first = int(self.model.step)
        if not self.first:
            with deferred_signals():
                self.on_samples(0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Call `on_step_end`, and `on_samples` where samples are due."""
        step = self.first + batch + 1
        self.on_step_end(step, {} if logs is None else logs)
        if self.samples_at(step):
            self.on_samples(step)

    def on_step_end(self, step: int, scalars: dict[str, Any]) -> None:
        """Do what is due after a step.

        Args:
            step: Steps done since the training began.
            scalars: What `train_step` returned, as tensors or numbers.
        """

    def on_samples(self, step: int) -> None:
        """Do what is due before the first step, every `sample_every` and at the last.

        Args:
            step: Steps done since the training began.
        """

    @property
    def config(self) -> GANConfig:
        """The settings of the GAN that is trained."""
        return self.model.config  # type: ignore[no-any-return]

    def logs_at(self, step: int) -> bool:
        """Whether the scalars of this step are recorded."""
        return step % self.config.log_every == 0

    def samples_at(self, step: int) -> bool:
        """Whether samples and a checkpoint are due after this step."""
        return step % self.config.sample_every == 0 or step == self.config.steps


class TrainingLog(StepCallback):
    """History of a training: in memory, in `history.csv` and for TensorBoard.

    It ends training where a loss or a weight is NaN or infinite. As a context it closes
    TensorBoard's file.

    Args:
        folder: Gets `history.csv` and `tensorboard/`.

    Attributes:
        history: What was measured so far.
        faults: What is wrong by now, a saturated discriminator or mode collapse: a
            sentence by kind, see `health.faults`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.history = health.History()
        self._events: EventLog | None = None
        self._events_size = 0
        self.faults: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close TensorBoard's file."""
        if self._events:
            self._events.__exit__()
            self._events = None

    @property
    def events(self) -> EventLog:
        """TensorBoard's file, opened where the restored training left it."""
        if self._events is None:
            self._events = EventLog(self.folder / "tensorboard", self._events_size)
        return self._events

    def on_step_end(self, step: int, scalars: dict[str, Any]) -> None:
        """Record the scalars of the step if they are due, and check for faults."""
        logged, sampled = self.logs_at(step), self.samples_at(step)
        if not logged and not sampled:
            return
        figures = {name: float(value) for name, value in scalars.items()}
        if logged:
            rate = {RATE: figures.pop(RATE)} if RATE in figures else {}
            self.history.add(step, figures)
            saturated = health.discriminator_saturated(self.history, self.config)
            shown = {"health/discriminator_saturated": float(saturated), **rate}
            self._show(step, {**figures, **shown})
        self.stop_at(step, health.fault_of_losses(figures))
        if sampled:
            self.stop_at(step, health.fault_of_weights(self.model.state()))

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Record other figures of a step."""
        self.history.add(step, figures)
        self._show(step, figures)

    def save(self) -> dict[str, NDArray[Any]]:
        """Write everything to the disk; return what belongs into a checkpoint."""
        storage.write_text(self.folder / "history.csv", self.history.to_csv())
        self._events_size = self.events.flush()
        return {_EVENTS_SIZE: np.array(self._events_size), **self.history.arrays()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Continue where a checkpoint was written."""
        self.history = health.History.from_arrays(arrays)
        self._events_size = int(arrays[_EVENTS_SIZE])

    def stop_at(self, step: int, fault: str) -> None:
        """End training if there is a fault.

        Raises:
            RunError: Names the fault and the checkpoint that is left.
        """
        if not fault:
            return
        kept = checkpoints.newest_step(self.folder / "checkpoints")
        left = f"the checkpoint of step {kept} is kept" if kept else "nothing was saved"
        raise RunError(
            f"GAN: {fault} at step {step}: training stopped; {left}; try a lower "
            "--gan.generator-rate or --gan.discriminator-rate with another --out"
        )

    def _show(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.events.scalar(name, value, step)
        self.events.show()
        self.faults = health.faults(self.history, self.config)


class SampleGrid(StepCallback):
    """Draws the same latent vectors again and again. Paper: IV-B.

    It writes a sheet of outlined images, shows images, masks and the generator's
    weights in TensorBoard, and records the diversity of the samples.

    Args:
        log: The training's log; the sheets go to `samples/` in its folder.
        pairs: float32 (n, S, S, C + K) in [-1, 1], the real training pairs, whose
            diversity is 1.
        mask_threshold: Grey value from which a mask pixel is drawn as foreground.
    """

    def __init__(
        self, log: TrainingLog, pairs: FloatArray, mask_threshold: int
    ) -> None:
        super().__init__()
        self._log = log
        self._pairs = pairs
        self._mask_threshold = mask_threshold

    def on_samples(self, step: int) -> None:
        """Draw."""
        z = fixed_latent_vectors(self.config.z_dim)
        pairs = _finite_pairs(self.model, self._log, step, z)
        images, grey = self.model.generator.split(pairs)
        masks = largest_class(grey, grey.max(axis=-1) >= self._mask_threshold)
        self._log.add(step, {health.DIVERSITY: self._diversity(images)})
        drawn = {
            "image": [pictures.enlarge(image, 1) for image in images],
            "mask": [pictures.enlarge(planes.max(axis=-1), 1) for planes in grey],
            "outline": list(map(pictures.outline, images, masks)),
        }
        for name, tiles in drawn.items():
            picture = pictures.grid(tiles, _GRID_COLUMNS)
            self._log.events.image(f"samples/{name}", picture, step)
        for weight in self.model.generator.trainable_variables:
            path = f"weights/{weight.path}"
            self._log.events.histogram(path, np.asarray(weight), step)
        self._log.events.show()
        storage.write_png(
            self._log.folder / "samples" / f"step-{step:06d}.png",
            pictures.pairs_sheet(images, masks, columns=_GRID_COLUMNS),
        )

    @functools.cached_property
    def _real_diversity(self) -> float:
        channels = self.model.generator.channels
        real, _ = split_pair(self._pairs, self.config.pixel_scaling, channels=channels)
        return diversity(real)

    def _diversity(self, images: ByteArray) -> float:
        # Where the real images are all equal, no sample can be less diverse.
        if not self._real_diversity:
            return 1.0
        return diversity(images) / self._real_diversity


class Fidelity(StepCallback):
    """Compares generated pairs with validation cases, which training does not use.

    Args:
        log: The training's log.
        validation: float32 (n, S, S, C + K) in [-1, 1]; see `fidelity_figures`.
    """

    def __init__(self, log: TrainingLog, validation: FloatArray) -> None:
        super().__init__()
        self._log = log
        self._validation = validation

    def on_samples(self, step: int) -> None:
        """Measure."""

        def draw(z: FloatArray) -> FloatArray:
            return _finite_pairs(self.model, self._log, step, z)

        figures = fidelity_figures(self._validation, draw, self.config)
        self._log.add(step, figures)


def fidelity_figures(
    validation: FloatArray,
    draw: Callable[[FloatArray], FloatArray],
    config: GANConfig,
) -> dict[str, float]:
    """Measure how close a generator is to cases that it does not learn from.

    A GAN's losses do not say when to stop; these figures may: precision, recall,
    density, coverage and KID (`generative_metrics`) of as many generated pairs as there
    are cases, from the same noise vectors throughout a training.

    Their features need no network: the block means of image and mask, as vectors. They
    see posture, shape and exposure, not texture. The assessment of a finished set uses
    other features, the bottleneck of the fold's U-Net, which does not exist yet while
    the GAN is trained. So its figures are others than these.

    Args:
        validation: float32 (n, S, S, C + K) in [-1, 1].
        draw: Takes float32 (b, z_dim), returns pairs float32 (b, S, S, C + K) in [-1,
            1], finite. Called with at most 64 z, to limit its memory.
        config: Gives the length of z, the least number of pairs, and the blocks.

    Returns:
        Values by `fidelity/` and the name in `generative_metrics`. Empty if there are
        fewer than 12 cases, or if all are equal: they allow no figures.
    """
    features = block_means(validation, config.fidelity_blocks)
    if len(features) < _LEAST_CASES or (features == features[0]).all():
        return {}
    # A generator of its own: training and sample grids do not depend on it.
    rng = np.random.default_rng(_PROBE_SEED)
    shape = max(len(validation), config.fidelity_pairs), config.z_dim
    z = rng.uniform(-1, 1, shape).astype(np.float32)
    generated = np.concatenate(
        [
            block_means(draw(batch), config.fidelity_blocks)
            for batch in np.array_split(z, -(-len(z) // _LARGEST_BATCH))
        ]
    )
    found = dataclasses.asdict(feature_figures(features, generated))
    return {f"fidelity/{name}": value for name, value in found.items()}


def block_means(pairs: FloatArray, blocks: int) -> FloatArray:
    """Average image and mask over the blocks of a grid.

    Args:
        pairs: float32 (n, S, S, C + K) in [-1, 1].
        blocks: Side of the grid; at most S are taken.

    Returns:
        float32 (n, (C + K) b^2) in [-1, 1], where b is the smaller of `blocks` and S.
    """
    side = min(blocks, pairs.shape[1])
    planes = np.moveaxis(pairs, -1, 1).reshape(-1, *pairs.shape[1:3])
    small = np.stack([resize_area(plane, side) for plane in planes])
    return small.reshape(len(pairs), -1)


def _finite_pairs(gan: DCGAN, log: TrainingLog, step: int, z: FloatArray) -> FloatArray:
    pairs: FloatArray = np.asarray(gan(z))
    if not np.isfinite(pairs).all():
        log.stop_at(step, "the generator's pixels are not finite")
    return pairs
