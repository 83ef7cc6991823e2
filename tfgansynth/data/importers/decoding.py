"""The decoder process: decodes the bytes of one image file after the other.

`worker` runs this file as a script. It imports the standard library and Pillow only.
"""

import contextlib
import enum
import io
import mmap
import os
import resource
import signal
import struct
import sys
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

from PIL import Image, ImageChops, UnidentifiedImageError

MAX_SIDE_PX = 8192
"""Longer sides are refused before anything is decoded.

Four times the side of a JSRT image. The largest image takes about a second and a
gigabyte.
"""

MAX_SECONDS = 3
"""Processor time for one file. A JPEG of a few kilobytes can take hours."""

MAX_BYTES = 2 << 30
"""Address space of the process."""

READY = b"ready"
"""The first bytes that the process writes, once its imports are done."""

_ENOUGH_BYTES = 1 << 30
"""A machine that has so much memory left has enough for the largest sound image."""

LENGTH = struct.Struct(">Q")
"""Precedes the bytes of a file."""

HEADER = struct.Struct(">3sBIIQ")
"""Precedes an answer: dtype, `REFUSED` or `FAILED`; `Remark`; height; width; bytes to
follow."""

REFUSED = b"---"
"""In place of the dtype: the bytes that follow say what is wrong with the image."""

FAILED = b"!!!"
"""In place of the dtype: the bytes that follow say why the decoder does not work."""

DAMAGED = "is damaged or cut short; copy or export it again"
"""What is wrong with most files that cannot be decoded."""

