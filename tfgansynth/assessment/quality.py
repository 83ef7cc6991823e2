"""Quality: does a synthetic mask look like a real mask, and does it fit its image?

Both questions are answered next to the same figures of held-out real cases, the real
reference, because no figure means anything without the values that real cases have.

- *Plausibility*: is the shape of the mask within the range of real training masks? The
  range of a figure extends from the median of the training masks 2.5 times as far as
  their 5th percentile on one side and their 95th on the other. For a normal
  distribution this is 4 standard deviations, for a skewed one more on its longer side.
  30 masks are enough to estimate the percentiles 5 and 95, but not the extremes. Up to
  5 % of odd masks at either end do not widen the range. Of the masks of unseen
  radiographs, 95 % are plausible by 30 training masks and 97 % by 145.
- *Agreement*: how much does the mask overlap with the result of a segmentation network
  for the image? The network must be trained on neither.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import euler_number, regionprops

from tfgansynth.arrays import Labels, MaskArray
from tfgansynth.data.lungs import LUNG_TARGETS, Lungs, select_lungs
from tfgansynth.evaluation.metrics import mean_dice

Values = NDArray[np.float64]
ShapeTable = Mapping[str, Values]
"""Name of a shape figure -> its value for each of n masks, float64 (n,)."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_TAILS = (0.05, 0.5, 0.95)
_WIDENING = 2.5
_EIGHT_CONNECTED = ndimage.generate_binary_structure(2, 2)


def shape_figures(mask: MaskArray, lungs: Lungs | None) -> dict[str, float]:
    """Measure the shape of a mask.

    The patient's left lung is on the right of the image. `data.lungs` separates the
    two, even if they touch.

    Args:
        mask: bool (H, W). An empty one has the middle for its position and no dents, so
            that it widens no range but those of area and components.
        lungs: Which lungs the mask shows; None if it shows something else.

    Returns:
        In this order:

        - `area_share`: mask pixels over all pixels, [0, 1].
        - `left_share`: only for both lungs: area of the left one over that of both,
          [0, 1]; 0.5 of an empty mask. The ratio left to right is left_share / (1 -
          left_share), which has no value where the right lung is missing.
        - `left_solidity`, `right_solidity`: of the lungs there are: area over the
          area of the convex hull, (0, 1]; 0 for a lung that is missing.
        - `solidity`: instead, if it shows no lungs: the area over that of the convex
          hulls of its components, (0, 1]; 1 of an empty mask. A hull's area is its
          number of pixels.
        - `centroid_row`, `centroid_column`: mean position of the mask's pixels, as a
          share of the height and width, (0, 1); 0.5 of an empty mask.
        - `components`: number of 8-connected components.
        - `holes`: number of 4-connected holes: components less Euler number.

    Raises:
        ValueError: The mask is not bool, or not (H, W).
    """
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise ValueError(
            f"expected a mask (H, W) of bool, got {mask.dtype} {mask.shape}"
        )
    is_empty = not mask.any()
    figures = {"area_share": float(mask.mean())}
    if lungs == "both":
        left, right = select_lungs(mask, "left"), select_lungs(mask, "right")
        n_left, n_right = np.count_nonzero(left), np.count_nonzero(right)
        figures["left_share"] = 0.5 if is_empty else n_left / (n_left + n_right)
        figures["left_solidity"] = _solidity(left)
        figures["right_solidity"] = _solidity(right)
    elif lungs:
        figures[f"{lungs}_solidity"] = _solidity(mask)
    else:
        figures["solidity"] = _mean_solidity(mask)
    row, column = (
        places / 2 if is_empty else np.mean(inside) + 0.5
        for places, inside in zip(mask.shape, np.nonzero(mask), strict=True)
    )
    n_components = int(ndimage.label(mask, structure=_EIGHT_CONNECTED)[1])
    return {
        **figures,
        "centroid_row": float(row / mask.shape[0]),
        "centroid_column": float(column / mask.shape[1]),
        "components": float(n_components),
        "holes": float(n_components - euler_number(mask, connectivity=2)),
    }


