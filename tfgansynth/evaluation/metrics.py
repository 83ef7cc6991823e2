"""How well a predicted mask matches the true one: overlap and contour distances.

Paper: IV-B, "we used the Dice coefficient and Hausdorff distance metrics".

A distance between two masks depends on the points that are measured. Here:

- The contour of a mask is its pixels with at least one 4-neighbor outside the mask.
  Outside the image counts as outside the mask.
- Distances are Euclidean, between pixel centers, in pixels of the given masks.
- Each contour pixel of one mask is measured to the nearest contour pixel of the other.
  This gives two sets of distances, prediction to truth and truth to prediction:

  - *Hausdorff distance*: the largest distance of both sets.
  - *95th-percentile Hausdorff distance*: the larger of the two sets' 95th percentiles
    (not the percentile of the merged sets), interpolated linearly as NumPy does.
  - *Average symmetric surface distance*: the mean of the merged sets, so that the
    longer contour has more weight (not the mean of two means).

- Both masks empty: one distance of 0 in each set. One mask empty: one distance of the
  image diagonal in each set, sqrt((H - 1)^2 + (W - 1)^2), the largest distance between
  two pixels of the image. NaN would drop the failed case from a mean, and infinity
  would make the mean useless.

*Normalized surface Dice* is the share of the merged sets that is at most a tolerance
(Nikolov et al. 2021, J. Medical Internet Research 23(7), e26151): 1 if both masks are
empty, 0 if one is. Their own code, DeepMind's surface-distance, measures between the
lines that part the pixels of a mask from the others, half a pixel outside of ours, and
weights them by length. So a single pixel differs from its neighbor by 1 here and by 0
to 1 there.

The paper does not say whether its Hausdorff distance is taken over contours or over
regions (all pixels of a mask). Both treat a pixel outside the other mask alike,
because the region pixel that is nearest to it lies on the contour. They differ in two
ways:

- A contour pixel inside the other mask counts 0 for regions. Here it counts its
  distance to the other contour. A small hole deep inside a mask is thus far for
  contours and near for regions.
- A pixel inside its own contour counts for regions only. Where a mask fills the hole
  of a ring, its middle is far from the ring for regions and does not count here.

Either form can be the larger one. They are equal if the pixel with the largest
distance is, in both forms, a contour pixel outside the other mask. This holds for two
filled shapes that overlap for the most part.

These metrics are our own because the definitions matter: DeepMind's surface-distance
measures between half-pixel surfaces, and scikit-image's `hausdorff_distance` has
neither percentiles nor a finite value for one empty mask.
"""

import dataclasses
import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfgansynth.arrays import Labels, MaskArray, one_hot

_Distances = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class CaseMetrics:
    """The metrics of one class of one test case; see the module for the definitions.

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
    """Compute all metrics of one case.

    Args:
        prediction: bool (H, W).
        truth: bool (H, W).

    Raises:
        ValueError: The masks are not bool, not (H, W), or differ in shape.
    """
    overlap = dice(prediction, truth)
    both_ways = _contour_distances(prediction, truth)
    return CaseMetrics(
        dice=overlap,
        hausdorff_px=float(max(each.max() for each in both_ways)),
        hausdorff_95_px=float(max(np.percentile(each, 95) for each in both_ways)),
        mean_surface_distance_px=float(np.concatenate(both_ways).mean()),
    )


def measure_classes(
    prediction: Labels, truth: Labels, n_classes: int
) -> tuple[CaseMetrics, ...]:
    """Compute all metrics of one case for each class.

    A class that is in neither label map has a Dice coefficient of 1 and distances of 0.

    Args:
        prediction: uint8 (H, W), class indices.
        truth: uint8 (H, W).
        n_classes: Without the background.

    Raises:
        ValueError: As for `measure`.
    """
    planes = np.moveaxis(one_hot(np.stack([prediction, truth]), n_classes), -1, 0)
    return tuple(measure(predicted, true) for predicted, true in planes)


def mean_metrics(classes: Sequence[CaseMetrics]) -> CaseMetrics:
    """Take the mean of each metric over classes; of one class it is its own."""
    if len(classes) == 1:
        return classes[0]
    names = [field.name for field in dataclasses.fields(CaseMetrics)]
    return CaseMetrics(
        **{name: fmean(getattr(each, name) for each in classes) for name in names}
    )


def mean_dice(prediction: Labels, truth: Labels, n_classes: int) -> float:
    """Return the mean Dice coefficient over classes, of label maps uint8 (H, W)."""
    planes = np.moveaxis(one_hot(np.stack([prediction, truth]), n_classes), -1, 0)
    return fmean(dice(predicted, true) for predicted, true in planes)


def dice(prediction: MaskArray, truth: MaskArray) -> float:
    """Return the Dice coefficient, 2 |A and B| / (|A| + |B|), in [0, 1].

    It is 1 if both masks are empty and 0 if only one is. Paper: IV-B.

    Args:
        prediction: bool (H, W).
        truth: bool (H, W).

    Raises:
        ValueError: The masks are not bool, not (H, W), or differ in shape.
    """
    _check(prediction, truth)
    total = np.count_nonzero(prediction) + np.count_nonzero(truth)
    if total == 0:
        return 1.0
    return float(2 * np.count_nonzero(prediction & truth) / total)


def surface_dice(prediction: MaskArray, truth: MaskArray, tolerance_px: float) -> float:
    """Return the normalized surface Dice, in [0, 1]; see the module.

    Args:
        prediction: bool (H, W).
        truth: bool (H, W).
        tolerance_px: Largest distance that counts as none, in pixels.

    Raises:
        ValueError: The masks are not bool, not (H, W), or differ in shape.
    """
    _check(prediction, truth)
    distances = np.concatenate(_contour_distances(prediction, truth))
    return float(np.mean(distances <= tolerance_px))


def area_error(prediction: MaskArray, truth: MaskArray) -> float | None:
    """Return (area of the prediction - area of the truth) / area of the truth.

    Below 0 where the prediction is too small; None if the truth is empty.

    Args:
        prediction: bool (H, W).
        truth: bool (H, W).

    Raises:
        ValueError: The masks are not bool, not (H, W), or differ in shape.
    """
    _check(prediction, truth)
    area = np.count_nonzero(truth)
    return float(np.count_nonzero(prediction) / area - 1) if area else None


def contour(mask: MaskArray) -> MaskArray:
    """Mark the pixels of a mask with at least one 4-neighbor outside it.

    Args:
        mask: bool (H, W). Outside the image counts as outside the mask.

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


def _contour_distances(
    prediction: MaskArray, truth: MaskArray
) -> tuple[_Distances, _Distances]:
    """Return distances prediction to truth and truth to prediction; not empty."""
    # Both contours lie in this box. A crop changes no distance and saves time.
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