_ORIENTATION = 0x112
_BITS_PER_SAMPLE = 258
_LEAST_UPPER = 64

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image of an orientation upright."""

_FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP")
_SIGNATURES = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"MM\0*", b"BM")
_DTYPES = {"L": b"|u1", "I;16": b"<u2", "I;16B": b">u2"}
_SIXTEEN_BIT_MODES = _DTYPES.keys() - {"L"}
_EIGHT_BIT_MODES = frozenset(
    {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
)
_COLOR_MODES = frozenset({"P", "PA", "CMYK", "YCbCr"})


class Remark(enum.IntFlag):
    """What an image had that its grey values no longer show."""

    COLOR = 1
    """Colors other than greys."""
    TURNED = 2
    """An orientation (EXIF), which was applied."""


class Refusal(Exception):
    """The bytes are not a usable image; the message says why."""


def decode(content: bytes) -> tuple[Image.Image, Remark]:
    """Decode a PNG, JPEG, GIF, TIFF or BMP file to grey.

    Colors become luminance. Transparency is ignored. The image is upright.

    Returns:
        An image of mode `L`, `I;16` or `I;16B` with sides of 1 to 8192 px, and what
        it no longer shows.

    Raises:
        Refusal: The content is not an image, is damaged, animated or too large, or
            has neither 8 nor 16 bits.
        ImportError: A library of Pillow is missing.
    """
    # Pillow warns about metadata and size, which are checked here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                _require_plain(image)
                require_check_sums(image, content)
                turned = orientation(image)
                # Asked before the image is loaded, which forgets it.
                is_deep = is_deep_color(image, content)
                grey, remark = _to_grey(image)
                if is_deep:
                    extrema: Any = grey.getextrema()
                    require_upper_bits(extrema[1])
                # Pillow turns TIFF files by itself, and drops the tag.
                left = orientation(image)
                if turned > 1:
                    remark |= Remark.TURNED
                if left > 1:
                    grey = grey.transpose(TURNS[left])
                return grey, remark
        except (Refusal, ImportError):
            raise
        except UnidentifiedImageError:
            raise _unidentified(content) from None
        except Image.DecompressionBombError:
            raise too_large() from None
        except MemoryError:
            raise too_costly() from None
        except Exception:
            # Pillow's decoders raise many kinds of exception on damaged files:
            # OSError, SyntaxError, struct.error, IndexError, ...
            raise Refusal(DAMAGED) from None


def is_deep_color(image: Any, content: bytes) -> bool:
    """Whether a file has colors of 16 bits; Pillow reads their upper 8."""
    if image.format == "PNG":
        return content[24:25] == b"\x10" and content[25:26] in (b"\2", b"\4", b"\6")
    if image.mode != "RGB":
        return False
    if image.format == "TIFF":
        return bool(max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,))) > 8)
    return bool(image.format == "PPM" and image.tile[0].args[-1] > 255)


def require_upper_bits(most: float) -> None:
    """Refuse colors of 16 bits that use the lower bits, by their largest upper 8."""
    if most < _LEAST_UPPER:
        raise Refusal(
            "has colors of 16 bits that are almost black, as 12 bits stored in 16 are; "
            "export it with 8 bits a color"
        )


def require_check_sums(image: Image.Image, content: bytes) -> None:
    """Refuse a PNG file with a wrong check sum: Pillow overlooks that of pixels."""
    if image.format == "PNG":
        Image.open(io.BytesIO(content), formats=("PNG",)).verify()


def orientation(image: Image.Image) -> int:
    """Return the orientation that a camera or scanner noted (EXIF); 1 is upright.

    Raises:
        Exception: Pixels that stand before it are damaged.
    """
    if image.format == "PNG":
        # Pillow would load the pixels too, and their fault would pass for one of EXIF.
        image.load()
    try:
        noted = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # The pixels may be sound all the same.
        return 1
    return noted if noted in TURNS else 1


def _require_plain(image: Image.Image) -> None:
    """Refuse an image by its header, before any pixel is decoded."""
    if max(image.size) > MAX_SIDE_PX:
        raise too_large()
    if min(image.size) < 1:
        raise Refusal("has no pixels; copy or export it again")
    if getattr(image, "is_animated", False):
        raise Refusal(
            "has several images (animation or pages); keep one, or make a data set of "
            "pages as slices with tfgansynth prepare-data"
        )
    if image.mode not in _EIGHT_BIT_MODES | _SIXTEEN_BIT_MODES:
        raise Refusal(
            f"has pixels of mode {image.mode!r}; save it as 8-bit or 16-bit grey, or "
            "make a data set with tfgansynth prepare-data"
        )


def _unidentified(content: bytes) -> Refusal:
    if content.startswith(_SIGNATURES):
        return Refusal(
            "is damaged, or has an unsupported pixel format; save it as 8-bit or "
            "16-bit grey"
        )
    return Refusal("is not a PNG, JPEG, GIF, TIFF or BMP image")


def too_large() -> Refusal:
    """Return the refusal of an image with too many pixels."""
    return Refusal(f"is larger than {MAX_SIDE_PX} x {MAX_SIDE_PX} px; make it smaller")


def too_costly() -> Refusal:
    """Return the refusal of an image that takes too much memory."""
    return Refusal(
        f"takes more than {MAX_BYTES >> 30} GiB of memory to decode; export it again"
    )


def _to_grey(image: Image.Image) -> tuple[Image.Image, Remark]:
    if image.mode in _SIXTEEN_BIT_MODES:
        return image.copy(), Remark(0)
    if image.mode in _COLOR_MODES:
        # Not directly to `L`: with alpha, Pillow ignores the palette.
        image = image.convert("RGB")
    remark = Remark.COLOR if _has_colors(image) else Remark(0)
    return image.convert("L"), remark


def _has_colors(image: Image.Image) -> bool:
    if image.mode not in ("RGB", "RGBA", "RGBX"):
        return False
    red, green, blue, *_ = image.split()
    return any(
        ImageChops.difference(green, other).getbbox() is not None
        for other in (red, blue)
    )


Packed = tuple[bytes, int, int, int, bytes]
"""The fields of `HEADER` up to the height and width, and the body."""

Answer = Callable[[bytes], Packed]
"""Decodes a file."""


def _pack(content: bytes) -> Packed:
    image, remark = decode(content)
    dtype = _DTYPES[image.mode]
    return dtype, remark, image.height, image.width, image.tobytes()


def _answer(content: bytes, pack: Answer = _pack) -> Packed:
    try:
        return pack(content)
    except Refusal as refusal:
        # Not the refusal itself, which would keep the pixels decoded so far.
        fault = str(refusal)
    except MemoryError:
        fault = str(too_costly())
    except ImportError as error:
        return FAILED, 0, 0, 0, f"{error}; check the installation of Pillow".encode()
    if _lacks_memory():
        return (
            FAILED,
            0,
            0,
            0,
            b"out of memory; close other programs, or raise its limit",
        )
    return REFUSED, 0, 0, 0, fault.encode()


def _lacks_memory() -> bool:
    """Whether memory is short here, for which Pillow's decoders blame the image."""
    try:
        # A shared one, the default, is left out of some limits.
        mmap.mmap(-1, _ENOUGH_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        return True
    return False


def serve(requests: BinaryIO, answers: BinaryIO, pack: Answer = _pack) -> None:
    """Decode file after file, until the other side closes or a limit ends the process.

    Args:
        requests: Gives `LENGTH` and the content of each file.
        answers: Takes `READY`, then for each file `HEADER` and a body: pixels, or
            what is wrong.
        pack: Decodes a file.
    """
    answers.write(READY)
    answers.flush()
    while head := requests.read(LENGTH.size):
        content = requests.read(*LENGTH.unpack(head))
        # The default action of the signal ends the process, native code included.
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
        *fields, body = _answer(content, pack)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(HEADER.pack(*fields, len(body)))
        answers.write(body)
        answers.flush()


def _import_formats() -> None:
    """Import Pillow's readers, which Pillow itself imports late and silently."""
    from PIL import (  # noqa: F401
        BmpImagePlugin,
        GifImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
    )


def _discard_messages() -> None:
    """Discard what native libraries write to the standard error."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    os.close(sink)


def run(pack: Answer = _pack) -> None:
    """Be the decoder process."""
    # Ctrl-C is for the program that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import_formats()
    _discard_messages()
    with contextlib.suppress(ValueError, OSError):  # macOS has no such limit.
        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    serve(sys.stdin.buffer, sys.stdout.buffer, pack)


if __name__ == "__main__":
    run()
