"""The search for altered copies of training cases, and what it may have missed.

`memorization` says how copies are told from others.
"""

import dataclasses
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tfgansynth.data.copies.registration import compare

_LEAST_CUT, _NULL_QUANTILE, _MARGIN = 0.7, 0.95, 0.1
_CONFIDENCE = 0.975
"""Of each of two bounds, so that both hold with 95 % confidence."""

Indices = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Search:
    """The search for altered copies among n images.

    Attributes:
        cases: int64 (n,), index of the training case most like each image.
        scores: float64 (n,), the score of the two, in [0, 1].
        null: float64 (N,), the scores of real cases, ascending.
        planted: float64 (m,), the scores of planted copies.
        planted_distances: float64 (m,), the relative distances of their images.
    """

    cases: Indices
    scores: Values
    null: Values
    planted: Values
    planted_distances: Values

    @property
    def cut(self) -> float:
        """The score from which an image is a copy."""
        high = float(np.quantile(self.null, _NULL_QUANTILE)) + _MARGIN
        return max(_LEAST_CUT, high)

    @property
    def copies(self) -> Indices:
        """The indices of the copies, ascending."""
        return np.flatnonzero(self.scores >= self.cut)

    @property
    def n_real(self) -> int:
        """How many real cases have a score of a copy."""
        return int(np.count_nonzero(self.null >= self.cut))


def search_copies(
    training: NDArray[Any],
    synthetic: NDArray[Any],
    held_out: NDArray[Any],
    planted: NDArray[Any],
    planted_distances: Values,
) -> Search:
    """Search copies of training images, uint8 or float32 (n, S, S[, 3]), [0, 255].

    Args:
        training: All cases on which the generator was trained.
        synthetic: What is searched.
        held_out: Real cases, of which none is a copy.
        planted: Copies.
        planted_distances: The relative distances of the planted images.
    """
    groups = training, synthetic, held_out, planted
    likeness = np.zeros((sum(map(len, groups)), len(training)))
    for copy in compare([*itertools.chain(*groups)], len(training)):
        likeness[copy.second, copy.first] = copy.score
        if copy.second < len(training):
            likeness[copy.first, copy.second] = copy.score
    ends = np.cumsum([*map(len, groups)])[:-1]
    of_training, scores, of_held_out, of_planted = np.split(likeness.max(axis=1), ends)
    return Search(
        cases=np.split(likeness.argmax(axis=1), ends)[1],
        scores=scores,
        null=np.sort(np.concatenate([of_held_out, of_training])),
        planted=of_planted,
        planted_distances=planted_distances,
    )


def most_copies(n_copies: int, n: int, n_detected: int, n_planted: int) -> float:
    """Return the upper 95 % bound on the share of copies, in [0, 1].

    It is 1 if too few planted copies are found to say anything.

    Args:
        n_copies: Copies found.
        n: Pairs of the set.
        n_detected: Planted copies found.
        n_planted: Planted copies.
    """
    share = share_bound(n_copies, n)
    found = 1 - share_bound(n_planted - n_detected, n_planted)
    return share / found if share < found else 1.0


def share_bound(count: int, total: int) -> float:
    """Return the upper 97.5 % bound on a share (Clopper and Pearson 1934)."""
    if count == total:
        return 1.0
    return float(stats.beta.ppf(_CONFIDENCE, count + 1, total - count))
