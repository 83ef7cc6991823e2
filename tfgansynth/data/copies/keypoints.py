"""Which images have keypoints that agree on a map from the one to the other?

This finds the candidates of `registration`, which says how.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray

SIDE = 128
"""Images are compared at this side in pixels. [choice]"""
# Each of the following is a [choice], made with the images of
# `registration.COPY_SCORE`.

_KEYPOINTS = 150
"""Most keypoints of an image. With 100, some copies with large letters are missed."""
_DIMENSIONS = 32
"""Principal components of the 128 values of a descriptor."""
_FARTHEST = 0.6
"""Largest distance of two descriptors that match; their length is 1."""
_LEAST_SUPPORT = 8
"""Least number of matches that agree on a map."""
_MOST_MATCHES = 400
"""Most matches of two images; textures have more."""
_TOLERANCE, _UNLIKE, _MAGNIFICATION = 8.0, 0.35, 1.7
"""Pixels by which a match may miss the map that it supports, the relative difference of
the maps that both propose, and the largest magnification."""
_CLOSE = 2.0
"""Pixels by which a match may miss the fitted map, to be used in a second fit."""

Indices = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class _Effort:
    """How long is searched.

    Attributes:
        trees: Trees of the index.
        neighbors: Matches of a descriptor.
        groups: Most pairs of an image whose matches are compared, but for those that
            the other image needs.
        candidates: Most pairs whose details are compared, likewise.
    """

    trees: int
    neighbors: int
    groups: int
    candidates: int


_THOROUGH = _Effort(trees=16, neighbors=10, groups=20, candidates=3)
"""73 % of the nearest five descriptors are found. A copy has 40 matches or more where 8
are enough."""
_FAST = _Effort(trees=8, neighbors=5, groups=6, candidates=1)
"""Takes half as long, and finds as many of the planted copies that the docs promise."""


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """Two images whose keypoints agree on a map from the first to the second."""

    first: int
    second: int
    inverted: bool
    support: int
    warp: NDArray[np.float64]


def find_candidates(
    planes: Sequence[FloatArray], n_references: int = 0
) -> list[Candidate]:
    """Find the pairs of images whose keypoints agree best: a few for each image.

    Args:
        planes: float32 (SIDE, SIDE), [0, 255].
        n_references: If any, images are compared with these first ones only, and less
            thoroughly. The pairs of an image that is none of them do not depend on
            what other images there are.

    Returns:
        A pair at most once, in order; with references, in the order of the others.
    """
    keypoints = _find_keypoints(planes)
    if not (keypoints.image_of < (n_references or keypoints.n_images)).any():
        return []  # there is nothing to look up
    effort = _FAST if n_references else _THOROUGH
    found: dict[tuple[int, int], Candidate] = {}
    for variant, matches in _groups(keypoints, n_references, effort):
        each = _consensus(keypoints, variant, matches)
        pair = each.first, each.second
        least = found[pair].support + 1 if pair in found else _LEAST_SUPPORT
        if each.support >= least:
            found[pair] = each
    room = _Room(keypoints.n_images, effort.candidates, n_references)
    ranked = sorted(found, key=lambda pair: -found[pair].support)
    kept = sorted(
        (pair for pair in ranked if room.take(*pair)),
        key=lambda pair: pair[::-1] if n_references else pair,
    )
    return [found[pair] for pair in kept]


@dataclasses.dataclass(frozen=True, slots=True)
class _Keypoints:
    """The n keypoints of all images.

    Attributes:
        n_images: Number of images.
        image_of: int64 (n,).
        places: float32 (n, 2), (x, y) in images of `SIDE` pixels.
        angles: float32 (n,), in radians.
        sizes: float32 (n,), in pixels.
        descriptors: float32 (n, 128), of length 1.
    """

    n_images: int
    image_of: Indices
    places: FloatArray
    angles: FloatArray
    sizes: FloatArray
    descriptors: FloatArray


_ORDER = np.arange(128).reshape(4, 4, 8)
"""SIFT's order: 4 x 4 cells across and along the keypoint's direction, 8 gradients."""
_MIRROR = _ORDER[::-1][:, :, -np.arange(8) % 8].ravel()
_NEGATIVE = _ORDER[::-1, ::-1].ravel()
"""The order in which a mirror image and a negative have the same values."""
_VARIANTS = tuple(itertools.product((False, True), repeat=2))
"""Whether one of two images is inverted and whether it is mirrored."""


def _find_keypoints(planes: Sequence[FloatArray]) -> _Keypoints:
    sift = cv2.SIFT.create(
        nfeatures=_KEYPOINTS, contrastThreshold=0.01, edgeThreshold=20
    )
    tables = [np.zeros((0, 5), np.float32)]
    described = [np.zeros((0, 128), np.float32)]
    for number, plane in enumerate(planes):
        even = np.clip(128 + 48 * local_contrast(plane, 0, 8, 8), 0, 255)
        found, values = sift.detectAndCompute(even.astype(np.uint8), None)
        if not found:
            continue
        rows = [(number, *k.pt, np.deg2rad(k.angle), k.size) for k in found]
        tables.append(np.array(rows[:_KEYPOINTS], np.float32))
        # Roots of shares: Arandjelovic and Zisserman 2012.
        values = values[:_KEYPOINTS]
        sums = np.maximum(values.sum(axis=1, keepdims=True), 1)
        described.append(np.sqrt(values / sums))
    table = np.concatenate(tables)
    return _Keypoints(
        n_images=len(planes),
        image_of=table[:, 0].astype(np.int64),
        places=table[:, 1:3],
        angles=table[:, 3],
        sizes=table[:, 4],
        descriptors=np.concatenate(described),
    )


class _Room:
    """Lets an image take part in so many pairs, and in more for the others' sake.

    References take part in pairs with others for the others' sake only.
    """

    def __init__(self, n_images: int, most: int, n_references: int) -> None:
        self._left = [most] * n_images
        self._n_references = n_references

    def take(self, first: int, second: int) -> bool:
        """Return whether one of two images has room for the pair, and take it."""
        first, second = sorted((first, second))
        with_reference = first < self._n_references <= second
        both = [second] if with_reference else [first, second]
        has_room = any(self._left[each] > 0 for each in both)
        for each in both:
            self._left[each] -= has_room
        return has_room


def _groups(
    keypoints: _Keypoints, n_references: int, effort: _Effort
) -> Iterator[tuple[int, Indices]]:
    """Yield the matches of two images in one variant, the largest groups first.

    Yields:
        The number of the variant; int64 (m, 2), keypoints that match, the first of
        which is the one that varies.
    """
    matches, variants = _matches(keypoints, n_references, effort)
    images = np.sort(keypoints.image_of[matches], axis=1)
    numbers = images @ (keypoints.n_images, 1) * len(_VARIANTS) + variants
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    counts = np.diff(starts, append=len(order))
    room = _Room(keypoints.n_images, effort.groups, n_references)
    for group in np.argsort(-counts, kind="stable"):
        if counts[group] < _LEAST_SUPPORT:
            return
        chosen = order[starts[group] :][: min(counts[group], _MOST_MATCHES)]
        if room.take(*images[chosen[0]].tolist()):
            yield int(variants[chosen[0]]), matches[chosen].astype(np.int64)


def _matches(
    keypoints: _Keypoints, n_references: int, effort: _Effort
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Match each keypoint, in all variants, with the nearest of other images.

    With references, with the nearest of other references.

    Returns:
        int32 (m, 2), the keypoint that varies and the one it matches; the variants.
    """
    # The keypoints are in the order of their images.
    bound = int(np.searchsorted(keypoints.image_of, n_references or keypoints.n_images))
    described = keypoints.descriptors[:bound]
    _, axes = np.linalg.eigh(described.T @ described)
    axes = axes[:, -_DIMENSIONS:]
    index = cv2.ANNIndex.create(_DIMENSIONS, cv2.ANNIndex_DIST_EUCLIDEAN)
    index.setSeed(1)
    index.addItems(np.ascontiguousarray(described @ axes))
    index.build(effort.trees)
    matches, variants = [], []
    for number, (inverted, mirrored) in enumerate(_VARIANTS):
        order = _ORDER.ravel()
        order = order[_MIRROR] if mirrored else order
        order = order[_NEGATIVE] if inverted else order
        queries = np.ascontiguousarray(keypoints.descriptors[:, order] @ axes)
        nearest, distances = index.knnSearch(queries, min(effort.neighbors, bound))
        varied, place = np.nonzero((nearest >= 0) & (distances <= _FARTHEST))
        pairs = np.column_stack([varied, nearest[varied, place]]).astype(np.int32)
        images = keypoints.image_of[pairs]
        matches.append(pairs[images[:, 0] != images[:, 1]])
        variants.append(np.full(len(matches[-1]), number, np.int8))
    return np.concatenate(matches), np.concatenate(variants)


