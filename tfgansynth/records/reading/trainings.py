"""What trainings have left: their histories, and the hash of a generator."""

import functools
import itertools
from pathlib import Path

from tfgansynth.errors import InputError
from tfgansynth.gan.health import PREFIX, History
from tfgansynth.runtime import checkpoints, storage, weights
from tfgansynth.segmentation import history

_MOST_CSV_BYTES = 16 << 20


def read_gan_history(folder: Path) -> History | None:
    """Read what a GAN's training came to; None where it has left no checkpoint.

    From the newest checkpoint, which carries a hash, unlike the CSV file.

    Raises:
        InputError: It is damaged.
    """
    checkpoint_folder = folder / "checkpoints"
    step = checkpoints.newest_step(checkpoint_folder)
    if not step:
        return None
    path = checkpoints.path_of(checkpoint_folder, step)
    return _history_of(path, path.stat().st_mtime_ns)


def generator_hash(folder: Path) -> str:
    """SHA-256 of the weights that a trained GAN samples from, from its checkpoint.

    Where weights are averaged, the averages stand in the place of what is trained.
    Moments of the population are not: while training, they are all 0 and all 1.

    Raises:
        InputError: There is no checkpoint, or it is damaged.
    """
    newest = checkpoints.newest_step(folder / "checkpoints")
    path = checkpoints.path_of(folder / "checkpoints", newest)
    generator = [*weights.read_weights(path, prefix="generator/")[0].values()]
    averages = [*weights.read_weights(path, prefix="average/")[0].values()]
    if averages:
        fixed = set()
        for place, pair in enumerate(itertools.pairwise(generator)):
            if not pair[0].any() and (pair[1] == 1).all():
                fixed |= {place, place + 1}
        trained = [place for place in range(len(generator)) if place not in fixed]
        for place, average in zip(trained, averages, strict=True):
            generator[place] = average
    return storage.hash_arrays(generator)


@functools.lru_cache(maxsize=64)
def _history_of(path: Path, time_ns: int) -> History:
    """Read a checkpoint's history, and none of its weights, once for each version."""
    # Unused, but part of the key of the cache.
    del time_ns
    arrays, _ = weights.read_weights(path, prefix=PREFIX)
    return History.from_arrays(arrays)


def read_epochs(path: Path) -> list[history.Epoch]:
    """Read the history of a U-Net's training.

    Raises:
        InputError: It is missing or damaged.
    """
    try:
        text = storage.read_bytes(path, _MOST_CSV_BYTES).decode()
        return history.history_from_csv(text)
    except ValueError as fault:
        raise InputError(f"{path}: cannot be read ({fault})") from fault
