"""The decoder process: decodes the bytes of one image file after the other.

`worker` runs this file as a script. It imports the standard library and Pillow only.
"""

import contextlib
import io
import mmap
import os
import resource
import signal
import struct
import sys
import warnings
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

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

HEADER = struct.Struct(">3sIIQ")
"""Precedes an answer: dtype, `REFUSED` or `FAILED`; height; width; bytes to follow."""

REFUSED = b"---"
"""In place of the dtype: the bytes that follow say what is wrong with the image."""

FAILED = b"!!!"
"""In place of the dtype: the bytes that follow say why the decoder does not work."""

DAMAGED = "is damaged or cut short; copy or export it again"
"""What is wrong with most files that cannot be decoded."""

_FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP")
_SIGNATURES = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"MM\0*", b"BM")
_DTYPES = {"L": b"|u1", "I;16": b"<u2", "I;16B": b">u2"}
_SIXTEEN_BIT_MODES = _DTYPES.keys() - {"L"}
_EIGHT_BIT_MODES = frozenset(
    {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
)
_COLOR_MODES = frozenset({"P", "PA", "CMYK", "YCbCr"})


class Refusal(Exception):
    """The bytes are not a usable image; the message says why."""


def decode(content: bytes) -> Image.Image:
    """Decode a PNG, JPEG, GIF, TIFF or BMP file to grey.

    Colors become luminance. Transparency is ignored.

    Returns:
        An image of mode `L`, `I;16` or `I;16B` with sides of 1 to 8192 px.

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
                return _to_grey(image)
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


def _require_plain(image: Image.Image) -> None:
    """Refuse an image by its header, before any pixel is decoded."""
    if max(image.size) > MAX_SIDE_PX:
        raise too_large()
    if min(image.size) < 1:
        raise Refusal("has no pixels; copy or export it again")
    if getattr(image, "is_animated", False):
        raise Refusal("has several images (animation or pages); keep one")
    if image.mode not in _EIGHT_BIT_MODES | _SIXTEEN_BIT_MODES:
        raise Refusal(
            f"has pixels of mode {image.mode!r}; save it as 8-bit or 16-bit grey"
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


def _to_grey(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_MODES:
        return image.copy()
    if image.mode in _COLOR_MODES:
        # Not directly to `L`: with alpha, Pillow ignores the palette.
        image = image.convert("RGB")
    return image.convert("L")


Answer = Callable[[bytes], tuple[bytes, int, int, bytes]]
"""Decodes a file: the fields of `HEADER` up to the height and width, and the body."""


def _pack(content: bytes) -> tuple[bytes, int, int, bytes]:
    image = decode(content)
    return _DTYPES[image.mode], image.height, image.width, image.tobytes()


def _answer(content: bytes, pack: Answer = _pack) -> tuple[bytes, int, int, bytes]:
    try:
        return pack(content)
    except Refusal as refusal:
        # Not the refusal itself, which would keep the pixels decoded so far.
        fault = str(refusal)
    except MemoryError:
        fault = str(too_costly())
    except ImportError as error:
        return FAILED, 0, 0, f"{error}; check the installation of Pillow".encode()
    if _lacks_memory():
        return FAILED, 0, 0, b"out of memory; close other programs, or raise its limit"
    return REFUSED, 0, 0, fault.encode()


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
        dtype, height, width, body = _answer(content, pack)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(HEADER.pack(dtype, height, width, len(body)))
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