def _consensus(keypoints: _Keypoints, variant: int, matches: Indices) -> Candidate:
    """Find the map that most of the matches of two images support."""
    inverted, mirrored = _VARIANTS[variant]
    varied, other = matches.T
    angles = keypoints.angles[varied]
    turn = keypoints.angles[other] - (np.pi - angles if mirrored else angles)
    turn = turn + np.pi * inverted
    scale = keypoints.sizes[other] / keypoints.sizes[varied]
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[cosine, -sine], [sine, cosine]]).transpose(2, 0, 1)
    if mirrored:
        linear *= (-1, 1)
    # From the earlier of the two images to the later one.
    backward = keypoints.image_of[varied] > keypoints.image_of[other]
    linear[backward] = np.linalg.inv(linear[backward])
    matches = np.where(backward[:, None], matches[:, ::-1], matches)
    start, end = keypoints.places[matches].transpose(1, 0, 2)
    shifts = end - np.einsum("hab,hb->ha", linear, start)
    mapped = np.einsum("hab,ib->ahi", linear, start) + shifts.T[:, :, None]
    sizes = np.sqrt(np.abs(np.linalg.det(linear)))
    # Entry by entry: NumPy reduces short last axes slowly.
    entries = linear.reshape(-1, 4).T
    unlike = np.zeros((len(linear), len(linear)), linear.dtype)
    for entry in entries:
        np.maximum(unlike, np.abs(entry[:, None] - entry), out=unlike)
    unlike /= sizes[:, None]
    likely = (sizes > 1 / _MAGNIFICATION) & (sizes < _MAGNIFICATION)
    right, down = mapped - end.T[:, None]
    near = right**2 + down**2 < _TOLERANCE**2
    near &= (unlike < _UNLIKE) & likely[:, None]
    best = near.sum(axis=1).argmax()
    chosen = np.flatnonzero(near[best])
    support = min(len(np.unique(side)) for side in matches[chosen].T)
    # Least squares, held near the proposal where the matches do not say more.
    warp = np.column_stack([linear[best], shifts[best]]).astype(np.float64)
    points = np.column_stack([start, np.ones(len(start))])
    for _ in range(2):
        missed = end - points @ warp.T
        held = points[chosen].T @ points[chosen] + np.diag([200, 200, 0.01])
        warp += np.linalg.solve(held, points[chosen].T @ missed[chosen]).T
        misses = np.hypot(*(end - points @ warp.T)[chosen].T)
        chosen = chosen[misses <= max(_CLOSE, float(np.median(misses)))]
    first, second = keypoints.image_of[matches[0]].tolist()
    return Candidate(first, second, inverted, support, warp)


def local_contrast(
    image: FloatArray, fine: float, coarse: float, window: float
) -> FloatArray:
    """Keep the details between two scales, divided by their own spread nearby.

    The image is in [0, 255]; scales and window are standard deviations in pixels.
    """
    details = (blur(image, fine) if fine else image) - blur(image, coarse)
    # One grey level more, so that rounding errors of a flat area stay small.
    return np.asarray(details / np.sqrt(blur(details**2, window) + 1), np.float32)


def blur(planes: FloatArray, sigma: float) -> FloatArray:
    """Blur planes (H, W, ...) by a Gaussian of a standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(planes, (0, 0), sigma), np.float32)
