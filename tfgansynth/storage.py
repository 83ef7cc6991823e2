"""Writing files whole or not at all, and reading them back without trust."""

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tfgansynth.errors import InputError
from tfgansynth.pixels import ByteArray

PARTIAL = ".partial"
"""Ends the name of what is still being written."""

_MOST_JSON_BYTES = 64 << 20
_DIGEST = "sha256"


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; the file appears as `path` once it is complete.

    Whatever ends the program, and the machine, in between leaves the old file or
    the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + PARTIAL)
    yield beside
    _flush(beside)
    beside.replace(path)
    _flush(path.parent)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill; it appears as `path` once it is complete.

    An unfinished one from before is cleared away.
    """
    beside = path.with_name(path.name + PARTIAL)
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    yield beside
    for folder, _, names in os.walk(beside):
        for name in names:
            _flush(Path(folder, name))
        _flush(Path(folder))
    if path.exists():
        shutil.rmtree(path)
    beside.replace(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with whole_file(path) as beside:
        beside.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: There is no such file, or it holds something else.
    """
    try:
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise ValueError(f"more than {_MOST_JSON_BYTES >> 20} MiB")
        content = json.loads(path.read_text("utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as fault:
        raise InputError(f"{path}: cannot be read as JSON ({fault})") from fault
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object")
    return content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that carries the hash of its own content."""
    write_json(path, {**content, _DIGEST: _digest(content)})


def read_record(path: Path) -> dict[str, Any]:
    """Read what `write_record` wrote, without the hash.

    Raises:
        InputError: The file is missing, no JSON object, or was altered.
    """
    content = read_json(path)
    if content.pop(_DIGEST, None) != _digest(content):
        raise InputError(
            f"{path}: was altered since it was written, or is not of this version: "
            "put the original back, or name another --out"
        )
    return content


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_png(path: Path, pixels: ByteArray) -> None:
    """Write uint8 (H, W) grey or (H, W, 3) RGB pixels as PNG."""
    buffer = io.BytesIO()
    # At the usual level 6 this takes three times as long for the same size.
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=3)
    write_bytes(path, buffer.getvalue())


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as an uncompressed `.npz` that carries their hash."""
    content = {**arrays, _DIGEST: np.array(_hash_named(arrays))}
    with whole_file(path) as beside, beside.open("wb") as file:
        # NumPy's stub takes `allow_pickle` for one of the arrays.
        np.savez(file, **content)  # type: ignore[arg-type]


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote; never unpickles.

    Raises:
        InputError: The file is missing, torn, altered or not an `.npz` of plain
            arrays with their hash.
    """
    try:
        # Opened here, since NumPy leaves the file of a torn archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("it holds other things than arrays")
        if str(arrays.pop(_DIGEST, "none")) != _hash_named(arrays):
            raise ValueError("its content does not have the hash written with it")
        return arrays
    except Exception as fault:  # zipfile and NumPy raise many kinds
        raise InputError(f"{path}: cannot be read ({fault})") from fault


def _hash_named(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of some files of a folder, by name."""
    return {name: hash_file(folder / name) for name in names}


def require_files(folder: Path, hashes: Mapping[str, str]) -> None:
    """Refuse a folder in which one of these files is not what it was.

    Raises:
        InputError: A file is missing or has another content.
    """
    for name, expected in hashes.items():
        path = folder / name
        if not path.is_file():
            raise InputError(
                f"{path}: is missing: remove {folder} to have it made anew"
            )
        if hash_file(path) != expected:
            raise InputError(
                f"{path}: was altered since it was written: remove {folder} to have "
                "it made anew"
            )


def hash_arrays(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256 over the contents of arrays in their order, as hexadecimal digits."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
