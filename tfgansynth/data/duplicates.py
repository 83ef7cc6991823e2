"""Which cases show the same picture, and does the split separate them?

If a copy of a training case is in the test part, the measurement is worthless. The copy
may have been compressed, resized, re-exposed, shifted, cropped, turned a little, marked
or mirrored. Films of two patients that merely look alike are not copies.

Each image is compared with each other one at a coarse scale, also mirrored, shifted and
magnified a little. The best candidates are registered by an affine map (Evangelidis and
Psarakis 2008, from OpenCV). Then their fine details are correlated: chests are alike,
but the places where ribs cross vessels are not. Among 247 radiographs and 988 phantoms,
no two have a correlation above 0.74 (0.83 in images under 64 pixels). Altered copies of
them have at least 0.82. See `similarity` for the steps that this shares with the
memorization audit, and for the reasons why the rest differs.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import cv2
import numpy as np

from tfgansynth.arrays import FloatArray, resize_area
from tfgansynth.data.similarity import SIDE, band_pass, unit_vectors
from tfgansynth.data.splits import Fold

_SIMILARITY = 0.8
_SMALL_SIMILARITY = 0.85
"""The least correlation of two copies. It is higher for images under `SIDE` pixels,
which have little fine detail."""
_NO_DETAIL = 1e-6
"""Length of a vector that holds rounding errors only: an image of one value."""

_COARSE_SIDE = 32
_COARSE_SIMILARITY = 0.72
"""Pairs with a lower correlation at the coarse scale are not registered."""
_NEIGHBORS = 10
"""The most candidates of an image. This limits the time for sets of one picture."""

_Move = tuple[bool, float, int, int]
"""Whether mirrored; the magnification; the shift down and right in coarse pixels."""

_MOVES: tuple[_Move, ...] = tuple(
    itertools.product((False, True), (1.0, 1.06), (-1, 0, 1), (-1, 0, 1))
)
"""The moves that are tried at the coarse scale."""


@dataclasses.dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two cases that show the same picture.

    Attributes:
        first: Id of one case.
        second: Id of the other.
        kind: `exact` if every pixel is equal.
        similarity: Correlation of their fine detail once registered, [-1, 1].
        mirrored: Whether one is the mirror image of the other.
    """

    first: str
    second: str
    kind: Literal["exact", "near"]
    similarity: float = 1.0
    mirrored: bool = False

    @property
    def relation(self) -> str:
        """How the first is related to the second, as in "a is ... b"."""
        if self.kind == "exact":
            return "the same image as"
        likeness = f"similarity {self.similarity:.2f}"
        if self.mirrored:
            likeness += ", mirrored"
        return f"nearly the same image ({likeness}) as"

    def __str__(self) -> str:
        """Return `a is the same image as b`."""
        return f"{self.first} is {self.relation} {self.second}"


@dataclasses.dataclass(frozen=True, slots=True)
class Crossing:
    """A pair of duplicates whose cases are in different parts of a fold.

    Attributes:
        pair: The cases.
        fold: Number of the fold, from 1.
        parts: The part of the first and of the second case: `training`, `validation`
            or `test`.
    """

    pair: DuplicatePair
    fold: int
    parts: tuple[str, str]

    def __str__(self) -> str:
        """Return the pair and the parts of its cases."""
        return f"{self.pair} ({' and '.join(self.parts)} of fold {self.fold})"


def find_duplicates(images: Mapping[str, FloatArray]) -> tuple[DuplicatePair, ...]:
    """Find the images that show the same picture, unchanged or altered.

    Each of several equal images is paired with the first one only, and each of many
    copies of one picture with the closest ones. The pairs thus connect all copies, but
    are not all pairs of copies.

    This takes a second for 250 images and ten for 2000.

    Args:
        images: By case id: float32 (S, S), [0, 255]; sizes may differ.

    Returns:
        The exact pairs, then the near ones; the case named first comes first in
        `images`.
    """
    first_with: dict[tuple[tuple[int, ...], bytes], str] = {}
    exact = []
    for case_id, image in images.items():
        first = first_with.setdefault((image.shape, image.tobytes()), case_id)
        if first != case_id:
            exact.append(DuplicatePair(first, case_id, "exact"))
    distinct = {case_id: images[case_id] for case_id in first_with.values()}
    return (*exact, *_find_near(distinct))


def across_split(
    pairs: Sequence[DuplicatePair], folds: Sequence[Fold]
) -> tuple[Crossing, ...]:
    """Return the pairs that a split separates, once for each fold that does so.

    Training is the whole training part, even if an experiment reduces it.
    """
    crossings = []
    for fold in folds:
        part_of = {
            case_id: part
            for part in ("training", "validation", "test")
            for case_id in getattr(fold, part)
        }
        for pair in pairs:
            parts = part_of[pair.first], part_of[pair.second]
            if parts[0] != parts[1]:
                crossings.append(Crossing(pair, fold.number, parts))
    return tuple(crossings)


def _find_near(images: Mapping[str, FloatArray]) -> list[DuplicatePair]:
    """Find the altered copies among images that all differ."""
    if len(images) < 2:
        return []
    ids = list(images)
    small = [resize_area(image, SIDE) for image in images.values()]
    structures = [_structure(image) for image in small]
    details = [_local_contrast(image, 0.6, 1, 3) for image in small]
    pairs = []
    for fixed, moving, move in _candidates(structures):
        warp = _register(structures[fixed], structures[moving], move)
        moved = _apply(warp, details[moving], mirrored=move[0])
        one, other = _inner_vectors([details[fixed], moved])
        similarity = float(one @ other)
        first, second = (ids[index] for index in sorted((fixed, moving)))
        is_small = min(images[first].shape + images[second].shape) < SIDE
        if similarity >= (_SMALL_SIMILARITY if is_small else _SIMILARITY):
            pairs.append(DuplicatePair(first, second, "near", similarity, move[0]))
    return pairs


def _candidates(
    structures: Sequence[FloatArray],
) -> Iterator[tuple[int, int, _Move]]:
    """Yield pairs that are alike at the coarse scale: fixed, moving, the move."""
    coarse = [resize_area(structure, _COARSE_SIDE) for structure in structures]
    still = _inner_vectors(coarse)
    best = np.full((len(coarse),) * 2, -1, np.float32)
    best_move = np.zeros(best.shape, np.int8)
    for number, move in enumerate(_MOVES):
        warp = _warp(_COARSE_SIDE, move)
        moved = [_apply(warp, plane, mirrored=move[0]) for plane in coarse]
        similarity = still @ _inner_vectors(moved).T
        better = similarity > best
        best[better] = similarity[better]
        best_move[better] = number
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

    The image is float32 (H, W), [0, 255]; scales and window are those of `band_pass`.
    """
    details, power = band_pass(image, _blur, fine=fine, coarse=coarse, window=window)
    # One grey level more, so that rounding errors of a flat area stay small.
    return np.asarray(details / np.sqrt(power + 1), np.float32)


def _blur(plane: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)


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
