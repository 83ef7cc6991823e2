"""Memorization audit: does a synthetic set repeat training cases?

A copy that a generator makes is seldom exact, so copies are searched in two ways.

**Search.** `data.copies.registration` moves each image onto the training case that
has most in common with it, by an affine map, also mirrored and inverted, and scores
how well the details agree. An image with a score of the *cut* or more is a copy. The
cut is 0.7, or 0.1 more than the 95th percentile of real non-copies if that is higher:
held-out cases beside training cases, and each training case beside the others.

**Distances.** `data.copies.distances` measures distances of images, masks and pairs
that are small for a noisier, smoother, brighter or shifted copy.

A smooth image, near the average of all cases, is nearer to each case than a real one
is, although it copies none. The nearest case is therefore judged by the *relative
distance*: the distance to it over the mean distance to the next 50 cases (all others if
there are fewer). It is near 0 for a copy and near 1 if no case stands out. The idea is
the adaptive distance of Carlini et al., "Extracting training data from diffusion
models" (2023), section 4.2.

A real case that no generator has seen also has a nearest training case. The null
distribution says how near it is by chance. It consists of the relative distances of
held-out real cases to the training cases and, to have more values in
its tail, of each training case to the other ones. N such distances give two bounds:

- The *threshold* estimates the 1st percentile of the null. It is the r-th smallest
  distance; r is (N + 1) / 100 rounded down, but at least 1. Whatever the distribution,
  a further real case is closer with probability r / (N + 1) on average, and this
  probability has the distribution Beta(r, N + 1 - r). Its 95 % interval is wide for
  small N (N = 112: 0.02 % to 3.2 %), so an exact binomial test against 1 % raises false
  alarms. The *p-value* takes this into account: if synthetic pairs are no closer than
  real cases, the number of n pairs below the threshold has the distribution
  BetaBinomial(n, r, N + 1 - r). This is exact for held-out cases, and nearly so for
  training cases, each of which is in the null of the others.
- The *copy bound* is so low that a single pair below it is a copy. No N is large enough
  to observe it, so it is extrapolated: median - t * s * sqrt(1 + 1 / N). s is the
  distance from the median to the 5th percentile over the 1.645 of the normal
  distribution. t is the quantile of Student's distribution with N - 1 degrees of
  freedom at 0.001 over the number of pairs and of parts. A few near-duplicates among
  the real cases change it little. It is at least 0.2: what is five times nearer to one
  case than to the others is a copy, however few cases the null has.

A part (image, mask, pair) passes if it has no copy, and no excess of pairs below the
threshold at level 0.01 over the three parts. The set passes if all three parts do, and
the search finds nothing.

**How much may have been missed.** The same audit looks for an altered copy of each
training case (`planted`): the *positive control*. They count as found if their images
are; masks may be other than the generator's. With x copies found among n pairs, and k
of m planted ones, at most U(x, n) / L(k, m) of pairs drawn like these are copies. U
and L are the upper and lower 97.5 % bounds of Clopper and Pearson, so that both hold
with 95 % confidence. The bound is about copies that are altered like the planted ones.

**What is audited.** The pairs as the generator drew them, before any augmentation. A
set of an earlier version, which has not kept these, is audited after it. The real cases
of the null and the planted copies are then augmented in the same way (for the search
not the training cases, which would match themselves), and the positive control shows
how little such an audit finds.

`docs/explanation/assessment.md` says what is found, and how often a set without copies
fails, measured by `pytest tests/assessment/test_planted.py --copies DIR -s`.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tfgansynth.assessment.planted import plant
from tfgansynth.assessment.search import Indices, Search, Values, search_copies
from tfgansynth.data.copies.distances import PARTS, Matrix, Pairs, Part, distances
from tfgansynth.synthesis.sampling import Augmentation

NULL_SHARE = 0.01
"""The share of the null that the threshold estimates."""
_EXCESS_LEVEL = 0.01 / len(PARTS)
_COPY_LEVEL = 0.001 / len(PARTS)
EARLIER_COPY_LEVEL = 0.001
"""Of each part, in versions that have not searched for altered copies."""
_LEAST_COPY_BOUND = 0.2
_TAIL = 0.05
_N_OTHERS = 50


@dataclasses.dataclass(frozen=True, slots=True)
class PartAudit:
    """The audit of the images, masks or pairs of a synthetic set of n.

    Attributes:
        cases: int64 (n,), index of the training case nearest to each item.
        distances: float64 (n,), the relative distance to it, in [0, 1].
        null: float64 (N,), the relative distances of real cases, ascending.
        copy_level: How often a set of real cases has an item below the copy bound.
    """

    cases: Indices
    distances: NDArray[np.float64]
    null: NDArray[np.float64]
    copy_level: float = _COPY_LEVEL

    @property
    def rank(self) -> int:
        """The rank of the threshold among the null's distances, from the smallest."""
        return max(1, int(NULL_SHARE * (len(self.null) + 1)))

    @property
    def threshold(self) -> float:
        """The estimate of the 1st percentile of the null."""
        return float(self.null[self.rank - 1])

    @property
    def expected_share(self) -> float:
        """The expected share of further real cases below the threshold."""
        return self.rank / (len(self.null) + 1)

    @property
    def expected_share_interval(self) -> tuple[float, float]:
        """95 % interval of the share of all real cases below the threshold."""
        low, high = stats.beta.ppf(
            (0.025, 0.975), self.rank, len(self.null) + 1 - self.rank
        )
        return float(low), float(high)

    @property
    def copy_bound(self) -> float:
        """The relative distance below which a single item is a copy."""
        n_null = len(self.null)
        median = np.median(self.null)
        spread = (median - np.quantile(self.null, _TAIL)) / -stats.norm.ppf(_TAIL)
        quantile = stats.t.ppf(self.copy_level / len(self.cases), n_null - 1)
        bound = median + quantile * spread * np.sqrt(1 + 1 / n_null)
        return max(_LEAST_COPY_BOUND, float(bound))

    @property
    def copies(self) -> Indices:
        """The indices of the copies, ascending."""
        return np.flatnonzero(self.distances < self.copy_bound)

    @property
    def n_closer(self) -> int:
        """The number of items closer to a training case than the threshold."""
        return int(np.count_nonzero(self.distances < self.threshold))

    @property
    def share(self) -> float:
        """Their share of the set."""
        return self.n_closer / len(self.cases)

    @property
    def p_value(self) -> float:
        """The chance of as many below the threshold among further real cases."""
        n_null, n = len(self.null), len(self.cases)
        count = stats.betabinom(n, self.rank, n_null + 1 - self.rank)
        return float(count.sf(self.n_closer - 1))

    @property
    def flagged(self) -> Indices:
        """The indices of the items below either bound, ascending.

        About `expected_share` of a set without copies is flagged as well.
        """
        bound = max(self.threshold, self.copy_bound)
        return np.flatnonzero(self.distances < bound)

    @property
    def passed(self) -> bool:
        """Whether it has no copy and no excess below the threshold."""
        return not self.copies.size and self.p_value >= _EXCESS_LEVEL

    def closest(self, count: int) -> Indices:
        """The indices of the `count` items nearest to a training case, nearest first.

        All of them if there are fewer.
        """
        return np.argsort(self.distances, kind="stable")[:count]


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """The audit of a synthetic set.

    Attributes:
        parts: Of image, mask and pair, by distances.
        search: For altered copies; None of an audit of an earlier version.
        as_drawn: Whether pairs were audited as drawn, before any augmentation.
    """

    parts: Mapping[Part, PartAudit]
    search: Search | None = None
    as_drawn: bool = True

    @property
    def passed(self) -> bool:
        """Whether all parts pass, and the search finds nothing."""
        parts = all(part.passed for part in self.parts.values())
        return parts and not self._searched.size

    @property
    def flagged(self) -> Indices:
        """The samples to drop: copies, and those flagged in any part, ascending."""
        parts = [part.flagged for part in self.parts.values()]
        return functools.reduce(np.union1d, parts, self._searched)

    @property
    def copies(self) -> Indices:
        """The indices of the copies, in any part or by the search, ascending."""
        parts = [part.copies for part in self.parts.values()]
        return functools.reduce(np.union1d, parts, self._searched)

    @property
    def _searched(self) -> Indices:
        return self.search.copies if self.search else np.zeros(0, np.int64)


