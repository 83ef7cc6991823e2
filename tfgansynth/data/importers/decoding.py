"""Decode the bytes of an image file; run as a script, one after the other.

`sandbox` runs it, so it imports nothing but the standard library and Pillow.
"""

import contextlib
import io
import resource
import signal
import struct
import sys
import warnings
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

MAX_SIDE_PX = 8192
"""Longer sides are refused before anything is decoded.

Four times the side of a JSRT image. What the largest one costs is bounded by this:
about a second and a gigabyte.
"""

MAX_SECONDS = 3
"""Processor time for one file. Bombs take hours in kilobytes (JPEG scans)."""

MAX_BYTES = 2 << 30
"""Address space of the process."""

LENGTH = struct.Struct(">Q")
"""Stands before the bytes of a file."""

HEADER = struct.Struct(">3sIIQ")
"""Stands before an answer: dtype or `REFUSED`, height, width, bytes that follow."""

REFUSED = b"---"
"""In place of the dtype: the bytes that follow say what is wrong."""

DAMAGED = "is damaged or cut short; copy or export it again"
"""What is wrong where a decoder gave up."""

_FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP")
_SIGNATURES = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"MM\0*", b"BM")
_DTYPES = {"L": b"|u1", "I;16": b"<u2", "I;16B": b">u2"}
_SIXTEEN_BIT_MODES = _DTYPES.keys() - {"L"}
_EIGHT_BIT_MODES = frozenset(
    {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
)
_COLOR_MODES = frozenset({"P", "PA", "CMYK", "YCbCr"})


class Refusal(Exception):
    """The bytes are no image that can be used; the message says why."""


def decode(content: bytes) -> Image.Image:
    """Decode a PNG, JPEG, GIF, TIFF or BMP file to grey.

    Colors become luminance, transparency is ignored.

    Returns:
        An image of mode `L`, `I;16` or `I;16B` with sides of 1 to 8192 px.

    Raises:
        Refusal: The content is no image, damaged, animated, too large, or neither 8
            nor 16 bits.
    """
    # Pillow warns of harmless oddities (metadata, size) that are judged here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                _require_plain(image)
                return _to_grey(image)
        except Refusal:
            raise
        except UnidentifiedImageError:
            raise _unidentified(content) from None
        except Image.DecompressionBombError:
            raise _too_large() from None
        except MemoryError:
            raise Refusal(
                f"takes more than {MAX_BYTES >> 30} GiB of memory to decode; "
                "export it again"
            ) from None
        except Exception:
            # Pillow's decoders raise whatever they stumble over in damaged files:
            # OSError, SyntaxError, struct.error, IndexError, ...
            raise Refusal(DAMAGED) from None


def _require_plain(image: Image.Image) -> None:
    """Refuse what must not or need not be decoded; no pixel is decoded yet."""
    if max(image.size) > MAX_SIDE_PX:
        raise _too_large()
    if min(image.size) < 1:
        raise Refusal("holds no pixels; copy or export it again")
    if getattr(image, "is_animated", False):
        raise Refusal("holds several images (animation or pages); keep one")
    if image.mode not in _EIGHT_BIT_MODES | _SIXTEEN_BIT_MODES:
        raise Refusal(
            f"has pixels of kind {image.mode!r}; save it as 8-bit or 16-bit grey"
        )


def _unidentified(content: bytes) -> Refusal:
    if content.startswith(_SIGNATURES):
        return Refusal(
            "is damaged, or has pixels of a kind that is not read; save it as 8-bit or "
            "16-bit grey"
        )
    return Refusal("is not a PNG, JPEG, GIF, TIFF or BMP image")


def _too_large() -> Refusal:
    return Refusal(f"is larger than {MAX_SIDE_PX} x {MAX_SIDE_PX} px; make it smaller")


def _to_grey(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_MODES:
        return image.copy()
    if image.mode in _COLOR_MODES:
        # Not straight to `L`: with alpha Pillow leaves the palette out.
        image = image.convert("RGB")
    return image.convert("L")


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Decode file after file, until the other side closes or a limit ends it.

    Args:
        requests: Gives `LENGTH` and content of each file.
        answers: Takes `HEADER` and pixels, or what is wrong, of each.
    """
    while head := requests.read(LENGTH.size):
        content = requests.read(*LENGTH.unpack(head))
        # Left to its default action the signal ends the process, in native code too.
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
        try:
            image = decode(content)
            dtype, body = _DTYPES[image.mode], image.tobytes()
            height, width = image.height, image.width
        except Refusal as refusal:
            dtype, body = REFUSED, str(refusal).encode()
            height = width = 0
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(HEADER.pack(dtype, height, width, len(body)))
        answers.write(body)
        answers.flush()


if __name__ == "__main__":
    # Ctrl-C is for the program that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ValueError, OSError):  # macOS knows no such limit.
        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    serve(sys.stdin.buffer, sys.stdout.buffer)
