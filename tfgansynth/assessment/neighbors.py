"""How near a pair is to each training case, whatever its exposure and place.

A copy that a generator makes is seldom exact: it is noisier or smoother, brighter or
darker, or a few pixels off. Two images are compared here so that none of this hides
a copy:

1. Both are brought to at most 64 x 64 pixels by area and band-passed (the difference
   of Gaussians of 1 and 4 pixels), which leaves out noise as well as exposure, and
   their local contrast is evened out: what stays is where ribs, vessels and edges lie.
2. Their distance is sqrt(2 - 2 r), in [0, 2], where r is the largest normalized
   cross-correlation of the middle of the training image with equally large windows
   of the other, up to a 16th of the side away in each direction (8 of 128 pixels), in
   steps of half a pixel: of one pixel of 128.

Masks are compared in the same way; the band-pass leaves their outlines. For a pair, r
is the mean of the image's and the mask's correlation at the same shift.

A smooth image, near the average of all, is nearer to every case than a real one is,
and yet copies none. So the nearest case is judged by the *relative distance*: the
distance to it over the mean distance to the next 50 (all others, where there are
fewer). It is near 0 for a copy and near 1 where no case stands out. The idea is the
adaptive distance of Carlini et al., "Extracting training data from diffusion models"
(2023), section 4.2.

What hides a copy: measured on radiographs, pairs turned by 2 degrees or scaled by 3 %
are still found by the audit in `memorization`, those turned by 4 degrees or scaled by
6 % are not. Mirror images are not looked for.
"""

import dataclasses
import itertools
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfgansynth.arrays import FloatArray, resize_area

Part = Literal["image", "mask", "pair"]
PARTS: tuple[Part, ...] = ("image", "mask", "pair")
"""What is compared: images alone, masks alone, or both at once."""

Pairs = tuple[NDArray[Any], NDArray[np.bool_]]
"""Images (n, S, S) of any number type, [0, 255], and their masks, bool (n, S, S)."""

Matrix = NDArray[np.float64]

_SIDE = 64
_FINEST, _COARSEST = 1 / 64, 4 / 64
"""Standard deviations of the band-pass's two Gaussians, as shares of the side."""
_SHIFT = 1 / 16
"""The farthest shift, as a share of the side."""
_CONTRAST_FLOOR = 0.1
"""Share of an image's mean local contrast below which nothing is evened out."""
_ROUNDING = 1e-6
"""Contrast that float32 makes of a flat plane, as a share of its value."""
_N_OTHERS = 50


@dataclasses.dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest training case of each of n pairs.

    Attributes:
        cases: int64 (n,), its index.
        distances: float64 (n,), the relative distance to it, in [0, 1].
    """

    cases: NDArray[np.int64]
    distances: NDArray[np.float64]


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
    _check(training, pairs)
    references, others = _planes(training), _planes(pairs)
    side = references[0].shape[-1]
    reach = round(_SHIFT * side)
    inner = side - 2 * reach
    middles = [
        _unit(planes[:, reach : reach + inner, reach : reach + inner])
        for planes in references
    ]
    halfway = [_halfway(planes) for planes in others]
    best = np.full((3, len(others[0]), len(references[0])), -1, np.float32)
    for top, beside in itertools.product(range(4 * reach + 1), (0, 1)):
        row, below = divmod(top, 2)
        # All shifts along a row in one product: many small ones would have the
        # processors wait for each other most of the time.
        image, mask = (
            _correlations(planes[below][beside][:, row : row + inner], middle)
            for planes, middle in zip(halfway, middles, strict=True)
        )
        # The last shift of half a pixel would leave the reach.
        found = np.stack([image, mask, (image + mask) / 2])[:, : 2 * reach + 1 - beside]
        np.maximum(best, found.max(axis=1), out=best)
    matrices = np.sqrt(np.clip(2 - 2 * best.astype(np.float64), 0, 4))
    return dict(zip(PARTS, matrices, strict=True))


def nearest(matrix: Matrix) -> Nearest:
    """Find the nearest training case of each pair and its relative distance.

    Args:
        matrix: float64 (n, m), distances to m training cases. A case to be left out,
            as when training cases are compared among themselves, is at infinity.

    Raises:
        ValueError: Less than two training cases are left for a pair: with one, there
            is nothing to be nearer than.
    """
    if matrix.ndim != 2 or np.isfinite(matrix).sum(axis=1).min(initial=2) < 2:
        raise ValueError("expected distances to at least 2 training cases")
    ordered = np.sort(matrix, axis=1)[:, : _N_OTHERS + 1]
    others = np.mean(ordered[:, 1:], axis=1, where=np.isfinite(ordered[:, 1:]))
    relative = np.divide(
        ordered[:, 0], others, out=np.zeros(len(matrix)), where=others > 0
    )
    return Nearest(cases=matrix.argmin(axis=1), distances=relative)


def _check(training: Pairs, pairs: Pairs) -> None:
    shapes = [array.shape for array in (*training, *pairs)]
    sizes = {shape[1:] for shape in shapes}
    squares = all(len(size) == 2 and size[0] == size[1] > 0 for size in sizes)
    fit = len(sizes) == 1 and squares and shapes[::2] == shapes[1::2]
    if not fit or not all(shape[0] for shape in shapes):
        raise ValueError(
            f"expected images and masks (n, S, S), n >= 1, of one size, got {shapes}"
        )


def _planes(pairs: Pairs) -> tuple[FloatArray, FloatArray]:
    """Band-passed images and masks, float32 (n, s, s) each, s at most 64."""
    images, masks = pairs
    return _band_pass(images), _band_pass(masks)


def _band_pass(stack: NDArray[Any]) -> FloatArray:
    side = min(_SIDE, stack.shape[-1])
    planes = np.zeros((len(stack), side, side), np.float32)
    for plane, full in zip(planes, stack, strict=True):
        plane[:] = resize_area(full, side)
    coarse = _blur(planes, _COARSEST * side)
    details = _blur(planes, _FINEST * side) - coarse
    contrast = np.sqrt(_blur(details**2, _COARSEST * side))
    floor = _CONTRAST_FLOOR * contrast.mean(axis=(1, 2), keepdims=True)
    # Rounding errors of a flat plane are no details of it.
    seen = floor > _ROUNDING * np.abs(planes).max(axis=(1, 2), keepdims=True)
    even = np.zeros_like(details)
    np.divide(details, contrast + floor, out=even, where=seen)
    return even


def _halfway(planes: FloatArray) -> list[list[FloatArray]]:
    """Move planes up by 0 or half a pixel, and to the left by 0 or half a pixel."""
    return [[_moved(planes, down, right) for right in (0, 0.5)] for down in (0, 0.5)]


def _moved(planes: FloatArray, down: float, right: float) -> FloatArray:
    shift = (-down, -right)
    return np.stack([ndimage.shift(plane, shift, mode="nearest") for plane in planes])


def _blur(planes: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(ndimage.gaussian_filter(planes, (0, sigma, sigma)), np.float32)


def _unit(planes: FloatArray) -> FloatArray:
    """Flatten planes to vectors (m, p) of mean 0 and length 1; flat ones stay 0."""
    vectors = _flat(planes)
    vectors = np.asarray(vectors - vectors.mean(axis=1, keepdims=True))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors


def _correlations(rows: FloatArray, units: FloatArray) -> FloatArray:
    """Correlate the windows along rows with vectors of mean 0 and length 1.

    As those have mean 0, the windows' own means drop out of the product and are
    needed for the lengths alone.

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


def _flat(planes: FloatArray) -> FloatArray:
    return planes.reshape(len(planes), math.prod(planes.shape[1:]))
