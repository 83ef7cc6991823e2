"""The names of lungs, and the left or the right one in a mask that shows both."""

from collections.abc import Mapping
from typing import Literal

import cv2
import numpy as np

from tfgansynth.arrays import MaskArray

Lungs = Literal["both", "left", "right"]
"""The target structures; left and right are those of the patient."""

BOTH_LUNGS = "lungs"
LUNG_TARGETS: Mapping[str, Lungs] = {
    BOTH_LUNGS: "both",
    "left lung": "left",
    "right lung": "right",
}
"""What masks of lungs show by name, and which lungs that is."""

_MIN_REGION_SHARE = 0.05
"""A region smaller than this share of the largest one is a speck, not a lung.

A collapsed lung can have a tenth of the area of the other one.
"""


def select_lungs(mask: MaskArray, lungs: Lungs) -> MaskArray:
    """Keep the requested lungs of a mask that shows both.

    By radiographic convention the patient's left lung is on the right of the image.
    The two largest connected regions are the two lungs if they are side by side.
    Otherwise the lungs touch and form one region, and the mask is cut at the column in
    the middle third of the image that has the fewest pixels. A mask of a single lung
    thus has nothing on its other side.

    Args:
        mask: bool (H, W).
        lungs: `both` returns the mask unchanged.

    Returns:
        bool (H, W); all False if the mask does not show that lung.
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

    It does not return all of them: a dotted mask has millions.

    Args:
        mask: bool (H, W).

    Returns:
        bool (H, W) each, largest first: 8-connected regions of at least a twentieth
        of the largest one's area.
    """
    count, labels = cv2.connectedComponents(mask.astype(np.uint8))
    # OpenCV's own areas take ten times as long for a dotted mask.
    areas = np.bincount(labels.ravel(), minlength=count)[1:]
    order = np.argsort(-areas, kind="stable")[:2]
    least = _MIN_REGION_SHARE * areas.max(initial=0)
    return [np.asarray(labels == i + 1) for i in order if areas[i] >= least]


def _are_side_by_side(larger: MaskArray, smaller: MaskArray) -> bool:
    """Whether the center of the smaller region is outside the columns of the larger.

    A separate piece above or below touching lungs is not the second lung.
    """
    columns = np.flatnonzero(larger.any(axis=0))
    return not columns[0] <= _mean_column(smaller) <= columns[-1]


def _mean_column(region: MaskArray) -> float:
    return float(np.nonzero(region)[1].mean())


def _emptiest_column(mask: MaskArray) -> int:
    """Return the column with the fewest pixels, of several the most central one."""
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
