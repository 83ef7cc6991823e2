"""Read a file of any format as it stores its pixels, for `prepare`."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tfgansynth.data.importers import full_decoding
from tfgansynth.data.importers.images import decode_file, read_jsrt_raw

Pixels = NDArray[Any]
"""uint8, uint16, int32 or float32."""

Color = tuple[int, int, int]

EXTENSIONS = (
    *(".nii.gz", ".nii", ".dcm", ".dicom", ".png", ".jpg", ".jpeg", ".gif", ".tif"),
    *(".tiff", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".webp", ".img"),
)
"""Extensions of the files that `read_stored` reads, in lower case."""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a DICOM image lies, and which one it is; unknown is empty or None.

    Attributes:
        uid: Of the image.
        series: Of the series that it is part of.
        frame: Which frame of the image it is, from 1; 0 if that has one.
        position: Of its first pixel, in mm to the left, back and head.
        orientation: Directions of a row and of a column, 6 numbers.
    """

    uid: str = ""
    series: str = ""
    frame: int = 0
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """The content of one file.

    Attributes:
        pixels: (H, W), (n, H, W) pages, or (x, y, z) of a volume whose axes point to
            the left, back and head; colors have a last axis of 3.
        kind: What the numbers are: grey values, indices of a palette, or colors.
        axes: What the axes are; see `pixels`.
        palette: The colors of a palette.
        inverted: Whether small values are bright (DICOM's MONOCHROME1).
        transparent: Whether some pixels are not opaque.
        turned: Whether an orientation that the file notes was applied.
        halved: Whether colors of 16 bits were read as 8.
        bits: How many bits of the values are used, if the file says so.
        spacing: Distances of pixels in mm along the first two axes of a single image
            or page, all three of a volume.
        window: The values to show as black and as white, if the file says so.
        affine: Where a volume lies, 16 numbers.
        patient: The patient's id in a DICOM file.
        names: Segments of a DICOM-SEG file: name -> value.
        overlap: Pixels in more than one segment.
        place: Where a DICOM image lies.
        pages: The same for each page of a DICOM-SEG file: of which image it is.
        slices: The same for each slice of a volume that was a series of images, or
            each frame of a DICOM image that has several.
        cut: The axis of the volume along which these images follow each other.
        mixed_windows: Whether these images have different windows.
    """

    pixels: Pixels
    kind: Literal["grey", "palette", "color"] = "grey"
    axes: Literal["single", "pages", "volume"] = "single"
    palette: tuple[Color, ...] = ()
    inverted: bool = False
    transparent: bool = False
    turned: bool = False
    halved: bool = False
    bits: int | None = None
    spacing: tuple[float, ...] | None = None
    window: tuple[float, float] | None = None
    affine: tuple[float, ...] | None = None
    patient: str = ""
    names: Mapping[str, int] = dataclasses.field(default_factory=dict)
    overlap: int = 0
    place: Place = Place()
    pages: tuple[Place, ...] = ()
    slices: tuple[Place, ...] = ()
    cut: int | None = None
    mixed_windows: bool = False


def read_stored(path: Path) -> Stored:
    """Read a PNG, JPEG, GIF, TIFF, BMP, PPM, WebP, NIfTI, DICOM or raw JSRT file.

    The content determines the format, except for raw JSRT files (`.IMG`).

    Raises:
        InputError: The file is missing, unreadable, damaged, of another format, or
            too large.
        RunError: The decoder fails for a reason other than the file.
    """
    if path.suffix.lower() == ".img":
        values = np.rint(read_jsrt_raw(path) * np.float32(4095 / 255))
        return Stored(values.astype(np.uint16), bits=12)
    body = decode_file(path, full_decoding)[0].tobytes()
    start = full_decoding.META.size
    (length,) = full_decoding.META.unpack_from(body)
    meta = json.loads(body[start : start + length])
    shape, dtype = meta.pop("shape"), meta.pop("dtype")
    pixels = np.frombuffer(body, dtype, offset=start + length).reshape(shape)
    for name in ("spacing", "window", "affine"):
        if meta.get(name) is not None:
            meta[name] = tuple(meta[name])
    if "palette" in meta:
        meta["palette"] = tuple(tuple(color) for color in meta["palette"])
    if "place" in meta:
        meta["place"] = _place(meta["place"])
    for name in ("pages", "slices"):
        meta[name] = tuple(_place(each) for each in meta.get(name, ()))
    return Stored(pixels, **meta)


def _place(plain: Mapping[str, Any]) -> Place:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in plain.items()
    }
    return Place(**values)
