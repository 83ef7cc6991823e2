"""Read one image file from an untrusted source."""

import dataclasses
import os
import stat
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, Labels, MaskArray
from tfgansynth.data.importers import decoding, worker
from tfgansynth.data.importers.decoding import Refusal, Remark
from tfgansynth.data.importers.worker import DecoderFailure
from tfgansynth.errors import FileError, RunError, printable

EXTENSIONS = frozenset({"png", "jpg", "jpeg", "gif", "tif", "tiff", "bmp"})
"""Extensions of the files that `read_grey` reads, in lower case without the dot."""

JSRT_SIDE_PX = 2048
"""Side of a raw JSRT image."""

_MAX_BYTES = 256 << 20
"""Larger files are not read. The largest 16-bit grey image has half this size."""

_LEAST_SPAN = 16
"""Values closer together than this are classes, not black and white."""

_AREA_PX = 5
"""Side of a square of one value that makes an area."""

_MANY_LEVELS = 16
"""A JPEG file of a mask has more."""

_MAKE = "make a data set with tfgansynth prepare-data"

_16_TO_8_BIT = np.float32(257)
_JSRT_MAX = 4095
_JSRT_BYTES = JSRT_SIDE_PX * JSRT_SIDE_PX * 2


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """An image file.

    Attributes:
        pixels: float32 (H, W), or (H, W, 3) in color, in [0, 255].
        top: Largest value as stored, if the file has 16 bits; else None.
        is_color: Whether colors became grey.
        is_turned: Whether an orientation that the file notes (EXIF) was applied.
    """

    pixels: FloatArray
    top: int | None = None
    is_color: bool = False
    is_turned: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Mask:
    """The mask of a case.

    Attributes:
        labels: bool (H, W), or a label map, uint8; all 0 if the file is black.
        level: The value of what is inside as stored, if the file has 0 and this value
            and no smoothed edges; else None.
    """

    labels: Labels | MaskArray
    level: int | None = None


def read_grey(path: Path) -> FloatArray:
    """Read the grey values of a file: float32 (H, W); see `read_picture`."""
    return read_picture(path).pixels


def read_picture(path: Path) -> Picture:
    """Read a PNG, JPEG, GIF, TIFF or BMP file as grey values.

    16-bit values are divided by 257. Colors become luminance, and transparency is
    ignored. The image is upright. The content determines the format, not the
    extension.

    Raises:
        InputError: The file is missing, unreadable, empty, larger than 256 MiB,
            damaged, not an image, animated, longer than 8192 px on a side, too costly
            to decode, or has neither 8 nor 16 bits.
        RunError: The decoder fails for a reason other than the image.
    """
    pixels, remark = decode_file(path, decoding)
    grey = pixels.astype(np.float32)
    top = None
    if pixels.itemsize == 2:
        top = int(pixels.max())
        grey /= _16_TO_8_BIT
    return Picture(grey, top, Remark.COLOR in remark, Remark.TURNED in remark)


def decode_file(
    path: Path, program: ModuleType
) -> tuple[NDArray[np.uint8 | np.uint16], Remark]:
    """Read a file and decode it in the process that runs `program`; see `worker`.

    Raises:
        InputError: The file cannot be read or decoded.
        RunError: The decoder fails for a reason other than the image.
    """
    content = _read(path)
    try:
        return worker.decode(content, program)
    except Refusal as refusal:
        raise FileError(path, str(refusal)) from None
    except DecoderFailure as failure:
        raise RunError(printable(f"{path}: {failure}")) from None
    except OSError as error:
        raise RunError(
            printable(f"{path}: the image decoder did not start ({error.strerror})")
        ) from None


def read_mask(path: Path) -> MaskArray:
    """Read what is inside a mask: bool (H, W); see `read_mask_file`."""
    return np.asarray(read_mask_file(path).labels > 0)


def read_mask_file(path: Path) -> Mask:
    """Read a mask: pixels with at least half of the largest grey value are inside.

    Masks are stored as 0 and 1, as 0 and 255, or with smoothed edges (JPEG), so the
    threshold depends on the largest value of the file.

    Raises:
        InputError: As for `read_picture`, and if the mask has colors or more than two
            levels, as one of several classes has.
        RunError: As for `read_picture`.
    """
    picture = read_picture(path)
    if picture.is_color:
        # The grey of a color says nothing: a white background is the brightest.
        raise FileError(path, f"has colors, as a mask of several classes has; {_MAKE}")
    grey = picture.pixels
    if not has_two_levels(grey):
        raise FileError(
            path,
            f"has more than two values, as a mask of several classes or objects has; "
            f"{_MAKE}",
        )
    top = grey.max()
    inside = np.asarray((grey > 0) & (grey >= top / 2))
    is_sharp = top > 0 and bool(
        (inside == (grey > 0)).all() and (grey[inside] == top).all()
    )
    level = int(top) if picture.top is None else picture.top
    return Mask(inside, level if is_sharp else None)


def has_two_levels(values: NDArray[Any]) -> bool:
    """Whether a mask has two levels, and other values only as edges and artifacts.

    Classes and objects are areas of one value. Smoothed edges are none. A JPEG file
    has such areas too, but all near black and white, and among many values.

    Args:
        values: (H, W) whole numbers or float32.
    """
    low, high = float(values.min()), float(values.max())
    between = (values > low) & (values < high)
    levels = np.unique(values[between])
    if not levels.size:
        return True
    if high - low < _LEAST_SPAN or levels.size == 1:
        return False
    near = (high - low) / 8
    middle = (values > low + near) & (values < high - near)
    square = np.ones((_AREA_PX, _AREA_PX), np.uint8)
    plain = values.astype(np.float32)
    flat = between & (cv2.dilate(plain, square) == cv2.erode(plain, square))
    if middle.mean() > 0.5 or (flat & middle).any():
        return False
    n_flat = np.unique(values[flat]).size
    return n_flat == 0 or (levels.size > _MANY_LEVELS and n_flat < _MANY_LEVELS / 2)


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
