"""The decoder process of `prepare-data`: pixels as a file stores them.

`worker` runs this file as a script. Besides `decoding` it imports NumPy, and nibabel
or pydicom for the first file that needs them.
"""

import gzip
import io
import json
import math
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # One thread: each reserves address space, which is limited.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tfgansynth.data.importers import decoding
from tfgansynth.data.importers.decoding import MAX_SIDE_PX, Refusal

MAX_PIXEL_BYTES = 512 << 20
"""Pixels of one file, decoded. A CT of 512 x 512 x 1000 voxels has that many."""

META = struct.Struct(">I")
"""Precedes an answer's body: the length of its description, as JSON."""

Plain = dict[str, Any]
Pixels = NDArray[Any]

_FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "PPM", "WEBP")
_KEPT_MODES = {"L", "I", "F"}
_SIXTEEN_BIT_MODES = {"I;16", "I;16L", "I;16B", "I;16N"}
_COLOR_MODES = {"RGB", "RGBX", "CMYK", "YCbCr"}
_ORIENTATION = 0x112
_LABELMAP = "1.2.840.10008.5.1.4.1.1.66.4"
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
                meta, pixels = _dicom(content)
            elif (volume := _nifti_bytes(content)) is not None:
                meta, pixels = _nifti(volume)
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


def _require_size(shape: tuple[int, ...], item_bytes: int) -> None:
    """Refuse pixels by their number, before they are decoded."""
    if any(side < 1 for side in shape):
        raise Refusal("has no pixels; copy or export it again")
    if max(shape) > MAX_SIDE_PX:
        raise decoding.too_large()
    if math.prod(shape) * item_bytes > MAX_PIXEL_BYTES:
        raise Refusal(
            f"has more than {MAX_PIXEL_BYTES >> 20} MiB of pixels; cut it into parts"
        )


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
        _require_size(image.size, 4)
        n_pages = int(getattr(image, "n_frames", 1))
        if n_pages > 1 and image.format != "TIFF":
            raise Refusal("is an animation; keep one image")
        _require_size((min(n_pages, MAX_SIDE_PX), *image.size), 4)
        meta: Plain = {"axes": "pages" if n_pages > 1 else "single"}
        if _is_deep_color(content):
            meta["halved"] = True
        pages: list[Pixels] = []
        for index in range(n_pages):
            image.seek(index)
            _require_size((n_pages, *image.size), 4)
            kind, page = _page(image, meta)
            if meta.setdefault("kind", kind) != kind or (
                pages and page.shape != pages[0].shape
            ):
                raise Refusal("has pages of different sizes or kinds; keep one")
            pages.append(page)
    return meta, np.stack(pages) if n_pages > 1 else pages[0]


def _is_deep_color(content: bytes) -> bool:
    """Whether a PNG has colors of 16 bits; Pillow reads their upper 8."""
    return (
        content[:8] == b"\x89PNG\r\n\x1a\n"
        and content[24:25] == b"\x10"
        and content[25:26] in (b"\2", b"\4", b"\6")
    )


def _page(image: Image.Image, meta: Plain) -> tuple[str, Pixels]:
    """Decode one page, upright; extend what is known of its pixels."""
    turned = image.getexif().get(_ORIENTATION, 1)
    image.load()
    # Pillow turns TIFF pages by itself, and drops the tag.
    left = image.getexif().get(_ORIENTATION, 1)
    if turned in range(2, 9):
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