def count_detected(search: Search, image: PartAudit) -> int:
    """Count the planted copies whose images are found, as those of the set are."""
    by_distance = search.planted_distances < image.copy_bound
    return int(np.count_nonzero((search.planted >= search.cut) | by_distance))


def audit(
    training: Pairs,
    synthetic: Pairs,
    held_out: Pairs,
    *,
    augment: Augmentation | None = None,
    seed: int = 0,
) -> Audit:
    """Compare a synthetic set with the cases its generator was trained on.

    Args:
        training: All cases on which the generator was trained, 3 or more.
        synthetic: The pairs to audit, 1 or more.
        held_out: Real cases that the generator has not seen, 1 or more, of other
            patients than the training cases.
        augment: What the synthetic pairs went through after they were drawn.
        seed: Determines the planted copies and the augmentation.

    Raises:
        ValueError: There are too few, or the sizes of images and masks differ.
    """
    if min(len(training[0]) - 2, len(synthetic[0]), len(held_out[0])) < 1:
        raise ValueError(
            "expected at least 3 training, 1 synthetic and 1 held-out pairs, got "
            f"{len(training[0])}, {len(synthetic[0])} and {len(held_out[0])}"
        )
    real: Sequence[Pairs] = held_out, training, plant(training, seed)
    if augment:
        rng = np.random.default_rng(seed)
        real = [
            augment(np.rint(images).astype(np.uint8), masks, rng)
            for images, masks in real
        ]
    groups = synthetic, *real
    ends = np.cumsum([len(images) for images, _ in groups])[:-1]
    # Each of the training cases beside the others.
    own = np.arange(len(training[0])) + ends[1], np.arange(len(training[0]))
    images, masks = (np.concatenate(planes) for planes in zip(*groups, strict=True))
    parts: dict[Part, PartAudit] = {}
    planted_distances: dict[Part, Values] = {}
    for part, matrix in distances(training, (images, masks)).items():
        matrix[own] = np.inf
        cases, relative = nearest(matrix)
        found, *null, planted_distances[part] = np.split(relative, ends)
        parts[part] = PartAudit(
            cases=cases[: len(found)],
            distances=found,
            null=np.sort(np.concatenate(null)),
        )
    unseen, _, copies = real
    search = search_copies(
        training[0], synthetic[0], unseen[0], copies[0], planted_distances["image"]
    )
    return Audit(parts, search, as_drawn=augment is None)


def nearest(matrix: Matrix) -> tuple[Indices, NDArray[np.float64]]:
    """Find the nearest training case of each pair and its relative distance.

    Args:
        matrix: float64 (n, m), distances to m training cases. A case that must not
            count, such as a training case itself, has an infinite distance.

    Returns:
        int64 (n,), its index; float64 (n,), the relative distance to it, in [0, 1].

    Raises:
        ValueError: A pair has fewer than two training cases: with one, there are no
            others to compare it with.
    """
    if matrix.ndim != 2 or np.isfinite(matrix).sum(axis=1).min(initial=2) < 2:
        raise ValueError("expected distances to at least 2 training cases")
    ordered = np.sort(matrix, axis=1)[:, : _N_OTHERS + 1]
    others = np.mean(ordered[:, 1:], axis=1, where=np.isfinite(ordered[:, 1:]))
    relative = np.divide(
        ordered[:, 0], others, out=np.zeros(len(matrix)), where=others > 0
    )
    return matrix.argmin(axis=1), relative
