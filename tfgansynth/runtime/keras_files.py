"""`.keras` files: written whole, alike for alike models, and read without trust.

Keras reads what is written here as it reads its own. What is read here is taken as
data only: Keras itself would build whatever object the file names.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.errors import InputError
from tfgansynth.runtime import archives, isolation, storage

SUFFIX = ".keras"
MOST_BYTES = 512 << 20
"""Longer files are refused: the paper's generator has 32 MiB."""

_METADATA, _CONFIG, _WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
_READER = "tfgansynth.runtime.h5_reader"
_MOST_SECONDS = 60
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip archive can hold."""


@dataclasses.dataclass(frozen=True, slots=True)
class KerasFile:
    """What is in a `.keras` file.

    Attributes:
        config: How the model is built; nothing in it has been checked.
        weights: All arrays by their paths in the file of weights.
        provenance: What the model came from; None if the file does not say.
        sha256: Hash of the weights.
    """

    config: dict[str, Any]
    weights: dict[str, NDArray[Any]]
    provenance: dict[str, Any] | None
    sha256: str


def save_keras(
    model: Any, path: Path, provenance: Mapping[str, Any] | None = None
) -> None:
    """Save a model, whole or not at all.

    Models of equal weights and configuration make equal files: no time, no memory
    address, no name of the machine is in them. Layers must have names of their own,
    as those that Keras gives count on through a program.

    Args:
        model: A Keras model.
        path: Ends in `.keras`.
        provenance: What the model came from, plain for JSON; goes into the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keras writes in place and insists on the ending.
    beside = path.with_name(f"{path.name}{storage.PARTIAL}{SUFFIX}")
    try:
        model.save(beside)
        with zipfile.ZipFile(beside) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    finally:
        beside.unlink(missing_ok=True)
    metadata = json.loads(members[_METADATA])
    del metadata["date_saved"]
    members[_CONFIG] = _without_addresses(members[_CONFIG])
    files = {name: _sha256(members[name]) for name in (_CONFIG, _WEIGHTS)}
    record = storage.seal({**metadata, "provenance": provenance, "files": files})
    members[_METADATA] = json.dumps(record).encode()
    storage.write_bytes(path, _archive(members))


def _without_addresses(config: bytes) -> bytes:
    """Number shared objects, which Keras names by their places in memory."""
    numbers: dict[int, int] = {}

    def renumber(entry: dict[str, Any]) -> dict[str, Any]:
        if "shared_object_id" in entry:
            number = numbers.setdefault(entry["shared_object_id"], len(numbers))
            entry["shared_object_id"] = number
        return entry

    return json.dumps(json.loads(config, object_hook=renumber)).encode()


def _archive(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
    return buffer.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_keras(path: Path) -> KerasFile:
    """Read a `.keras` file as data: no object is built, nothing in it is run.

    The weights are read in a process of their own, since a damaged HDF5 file can
    crash the library that reads it.

    Raises:
        InputError: It is missing, damaged, altered since it was written, longer
            than `MOST_BYTES`, or has other parts than Keras's own.
    """
    try:
        members = _read_members(path)
        metadata = storage.parse_json(members[_METADATA])
        config = storage.parse_json(members[_CONFIG])
        provenance = _read_provenance(metadata, members)
        weights = _read_weights(members[_WEIGHTS])
    except OSError as fault:
        raise InputError(f"{path}: cannot be read ({fault.strerror})") from fault
    except isolation.Failure as fault:
        raise InputError(f"{path}: its weights cannot be read ({fault})") from fault
    except Exception as fault:  # zipfile raises many kinds
        raise InputError(f"{path}: cannot be read ({fault})") from fault
    return KerasFile(config, weights, provenance, _sha256(members[_WEIGHTS]))


def _read_members(path: Path) -> dict[str, bytes]:
    with archives.open_archive(path, MOST_BYTES) as archive:
        names = {_METADATA, _CONFIG, _WEIGHTS}
        if set(archive.namelist()) != names:
            raise ValueError(f"expected {', '.join(sorted(names))} and nothing else")
        for name in (_METADATA, _CONFIG):
            if archive.getinfo(name).file_size > storage.MOST_JSON_BYTES:
                raise ValueError(f"{name} is too long")
        return {name: archive.read(name) for name in names}


def _read_provenance(
    metadata: dict[str, Any], members: Mapping[str, bytes]
) -> dict[str, Any] | None:
    if "files" not in metadata:
        return None
    record = storage.unseal(metadata)
    files = {name: _sha256(members[name]) for name in (_CONFIG, _WEIGHTS)}
    if record is None or record["files"] != files:
        raise ValueError("it was altered since it was written")
    provenance = record.get("provenance")
    if not isinstance(provenance, dict | None):
        raise ValueError("its provenance is no object")
    return provenance


def _read_weights(content: bytes) -> dict[str, NDArray[Any]]:
    found = isolation.run_isolated(_READER, seconds=_MOST_SECONDS, content=content)
    with zipfile.ZipFile(io.BytesIO(found)) as archive:
        weights = archives.read_arrays(archive)
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise ValueError("it has weights that are no finite numbers")
    return weights
