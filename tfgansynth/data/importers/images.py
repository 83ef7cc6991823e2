"""Read one image file from an untrusted source."""

import os
import stat
from pathlib import Path

import numpy as np

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.data.importers import worker
from tfgansynth.data.importers.decoding import Refusal
from tfgansynth.data.importers.worker import DecoderFailure
from tfgansynth.errors import FileError, RunError, printable

EXTENSIONS = frozenset({"png", "jpg", "jpeg", "gif", "tif", "tiff", "bmp"})
"""Extensions of the files that `read_grey` reads, in lower case without the dot."""

JSRT_SIDE_PX = 2048
"""Side of a raw JSRT image."""

_MAX_BYTES = 256 << 20
"""Larger files are not read. The largest 16-bit grey image has half this size."""

_16_TO_8_BIT = np.float32(257)
_JSRT_MAX = 4095
_JSRT_BYTES = JSRT_SIDE_PX * JSRT_SIDE_PX * 2


def read_grey(path: Path) -> FloatArray:
    """Read a PNG, JPEG, GIF, TIFF or BMP file as grey values.

    16-bit values are divided by 257. Colors become luminance, and transparency is
    ignored. The content determines the format, not the extension.

    Returns:
        float32 (H, W) in [0, 255].

    Raises:
        InputError: The file is missing, unreadable, empty, larger than 256 MiB,
            damaged, not an image, animated, longer than 8192 px on a side, too costly
            to decode, or has neither 8 nor 16 bits.
        RunError: The decoder fails for a reason other than the image.
    """
    content = _read(path)
    try:
        pixels = worker.decode(content)
    except Refusal as refusal:
        raise FileError(path, str(refusal)) from None
    except DecoderFailure as failure:
        raise RunError(printable(f"{path}: {failure}")) from None
    except OSError as error:
        raise RunError(
            printable(f"{path}: the image decoder did not start ({error.strerror})")
        ) from None
    grey = pixels.astype(np.float32)
    if pixels.itemsize == 2:
        grey /= _16_TO_8_BIT
    return grey


def read_mask(path: Path) -> MaskArray:
    """Read a mask: pixels with at least half of the largest grey value are inside.

    Masks are stored as 0 and 1, as 0 and 255, or with smoothed edges (JPEG), so the
    threshold depends on the largest value of the file.

    Returns:
        bool (H, W); all False if the file is black.

    Raises:
        InputError: As for `read_grey`.
        RunError: As for `read_grey`.
    """
    grey = read_grey(path)
    return np.asarray((grey > 0) & (grey >= grey.max() / 2))


def read_jsrt_raw(path: Path) -> FloatArray:
    """Read a raw JSRT image (`.IMG`): big-endian, 12 bits, bones dark.

    Returns:
        float32 (2048, 2048) in [0, 255], inverted so that bones are bright.

    Raises:
        InputError: The file is missing, unreadable, not exactly 2048 x 2048 x 2
            bytes long, or its values do not fit 12 bits in that byte order.
    """
    content = _read(path)
    if len(content) != _JSRT_BYTES:
        raise FileError(
            path,
            f"has {len(content)} bytes, a raw JSRT image has {_JSRT_BYTES}; "
            "copy it again",
        )
    values = np.frombuffer(content, ">u2")
    if np.count_nonzero(values > _JSRT_MAX) * 2 > values.size:
        raise FileError(
            path,
            "does not have 12-bit values in big-endian byte order, as JSRT files do; "
            "copy the original file",
        )
    bright = _JSRT_MAX - np.minimum(values, _JSRT_MAX).astype(np.float32)
    scaled = np.asarray(bright * np.float32(255 / _JSRT_MAX), np.float32)
    return scaled.reshape(JSRT_SIDE_PX, JSRT_SIDE_PX)


def _read(path: Path) -> bytes:
    """Read a regular, non-empty file that is not too large, once and completely.

    Later changes of the file, by a program that still writes it, have no effect.
    """
    # os.path returns False where pathlib raises (name too long, no permission).
    if os.path.isdir(path):
        raise FileError(path, "is a folder, not an image")
    if not os.path.exists(path):
        raise FileError(path, "does not exist")
    if not os.path.isfile(path):
        raise FileError(path, "is not a regular file")
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise FileError(path, "is not a regular file")
            if found.st_size > _MAX_BYTES:
                raise FileError(
                    path, f"is larger than {_MAX_BYTES >> 20} MiB; make it smaller"
                )
            content = file.read(found.st_size)
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from None
    if not content:
        raise FileError(path, "is empty (0 bytes); copy or export it again")
    return content


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a named pipe in place of the file would wait forever."""
    return os.open(path, flags | os.O_NONBLOCK)
