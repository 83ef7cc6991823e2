"""Files of stages as bytes, for machines that share no storage."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tfgansynth.errors import RunError
from tfgansynth.experiment.superseded import sealed_record
from tfgansynth.planning.graph import PlannedStage
from tfgansynth.records import files
from tfgansynth.runtime import storage

_RUN = (files.CONFIG, files.CASE_LIST, files.SPLITS, files.SOURCE)
"""Files of a run folder that stages read."""
_SHOWN = ("samples", "tensorboard")
"""Folders of a stage for people: no stage reads them."""

Files = Mapping[str, bytes]
"""Contents by the path below a run folder."""


@dataclasses.dataclass(frozen=True, slots=True)
class Artifacts:
    """A finished stage's folder, and what is noted of how it was computed.

    Attributes:
        files: All files of the folder, by the path below it.
        records: What `Run.take_records` gave.
        mib: The largest memory of its process.
    """

    files: Files
    records: Mapping[str, Any]
    mib: float


def pack_run(root: Path) -> Files:
    """Read the files of a run folder that say what it is of."""
    return {name: (root / name).read_bytes() for name in _RUN if (root / name).exists()}


def pack_needed(root: Path, names: Iterable[str]) -> Files:
    """Read what other stages may read of finished stages: no picture, no curve."""
    found: dict[str, bytes] = {}
    for name in names:
        sealed = sealed_record(root / name) or {}
        for path, content in pack_folder(root / name).items():
            first, *_ = PurePosixPath(path).parts
            old = first == "checkpoints" and path not in sealed.get("files", {})
            if first not in _SHOWN and not old:
                found[f"{name}/{path}"] = content
    return found


def pack_folder(folder: Path) -> Files:
    """Read all files of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != storage.PARTIAL
    }


def unpack(root: Path, content: Files) -> None:
    """Write files below a folder, except those that are there already.

    Raises:
        RunError: A name leads out of the folder.
    """
    for name, found in content.items():
        path = root / _inside(name)
        if not path.is_file() or path.read_bytes() != found:
            storage.write_bytes(path, found)


def unpack_stage(root: Path, planned: PlannedStage, content: Files) -> None:
    """Write the folder of a stage, whole or not at all.

    Raises:
        RunError: The files are not those of this stage, finished.
        InputError: They were damaged on the way.
    """
    with storage.whole_folder(root / planned.name) as partial:
        unpack(partial, content)
        record = sealed_record(partial)
        if record is None or record.get("identity") != planned.identity:
            raise RunError(f"{planned.name}: came back from its worker unfinished")
        sealed = record.get("files")
        if isinstance(sealed, Mapping):
            storage.require_files(partial, sealed)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise RunError(f"{name}: a worker has sent a file for elsewhere")
    return path
