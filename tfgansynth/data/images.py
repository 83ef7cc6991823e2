"""Read one image file, trusting nothing about it."""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tfgansynth.data.faults import FileError
from tfgansynth.pixels import FloatArray, MaskArray

EXTENSIONS = frozenset({"png", "jpg", "jpeg", "gif", "tif", "tiff", "bmp"})
"""Extensions (lower case, no dot) of the files that `read_grey` reads."""

MAX_SIDE_PX = 10_000
"""Longer sides are refused before anything is decoded."""

JSRT_SIDE_PX = 2048
"""Side of a raw JSRT image."""

_FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP")
_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"})
_COLOR_MODES = frozenset({"CMYK", "YCbCr"})
_16_TO_8_BIT = 257.0
_JSRT_MAX = 4095
_JSRT_BYTES = JSRT_SIDE_PX * JSRT_SIDE_PX * 2


def read_grey(path: Path) -> FloatArray:
    """Read a PNG, JPEG, GIF, TIFF or BMP file as grey values.

    16-bit values are divided by 257; colors become luminance, transparency is
    ignored. The content decides the format, not the extension.

    Returns:
        float32 (H, W) in [0, 255].

    Raises:
        InputError: The file is missing, unreadable, empty, damaged, no image,
            animated, longer than 10000 px on a side, or neither 8 nor 16 bits.
    """
    _require_content(path)
    # Pillow warns of harmless oddities (metadata, size) that this reader judges
    # itself; a warning would only be noise between the report's lines.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=_FORMATS) as image:
                _require_plain(image, path)
                return _to_grey(image, path)
        except FileError:
            raise
        except UnidentifiedImageError:
            raise FileError(
                path, "is not a PNG, JPEG, GIF, TIFF or BMP image"
            ) from None
        except Image.DecompressionBombError:
            raise _too_large(path) from None
        except PermissionError:
            raise FileError(path, "cannot be read: permission denied") from None
        except Exception:
            # Pillow's decoders raise whatever they stumble over in damaged files:
            # OSError, SyntaxError, struct.error, IndexError, MemoryError, ...
            raise FileError(
                path, "is damaged or cut short; copy or export it again"
            ) from None


def read_mask(path: Path) -> MaskArray:
    """Read a mask: inside is where the grey value is at least half its maximum.

    Masks come as 0 and 1, as 0 and 255, and with smoothed edges (JPEG), so that
    the threshold follows the file's own maximum.

    Returns:
        bool (H, W); all False if the file is black.

    Raises:
        InputError: As for `read_grey`.
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
    n_bytes = _require_content(path)
    if n_bytes != _JSRT_BYTES:
        raise FileError(
            path,
            f"holds {n_bytes} bytes, a raw JSRT image holds {_JSRT_BYTES}; "
            "copy it again",
        )
    try:
        values = np.fromfile(path, dtype=">u2")
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from None
    if values.size != JSRT_SIDE_PX**2:
        raise FileError(path, "changed while it was read; try again")
    if np.count_nonzero(values > _JSRT_MAX) * 2 > values.size:
        raise FileError(
            path, "does not hold 12-bit values in big-endian byte order, as JSRT does"
        )
    bright = _JSRT_MAX - np.minimum(values, _JSRT_MAX).astype(np.float32)
    scaled = np.asarray(bright * np.float32(255 / _JSRT_MAX), np.float32)
    return scaled.reshape(JSRT_SIDE_PX, JSRT_SIDE_PX)


def _require_content(path: Path) -> int:
    """Return the size in bytes of a regular, non-empty file."""
    # os.path swallows what pathlib raises (name too long, no permission).
    if os.path.isdir(path):
        raise FileError(path, "is a folder, not an image")
    if not os.path.exists(path):
        raise FileError(path, "does not exist")
    # Opening a pipe or a device could wait for ever.
    if not os.path.isfile(path):
        raise FileError(path, "is not a regular file")
    try:
        n_bytes = path.stat().st_size
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from None
    if n_bytes == 0:
        raise FileError(path, "is empty (0 bytes); copy or export it again")
    return n_bytes


def _require_plain(image: Image.Image, path: Path) -> None:
    """Refuse large and animated images; called before any pixel is decoded."""
    if max(image.size) > MAX_SIDE_PX:
        raise _too_large(path)
    if getattr(image, "is_animated", False):
        raise FileError(path, "holds several images (animation or pages); keep one")


def _too_large(path: Path) -> FileError:
    return FileError(
        path, f"is larger than {MAX_SIDE_PX} x {MAX_SIDE_PX} px; make it smaller"
    )


def _to_grey(image: Image.Image, path: Path) -> FloatArray:
    """Decode to float32 (H, W) in [0, 255]."""
    if image.mode.startswith("I;16") and image.mode != "I;16S":
        values = np.asarray(image).astype(np.float32)
        return np.asarray(values / _16_TO_8_BIT, np.float32)
    if image.mode in _EIGHT_BIT_MODES:
        return np.asarray(_without_alpha(image).convert("L"), np.float32)
    if image.mode in _COLOR_MODES:
        return np.asarray(image.convert("RGB").convert("L"), np.float32)
    raise FileError(
        path, f"has pixels of kind {image.mode!r}; save it as 8-bit or 16-bit grey"
    )


def _without_alpha(image: Image.Image) -> Image.Image:
    """Look palette colors up first: `P` may not go straight to `L` with alpha."""
    return image.convert("RGB") if image.mode in ("P", "PA") else image
