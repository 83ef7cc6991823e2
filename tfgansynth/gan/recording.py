"""What a GAN's training leaves for people: TensorBoard, sample sheets, a history."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth import pictures
from tfgansynth.arrays import ByteArray, FloatArray
from tfgansynth.config import GANConfig
from tfgansynth.gan import health
from tfgansynth.gan.history import PREFIX, History
from tfgansynth.runtime import checkpoints, storage
from tfgansynth.runtime.tensorboard import EventLog

_GRID_COLUMNS, _GRID_ROWS = 8, 2
_EVENTS_SIZE = "events_size"


def probe_z(z_dim: int) -> FloatArray:
    """The z of every sample grid, so that the grids show one place change."""
    rng = np.random.default_rng(0)
    shape = (_GRID_COLUMNS * _GRID_ROWS, z_dim)
    return rng.uniform(-1, 1, shape).astype(np.float32)


def read_remarks(
    folder: Path, config: GANConfig, provenance: Mapping[str, Any]
) -> tuple[str, ...]:
    """What a reader of results must know of the training in a GAN's folder.

    Needs no TensorFlow: the newest checkpoint tells, which, unlike `history.csv`,
    carries a hash.

    Raises:
        InputError: The checkpoint is of another training.
    """
    arrays = checkpoints.load_newest(folder / "checkpoints", provenance, prefix=PREFIX)
    return tuple(health.faults(History.from_arrays(arrays or {}), config).values())


@contextlib.contextmanager
def open_records(
    config: GANConfig,
    folder: Path,
    *,
    mask_threshold: int,
    real_images: ByteArray,
    saved: Mapping[str, NDArray[Any]],
) -> Iterator["Recorder"]:
    """Begin the records of a training, or go on where its checkpoint was written.

    Args:
        config: The GAN's numbers.
        folder: The GAN's.
        mask_threshold: Grey value from which a mask pixel is drawn as foreground.
        real_images: uint8 (n, S, S), what the samples are compared with.
        saved: The checkpoint's arrays; empty to begin.
    """
    size = int(saved[_EVENTS_SIZE]) if saved else 0
    with EventLog(folder / "tensorboard", size) as events:
        yield Recorder(
            config=config,
            folder=folder,
            mask_threshold=mask_threshold,
            real_diversity=health.diversity(real_images),
            history=History.from_arrays(saved),
            events=events,
        )


@dataclasses.dataclass(slots=True)
class Recorder:
    """Keeps the records of one training; part of them belongs to its state.

    Attributes:
        config: The GAN's numbers.
        folder: The GAN's.
        mask_threshold: Grey value from which a mask pixel is drawn as foreground.
        real_diversity: Of the real training images, as `health.diversity` has it.
        history: What was measured so far.
        events: Takes what TensorBoard shows.
        noticed: The faults of training that have been printed.
    """

    config: GANConfig
    folder: Path
    mask_threshold: int
    real_diversity: float
    history: History
    events: EventLog
    noticed: set[str] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        """Take what is wrong already for noticed."""
        self.noticed = set(health.faults(self.history, self.config))

    def scalars(
        self, step: int, scalars: Mapping[str, float], steps_per_second: float
    ) -> None:
        """Note the numbers of a step."""
        self.history.add(step, scalars)
        won = health.discriminator_won(self.history, self.config)
        shown = {
            **scalars,
            "health/discriminator_won": float(won),
            "steps_per_second": steps_per_second,
        }
        for name, value in shown.items():
            self.events.scalar(name, value, step)
        self.events.show()
        self._tell(step)

    def samples(
        self,
        step: int,
        images: ByteArray,
        grey: ByteArray,
        fidelity: Mapping[str, float],
        weights: Mapping[str, NDArray[Any]],
    ) -> None:
        """Show samples of `probe_z` and the generator's weights.

        Args:
            step: Of the training.
            images: uint8 (m, S, S).
            grey: uint8 (m, S, S), the masks.
            fidelity: As `FidelityProbe.figures` has it.
            weights: By name.
        """
        # Where the real images are all alike, no sample can be less diverse.
        own = health.diversity(images)
        share = own / self.real_diversity if self.real_diversity else 1.0
        figures = {health.DIVERSITY: share, **fidelity}
        self.history.add(step, figures)
        for name, value in figures.items():
            self.events.scalar(name, value, step)
        for name, picture in self._pictures(images, grey):
            self.events.image(f"samples/{name}", picture, step)
        for name, weight in weights.items():
            self.events.histogram(f"weights/{name}", weight, step)
        self.events.show()
        masks = grey >= self.mask_threshold
        storage.write_png(
            self.folder / "samples" / f"step-{step:06d}.png",
            pictures.pairs_sheet(images, masks, columns=_GRID_COLUMNS),
        )
        self._tell(step)

    def save(self) -> dict[str, NDArray[Any]]:
        """Bring everything to the disk; what of it belongs into the checkpoint."""
        storage.write_text(self.folder / "history.csv", self.history.to_csv())
        return {
            _EVENTS_SIZE: np.array(self.events.flush()),
            **self.history.arrays(),
        }

    def _pictures(
        self, images: ByteArray, grey: ByteArray
    ) -> Iterator[tuple[str, ByteArray]]:
        masks = grey >= self.mask_threshold
        plain = [pictures.enlarge(image, 1) for image in images]
        grey_masks = [pictures.enlarge(mask, 1) for mask in grey]
        drawn = [pictures.outline(i, m) for i, m in zip(images, masks, strict=True)]
        for name, tiles in (("image", plain), ("mask", grey_masks), ("outline", drawn)):
            yield name, pictures.grid(tiles, _GRID_COLUMNS)

    def _tell(self, step: int) -> None:
        """Print what is noticed for the first time."""
        for kind, remark in health.faults(self.history, self.config).items():
            if kind not in self.noticed:
                print(f"GAN: step {step}: {remark}", flush=True)
                self.noticed.add(kind)
