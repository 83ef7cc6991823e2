"""Small data sets of the kinds that people have, 12 cases each."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tfgansynth.data.importers.canonical import Description
from tfgansynth.data.prepare.importing import prepare
from tfgansynth.data.prepare.options import Options

N = 12
SIDE = 96


def noise(seed: int, shape: tuple[int, ...] = (SIDE, SIDE)) -> NDArray[np.uint8]:
    """A grey image."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def disc(row: int, column: int, radius: int, side: int = SIDE) -> NDArray[np.bool_]:
    """A disc."""
    y, x = np.mgrid[:side, :side]
    return np.asarray((y - row) ** 2 + (x - column) ** 2 <= radius**2)


def save(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    """Write an image; the format is that of the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def write_pairs(
    root: Path,
    mask: Callable[[int], NDArray[Any] | Image.Image],
    image: Callable[[int], NDArray[Any]] = noise,
) -> Path:
    """Write 12 cases into `images/` and `masks/`."""
    for index in range(N):
        save(root / f"images/c{index:02d}.png", image(index))
        drawn = mask(index)
        path = root / f"masks/c{index:02d}.png"
        path.parent.mkdir(exist_ok=True)
        if isinstance(drawn, Image.Image):
            drawn.save(path)
        else:
            save(path, drawn)
    return root


def run(root: Path, to: Path, **choices: Any) -> tuple[Description, list[str]]:
    """Import; return the description and what was said."""
    lines: list[str] = []
    return prepare(root, to, Options(**choices), lines.append), lines


def masks(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """Read the masks of a canonical data set."""
    for path in sorted((folder / "masks").iterdir()):
        yield np.asarray(Image.open(path))


def pixel_counts(folder: Path) -> list[int]:
    """Count the pixels of each class over all masks."""
    values = np.concatenate([each.ravel() for each in masks(folder)])
    return [int(count) for count in np.bincount(values)]
