"""The engine that finds copies: equal, altered, and how near to being one.

Three guards use it, each with bounds of its own:

- The data check (`duplicates`) asks which *files* show one picture, perhaps resized,
  turned or mirrored, and whether the split separates them. It needs a yes or no, for
  few candidates: `registered` aligns two images and correlates their fine details.
- The leakage guard (`held_out`) asks whether something was made from a *test case*. It
  has only hashes: `shared_cases` compares them.
- The memorization audit (`assessment.memorization`) asks how near a *generated pair* is
  to each training case. It needs a distance for every pair, which must be comparable
  between real and generated images, so nothing is fitted: `distances` correlates at all
  small shifts.

The last two measures share their steps: images of at most `SIDE` pixels are
band-passed, the local contrast is evened out, the result is made a unit vector, and the
largest product of two over a family of moves counts.

`registered` compares each image with each other one at a coarse scale, also mirrored,
shifted and magnified a little. The best candidates are registered by an affine map
(Evangelidis and Psarakis 2008, from OpenCV). Then their fine details are correlated:
chests are alike, but the places where ribs cross vessels are not.

`distances` compares two images so that noise, smoothing, exposure and a shift of a few
pixels do not hide a copy:

1. Both are reduced to at most 64 x 64 pixels by area and band-passed (the difference of
   Gaussians of 1 and 4 pixels), which removes noise and exposure. Their local contrast
   is evened out. What remains is the positions of ribs, vessels and edges.
2. Their distance is sqrt(2 - 2 r), in [0, 2]. r is the largest normalized
   cross-correlation between the middle of the training image and windows of the same
   size in the other image, up to a 16th of the side away in each direction (8 of 128
   pixels), in steps of half a pixel (one pixel of 128).

Masks are compared in the same way; the band-pass leaves their outlines. For a pair, r
is the mean of the image's and the mask's correlation at the same shift.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfgansynth.arrays import FloatArray, resize_area
from tfgansynth.data.dataset import CaseHashes

SIDE = 64
"""Images are correlated at this side in pixels, at most."""

Part = Literal["image", "mask", "pair"]
PARTS: tuple[Part, ...] = ("image", "mask", "pair")
"""What is compared: images alone, masks alone, or both at once."""

Pairs = tuple[NDArray[Any], NDArray[np.bool_]]
"""Images (n, S, S) of any number type, [0, 255], and their masks, bool (n, S, S)."""

Matrix = NDArray[np.float64]

_NO_DETAIL = 1e-6
"""Length of a vector that holds rounding errors only: an image of one value."""
_COARSE_SIDE = 32
_COARSE_SIMILARITY = 0.72
"""Pairs with a lower correlation at the coarse scale are not registered."""
_NEIGHBORS = 10
"""The most candidates of an image. This limits the time for sets of one picture."""

_FINEST, _COARSEST = 1 / 64, 4 / 64
"""Standard deviations of the band-pass's two Gaussians, as shares of the side."""
_SHIFT = 1 / 16
"""The farthest shift, as a share of the side."""
_CONTRAST_FLOOR = 0.1
"""Share of an image's mean local contrast below which contrast is not evened out."""
_ROUNDING = 1e-6
"""Contrast that rounding gives to a flat plane, as a share of its value."""


_Move = tuple[bool, float, int, int]
"""Whether mirrored; the magnification; the shift down and right in coarse pixels."""

_MOVES: tuple[_Move, ...] = tuple(
    itertools.product((False, True), (1.0, 1.06), (-1, 0, 1), (-1, 0, 1))
)
"""The moves that are tried at the coarse scale."""


def content_key(image: FloatArray) -> bytes:
    """Return what two images have in common only if every pixel is equal."""
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).digest()


def shared_cases(
    cases: CaseHashes, others: CaseHashes, *, by_content: bool
) -> list[str]:
    """Return the ids of `cases` that are among `others`, by id or also by content."""
    contents = set(others.values()) if by_content else set()
    return [
        case_id
        for case_id, content in cases.items()
        if case_id in others or content in contents
    ]


def registered(
    images: Sequence[FloatArray],
) -> Iterator[tuple[int, int, float, bool]]:
    """Yield pairs of images that are alike, with their similarity once registered.

    Args:
        images: float32 (S, S), [0, 255], that all differ; sizes may differ.

    Yields:
        The indices of two images in order; the correlation of their fine details,
        [-1, 1]; whether one is the mirror image of the other.
    """
    if len(images) < 2:
        return
    small = [resize_area(image, SIDE) for image in images]
    structures = [_structure(image) for image in small]
    details = [_local_contrast(image, 0.6, 1, 3) for image in small]
    for fixed, moving, move in _candidates(structures):
        warp = _register(structures[fixed], structures[moving], move)
        moved = _apply(warp, details[moving], mirrored=move[0])
        one, other = _inner_vectors([details[fixed], moved])
        first, second = sorted((fixed, moving))
        yield first, second, float(one @ other), move[0]


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
    shapes = [array.shape for array in (*training, *pairs)]
    sizes = {shape[1:] for shape in shapes}
    squares = all(len(size) == 2 and size[0] == size[1] > 0 for size in sizes)
    fit = len(sizes) == 1 and squares and shapes[::2] == shapes[1::2]
    if not fit or not all(shape[0] for shape in shapes):
        raise ValueError(
            f"expected images and masks (n, S, S), n >= 1, of one size, got {shapes}"
        )
    references, others = ([*map(_even_details, both)] for both in (training, pairs))
    best, _ = _over_moves(_at_shifts(references, others))
    matrices = np.sqrt(np.clip(2 - 2 * best.astype(np.float64), 0, 4))
    return dict(zip(PARTS, matrices, strict=True))


