"""Deformations learned from the masks of training cases.

Each mask is registered onto others: a displacement of pixels that turns one shape into
another. The principal components of these displacements are the ways in which shapes of
the data set differ; random weights of them deform a case as it might have been (active
shape models, Cootes et al. 1995, of displacement fields: Rueckert et al. 2003). A few
cases are few shapes but many pairs: 5 have 20.

Masks are registered, not images: what tells two patients' images apart is mostly not
shape, and registering it folds them. Optical flow with total variation (TV-L1, Zach et
al. 2007; scikit-image) of cut signed distances brings the masks of six pairs of
phantoms from a mean Dice of 0.855 to 0.986, and of the images to 0.863 (`pytest
tests/data/test_deformations.py -k phantoms -rP`).
"""

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfgansynth.arrays import (
    FloatArray,
    Labels,
    MaskArray,
    resize_area,
    resize_bilinear,
)
from tfgansynth.config import AugmentationConfig
from tfgansynth.errors import InputError

MOST_SIDE_PX = 64
"""Masks are registered at this size at most: larger ones differ by smooth deformations
too, and take longer. [choice]"""
_REACH, _SMOOTHING = 1 / 8, 1 / 32
"""Where distances from an outline are cut off, and the standard deviation of the
Gaussian that smooths a displacement, as shares of the side. Smoothed less, many draws
fold; more, masks fit less. [choice]"""
_DAMPING = 0.9
"""A draw that folds is made so much smaller until it does not. [choice]"""


@dataclasses.dataclass(frozen=True, slots=True)
class Deformations:
    """Random deformations as training cases differ.

    Attributes:
        modes: float32 (k, s, s, 2), principal components of displacements, each as
            large as its standard deviation: where a pixel comes from, columns and then
            rows, as a share of the side.
    """

    modes: FloatArray

    def draw(
        self, rng: np.random.Generator, side: int, strength: float = 1.0
    ) -> FloatArray:
        """Draw a deformation that folds nowhere.

        Its mean is none, as each pair of cases may be turned round. Where it would
        fold, all of it is made smaller.

        Args:
            rng: The source of all randomness.
            side: S, of the images to deform.
            strength: 1 for deformations as large as those between training cases.

        Returns:
            float32 (S, S, 2): what to add to the column and the row of each pixel, in
            pixels, for those of its source.
        """
        weights = rng.standard_normal(len(self.modes)) * side * strength
        field = np.asarray(np.tensordot(weights, self.modes, 1), np.float32)
        if len(field) != side:
            field = resize_bilinear(field, side)
        while least_jacobian(field) <= 0:
            field *= np.float32(_DAMPING)
        return field


def learn_deformations(masks: Labels, config: AugmentationConfig) -> Deformations:
    """Register masks to each other, and find how they differ.

    Args:
        masks: uint8 (n, S, S), class indices, of training cases and no others.
        config: How many pairs are registered, and what share of the variance the
            components have. Which pairs depends on the number of masks alone.

    Raises:
        InputError: No two masks show the same classes.
    """
    pairs = _pairs(masks, config.learned_pairs)
    if not pairs:
        raise InputError(
            "augmentation `learned`: expected two training cases or more whose masks "
            f"show the same classes, and {len(masks)} have none: choose another "
            "augmentation"
        )
    n_classes = int(masks.max())
    levels = {index: _level(masks[index], n_classes) for index in {*sum(pairs, ())}}
    fields = np.stack([register(levels[one], levels[other]) for one, other in pairs])
    # The mean is left out of account: of each pair in both directions it is nearly 0.
    flat = fields.reshape(len(fields), -1)
    _, sizes, components = np.linalg.svd(flat, full_matrices=False)
    variances = np.cumsum(sizes**2)
    least = config.learned_variance * variances[-1]
    count = int(np.searchsorted(variances, least)) + 1
    modes = sizes[:count, None] / np.sqrt(len(fields)) * components[:count]
    shape = (count, *fields.shape[1:])
    return Deformations(modes.reshape(shape).astype(np.float32))


def _pairs(masks: Labels, most: int) -> list[tuple[int, ...]]:
    """Choose ordered pairs of masks that show the same classes, each mask as often."""
    shown = [frozenset(np.unique(mask)) - {0} for mask in masks]
    some = [index for index, classes in enumerate(shown) if classes]
    order = np.random.default_rng(len(masks)).permutation(some).tolist()
    pairs = (
        (one, other)
        for turn in range(1, len(order))
        for one, other in zip(order, order[turn:] + order[:turn], strict=True)
        if shown[one] == shown[other]
    )
    return [*itertools.islice(pairs, most)]


def register(moving: FloatArray, fixed: FloatArray) -> NDArray[np.float64]:
    """Find the displacement that turns one plane into another, (s, s) each.

    Returns:
        float64 (s, s, 2), as a mode of `Deformations`: read there, the first is as the
        second.
    """
    # It takes a moment, and few commands need it.
    from skimage.registration import optical_flow_tvl1

    side = len(fixed)
    rows, columns = optical_flow_tvl1(fixed, moving) / side
    smooth = [
        ndimage.gaussian_filter(plane, _SMOOTHING * side, mode="nearest")
        for plane in (columns, rows)
    ]
    return np.stack(smooth, axis=-1).astype(np.float64)


def _level(labels: Labels, n_classes: int) -> FloatArray:
    """Turn a mask into grey values that fall evenly over the outline of each class.

    These are cut signed distances, to the outlines of all classes from the k-th on;
    summed over k, the border between any two classes is among them.

    Returns:
        float32 (s, s) in [-1, 1], s being `MOST_SIDE_PX` or less.
    """
    reach = _REACH * len(labels)

    def depth(inside: MaskArray) -> NDArray[np.float64]:
        # SciPy has no distance to what is nowhere.
        far = np.full(inside.shape, reach)
        return far if inside.all() else ndimage.distance_transform_edt(inside)

    from_first = [labels >= k for k in range(1, n_classes + 1)]
    signed = [depth(inside) - depth(~inside) for inside in from_first]
    planes = np.clip(np.stack(signed) / reach, -1, 1)
    level = np.asarray(planes.mean(axis=0), np.float32)
    return resize_area(level, min(len(level), MOST_SIDE_PX))


def least_jacobian(field: FloatArray) -> float:
    """Return the smallest Jacobian determinant of a deformation, (S, S, 2).

    Between four pixels a deformation is interpolated linearly along both axes, so that
    its determinant is smallest at one of them. Above 0, it folds nowhere.
    """
    along, down = np.diff(field, axis=1), np.diff(field, axis=0)
    return min(
        float(((1 + a[..., 0]) * (1 + d[..., 1]) - a[..., 1] * d[..., 0]).min())
        for a in (along[:-1], along[1:])
        for d in (down[:, :-1], down[:, 1:])
    )