def shape_table(masks: NDArray[np.bool_], lungs: Lungs | None) -> dict[str, Values]:
    """Measure the shapes of masks, bool (n, H, W), n >= 1; see `shape_figures`.

    Raises:
        ValueError: They are not bool (n, H, W), n >= 1.
    """
    if masks.ndim != 3 or not len(masks):
        raise ValueError(f"expected masks (n, H, W), n >= 1, got shape {masks.shape}")
    rows = [shape_figures(mask, lungs) for mask in masks]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def class_shapes(
    masks: Labels, classes: Sequence[str], lungs: Lungs | None
) -> dict[str, Values]:
    """Measure the shapes of each class of masks, uint8 (n, H, W), n >= 1.

    Returns:
        The figures of `shape_figures`, float64 (n,) each; of several classes with the
        name of the class before each: `nerve, area_share`.
    """
    if len(classes) == 1:
        return shape_table(masks > 0, lungs)
    return {
        f"{name}, {figure}": values
        for index, name in enumerate(classes, start=1)
        for figure, values in shape_table(
            masks == index, LUNG_TARGETS.get(name)
        ).items()
    }


Ranges = Mapping[str, tuple[float, float]]


def shape_ranges(training: ShapeTable) -> dict[str, tuple[float, float]]:
    """Return the plausible range of each figure; see the module for its definition."""
    ranges = {}
    for name, values in training.items():
        low, median, high = np.quantile(values, _TAILS)
        ranges[name] = (
            float(median + _WIDENING * (low - median)),
            float(median + _WIDENING * (high - median)),
        )
    return ranges


def misfits(table: ShapeTable, ranges: Ranges) -> dict[str, NDArray[np.bool_]]:
    """Return which of n masks have a figure outside the range of training masks.

    Returns:
        By name of the figure: bool (n,). A mask without any is plausible.
    """
    return {
        name: (table[name] < low) | (table[name] > high)
        for name, (low, high) in ranges.items()
    }


def agreement(
    masks: Labels, segmentations: Labels, n_classes: int = 1
) -> NDArray[np.float64]:
    """Return the Dice coefficient of each mask with the segmentation of its image.

    Of several classes it is the mean of theirs.

    Args:
        masks: uint8 (n, H, W), generated, or drawn by hand for real cases.
        segmentations: uint8 (n, H, W), of the images of these masks, by a network
            that was trained on none of them.
        n_classes: Without the background.

    Returns:
        float64 (n,), [0, 1].

    Raises:
        ValueError: They are not (n, H, W) of one shape.
    """
    if masks.shape != segmentations.shape or masks.ndim != 3:
        raise ValueError(
            "expected masks and segmentations (n, H, W) of one shape, got "
            f"{masks.shape} and {segmentations.shape}"
        )
    pairs = zip(segmentations, masks, strict=True)
    return np.array([mean_dice(*pair, n_classes) for pair in pairs], float)


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of a figure over n cases, for one line of a table.

    Attributes:
        n: The number of cases.
        mean: Their mean.
        quantiles: At `QUANTILES`, interpolated linearly between the closest ranks.
    """

    n: int
    mean: float
    quantiles: tuple[float, ...]


def spread(values: Values) -> Spread:
    """Describe values, float64 (n,), n >= 1, by mean and quantiles.

    Raises:
        ValueError: There are none.
    """
    if not len(values):
        raise ValueError("expected at least one value, got none")
    quantiles = tuple(float(value) for value in np.quantile(values, QUANTILES))
    return Spread(len(values), float(values.mean()), quantiles)


def _solidity(lung: MaskArray) -> float:
    """Return the area over that of the convex hull of all pieces; 0 if empty."""
    regions = regionprops(lung.astype(np.uint8))
    return float(regions[0].solidity) if regions else 0.0


def _mean_solidity(mask: MaskArray) -> float:
    """Return the area over that of the hulls of all components, by their area."""
    outlines, tree = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    if tree is None:
        return 1.0
    # Of holes, the last entry is the outline around them.
    outer = zip(outlines, tree[0, :, -1], strict=True)
    hulls = [cv2.convexHull(each)[:, 0] for each, around in outer if around < 0]
    return float(np.count_nonzero(mask) / sum(_pixels(hull) for hull in hulls))


def _pixels(hull: NDArray[np.integer | np.floating]) -> float:
    """Count the pixels in a polygon between the centers of pixels: Pick's theorem."""
    sides = np.abs(hull - np.roll(hull, 1, axis=0))
    return float(cv2.contourArea(hull) + np.gcd(*sides.T).sum() / 2 + 1)
