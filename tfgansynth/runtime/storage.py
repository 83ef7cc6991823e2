"""Files that are written whole or not at all, and checked when they are read."""

import contextlib
import hashlib
import io
import json
import math
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tfgansynth.arrays import ByteArray
from tfgansynth.errors import InputError

PARTIAL = ".partial"
"""Ends the name of what is still being written."""

MOST_JSON_BYTES = 16 << 20
"""Longer JSON is refused before it is read."""

_DEEPEST_JSON = 32
_LONGEST_INTEGER = 20
_DIGEST = "sha256"


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to, which appears as `path` once it is complete.

    Whatever stops the program or the machine in between leaves the old file or the
    new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + PARTIAL)
    with named(path):
        # In a folder from others the name may be a link, which is not to be followed.
        _remove(beside)
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        flush(path.parent)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Add to errors of the system the file that they are about; most lack it."""
    try:
        yield
    except OSError as fault:
        fault.filename = fault.filename or str(path)
        raise


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill; it appears as `path` once it is complete.

    An unfinished one from before is removed.
    """
    beside = path.with_name(path.name + PARTIAL)
    _remove(beside)
    beside.mkdir(parents=True)
    yield beside
    for folder, _, names in os.walk(beside):
        for name in names:
            flush(Path(folder, name))
        flush(Path(folder))
    _remove(path)
    beside.replace(path)
    flush(path.parent)


def _remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require_own_files(folder: Path) -> None:
    """Refuse a folder with anything but files and folders in it.

    A sender can point links at files of the user, and pipes keep their reader waiting.
    The folder itself may be a link, as to a larger disk.

    Raises:
        InputError: There is a link or a special file.
    """
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *names)):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                # Another process that works in the folder has removed it.
                continue
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise InputError(
                    f"{path}: is a link or a special file: put a copy of the file or "
                    "folder itself in its place"
                )


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with whole_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_bytes(path: Path, most: int) -> bytes:
    """Read a regular file of at most `most` bytes.

    Raises:
        ValueError: It does not exist, is longer, or cannot be read.
    """
    try:
        require_regular(path)
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as fault:
        raise ValueError(fault.strerror) from fault
    if len(content) > most:
        raise ValueError(f"it holds more than {most >> 20} MiB")
    return content


def require_regular(path: Path) -> None:
    """Refuse pipes and devices, which could keep their reader waiting for ever.

    Raises:
        ValueError: The path exists and is something else.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it is not a regular file")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: The file does not exist, or holds something else.
    """
    try:
        return parse_json(read_bytes(path, MOST_JSON_BYTES))
    except ValueError as fault:
        raise InputError(f"{path}: cannot be read as JSON ({fault})") from fault


def parse_json(content: bytes) -> dict[str, Any]:
    """Parse a JSON object of plain values.

    Raises:
        ValueError: It is something else, is nested deeply, or has a key twice, numbers
            that are infinite or beyond 64 bits, or halves of surrogate pairs.
    """
    try:
        parsed = json.loads(
            content.decode(),
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_short,
            object_pairs_hook=_unique,
        )
        _require_shallow(parsed, _DEEPEST_JSON)
    except RecursionError as fault:
        raise ValueError("it is nested too deeply") from fault
    if not isinstance(parsed, dict):
        raise ValueError("expected an object")
    # JSON can escape half of a surrogate pair, which cannot be encoded.
    json.dumps(parsed, ensure_ascii=False).encode()
    return parsed


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is not a finite number")
    return number


def _short(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("an object has the same key twice")
    return content


def _require_shallow(value: Any, levels: int) -> None:
    if not isinstance(value, dict | list):
        return
    if not levels:
        raise ValueError("it is nested too deeply")
    for member in value.values() if isinstance(value, dict) else value:
        _require_shallow(member, levels - 1)


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that carries the hash of its own content."""
    write_json(path, seal(content))


def read_record(path: Path) -> dict[str, Any]:
    """Read what `write_record` wrote, without the hash.

    Raises:
        InputError: The file is missing, is not a JSON object, or was altered.
    """
    content = unseal(read_json(path))
    if content is None:
        raise InputError(
            f"{path}: was altered since it was written, or is not of this version: "
            "put the original back, or name another --out"
        )
    return content


def seal(content: Mapping[str, Any]) -> dict[str, Any]:
    """Add the hash of its content to what goes into a JSON file."""
    return {**content, _DIGEST: _digest(content)}


def unseal(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Remove the hash again; None if it is not that of the content."""
    content = {name: value for name, value in record.items() if name != _DIGEST}
    return content if record.get(_DIGEST) == _digest(content) else None


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_png(path: Path, pixels: ByteArray) -> None:
    """Write uint8 (H, W) grey or (H, W, 3) RGB pixels as PNG."""
    write_bytes(path, encode_png(pixels))


def encode_png(pixels: ByteArray) -> bytes:
    """Encode uint8 (H, W) grey or (H, W, 3) RGB pixels as PNG."""
    buffer = io.BytesIO()
    # The default level 6 takes three times as long for the same size.
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as an uncompressed `.npz` that carries their hash."""
    content = {**arrays, _DIGEST: np.array(_hash_named(arrays))}
    with whole_file(path) as file:
        np.savez(file, allow_pickle=False, **content)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote. Nothing is unpickled.

    Raises:
        InputError: The file is missing, torn, altered or not an `.npz` of plain
            arrays with their hash.
    """
    try:
        require_regular(path)
        with (
            path.open("rb") as file,
            np.lib.npyio.NpzFile(file, allow_pickle=False) as archive,
        ):
            arrays = {name: archive[name] for name in archive.files}
        if str(arrays.pop(_DIGEST, "none")) != _hash_named(arrays):
            raise ValueError("its content does not have the hash written with it")
        return arrays
    except OSError as fault:
        raise InputError(f"{path}: cannot be read ({fault.strerror})") from fault
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
    """Refuse a folder in which one of these files has changed.

    Raises:
        InputError: A file is missing or has another content.
    """
    for name, expected in hashes.items():
        path = folder / name
        if not path.is_file():
            raise InputError(
                f"{path}: is missing: remove {folder} to have it made again"
            )
        if hash_file(path) != expected:
            raise InputError(
                f"{path}: was altered since it was written: remove {folder} to have "
                "it made again"
            )


def hash_folder(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its relative path, sorted."""
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def hash_arrays(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256 over the contents of arrays in their order, as hexadecimal digits."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
