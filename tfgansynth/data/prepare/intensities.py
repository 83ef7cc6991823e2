"""From stored pixel values to grey or RGB on one scale, and to square images."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from tfgansynth.data.importers.stored import Stored
from tfgansynth.data.prepare.options import Options
from tfgansynth.errors import InputError

_BIT_DEPTHS = (8, 10, 12, 14, 16)
_SAMPLED = 4096
_PERCENTILES = (0.5, 99.5)
_LUMINANCE = (19595, 38470, 7471)
"""Shares of red, green and blue, of 65536, as Pillow has them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """The values of one image.

    Attributes:
        name: Its file.
        dtype: `|u1`, `<u2`, `<i4` or `<f4`.
        low: Smallest value.
        high: Largest value.
        is_color: Whether it has colors other than greys.
        bits: Bits in use, if the file says so.
        window: Values of black and white, if the file says so.
        mixed_windows: Whether its slices say different ones.
        sample: Some of its values.
    """

    name: str
    dtype: str
    low: float
    high: float
    is_color: bool
    bits: int | None
    window: tuple[float, float] | None
    mixed_windows: bool
    sample: NDArray[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """One scale for all images of a data set.

    Attributes:
        low: The value that becomes black.
        high: The value that becomes white.
        bits: 8 or 16, of the files to write.
        channels: 1 for grey, 3 for RGB.
        lines: What was understood, for people.
    """

    low: float
    high: float
    bits: int
    channels: Literal[1, 3]
    lines: tuple[str, ...]

    def apply(self, pixels: NDArray[Any], *, inverted: bool) -> NDArray[Any]:
        """Bring (H, W) or (H, W, 3) to uint8 or uint16 of this scale."""
        if pixels.ndim == 3 and self.channels == 1:
            pixels = _luminance(pixels)
        dtype = np.uint8 if self.bits == 8 else np.uint16
        most = 2**self.bits - 1
        if pixels.dtype == dtype and (self.low, self.high) == (0, most):
            scaled = pixels if not inverted else most - pixels
        else:
            share = (pixels.astype(np.float64) - self.low) / (self.high - self.low)
            share = np.clip(1 - share if inverted else share, 0, 1)
            scaled = np.rint(share * most).astype(dtype)
        if scaled.ndim == 2 and self.channels == 3:
            scaled = np.repeat(scaled[..., None], 3, axis=2)
        return np.asarray(scaled)


def _luminance(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the luminance of (H, W, 3), rounded; greys keep their value (BT.601)."""
    weighted = pixels.astype(np.uint64) @ np.array(_LUMINANCE, np.uint64)
    return np.asarray((weighted + (1 << 15)) >> 16).astype(pixels.dtype)


def plain(stored: Stored) -> NDArray[Any]:
    """Return the pixels of an image, those of a palette as colors."""
    if stored.kind == "palette":
        return np.asarray(stored.palette, np.uint8)[stored.pixels]
    return stored.pixels


def measure(pixels: NDArray[Any], stored: Stored, name: str) -> Range:
    """Measure an image.

    Args:
        pixels: Those of `plain`, or some slices of them.
        stored: Where they come from.
        name: Its file.
    """
    flat = pixels.reshape(-1)
    is_color = stored.kind != "grey" and not (pixels == pixels[..., :1]).all().item()
    return Range(
        name,
        pixels.dtype.str,
        float(flat.min()),
        float(flat.max()),
        is_color,
        stored.bits,
        stored.window,
        stored.mixed_windows,
        flat[:: max(1, flat.size // _SAMPLED)].copy(),
    )


def one_scale(ranges: Sequence[Range], options: Options) -> Scale:
    """Choose the scale of a data set.

    Raises:
        InputError: It has to be stated.
    """
    n_color = sum(each.is_color for each in ranges)
    lines = []
    keeps_colors = n_color > 0 and options.colors == "keep"
    if n_color:
        written = "RGB (--colors grey: as grey)" if keeps_colors else "grey (luminance)"
        lines.append(
            f"{n_color} of {len(ranges)} images are in color: all are written as "
            f"{written}"
        )
    low, high = min(r.low for r in ranges), max(r.high for r in ranges)
    found, said = _window(ranges, low, high, options)
    if not found[0] < found[1]:
        raise InputError(
            f"the window {found[0]:g} to {found[1]:g} is empty; state another with "
            "--window LOW HIGH"
        )
    bytes_are_enough = found == (0, 255) and high <= 255 and low >= 0
    is_whole = all(each.dtype != "<f4" for each in ranges)
    bits = 8 if bytes_are_enough and is_whole else 16
    if keeps_colors and bits == 16:
        raise InputError(
            "images in color and a window other than 0 to 255 do not go together; "
            "leave --window out, export all images the same way, or write them as grey "
            "with --colors grey"
        )
    lines.append(f"values {low:g} to {high:g}; {said}: {found[0]:g} to {found[1]:g}")
    return Scale(*found, bits, 3 if keeps_colors else 1, tuple(lines))


def _window(
    ranges: Sequence[Range], low: float, high: float, options: Options
) -> tuple[tuple[float, float], str]:
    stated = options.window
    if stated == ("percentile",):
        both = np.percentile(np.concatenate([r.sample for r in ranges]), _PERCENTILES)
        return (float(both[0]), float(both[1])), "window by percentiles 0.5 and 99.5"
    if stated:
        return _stated(stated), "window as stated"
    choices = (
        "state the values of black and white with --window LOW HIGH, or take the "
        "percentiles 0.5 and 99.5 of all images with --window percentile"
    )
    windows = {each.window for each in ranges}
    is_mixed = any(each.mixed_windows for each in ranges)
    if not is_mixed and len(windows) == 1 and (window := windows.pop()) is not None:
        return window, "window of the DICOM headers"
    dtypes = sorted({each.dtype for each in ranges})
    span = f"values from {low:g} to {high:g}"
    if is_mixed or any(window is not None for window in windows):
        raise InputError(f"the images have different windows, {span}: {choices}")
    if dtypes == ["|u1"]:
        return (0, 255), "window of 8 bits"
    if dtypes == ["<u2"]:
        stated_bits = {each.bits for each in ranges}
        bits = stated_bits.pop() if len(stated_bits) == 1 else None
        bits = max(bits or 0, used_bits(high))
        return (0, 2**bits - 1), f"window of {bits} bits" + (
            " (stored in 16)" if bits < 16 else ""
        )
    examples = {each.dtype: each.name for each in ranges}
    kinds = {
        "|u1": "8 bits",
        "<u2": "16 bits",
        "<i4": "signed or 32-bit values",
        "<f4": "fractions",
    }
    listed = ", ".join(
        f"{kind} ({examples[each]})" for each, kind in kinds.items() if each in examples
    )
    raise InputError(f"the images have {listed}, {span}: {choices}")


def used_bits(high: float) -> int:
    """Return how many bits values of 16 bits use, of those that devices deliver."""
    return next(n for n in _BIT_DEPTHS if high < 2**n)


def _stated(window: tuple[str, ...]) -> tuple[float, float]:
    try:
        low, high = (float(text) for text in window)
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(
            f"--window {' '.join(window)}: expected LOW HIGH with LOW below HIGH, or "
            "percentile"
        )
    return low, high


def squared(plane: NDArray[Any], fit: str, *, is_mask: bool) -> NDArray[Any]:
    """Make (H, W) or (H, W, 3) square: `pad`, `crop` or `stretch`."""
    height, width = plane.shape[:2]
    if height == width:
        return plane
    if fit == "pad":
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        out = np.zeros((side, side, *plane.shape[2:]), plane.dtype)
        out[top : top + height, left : left + width] = plane
        return out
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return plane[top : top + side, left : left + side]
    side = max(height, width)
    mode = cv2.INTER_NEAREST if is_mask else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, (side, side), interpolation=mode))
