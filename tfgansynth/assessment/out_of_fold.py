"""How well masks agree with networks that have not seen the nearest real case."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import MaskArray
from tfgansynth.assessment.neighbors import Pairs, distances
from tfgansynth.assessment.quality import agreement
from tfgansynth.segmentation.ensembles import CrossFittedEnsemble


def out_of_fold_agreement(
    ensemble: CrossFittedEnsemble,
    training: Pairs,
    images: NDArray[Any],
    masks: MaskArray,
) -> NDArray[np.float64]:
    """Return how well masks agree with segmentations by networks that know no copy.

    Args:
        ensemble: Of the training cases.
        training: These cases.
        images: (n, S, S) in [0, 255].
        masks: Bool (n, S, S).

    Returns:
        Dice coefficients, float64 (n,).
    """
    nearest = distances(training, (images, masks))["image"].argmin(axis=1)
    return agreement(masks, ensemble.segment(images, nearest))
