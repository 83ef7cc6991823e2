"""Zip archives and the arrays in them, each size checked before it is taken."""

import contextlib
import math
import os
import struct
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

MOST_DIRECTORY_BYTES = 1 << 20
"""Length of an archive's directory, at the least 46 bytes a member."""

_NPY = ".npy"
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")


@contextlib.contextmanager
def open_archive(path: Path, most_bytes: int) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive whose members are stored as they are, not compressed.

    Nothing in it can be longer than it is on the disk.

    Args:
        path: A regular file.
        most_bytes: Longer ones are refused.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is too long, no archive, compressed, encrypted, or has two
            members of one name or very many of them.
        Exception: zipfile's own, for what is damaged.
    """
    # A pipe or a device could keep its reader waiting for ever.
    if path.exists() and not path.is_file():
        raise ValueError("it is no regular file")
    with path.open("rb") as file:
        _require_short(file, most_bytes)
        with zipfile.ZipFile(file) as archive:
            _require_plain(archive.infolist())
            yield archive


def _require_short(file: BinaryIO, most_bytes: int) -> None:
    """Check what zipfile does not, which reads the directory before all else."""
    length = file.seek(0, os.SEEK_END)
    if length > most_bytes:
        raise ValueError(f"it holds more than {most_bytes >> 20} MiB")
    file.seek(max(0, length - _END.size - _LOCATOR_64.size - _END_64.size))
    tail = file.read()
    end = tail[-_END.size :]
    if not end.startswith(b"PK\5\6") or not end.endswith(b"\0\0"):
        raise ValueError("it is no zip archive, or was cut short")
    directory_bytes = [_END.unpack(end)[5]]
    if tail[-_END.size - _LOCATOR_64.size :].startswith(b"PK\6\7"):
        directory_bytes.append(_END_64.unpack(tail[: _END_64.size])[8])
    if max(directory_bytes) > MOST_DIRECTORY_BYTES:
        raise ValueError("its directory is longer than that of any archive of ours")


def _require_plain(members: list[zipfile.ZipInfo]) -> None:
    if len({member.filename for member in members}) < len(members):
        raise ValueError("it has two members of one name")
    for member in members:
        if member.flag_bits & 1 or member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{member.filename} is compressed or encrypted")


def read_arrays(archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    """Read an `.npz`: all arrays by name. Nothing is ever unpickled.

    Raises:
        ValueError: A member is no plain array, or not as long as it says.
        Exception: NumPy's own, for what is damaged.
    """
    return {
        member.filename.removesuffix(_NPY): _read_array(archive, member)
        for member in archive.infolist()
    }


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    if not member.filename.endswith(_NPY):
        raise ValueError(f"{member.filename} is no array")
    with archive.open(member) as file:
        shape, is_fortran, dtype = _read_header(file)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds Python objects, not numbers")
        n_bytes = math.prod(shape) * dtype.itemsize
        if file.tell() + n_bytes != member.file_size:
            raise ValueError(f"{member.filename} is not as long as it says")
        content = bytearray(file.read())
    return np.ndarray(shape, dtype, content, order="F" if is_fortran else "C")


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    if version not in readers:
        raise ValueError(f"an array of the unknown version {version}")
    # NumPy warns of outdated headers; what it cannot read it refuses.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return readers[version](file)
