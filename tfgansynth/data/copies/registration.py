"""Find copies of one picture among images, however it was turned, cut or exposed.

The steps are those of image retrieval, with OpenCV:

1. **Keypoints.** Each image is brought to `SIDE` pixels, its local contrast is evened
   out, and SIFT (Lowe 2004) describes its keypoints. A mirror image and a negative have
   the same descriptors in another order, so they are compared at little cost.
2. **Matches.** An approximate index (Annoy) finds the most similar descriptors of other
   images. Time and memory grow as the number of images, not as its square.
3. **Consensus.** A match of two keypoints proposes a turn, magnification and shift. The
   proposal that most matches of the same two images support is kept. All are tried,
   where RANSAC would draw some at random. The pairs with most support are candidates.
4. **Registration.** The candidates are registered by an affine map (Evangelidis and
   Psarakis 2008), and their fine details are correlated locally. Chests are alike, but
   the places where ribs cross vessels are not. A quantile over the common area counts,
   so that letters or a frame neither hide a copy nor make one.
5. **Score.** A grid fits every other grid, as it fits itself once it is moved by a
   mesh. What an image has in common with itself elsewhere, turned or mirrored is thus
   no evidence: the score is (r - s) / (1 - s), where r is the correlation of the two
   and s that of an image with itself. It is 1 for equal images and about 0 for
   textures that look alike.

The images determine the result. `docs/explanation/reliability.md` says what is found,
measured by `pytest tests/data/copies/test_registration.py --copies DIR -s`.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, luminance, resize_area
from tfgansynth.data.copies.keypoints import (
    SIDE,
    Candidate,
    blur,
    find_candidates,
    local_contrast,
)

COPY_SCORE = 0.75
"""The least score of two copies. [choice]

