"""The whole state of a training on disk, so that it goes on after anything."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.config_checks import require_same
from tfgansynth.errors import InputError
from tfgansynth.runtime import storage

_KEPT = 2
_PROVENANCE = "provenance"


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of one step (or epoch) lies."""
    return folder / f"step-{step:06d}.npz"


def save(
    folder: Path, step: int, arrays: Mapping[str, Any], provenance: Mapping[str, Any]
) -> None:
    """Write a checkpoint, whole or not at all; keep the last two.

    Args:
        folder: Folder of this training's checkpoints.
        step: Steps (or epochs) done.
        arrays: Variables or arrays by name.
        provenance: What is trained, and on which cases; plain for JSON.
    """
    plain = {name: np.asarray(value) for name, value in arrays.items()}
    plain[_PROVENANCE] = np.array(json.dumps(provenance, sort_keys=True))
    path = path_of(folder, step)
    storage.write_arrays(path, plain)
    paths = _paths(folder)
    place = paths.index(path)
    # Later ones are of a future that was not reached again: damaged.
    for old in [*paths[: max(place + 1 - _KEPT, 0)], *paths[place + 1 :]]:
        old.unlink()


def load_newest(
    folder: Path, provenance: Mapping[str, Any]
) -> dict[str, NDArray[Any]] | None:
    """Read the newest checkpoint that can be read; None if there is none.

    One that cannot be read is passed over, with a line that says so; one that was
    not written to its end is cleared away.

    Args:
        folder: Folder of this training's checkpoints.
        provenance: What goes on: as it was saved.

    Raises:
        InputError: The checkpoint is of another training.
    """
    for unfinished in folder.glob(f"*{storage.PARTIAL}"):
        unfinished.unlink()
    for path in reversed(_paths(folder)):
        try:
            arrays = storage.read_arrays(path)
            saved = json.loads(str(arrays.pop(_PROVENANCE)))
        except (InputError, KeyError, ValueError) as fault:
            print(f"{fault}: going on from the one before, or from the beginning")
            continue
        require_same(provenance, saved, path)
        return arrays
    return None


def newest_step(folder: Path) -> int:
    """Steps (or epochs) that the newest checkpoint holds; 0 if there is none."""
    paths = _paths(folder)
    return int(paths[-1].stem.removeprefix("step-")) if paths else 0


def _paths(folder: Path) -> list[Path]:
    """All checkpoints, the newest last."""
    # By length first: from a million steps on, the names are longer.
    return sorted(
        folder.glob("step-*.npz"), key=lambda path: (len(path.name), path.name)
    )


def restore(
    variables: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], folder: Path
) -> None:
    """Assign a checkpoint's arrays to the variables of the same names.

    Raises:
        InputError: A variable is missing in it, or has another shape there.
    """
    for name, variable in variables.items():
        if name not in arrays or arrays[name].shape != tuple(variable.shape):
            raise InputError(
                f"{folder}: holds a training of other networks than configured "
                f"({name}): name another --out"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])
