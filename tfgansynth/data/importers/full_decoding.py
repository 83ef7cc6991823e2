"""The decoder process of `prepare-data`: pixels as a file stores them.

`worker` runs this file as a script. Besides `decoding` it imports NumPy, and nibabel
or pydicom for the first file that needs them.
"""

import io
import json
import os
import struct
import sys
import warnings
from pathlib import Path

if __name__ == "__main__":
    # One thread: each reserves address space, which is limited.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np
from PIL import Image, UnidentifiedImageError

from tfgansynth.data.importers import decoding
from tfgansynth.data.importers.decoding import MAX_SIDE_PX, Refusal
from tfgansynth.data.importers.volumes import nifti
from tfgansynth.data.importers.volumes.limits import Pixels, Plain, require_size

META = struct.Struct(">I")
"""Precedes an answer's body: the length of its description, as JSON."""

_FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "PPM", "WEBP")
_KEPT_MODES = {"L", "I", "F"}
_SIXTEEN_BIT_MODES = {"I;16", "I;16L", "I;16B", "I;16N"}
_COLOR_MODES = {"RGB", "RGBX", "CMYK", "YCbCr"}
_RUNS = {"1": "L", "LA": "L", "RGBA": "RGB"}


def decode(content: bytes) -> tuple[Plain, Pixels]:
    """Decode a file of any format that `prepare-data` reads.

    Returns:
        What the file says of its pixels, and the pixels: (H, W), (n, H, W) pages, or
        (x, y, z) of a volume whose axes point to the left, back and head; colors have
        a last axis of 3. `kind` is `grey`, `palette` or `color`; `axes` is `single`,
        `pages` or `volume`.

    Raises:
        Refusal: The content is no such file, is damaged, or is too large.
        ImportError: A library is missing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if content[128:132] == b"DICM":
                from tfgansynth.data.importers.volumes import dicom

                meta, pixels = dicom.decode(content)
            elif (volume := nifti.unpacked(content)) is not None:
                meta, pixels = nifti.decode(volume)
            else:
                meta, pixels = _picture(content)
            return meta, _plain_numbers(pixels)
        except (Refusal, ImportError):
            raise
        except UnidentifiedImageError:
            raise Refusal(
                "is not an image, or has an unsupported pixel format (PNG, JPEG, GIF, "
                "TIFF, BMP, PPM, WebP, NIfTI and DICOM are read)"
            ) from None
        except Image.DecompressionBombError:
            raise decoding.too_large() from None
        except MemoryError:
            raise decoding.too_costly() from None
        except Exception:
            # Decoders raise many kinds of exception on damaged files.
            raise Refusal(decoding.DAMAGED) from None


def _plain_numbers(pixels: Pixels) -> Pixels:
    """Convert to uint8, uint16, int32 or float32, in the machine's byte order."""
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8)
    if pixels.dtype.kind == "f":
        narrow = pixels.astype(np.float32)
        if not np.isfinite(narrow).all():
            raise Refusal("has pixels that are not numbers; export it again")
        return narrow
    if pixels.dtype.kind not in "iu":
        raise Refusal("has pixels that are not plain numbers; export it again")
    if pixels.dtype.newbyteorder("=") in (np.uint8, np.uint16):
        return pixels.astype(pixels.dtype.newbyteorder("="))
    low, high = int(pixels.min()), int(pixels.max())
    if low >= 0 and high < 1 << 16:
        return pixels.astype(np.uint16)
    if low < -(1 << 31) or high >= 1 << 31:
        raise Refusal("has whole numbers beyond 32 bits; export it again")
    return pixels.astype(np.int32)


def _picture(content: bytes) -> tuple[Plain, Pixels]:
    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        require_size(image.size, 4)
        decoding.require_check_sums(image, content)
        n_pages = int(getattr(image, "n_frames", 1))
        if n_pages > 1 and image.format != "TIFF":
            raise Refusal("is an animation; keep one image")
        require_size((min(n_pages, MAX_SIDE_PX), *image.size), 4)
        meta: Plain = {"axes": "pages" if n_pages > 1 else "single"}
        pages: list[Pixels] = []
        for index in range(n_pages):
            image.seek(index)
            require_size((n_pages, *image.size), 4)
            # Asked before the page is loaded, which forgets it.
            is_deep = decoding.is_deep_color(image, content)
            kind, page = _page(image, meta)
            if is_deep:
                meta["halved"] = True
                decoding.require_upper_bits(int(page.max()))
            if meta.setdefault("kind", kind) != kind or (
                pages and page.shape != pages[0].shape
            ):
                raise Refusal("has pages of different sizes or kinds; keep one")
            pages.append(page)
    return meta, np.stack(pages) if n_pages > 1 else pages[0]


def _page(image: Image.Image, meta: Plain) -> tuple[str, Pixels]:
    """Decode one page, upright; extend what is known of its pixels."""
    turned = decoding.orientation(image)
    image.load()
    # Pillow turns TIFF pages by itself, and drops the tag.
    left = decoding.orientation(image)
    if turned > 1:
        meta["turned"] = True
    kind, pixels = _pixels(image, meta)
    return kind, _upright(pixels, left)


def _pixels(image: Image.Image, meta: Plain) -> tuple[str, Pixels]:
    mode = image.mode
    if mode in ("LA", "RGBA", "PA") or (
        mode != "P" and image.info.get("transparency") is not None
    ):
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        meta["transparent"] = meta.get("transparent", False) or bool(alpha.min() < 255)
    if mode in ("P", "PA"):
        if mode == "PA":
            image = image.convert("P")
        palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        indices = np.asarray(image)
        if indices.max() >= len(palette):
            raise Refusal(decoding.DAMAGED)
        meta["palette"] = palette.tolist()
        if image.info.get("transparency") is not None:
            alpha = np.asarray(image.convert("RGBA").getchannel("A"))
            meta["transparent"] = bool(alpha.min() < 255)
        return "palette", indices
    if mode in _RUNS:
        image = image.convert(_RUNS[mode])
    elif mode in _SIXTEEN_BIT_MODES:
        return "grey", np.asarray(image)
    elif mode in _COLOR_MODES:
        image = image.convert("RGB")
    elif mode not in _KEPT_MODES:
        raise Refusal(f"has pixels of mode {mode!r}; save it as grey or RGB")
    return ("color" if image.mode == "RGB" else "grey"), np.asarray(image)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply the orientation that a camera or scanner noted (EXIF)."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def pack(content: bytes) -> decoding.Packed:
    """Decode, and pack into one row of bytes, which `stored` unpacks."""
    meta, pixels = decode(content)
    described = json.dumps(
        {**meta, "shape": pixels.shape, "dtype": pixels.dtype.str}
    ).encode()
    body = META.pack(len(described)) + described + pixels.tobytes()
    return b"|u1", 0, 1, len(body), body


if __name__ == "__main__":
    decoding.run(pack)
