"""Small pictures for the page: PNG inside it, with outlines as lines above them."""

import base64
import dataclasses
import io
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.measure import approximate_polygon, find_contours

from tfgansynth.arrays import ByteArray, Labels, MaskArray
from tfgansynth.errors import InputError
from tfgansynth.runtime import storage

_MOST_PNG_BYTES = 64 << 20
_TOLERANCE_PX = 0.2
_COLORS = 64
_SHEET_COLUMNS, _SHEET_GAP = 8, 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """One picture; caption and outlines may be empty.

    Attributes:
        src: The PNG, as the address of an image.
        side: Its height and width in pixels.
        alt: What a reader who does not see it must know.
        truth: SVG path around the mask that belongs to the image.
        prediction: SVG path around what a network found.
    """

    src: str
    side: int
    alt: str
    caption: str = ""
    truth: str = ""
    prediction: str = ""


def thumbnail(
    pixels: ByteArray,
    *,
    alt: str,
    caption: str = "",
    truth: Labels | None = None,
    prediction: Labels | None = None,
) -> Thumbnail:
    """Make a thumbnail of uint8 (S, S[, 3]) pixels, and outlines of masks (S, S)."""
    return Thumbnail(
        src=png_address(storage.encode_png(pixels)),
        side=len(pixels),
        alt=alt,
        caption=caption,
        truth="" if truth is None else outline_path(truth),
        prediction="" if prediction is None else outline_path(prediction),
    )


def mask_thumbnail(mask: Labels, *, alt: str) -> Thumbnail:
    """Make a thumbnail of a mask, uint8 (S, S), each class in a grey of its own."""
    step = 255 // max(int(mask.max()), 1)
    return thumbnail(mask.astype(np.uint8) * np.uint8(step), alt=alt)


def png_address(content: bytes) -> str:
    """Put a PNG file into an address."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def outline_path(mask: Labels) -> str:
    """Draw around each class of a mask as the path of an SVG of S x S units.

    Args:
        mask: uint8 (S, S), class indices, or bool of one class.
    """
    indices = range(1, int(mask.max()) + 1)
    return "".join(_path_around(np.asarray(mask == index)) for index in indices)


def _path_around(mask: MaskArray) -> str:
    # A frame of background closes the contours of masks that touch the border.
    around = np.pad(mask, 1).astype(np.float64)
    contours = [
        approximate_polygon(contour, _TOLERANCE_PX) - 0.5
        for contour in find_contours(around, 0.5)
    ]
    points = [
        [f"{column:g} {row:g}" for row, column in contour[:-1]] for contour in contours
    ]
    return "".join(f"M{'L'.join(path)}Z" for path in points)


def sample_thumbnails(path: Path, side: int, count: int) -> list[Thumbnail]:
    """Cut the first pairs, outlined, out of a picture of a GAN's samples.

    Args:
        path: As `gan.recording` writes it: plain images above outlined ones.
        side: Of an image, in pixels; the picture has it doubled.
        count: At most the sheet's columns.

    Raises:
        InputError: There is no such picture.
    """
    large = 2 * side
    pitch = large + _SHEET_GAP
    try:
        content = storage.read_bytes(path, _MOST_PNG_BYTES)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.width != _SHEET_COLUMNS * pitch + _SHEET_GAP:
                raise ValueError(f"it is {image.width} px wide")
            sheet = np.asarray(image.convert("RGB"))
    except Exception as fault:  # Pillow raises many kinds
        raise InputError(f"{path}: cannot be read ({fault})") from fault
    top = _SHEET_GAP + pitch
    return [
        Thumbnail(
            src=_few_colors(sheet[top : top + large, left : left + large]),
            side=large,
            alt=f"Sample {number + 1} of the generator at {path.stem}, outlined",
        )
        for number in range(count)
        for left in [_SHEET_GAP + number * pitch]
    ]


def _few_colors(pixels: ByteArray) -> str:
    """Grey noise with thin outlines needs few colors; the file is a third then."""
    image = Image.fromarray(pixels).quantize(_COLORS, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return png_address(buffer.getvalue())