def _over_moves(
    correlations: Iterable[FloatArray],
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the largest of correlations, one array a move, and the move's number."""
    best, move = np.empty(0, np.float32), np.empty(0, np.int64)
    for number, correlation in enumerate(correlations):
        if not number:
            best = np.full(correlation.shape, -1, np.float32)
            move = np.zeros(correlation.shape, np.int64)
        better = correlation > best
        best[better] = correlation[better]
        move[better] = number
    return best, move


def unit_vectors(planes: FloatArray, *, least: float = 0.0) -> FloatArray:
    """Flatten planes to vectors of mean 0 and length 1, whose products correlate.

    A vector of length `least` or less is not scaled up: it has no details.
    """
    vectors = planes.reshape(len(planes), -1)
    vectors = np.asarray(vectors - vectors.mean(axis=1, keepdims=True))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > least)
    return np.asarray(vectors, np.float32)


def _candidates(
    structures: Sequence[FloatArray],
) -> Iterator[tuple[int, int, _Move]]:
    """Yield pairs that are alike at the coarse scale: fixed, moving, the move."""
    coarse = [resize_area(structure, _COARSE_SIDE) for structure in structures]
    still = _inner_vectors(coarse)

    def at(move: _Move) -> FloatArray:
        warp = _warp(_COARSE_SIDE, move)
        moved = [_apply(warp, plane, mirrored=move[0]) for plane in coarse]
        return np.asarray(still @ _inner_vectors(moved).T)

    best, best_move = _over_moves(map(at, _MOVES))
    np.fill_diagonal(best, -1)
    # If one image is the other one reduced, the other is the one magnified.
    either = np.maximum(best, best.T)
    nearest = np.argsort(-either, axis=1, kind="stable")[:, :_NEIGHBORS]
    is_near = np.zeros(best.shape, np.bool_)
    np.put_along_axis(is_near, nearest, True, axis=1)
    is_near = (is_near | is_near.T) & (either >= _COARSE_SIMILARITY)
    for one, other in np.argwhere(np.triu(is_near)).tolist():
        swapped = best[one, other] < best[other, one]
        fixed, moving = (other, one) if swapped else (one, other)
        yield fixed, moving, _MOVES[best_move[fixed, moving]]


def _register(fixed: FloatArray, moving: FloatArray, move: _Move) -> FloatArray:
    """Return the affine map, (2, 3), from `fixed` into `moving`, near a move."""
    start = _warp(SIDE, move)
    if move[0]:
        moving = np.ascontiguousarray(moving[:, ::-1])
    enough = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-4)
    try:
        _, warp = cv2.findTransformECC(
            fixed, moving, start.copy(), cv2.MOTION_AFFINE, enough
        )
    except cv2.error:  # images that diverge are not copies, and the start shows it
        return start
    return np.asarray(warp, np.float32)


def _structure(image: FloatArray) -> FloatArray:
    """Keep bones and outlines, whatever the exposure: float32 (H, W)."""
    levels = np.rint(image).astype(np.intp)
    counts = np.bincount(levels.ravel(), minlength=256)
    ranks = (np.cumsum(counts) - counts / 2) * (255 / image.size)
    return _local_contrast(ranks[levels].astype(np.float32), 1, 3, 4)


def _local_contrast(
    image: FloatArray, fine: float, coarse: float, window: float
) -> FloatArray:
    """Keep the details between two scales, divided by their own spread nearby.

    The image is in [0, 255]; scales and window are standard deviations in pixels.
    """

    def blur(plane: FloatArray, sigma: float) -> FloatArray:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)

    details = blur(image, fine) - blur(image, coarse)
    # One grey level more, so that rounding errors of a flat area stay small.
    spread = np.sqrt(blur(details * details, window) + 1)
    return np.asarray(details / spread, np.float32)


def _warp(side: int, move: _Move) -> FloatArray:
    """Return a move as an affine map, (2, 3), of planes of some side."""
    _, magnification, down, right = move
    step = side // _COARSE_SIDE
    center = (side - 1) / 2
    warp = cv2.getRotationMatrix2D((center, center), 0, 1 / magnification)
    warp[:, 2] += (step * right, step * down)
    return np.asarray(warp, np.float32)


def _apply(warp: FloatArray, plane: FloatArray, *, mirrored: bool) -> FloatArray:
    """Move a plane, mirrored first: the result's pixel x is the plane's `warp` x."""
    if mirrored:
        plane = np.ascontiguousarray(plane[:, ::-1])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(plane, warp, plane.shape, flags=flags), np.float32)


def _inner_vectors(planes: Sequence[FloatArray]) -> FloatArray:
    """Return (n, p) whose products are correlations of the planes' inner parts."""
    inner = np.stack(planes)
    margin = inner.shape[1] // 10
    return unit_vectors(inner[:, margin:-margin, margin:-margin], least=_NO_DETAIL)


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
