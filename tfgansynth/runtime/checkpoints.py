"""The whole state of a training on disk, so that it can be resumed at any time."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tfgansynth.config_checks import require_same
from tfgansynth.errors import InputError
from tfgansynth.runtime import storage, weights
from tfgansynth.runtime.progress import remark

_KEPT = 2
_STEP, _PROVENANCE = "step", "provenance"


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of one step (or epoch) is."""
    return folder / f"step-{step:06d}{weights.SUFFIX}"


def save(
    folder: Path, step: int, arrays: Mapping[str, Any], provenance: Mapping[str, Any]
) -> None:
    """Write a checkpoint, whole or not at all; keep the last two.

    Args:
        folder: Folder of this training's checkpoints.
        step: Steps (or epochs) done.
        arrays: Numeric variables or arrays by name.
        provenance: What is trained, and on which cases; plain for JSON.
    """
    path = path_of(folder, step)
    text = json.dumps(provenance, sort_keys=True)
    weights.write_weights(path, arrays, {_STEP: str(step), _PROVENANCE: text})
    paths = _paths(folder)
    place = paths.index(path)
    # Later ones were passed over as damaged when training was resumed before them.
    for old in [*paths[: max(place + 1 - _KEPT, 0)], *paths[place + 1 :]]:
        old.unlink()


def load_newest(
    folder: Path, provenance: Mapping[str, Any]
) -> dict[str, NDArray[Any]] | None:
    """Read the newest checkpoint that can be read; None if there is none.

    One that cannot be read is passed over, with a line that says so. One that was
    not completely written is removed. The provenance must be as it was saved.

    Raises:
        InputError: The checkpoint is of another training.
    """
    for unfinished in folder.glob(f"*{storage.PARTIAL}"):
        unfinished.unlink()
    for path in reversed(_paths(folder)):
        try:
            arrays, metadata = weights.read_weights(path)
            saved = json.loads(metadata[_PROVENANCE])
        except (InputError, KeyError, ValueError) as fault:
            remark(f"{fault}: going on from the one before, or from the beginning")
            continue
        require_same(provenance, saved, path)
        return arrays
    return None


def newest_step(folder: Path) -> int:
    """Steps (or epochs) that the newest checkpoint has; 0 if there is none."""
    paths = _paths(folder)
    return int(paths[-1].stem.removeprefix("step-")) if paths else 0


def _paths(folder: Path) -> list[Path]:
    """All checkpoints, the newest last."""
    # By length first: from a million steps on, the names are longer.
    return sorted(
        folder.glob(f"step-*{weights.SUFFIX}"),
        key=lambda path: (len(path.name), path.name),
    )


def numbered(**groups: Sequence[Any]) -> dict[str, Any]:
    """Name the variables of groups by group and place, for a checkpoint."""
    return {
        f"{group}/{index:03d}": variable
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }


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
