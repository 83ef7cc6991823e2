"""How near a pair is to each training case, whatever its exposure and position.

A copy that a generator makes is seldom exact. It is noisier or smoother, brighter or
darker, or a few pixels away. Two images are compared so that none of this hides a copy:

1. Both are reduced to at most 64 x 64 pixels by area and band-passed (the difference of
   Gaussians of 1 and 4 pixels), which removes noise and exposure. Their local contrast
   is evened out. What remains is the positions of ribs, vessels and edges.
2. Their distance is sqrt(2 - 2 r), in [0, 2]. r is the largest normalized
   cross-correlation between the middle of the training image and windows of the same
   size in the other image, up to a 16th of the side away in each direction (8 of 128
   pixels), in steps of half a pixel (one pixel of 128).

Masks are compared in the same way; the band-pass leaves their outlines. For a pair, r
is the mean of the image's and the mask's correlation at the same shift.

A smooth image, near the average of all cases, is nearer to each case than a real one
is, although it copies none. The nearest case is therefore judged by the *relative
distance*: the distance to it over the mean distance to the next 50 cases (all others if
there are fewer). It is near 0 for a copy and near 1 if no case stands out. The idea is
the adaptive distance of Carlini et al., "Extracting training data from diffusion
models" (2023), section 4.2.

Limits, measured on radiographs: the audit in `memorization` still finds pairs turned by
2 degrees or scaled by 3 %, but not those turned by 4 degrees or scaled by 6 %. It does
not look for mirror images. See `data.similarity` for the steps that this shares with
the search for duplicates, and for the reasons why the rest differs.
"""

import dataclasses
import itertools
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfgansynth.arrays import FloatArray, resize_area
from tfgansynth.data.similarity import SIDE, band_pass, unit_vectors

Part = Literal["image", "mask", "pair"]
PARTS: tuple[Part, ...] = ("image", "mask", "pair")
"""What is compared: images alone, masks alone, or both at once."""

Pairs = tuple[NDArray[Any], NDArray[np.bool_]]
"""Images (n, S, S) of any number type, [0, 255], and their masks, bool (n, S, S)."""

Matrix = NDArray[np.float64]

_FINEST, _COARSEST = 1 / 64, 4 / 64
"""Standard deviations of the band-pass's two Gaussians, as shares of the side."""
_SHIFT = 1 / 16
"""The farthest shift, as a share of the side."""
_CONTRAST_FLOOR = 0.1
"""Share of an image's mean local contrast below which contrast is not evened out."""
_ROUNDING = 1e-6
"""Contrast that rounding gives to a flat plane, as a share of its value."""
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
    references, others = ([*map(_band_pass, both)] for both in (training, pairs))
    side = references[0].shape[-1]
    reach = round(_SHIFT * side)
    inner = side - 2 * reach
    middles = [
        unit_vectors(planes[:, reach : reach + inner, reach : reach + inner])
        for planes in references
    ]
    halfway = [_halfway(planes) for planes in others]
    best = np.full((3, len(others[0]), len(references[0])), -1, np.float32)
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
        np.maximum(best, found.max(axis=1), out=best)
    matrices = np.sqrt(np.clip(2 - 2 * best.astype(np.float64), 0, 4))
    return dict(zip(PARTS, matrices, strict=True))


def nearest(matrix: Matrix) -> Nearest:
    """Find the nearest training case of each pair and its relative distance.

    Args:
        matrix: float64 (n, m), distances to m training cases. A case that must not
            count, such as a training case itself, has an infinite distance.

    Raises:
        ValueError: A pair has fewer than two training cases: with one, there are no
            others to compare it with.
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


def _band_pass(stack: NDArray[Any]) -> FloatArray:
    """Band-passed images or masks, float32 (n, s, s), s at most 64."""
    side = min(SIDE, stack.shape[-1])
    planes = np.zeros((len(stack), side, side), np.float32)
    for plane, full in zip(planes, stack, strict=True):
        plane[:] = resize_area(full, side)
    coarse = _COARSEST * side
    details, power = band_pass(
        planes, _blur, fine=_FINEST * side, coarse=coarse, window=coarse
    )
    contrast = np.sqrt(power)
    floor = _CONTRAST_FLOOR * contrast.mean(axis=(1, 2), keepdims=True)
    # Rounding errors of a flat plane are not details.
    seen = floor > _ROUNDING * np.abs(planes).max(axis=(1, 2), keepdims=True)
    even = np.zeros_like(details)
    np.divide(details, contrast + floor, out=even, where=seen)
    return even


def _halfway(planes: FloatArray) -> list[list[FloatArray]]:
    """Move planes up by 0 or half a pixel, and to the left by 0 or half a pixel."""
    return [[_moved(planes, up, left) for left in (0, -0.5)] for up in (0, -0.5)]


def _moved(planes: FloatArray, *shift: float) -> FloatArray:
    return np.stack([ndimage.shift(plane, shift, mode="nearest") for plane in planes])


def _blur(planes: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(ndimage.gaussian_filter(planes, (0, sigma, sigma)), np.float32)


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