def _nifti_bytes(content: bytes) -> bytes | None:
    """Return the bytes of a NIfTI file, unpacked; None if it is none."""
    if content[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                most = MAX_PIXEL_BYTES + (1 << 20)
                content = packed.read(most + 1)
        except (OSError, EOFError, zlib.error):
            raise Refusal(decoding.DAMAGED) from None
        if len(content) > most:
            raise Refusal(
                f"unpacks to more than {MAX_PIXEL_BYTES >> 20} MiB; cut it into parts"
            )
        if not _is_nifti(content):
            raise Refusal("is packed (gzip), but no NIfTI volume")
    return content if _is_nifti(content) else None


def _is_nifti(content: bytes) -> bool:
    return content[344:348] == b"n+1\0" or content[4:8] == b"n+2\0"


def _nifti(content: bytes) -> tuple[Plain, Pixels]:
    import nibabel

    orientations: Any = nibabel.orientations

    reader = (
        nibabel.Nifti1Image if content[344:348] == b"n+1\0" else nibabel.Nifti2Image
    )
    image: Any = reader.from_bytes(content)
    shape = image.shape
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        raise Refusal(
            f"has {len(shape)} dimensions; keep one volume of 3 dimensions a file"
        )
    _require_size(shape, max(image.get_data_dtype().itemsize, 4))
    slope, intercept = image.header.get_slope_inter()
    stored = np.asanyarray(image.dataobj.get_unscaled()).reshape((*shape, 1)[:3])
    if (slope, intercept) not in ((None, None), (1.0, 0.0)):
        stored = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    # To the left, back and head of the patient, as radiologists look at slices.
    change = orientations.ornt_transform(
        orientations.io_orientation(image.affine), orientations.axcodes2ornt("LPS")
    )
    pixels = orientations.apply_orientation(stored, change)
    affine = image.affine @ orientations.inv_ornt_aff(change, stored.shape)
    zooms = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if not np.isfinite(affine).all():
        raise Refusal(decoding.DAMAGED)
    return {
        "kind": "grey",
        "axes": "volume",
        "spacing": zooms.tolist(),
        "affine": affine.ravel().tolist(),
    }, pixels


def _dicom(content: bytes) -> tuple[Plain, Pixels]:
    import pydicom

    record: Any = pydicom.dcmread(io.BytesIO(content))
    if "PixelData" not in record:
        raise Refusal("is a DICOM file without pixels")
    n_frames = int(record.get("NumberOfFrames") or 1)
    n_samples = int(record.get("SamplesPerPixel", 1))
    _require_size((n_frames, int(record.Rows), int(record.Columns)), 4 * n_samples)
    if record.get("SOPClassUID") == _LABELMAP:
        return _segments(record, _dicom_pixels(record))
    photometric = record.get("PhotometricInterpretation", "")
    is_color = n_samples == 3
    if not is_color and photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise Refusal(f"has pixels of kind {photometric}; export it as grey or RGB")
    meta: Plain = {
        "kind": "color" if is_color else "grey",
        "axes": "pages" if n_frames > 1 else "single",
        "inverted": photometric == "MONOCHROME1",
        "spacing": _dicom_spacing(record),
        "patient": str(record.get("PatientID") or "")[:64],
    }
    if "ModalityLUTSequence" in record:
        raise Refusal("has a modality table; export it with plain values")
    pixels = _dicom_pixels(record)
    if pixels.ndim != 2 + (n_frames > 1) + is_color:
        raise Refusal(decoding.DAMAGED)
    if is_color:
        return meta, pixels
    slope = float(record.get("RescaleSlope") or 1)
    intercept = float(record.get("RescaleIntercept") or 0)
    if (slope, intercept) != (1, 0):
        pixels = pixels.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    elif pixels.dtype.kind == "u":
        meta["bits"] = int(record.BitsStored)
    center, width = _first(record, "WindowCenter"), _first(record, "WindowWidth")
    if center is not None and width is not None and width >= 1:
        # DICOM PS3.3, C.11.2.1.2: of the linear function.
        low = center - 0.5 - (width - 1) / 2
        meta["window"] = [low, low + max(width - 1, 1e-3)]
    return meta, pixels


def _dicom_pixels(record: Any) -> Pixels:
    try:
        return np.asarray(record.pixel_array)
    except (RuntimeError, NotImplementedError):
        syntax = record.file_meta.TransferSyntaxUID.name
        raise Refusal(
            f"has pixels that cannot be decoded here ({syntax}); decompress it first, "
            "for example with gdcmconv --raw"
        ) from None


def _first(record: Any, name: str) -> float | None:
    value = record.get(name)
    if value is None or value == "":
        return None
    number = float(value[0] if hasattr(value, "__len__") else value)
    return number if math.isfinite(number) else None


def _dicom_spacing(record: Any) -> list[float] | None:
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        value = record.get(name)
        if value:
            spacing = [float(value[0]), float(value[1])]
            return spacing if all(0 < mm < 1000 for mm in spacing) else None
    return None


def _segments(record: Any, frames: Pixels) -> tuple[Plain, Pixels]:
    """Lay the segments of a DICOM-SEG file over each other, position by position."""
    if record.get("SegmentationType") != "BINARY":
        raise Refusal("is a DICOM-SEG file with shares or labels; export it as binary")
    frames = frames.reshape(-1, *frames.shape[-2:])
    names = {
        int(each.SegmentNumber): str(each.get("SegmentLabel", each.SegmentNumber))
        for each in record.SegmentSequence
    }
    shared = record.get("SharedFunctionalGroupsSequence")
    positions: dict[str, int] = {}
    placed = []
    count: dict[int, int] = {}
    for index, groups in enumerate(record.PerFrameFunctionalGroupsSequence):
        holder = groups if "SegmentIdentificationSequence" in groups else shared[0]
        sequence = holder.SegmentIdentificationSequence
        number = int(sequence[0].ReferencedSegmentNumber)
        if number not in names or not 0 < number < 256:
            raise Refusal(decoding.DAMAGED)
        # Without positions, frames of a segment are in the order of the slices.
        count[number] = count.get(number, -1) + 1
        plane = groups.get("PlanePositionSequence")
        where = str(plane[0].ImagePositionPatient) if plane else str(count[number])
        placed.append((positions.setdefault(where, len(positions)), number, index))
    _require_size((len(positions), *frames.shape[1:]), 4)
    labels = np.zeros((len(positions), *frames.shape[1:]), np.uint8)
    overlap = 0
    for position, number, index in placed:
        inside = frames[index] > 0
        overlap += int(np.count_nonzero(labels[position][inside]))
        labels[position][inside] = number
    single = len(positions) == 1
    meta = {
        "kind": "grey",
        "axes": "single" if single else "pages",
        "names": {name: number for number, name in names.items()},
        "overlap": overlap,
    }
    return meta, labels[0] if single else labels


def pack(content: bytes) -> tuple[bytes, int, int, bytes]:
    """Decode, and pack into one row of bytes, which `stored` unpacks."""
    meta, pixels = decode(content)
    described = json.dumps(
        {**meta, "shape": pixels.shape, "dtype": pixels.dtype.str}
    ).encode()
    body = META.pack(len(described)) + described + pixels.tobytes()
    return b"|u1", 1, len(body), body


if __name__ == "__main__":
    decoding.run(pack)
