"""Volumes whose axes point to the left, back and head of the patient."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]
"""(4, 4), from voxels to mm to the right, front and head of the patient."""


def to_lps(voxels: NDArray[Any], affine: Affine) -> tuple[NDArray[Any], Affine]:
    """Turn a volume so that its axes point to the left, back and head.

    That is how radiologists look at slices.

    Args:
        voxels: (i, j, k).
        affine: Where it lies.

    Returns:
        (x, y, z), and where that lies.
    """
    import nibabel

    orientations: Any = nibabel.orientations
    change = orientations.ornt_transform(
        orientations.io_orientation(affine), orientations.axcodes2ornt("LPS")
    )
    turned = orientations.apply_orientation(voxels, change)
    return turned, affine @ orientations.inv_ornt_aff(change, voxels.shape)


def spacing(affine: Affine) -> list[float]:
    """Distances of voxels along the axes, in mm."""
    lengths: list[float] = np.sqrt((affine[:3, :3] ** 2).sum(axis=0)).tolist()
    return lengths
