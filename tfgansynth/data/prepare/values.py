"""What values mask files have, one survey a file, and how people write values."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.data.importers.images import has_two_levels
from tfgansynth.data.importers.stored import Stored
from tfgansynth.errors import InputError

Plane = NDArray[np.int32]
"""(H, W) of grey values, indices of a palette, or colors as 0xRRGGBB."""

MOST_VALUES = 4096
"""A mask with more values is an image."""


@dataclasses.dataclass(frozen=True, slots=True)
class Survey:
    """The values of one mask.

    Attributes:
        name: Its file, and slice.
        kind: What the values are: `grey`, `palette` or `color`.
        counts: Number of pixels of each value.
        smooth: Whether all but the smallest and the largest are smoothed edges or
            JPEG artifacts.
        border: Share of the border whose values are above the middle.
    """

    name: str
    kind: str
    counts: Mapping[int, int]
    smooth: bool
    border: float


def plane(pixels: NDArray[Any], stored: Stored, name: str) -> tuple[str, Plane]:
    """Turn the pixels of a mask into whole numbers.

    A palette of greys counts as grey, and so do colors that are all grey.

    Raises:
        InputError: The values are not whole numbers.
    """
    if stored.kind == "palette":
        palette = np.asarray(stored.palette, np.int32)
        if (palette == palette[:, :1]).all():
            return "grey", palette[pixels, 0]
        return "palette", pixels.astype(np.int32)
    if stored.kind == "color":
        wide = pixels.astype(np.int32)
        if (pixels == pixels[..., :1]).all():
            return "grey", wide[..., 0]
        return "color", (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    if pixels.dtype.kind == "f" and (pixels != np.rint(pixels)).any():
        raise InputError(f"{name}: has fractions, a mask has whole numbers")
    if np.abs(pixels.astype(np.float64)).max() >= 1 << 31:
        raise InputError(f"{name}: has values beyond 32 bits, a mask has small ones")
    return "grey", pixels.astype(np.int32)


def survey(values: Plane, kind: str, name: str) -> Survey:
    """Count the values of a mask.

    Raises:
        InputError: It has so many that it is an image.
    """
    found, counts = np.unique(values, return_counts=True)
    if len(found) > MOST_VALUES or (kind == "color" and len(found) > 256):
        raise InputError(
            f"{name}: has {len(found)} different values, which is an image and not a "
            "mask (or a colored mask saved as JPEG); export it as PNG"
        )
    middle = (int(found[0]) + int(found[-1])) / 2
    high = values > middle
    edge = np.concatenate([high[0], high[-1], high[:, 0], high[:, -1]])
    return Survey(
        name,
        kind,
        dict(zip(found.tolist(), counts.tolist(), strict=True)),
        kind == "grey" and has_two_levels(values),
        float(edge.mean()),
    )


def parse_value(text: str, kind: str, option: str) -> int:
    """Read a value as people write it: 3, or #ff0000 where masks are in color.

    Raises:
        InputError: It is none, or not of this kind of mask.
    """
    if match := re.fullmatch(r"#?([0-9a-fA-F]{6})", text):
        if kind == "color":
            return int(match[1], 16)
    elif re.fullmatch(r"-?[0-9]{1,9}", text) and kind != "color":
        return int(text)
    expected = "a color #RRGGBB" if kind == "color" else "a whole number"
    raise InputError(f"{option} {text}: expected {expected}, as the masks have")


def value_text(value: int, kind: str) -> str:
    """Write a value as `parse_value` reads it."""
    return f"#{value:06x}" if kind == "color" else str(value)