Among 247 radiographs (also framed or annotated alike), 988 phantoms and 11 sets of
textures, no two have more than 0.63. Altered copies of 256 pixels have 0.87 or more,
but for those with strong noise or JPEG of quality 3. In sets that are blurred by 4 of
256 pixels, which leaves ribs but no vessels, two radiographs may have 0.76.
"""

# Each of the following is a [choice], made with the same images.

_FINE, _COARSE, _WINDOW = 0.8, 2.5, 4.0
"""Standard deviations in pixels: of the band-pass that keeps details, and of the window
in which their contrast is evened out and their correlation measured. Coarser details
raise the score of noisy copies, but more that of other radiographs."""
_QUANTILE = 0.55
"""The quantile of local correlations that counts."""
_LEAST_CONTRAST = 0.1
"""Least mean square of details that are correlated; evened out, it is about 1."""
_LEAST_AREA = 0.2
"""Least share of the image with details in both."""
_EDGE, _NEAR_FLAT = 4, 17
"""Pixels at the edge that do not count, and width of the same around flat areas."""
_FLAT_SIDE, _FLAT_SPAN, _LEAST_CLEAR = 5, 2.0, 0.5
"""Side and grey levels of the smallest flat area, and the share of the image that must
be clear of them: nuclei on a black ground are compared whole."""
_PEAK = 6
"""Shift in pixels up to which an image is like itself in any case."""


@dataclasses.dataclass(frozen=True, slots=True)
class Copy:
    """Two images, and how alike they are once one is registered with the other.

    Attributes:
        first: Index of one image.
        second: Index of the other, larger.
        score: In [0, 1], comparable across pairs; `COPY_SCORE` or more for copies.
        inverted: Whether dark and bright are exchanged.
        warp: float64 (2, 3), the affine map from a pixel (x, y) of the first to the
            pixel of the second, in images of `SIDE` pixels.
    """

    first: int
    second: int
    score: float
    inverted: bool
    warp: NDArray[np.float64]

    @property
    def alterations(self) -> tuple[str, ...]:
        """How the second differs from the first, in words; empty if in place."""
        linear, center = self.warp[:, :2], np.full(2, (SIDE - 1) / 2)
        mirrored = np.linalg.det(linear) < 0
        scale = np.sqrt(abs(np.linalg.det(linear)))
        upright = linear * (-1, 1) if mirrored else linear
        sine, cosine = upright[1, 0] - upright[0, 1], upright[0, 0] + upright[1, 1]
        degrees = abs(np.degrees(np.arctan2(sine, cosine)))
        shift = 100 * np.abs(linear @ center + self.warp[:, 2] - center).max() / SIDE
        words = {
            "inverted": self.inverted,
            "mirrored": mirrored,
            f"turned by {degrees:.0f} degrees": degrees >= 1.5,
            f"magnified {scale:.2f} times": not 0.97 < scale < 1.03,
            f"shifted by {shift:.0f} %": shift >= 2,
        }
        return tuple(word for word, applies in words.items() if applies)


def find_copies(images: Sequence[FloatArray]) -> list[Copy]:
    """Find the pairs of images that are copies; see `compare`."""
    return [pair for pair in compare(images) if pair.score >= COPY_SCORE]


def compare(images: Sequence[FloatArray], n_references: int = 0) -> list[Copy]:
    """Score the pairs of images that have most in common, whether copies or not.

    Of many copies of one picture, each is compared with the closest ones only. The
    pairs thus connect all copies, but are not all pairs of copies.

    Args:
        images: float32 (H, W) or (H, W, 3), [0, 255]; sizes may differ.
        n_references: If any, images are compared with these first ones only, and less
            thoroughly: each has one pair for its own sake.

    Returns:
        A pair at most once, in order. Pairs that are missing have a score of 0: their
        keypoints agree on no map.
    """
    planes = [resize_area(luminance(image), SIDE) for image in images]
    candidates = find_candidates(planes, n_references)

    @functools.lru_cache(maxsize=512)
    def view(index: int) -> _View:
        return _view(planes[index])

    return [_score(each, view(each.first), view(each.second)) for each in candidates]


@dataclasses.dataclass(frozen=True, slots=True)
class _View:
    """What is compared of an image, float32 (SIDE, SIDE).

    Attributes:
        structure: What candidates are registered by.
        details: What is correlated.
        counted: 1 where details count, else 0.
        self_similarity: Correlation of its details with themselves elsewhere.
    """

    structure: FloatArray
    details: FloatArray
    counted: FloatArray
    self_similarity: float


def _view(plane: FloatArray) -> _View:
    details = local_contrast(plane, _FINE, _COARSE, _WINDOW)
    quarter = SIDE // 4
    middle = details[quarter:-quarter, quarter:-quarter]
    parts = (middle, middle[:, ::-1], np.rot90(middle), np.rot90(middle, 2))
    found = np.stack(
        [
            cv2.matchTemplate(details, np.ascontiguousarray(part), cv2.TM_CCOEFF_NORMED)
            for part in parts
        ]
    )
    in_place = slice(quarter - _PEAK, quarter + _PEAK + 1)
    found[0, in_place, in_place] = 0
    found[~np.isfinite(found)] = 0  # where the middle or a window is flat
    return _View(
        structure=local_contrast(plane, 1.5, 6, 8),
        details=details,
        counted=_counted(plane),
        self_similarity=float(np.clip(found.max(), 0, 1)),
    )


def _counted(plane: FloatArray) -> FloatArray:
    """Mark the pixels of an image that count, float32 (SIDE, SIDE).

    The outermost have no full neighborhood. Those near a flat area show a painted
    border, a frame or a label, which unlike images may share.
    """
    inner = np.zeros((SIDE, SIDE), np.float32)
    inner[_EDGE:-_EDGE, _EDGE:-_EDGE] = 1
    square = np.ones((_FLAT_SIDE, _FLAT_SIDE), np.uint8)
    is_flat = cv2.dilate(plane, square) - cv2.erode(plane, square) < _FLAT_SPAN
    flat = cv2.morphologyEx(is_flat.astype(np.uint8), cv2.MORPH_OPEN, square)
    clear = inner * (1 - cv2.dilate(flat, np.ones((_NEAR_FLAT, _NEAR_FLAT), np.uint8)))
    return clear if clear.sum() > _LEAST_CLEAR * inner.sum() else inner


def _score(pair: Candidate, one: _View, other: _View) -> Copy:
    """Register a candidate and score it."""
    structure = -other.structure if pair.inverted else other.structure
    start = pair.warp.astype(np.float32)
    enough = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 1e-3)
    warps = [pair.warp]
    # It diverges for images that have little in common.
    with contextlib.suppress(cv2.error):
        _, found = cv2.findTransformECC(
            one.structure, structure, start, cv2.MOTION_AFFINE, enough
        )
        warps.append(np.asarray(found, np.float64))
    scores = [_agreement(warp, pair.inverted, one, other) for warp in warps]
    best = int(np.argmax(scores))
    return Copy(pair.first, pair.second, scores[best], pair.inverted, warps[best])


def _agreement(
    warp: NDArray[np.float64], inverted: bool, one: _View, other: _View
) -> float:
    """Return the score of two images by the map from the one to the other."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved, counted = (
        cv2.warpAffine(plane, warp, plane.shape, flags=flags)
        for plane in (other.details, other.counted)
    )
    common = one.counted * counted
    first, second = one.details * common, (-moved if inverted else moved) * common
    planes = np.stack([first * first, second * second, first * second], axis=-1)
    power, other_power, product = np.moveaxis(blur(planes, _WINDOW), -1, 0)
    has_details = np.minimum(power, other_power) > _LEAST_CONTRAST
    has_details &= common > 0.5
    if has_details.mean() < _LEAST_AREA:
        return 0.0
    local = product[has_details] / np.sqrt((power * other_power)[has_details])
    elsewhere = min(max(one.self_similarity, other.self_similarity), 1 - 1e-6)
    score = (np.quantile(local, _QUANTILE) - elsewhere) / (1 - elsewhere)
    return float(np.clip(score, 0, 1))
