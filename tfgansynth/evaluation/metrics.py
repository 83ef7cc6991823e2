"""How well one predicted mask matches the truth: overlap and contour distances.

Paper: IV-B, "we used the Dice coefficient and Hausdorff distance metrics".

A distance between two masks is not one number until its points are named. Here:

- The contour of a mask is its pixels with at least one 4-neighbor outside the
  mask. Beyond the image border counts as outside.
- Distances are Euclidean, between pixel centers, in pixels of the masks given.
- Each contour pixel of one mask is measured to the nearest contour pixel of the
  other: two sets of distances, prediction to truth and truth to prediction. The
  distance metrics differ only in how they sum these up.
- Both masks empty: one distance of 0 each way. Exactly one empty: one distance
  of the image diagonal each way, sqrt((H - 1)^2 + (W - 1)^2), which no two pixels
  of the image exceed. NaN would drop the failed case from a mean, and infinity
  would destroy the mean.

The paper does not say whether its Hausdorff distance is taken over contours or
over regions (all mask pixels). The two treat a pixel outside the other mask alike:
the pixel of a region nearest to a point outside is always on its contour. They
differ in two ways. A contour pixel inside the other mask counts 0 for the region
form, but its distance to the other contour here; so a small hole deep inside one
mask is far for contours and near for regions. A pixel inside its own contour counts
for the region form only; so where a mask fills the hole of a ring, its middle is
far from the ring for regions, and goes unseen here. Either form can thus be the
larger one. They are equal wherever each form's worst pixel is a contour pixel that
lies outside the other mask, as with two filled shapes that overlap for the most part.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfgansynth.arrays import MaskArray

_Distances = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class CaseMetrics:
    """The metrics of one test case; the module's text defines them.

    Attributes:
        dice: Dice coefficient, [0, 1].
        hausdorff_px: Hausdorff distance between contours, in pixels.
        hausdorff_95_px: 95th-percentile Hausdorff distance, in pixels.
        mean_surface_distance_px: Average symmetric surface distance, in pixels.
    """

    dice: float
    hausdorff_px: float
    hausdorff_95_px: float
    mean_surface_distance_px: float


def measure(prediction: MaskArray, truth: MaskArray) -> CaseMetrics:
    """Take all metrics of one case, from one pass over the distances.

    Args:
        prediction: bool (H, W).
        truth: bool (H, W).

    Raises:
        ValueError: The masks are not bool, not (H, W), or differ in shape.
    """
    _check(prediction, truth)
    both_ways = _contour_distances(prediction, truth)
    return CaseMetrics(
        dice=_dice(prediction, truth),
        hausdorff_px=_largest(*both_ways),
        hausdorff_95_px=_larger_percentile_95(*both_ways),
        mean_surface_distance_px=_pooled_mean(*both_ways),
    )


def dice(prediction: MaskArray, truth: MaskArray) -> float:
    """Return the Dice coefficient, 2 |A and B| / (|A| + |B|), in [0, 1].

    Both masks empty: 1, they agree. Exactly one empty: 0. Paper: IV-B.

    Args:
        prediction: bool (H, W).
        truth: bool (H, W).

    Raises:
        ValueError: The masks are not bool, not (H, W), or differ in shape.
    """
    _check(prediction, truth)
    return _dice(prediction, truth)


def hausdorff(prediction: MaskArray, truth: MaskArray) -> float:
    """Return the Hausdorff distance between the contours, in pixels.

    The largest of all nearest distances, over both directions. Paper: IV-B.

    Args:
        prediction: bool (H, W).
        truth: bool (H, W).

    Raises:
        ValueError: The masks are not bool, not (H, W), or differ in shape.
    """
    _check(prediction, truth)
    return _largest(*_contour_distances(prediction, truth))


def hausdorff_95(prediction: MaskArray, truth: MaskArray) -> float:
    """Return the 95th-percentile Hausdorff distance between contours, in pixels.

    The larger of the two directions' 95th percentiles (not the percentile of the
    pooled distances); each interpolates linearly between the closest ranks, as
    NumPy does by default.

    Args:
        prediction: bool (H, W).
        truth: bool (H, W).

    Raises:
        ValueError: The masks are not bool, not (H, W), or differ in shape.
    """
    _check(prediction, truth)
    return _larger_percentile_95(*_contour_distances(prediction, truth))


def mean_surface_distance(prediction: MaskArray, truth: MaskArray) -> float:
    """Return the average symmetric surface distance (ASSD), in pixels.

    The mean over the pooled distances of both directions, so that the longer
    contour weighs more (not the mean of the two directions' means).

    Args:
        prediction: bool (H, W).
        truth: bool (H, W).

    Raises:
        ValueError: The masks are not bool, not (H, W), or differ in shape.
    """
    _check(prediction, truth)
    return _pooled_mean(*_contour_distances(prediction, truth))


def contour(mask: MaskArray) -> MaskArray:
    """Mark the pixels of a mask with at least one 4-neighbor outside it.

    Args:
        mask: bool (H, W). Beyond the image border counts as outside the mask.

    Returns:
        bool (H, W).
    """
    padded = np.pad(mask, 1, constant_values=False)
    surrounded = padded[:-2, 1:-1] & padded[2:, 1:-1]
    surrounded &= padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~surrounded


def _check(prediction: MaskArray, truth: MaskArray) -> None:
    for name, mask in (("prediction", prediction), ("truth", truth)):
        if mask.dtype != np.bool_:
            raise ValueError(f"{name}: expected a mask of bool, got {mask.dtype}")
        if mask.ndim != 2 or mask.size == 0:
            raise ValueError(f"{name}: expected a mask (H, W), got shape {mask.shape}")
    if prediction.shape != truth.shape:
        raise ValueError(
            "expected masks of one shape, got prediction "
            f"{prediction.shape} and truth {truth.shape}"
        )


def _dice(prediction: MaskArray, truth: MaskArray) -> float:
    total = np.count_nonzero(prediction) + np.count_nonzero(truth)
    if total == 0:
        return 1.0
    return float(2 * np.count_nonzero(prediction & truth) / total)


def _contour_distances(
    prediction: MaskArray, truth: MaskArray
) -> tuple[_Distances, _Distances]:
    """Distances prediction to truth and truth to prediction; neither is empty."""
    # Both contours lie in this box; distances within it do not change, and the
    # distance transforms have fewer pixels to visit.
    box = _bounding_box(prediction | truth)
    if box is None:
        return np.zeros(1), np.zeros(1)
    predicted, true = contour(prediction)[box], contour(truth)[box]
    if not predicted.any() or not true.any():
        diagonal = math.hypot(*(side - 1 for side in truth.shape))
        return np.full(1, diagonal), np.full(1, diagonal)
    to_truth = ndimage.distance_transform_edt(~true)[predicted]
    to_prediction = ndimage.distance_transform_edt(~predicted)[true]
    return to_truth, to_prediction


def _bounding_box(mask: MaskArray) -> tuple[slice, slice] | None:
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _largest(to_truth: _Distances, to_prediction: _Distances) -> float:
    return float(max(to_truth.max(), to_prediction.max()))


def _larger_percentile_95(to_truth: _Distances, to_prediction: _Distances) -> float:
    return float(max(np.percentile(to_truth, 95), np.percentile(to_prediction, 95)))


def _pooled_mean(to_truth: _Distances, to_prediction: _Distances) -> float:
    return float(np.concatenate([to_truth, to_prediction]).mean())
