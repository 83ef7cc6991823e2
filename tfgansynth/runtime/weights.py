"""Weights in files: safetensors, which are read back, and `.keras` for others.

The header of a safetensors file has one JSON record under the key `tfgansynth`: the
metadata, the SHA-256 of each tensor, and the SHA-256 of the record itself. So some of
the tensors can be read and checked without the others. Reading a file does not run
anything in it.

A `.keras` file is for others to load with Keras; nothing here reads it.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from tfgansynth.errors import InputError
from tfgansynth.runtime import storage

SUFFIX = ".safetensors"
MOST_BYTES = 8 << 30
"""A longer file is refused before it is read."""

_RECORD = "tfgansynth"
_LENGTH_BYTES = 8
"""Length of the number at the beginning of a file that gives the header's length."""
_METADATA, _CONFIG = "metadata.json", "config.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip archive can have."""


def write_weights(
    path: Path, variables: Mapping[str, Any], metadata: Mapping[str, str]
) -> None:
    """Write arrays, whole or not at all. Equal content makes equal files.

    Args:
        path: Ends in `.safetensors`.
        variables: Numeric variables or arrays by name.
        metadata: Goes into the header.
    """
    arrays = {name: np.asarray(value, order="C") for name, value in variables.items()}
    hashes = {name: _hash(array) for name, array in arrays.items()}
    record = storage.seal({"metadata": dict(metadata), "tensors": hashes})
    # One key: safetensors writes several in an order that differs each time.
    header = {_RECORD: json.dumps(record, sort_keys=True)}
    # `save_file` writes to a name that it chooses, where a killed program leaves it.
    storage.write_bytes(path, save(arrays, header))


def read_weights(
    path: Path, *, prefix: str = "", most_bytes: int = MOST_BYTES
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read what `write_weights` wrote: the arrays, in order of name, and the metadata.

    Args:
        path: The file.
        prefix: Read only the arrays whose names begin so.
        most_bytes: A longer file is refused before it is read.

    Raises:
        InputError: The file is missing, torn, altered, too long, or something else.
    """
    try:
        _require_bounds(path, most_bytes)
        with safe_open(path, framework="np") as file:
            record = _record((file.metadata() or {}).get(_RECORD))
            if set(record["tensors"]) != set(file.keys()):
                raise ValueError("its tensors are not those that its header names")
            arrays = {}
            for name in sorted(record["tensors"]):
                if name.startswith(prefix):
                    arrays[name] = file.get_tensor(name)
                    if _hash(arrays[name]) != record["tensors"][name]:
                        raise ValueError(f"{name} does not have the hash in the header")
    except OSError as fault:
        raise InputError(
            f"{path}: cannot be read ({fault.strerror or fault})"
        ) from fault
    except Exception as fault:  # safetensors raises many kinds
        raise InputError(f"{path}: cannot be read ({fault})") from fault
    return arrays, record["metadata"]


def _require_bounds(path: Path, most_bytes: int) -> None:
    storage.require_regular(path)
    if path.stat().st_size > most_bytes:
        raise ValueError(f"it holds more than {most_bytes >> 20} MiB")
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if header_bytes > storage.MOST_JSON_BYTES:
        raise ValueError(
            f"it has a header of more than {storage.MOST_JSON_BYTES >> 20} MiB, or is "
            "not a safetensors file"
        )


def _record(text: str | None) -> dict[str, Any]:
    if text is None:
        raise ValueError("it was not written by tfgansynth")
    record = storage.unseal(storage.parse_json(text.encode()))
    if record is None or set(record) != {"metadata", "tensors"}:
        raise ValueError("its header was altered since it was written")
    for part in record.values():
        if not isinstance(part, dict) or not all(
            isinstance(value, str) for value in part.values()
        ):
            raise ValueError("its header has values that are not text")
    return record


def _hash(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(array.data)
    return digest.hexdigest()


def save_keras(
    model: Any, path: Path, provenance: Mapping[str, Any] | None = None
) -> None:
    """Save a model by Keras's own `save`, without what differs from run to run.

    Keras writes the time and, as numbers of shared objects, memory addresses. Layers
    must have explicit names, as Keras numbers its automatic ones through a program.

    Args:
        model: A Keras model.
        path: Ends in `.keras`.
        provenance: What the model came from, plain for JSON; goes into its metadata.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keras writes in place and requires the ending.
    beside = path.with_name(f"{path.name}{storage.PARTIAL}.keras")
    # And it follows a link of this name.
    beside.unlink(missing_ok=True)
    try:
        with storage.named(path):
            model.save(beside)
        with zipfile.ZipFile(beside) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    finally:
        beside.unlink(missing_ok=True)
    metadata = json.loads(members[_METADATA])
    del metadata["date_saved"]
    members[_METADATA] = json.dumps({**metadata, "provenance": provenance}).encode()
    members[_CONFIG] = _without_addresses(members[_CONFIG])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
    storage.write_bytes(path, buffer.getvalue())


def _without_addresses(config: bytes) -> bytes:
    """Number shared objects in order of their appearance."""
    numbers: dict[int, int] = {}

    def renumber(entry: dict[str, Any]) -> dict[str, Any]:
        if "shared_object_id" in entry:
            number = numbers.setdefault(entry["shared_object_id"], len(numbers))
            entry["shared_object_id"] = number
        return entry

    return json.dumps(json.loads(config, object_hook=renumber)).encode()
