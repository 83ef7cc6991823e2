"""Which lung is which in a mask that holds both."""

from typing import Literal

import cv2
import numpy as np

from tfgansynth.arrays import MaskArray

Lungs = Literal["both", "left", "right"]
"""The target structures; left and right are the patient's."""

_MIN_REGION_SHARE = 0.05
"""A region smaller than this share of the largest one is a speck, not a lung.

A collapsed lung can be drawn at a tenth of the other one.
"""


def select_lungs(mask: MaskArray, lungs: Lungs) -> MaskArray:
    """Keep the lungs asked for in a mask that holds both.

    By radiographic convention the patient's left lung is on the right of the
    image. The two largest connected regions are the two lungs if they lie side
    by side. Otherwise the lungs touch and form one region: the mask is cut at its
    emptiest column in the middle third of the image. A mask that holds a single
    lung thus has nothing on its other side.

    Args:
        mask: bool (H, W).
        lungs: `both` returns the mask as it is.

    Returns:
        bool (H, W); all False if that lung is not there.
    """
    if lungs == "both":
        return mask
    regions = find_regions(mask)
    if len(regions) == 2 and _are_side_by_side(*regions):
        on_the_left, on_the_right = sorted(regions, key=_mean_column)
    else:
        on_the_left, on_the_right = _cut(mask, _emptiest_column(mask))
    return on_the_right if lungs == "left" else on_the_left


def find_regions(mask: MaskArray) -> list[MaskArray]:
    """Return the two largest connected regions of a mask, without specks.

    No more than two: a dotted mask has millions.

    Args:
        mask: bool (H, W).

    Returns:
        bool (H, W) each, largest first: 8-connected regions of at least a twentieth
        of the largest one's area.
    """
    count, labels = cv2.connectedComponents(mask.astype(np.uint8))
    # Not OpenCV's own areas, which take ten times as long for a dotted mask.
    areas = np.bincount(labels.ravel(), minlength=count)[1:]
    order = np.argsort(-areas, kind="stable")[:2]
    least = _MIN_REGION_SHARE * areas.max(initial=0)
    return [np.asarray(labels == i + 1) for i in order if areas[i] >= least]


def _are_side_by_side(larger: MaskArray, smaller: MaskArray) -> bool:
    """Tell whether the smaller region is centered outside the larger's columns.

    A detached piece above or below touching lungs is not the second lung.
    """
    columns = np.flatnonzero(larger.any(axis=0))
    return not columns[0] <= _mean_column(smaller) <= columns[-1]


def _mean_column(region: MaskArray) -> float:
    return float(np.nonzero(region)[1].mean())


def _emptiest_column(mask: MaskArray) -> int:
    """Return the column to cut at: fewest mask pixels, then nearest the middle."""
    width = mask.shape[1]
    columns = np.arange(width // 3, width - width // 3)
    heights = np.count_nonzero(mask[:, columns], axis=0)
    to_middle = np.abs(columns - (width - 1) / 2)
    return int(columns[np.lexsort((to_middle, heights))[0]])


def _cut(mask: MaskArray, column: int) -> tuple[MaskArray, MaskArray]:
    before, after = mask.copy(), mask.copy()
    before[:, column:] = False
    after[:, :column] = False
    return before, after
