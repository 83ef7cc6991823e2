"""How near are two pairs to being copies? A distance for every pair of pairs.

Two images are compared so that noise, smoothing, exposure and a shift of a few
pixels do not hide a copy:

1. Both are reduced to at most 64 x 64 pixels by area and band-passed (the difference of
   Gaussians of 1 and 4 pixels), which removes noise and exposure. Their local contrast
   is evened out. What remains is the positions of ribs, vessels and edges.
2. Their distance is sqrt(2 - 2 r), in [0, 2]. r is the largest normalized
   cross-correlation between the middle of the training image and windows of the same
   size in the other image, up to a 16th of the side away in each direction (8 of 128
   pixels), in steps of half a pixel (one pixel of 128).

Images in color are compared by their luminance. Masks are compared in the same way as
images; the band-pass leaves their outlines. For a pair, r
is the mean of the image's and the mask's correlation at the same shift.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfgansynth.arrays import FloatArray, Labels, luminance, resize_area

SIDE = 64
"""Images are correlated at this side in pixels, at most."""

Part = Literal["image", "mask", "pair"]
PARTS: tuple[Part, ...] = ("image", "mask", "pair")
"""What is compared: images alone, masks alone, or both at once."""

Pairs = tuple[NDArray[Any], Labels]
"""Images (n, S, S) or (n, S, S, 3) of any number type, [0, 255], and their masks, uint8
(n, S, S), class indices."""

Matrix = NDArray[np.float64]

_FINEST, _COARSEST = 1 / 64, 4 / 64
"""Standard deviations of the band-pass's two Gaussians, as shares of the side."""
_SHIFT = 1 / 16
"""The farthest shift, as a share of the side."""
_CONTRAST_FLOOR = 0.1
"""Share of an image's mean local contrast below which contrast is not evened out."""
_ROUNDING = 1e-6
"""Contrast that rounding gives to a flat plane, as a share of its value."""


def distances(training: Pairs, pairs: Pairs) -> dict[Part, Matrix]:
    """Return the distance of each pair to each training case; see the module's text.

    Args:
        training: m training cases.
        pairs: n pairs of the same size.

    Returns:
        For image, mask and pair: float64 (n, m), in [0, 2].

    Raises:
        ValueError: Images and masks are not (n, S, S), n >= 1, of one size and number.
    """
    training, pairs = (
        (luminance(images), labels) for images, labels in (training, pairs)
    )
    shapes = [array.shape for array in (*training, *pairs)]
    sizes = {shape[1:] for shape in shapes}
    squares = all(len(size) == 2 and size[0] == size[1] > 0 for size in sizes)
    fit = len(sizes) == 1 and squares and shapes[::2] == shapes[1::2]
    if not fit or not all(shape[0] for shape in shapes):
        raise ValueError(
            f"expected images and masks (n, S, S), n >= 1, of one size, got {shapes}"
        )
    references, others = ([*map(_even_details, both)] for both in (training, pairs))
    best = functools.reduce(np.maximum, _at_shifts(references, others))
    matrices = np.sqrt(np.clip(2 - 2 * best.astype(np.float64), 0, 4))
    return dict(zip(PARTS, matrices, strict=True))


def unit_vectors(planes: FloatArray) -> FloatArray:
    """Flatten planes to vectors of mean 0 and length 1, whose products correlate."""
    vectors = planes.reshape(len(planes), -1)
    vectors = np.asarray(vectors - vectors.mean(axis=1, keepdims=True))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return np.asarray(vectors, np.float32)


def _even_details(stack: NDArray[Any]) -> FloatArray:
    """Band-passed images or masks, float32 (n, s, s), s at most 64."""
    side = min(SIDE, stack.shape[-1])
    planes = np.stack([resize_area(full, side) for full in stack])

    def blur(planes: FloatArray, sigma: float) -> FloatArray:
        blurred = ndimage.gaussian_filter(planes, (0, sigma, sigma))
        return np.asarray(blurred, np.float32)

    coarse = _COARSEST * side
    details = blur(planes, _FINEST * side) - blur(planes, coarse)
    contrast = np.sqrt(blur(details * details, coarse))
    floor = _CONTRAST_FLOOR * contrast.mean(axis=(1, 2), keepdims=True)
    # Rounding errors of a flat plane are not details.
    seen = floor > _ROUNDING * np.abs(planes).max(axis=(1, 2), keepdims=True)
    even = np.zeros_like(details)
    np.divide(details, contrast + floor, out=even, where=seen)
    return even


def _at_shifts(
    references: Sequence[FloatArray], others: Sequence[FloatArray]
) -> Iterator[FloatArray]:
    """Yield correlations at small shifts for image, mask and pair: float32 (3, n, m).

    Each is the largest of all shifts along a row; m references, n others.
    """
    side = references[0].shape[-1]
    reach = round(_SHIFT * side)
    inner = side - 2 * reach
    middles = [
        unit_vectors(planes[:, reach : reach + inner, reach : reach + inner])
        for planes in references
    ]
    # Moved up by 0 or half a pixel, and to the left by 0 or half a pixel.
    halfway = [
        [[_moved(planes, up, left) for left in (0, -0.5)] for up in (0, -0.5)]
        for planes in others
    ]
    for top, right in itertools.product(range(4 * reach + 1), (0, 1)):
        row, below = divmod(top, 2)
        # One product for all shifts along a row: in many small products, threads wait
        # for each other most of the time.
        image, mask = (
            _correlations(planes[below][right][:, row : row + inner], middle)
            for planes, middle in zip(halfway, middles, strict=True)
        )
        # The last shift of half a pixel is out of reach.
        found = np.stack([image, mask, (image + mask) / 2])[:, : 2 * reach + 1 - right]
        yield found.max(axis=1)


def _moved(planes: FloatArray, *shift: float) -> FloatArray:
    return np.stack([ndimage.shift(plane, shift, mode="nearest") for plane in planes])


def _correlations(rows: FloatArray, units: FloatArray) -> FloatArray:
    """Correlate the windows along rows with vectors of mean 0 and length 1.

    Because the vectors have mean 0, the means of the windows matter for their lengths
    only.

    Args:
        rows: float32 (n, h, s).
        units: float32 (m, h * h).

    Returns:
        float32 (s - h + 1, n, m), one for each window from the left.
    """
    n_planes, side, _ = rows.shape
    windows = np.lib.stride_tricks.sliding_window_view(rows, side, axis=2)
    vectors = windows.transpose(2, 0, 1, 3).reshape(-1, side * side)
    squares = np.einsum("np,np->n", vectors, vectors)
    squares -= vectors.shape[1] * vectors.mean(axis=1) ** 2
    lengths = np.sqrt(np.maximum(squares, 0))[:, None]
    products = np.asarray(vectors @ units.T)
    np.divide(products, lengths, out=products, where=lengths > 0)
    return products.reshape(-1, n_planes, len(units))
