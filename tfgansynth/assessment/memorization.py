"""Whether a synthetic set repeats training cases, judged against unseen real cases.

A real case that no generator saw has a nearest training case too. How near it may be
by chance is the null: the relative distances (`neighbors`) of held-out real cases to
the training cases, and with them, so that more than a few dozen numbers tell of its
tail, those of each training case to the others. From N such distances come two
bounds:

- The *threshold* estimates the null's 1st percentile. It is the r-th smallest of
  them, r the whole part of (N + 1) / 100 but at least 1: whatever the distribution, a
  further real case is closer with probability r / (N + 1) on average, and that
  probability itself is distributed as Beta(r, N + 1 - r). Its 95 % interval is wide
  for small N (N = 112: 0.02 % to 3.2 %), which is why an exact binomial test against
  1 % alone raises false alarms. The *p-value* counts this in: if synthetic pairs are
  no closer than real cases, how many of n lie below the threshold is distributed as
  BetaBinomial(n, r, N + 1 - r), exactly for held-out cases, nearly so for training
  cases, each of which stands in the others' null.
- The *copy bound* is so low that a single pair below it is a copy. It lies beyond any
  N, so it is extrapolated: median - t * s * sqrt(1 + 1 / N), with s the distance from
  the median to the 5th percentile over the normal distribution's 1.645, and t the
  quantile of Student's distribution with N - 1 degrees of freedom at a thousandth over
  the number of pairs. A few near-duplicates among the real cases move it little.
  It is at least a fifth: what is five times nearer to one case than to others is a
  copy by any measure, however few the null's cases.

A part (image, mask, pair) passes if it has no copy and no excess of pairs below the
threshold at 0.01 over the three parts; the set passes if all three do.

Measured with random splits of one set of real cases, where there is nothing to find:
with 30 training, 82 held-out and 120 "synthetic" cases 3 % of the sets fail, of
phantoms as of radiographs, and with 100, 60 and 87 of them 3 % and 5 %; nearly all for
one "copy", as the nulls' tails are a little heavier than assumed.
"""

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tfgansynth.assessment.neighbors import PARTS, Nearest, Pairs, Part
from tfgansynth.assessment.neighbors import distances as distances_between
from tfgansynth.assessment.neighbors import nearest as nearest_of

NULL_SHARE = 0.01
"""The null's percentile that the threshold stands for."""
_EXCESS_LEVEL = 0.01 / len(PARTS)
_COPY_LEVEL = 0.001
_LEAST_COPY_BOUND = 0.2
_TAIL = 0.05

Indices = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class PartAudit:
    """The audit of the images, masks or pairs of a synthetic set of n.

    Attributes:
        nearest: The nearest training case of each, and the relative distance to it.
        null: float64 (N,), the relative distances of real cases, ascending.
    """

    nearest: Nearest
    null: NDArray[np.float64]

    @property
    def rank(self) -> int:
        """Which of the null's distances, from the smallest, is the threshold."""
        return max(1, int(NULL_SHARE * (len(self.null) + 1)))

    @property
    def threshold(self) -> float:
        """The estimate of the null's 1st percentile."""
        return float(self.null[self.rank - 1])

    @property
    def expected_share(self) -> float:
        """The share of further real cases to expect below the threshold."""
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
        """The relative distance below which a single one is a copy."""
        n_null = len(self.null)
        median = np.median(self.null)
        spread = (median - np.quantile(self.null, _TAIL)) / -stats.norm.ppf(_TAIL)
        quantile = stats.t.ppf(_COPY_LEVEL / len(self.nearest.cases), n_null - 1)
        bound = median + quantile * spread * np.sqrt(1 + 1 / n_null)
        return max(_LEAST_COPY_BOUND, float(bound))

    @property
    def copies(self) -> Indices:
        """Which ones are copies, ascending."""
        return np.flatnonzero(self.nearest.distances < self.copy_bound)

    @property
    def n_closer(self) -> int:
        """How many are closer to a training case than the threshold."""
        return int(np.count_nonzero(self.nearest.distances < self.threshold))

    @property
    def share(self) -> float:
        """The share of those in the set."""
        return self.n_closer / len(self.nearest.cases)

    @property
    def p_value(self) -> float:
        """Chance of as many below the threshold if they were further real cases."""
        n_null, n = len(self.null), len(self.nearest.cases)
        count = stats.betabinom(n, self.rank, n_null + 1 - self.rank)
        return float(count.sf(self.n_closer - 1))

    @property
    def binomial_p_value(self) -> float:
        """Exact binomial test of a share above 1 %, as if the threshold were exact.

        Told because it is the usual test; the verdict goes by `p_value`.
        """
        n = len(self.nearest.cases)
        return float(stats.binomtest(self.n_closer, n, NULL_SHARE, "greater").pvalue)

    @property
    def offenders(self) -> Indices:
        """Which ones to drop: all below either bound, ascending.

        Innocent ones are among them, about `expected_share` of the set.
        """
        bound = max(self.threshold, self.copy_bound)
        return np.flatnonzero(self.nearest.distances < bound)

    @property
    def passed(self) -> bool:
        """Whether it has no copy and no excess below the threshold."""
        return not self.copies.size and self.p_value >= _EXCESS_LEVEL

    def closest(self, count: int) -> list[tuple[int, int, float]]:
        """List the closest ones for a gallery, closest first.

        Returns:
            Index in the synthetic set, index of the training case, and relative
            distance; `count` of them, or all if there are fewer.
        """
        order = np.argsort(self.nearest.distances, kind="stable")[:count]
        return [
            (int(i), int(self.nearest.cases[i]), float(self.nearest.distances[i]))
            for i in order
        ]


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """The audit of a synthetic set: image, mask and pair."""

    parts: Mapping[Part, PartAudit]

    @property
    def passed(self) -> bool:
        """Whether all parts pass: the verdict of a release check."""
        return all(part.passed for part in self.parts.values())

    @property
    def offenders(self) -> Indices:
        """The samples to drop: offenders in any part, ascending."""
        parts = [part.offenders for part in self.parts.values()]
        return functools.reduce(np.union1d, parts)


def audit(training: Pairs, synthetic: Pairs, held_out: Pairs) -> Audit:
    """Compare a synthetic set with the cases its generator was trained on.

    Args:
        training: All cases that the generator was trained on, 3 or more.
        synthetic: The pairs to audit, 1 or more.
        held_out: Real cases that the generator never saw, 1 or more. Of patients
            among the training cases there must be none.

    Raises:
        ValueError: There are too few, or the sizes of images and masks differ.
    """
    if min(len(training[0]) - 2, len(synthetic[0]), len(held_out[0])) < 1:
        raise ValueError(
            "expected at least 3 training, 1 synthetic and 1 held-out pairs, got "
            f"{len(training[0])}, {len(synthetic[0])} and {len(held_out[0])}"
        )
    between = [distances_between(training, pairs) for pairs in (synthetic, held_out)]
    within = distances_between(training, training)
    for matrix in within.values():
        np.fill_diagonal(matrix, np.inf)
    parts: dict[Part, PartAudit] = {}
    for part in PARTS:
        of_synthetic, of_held_out, of_training = (
            nearest_of(matrices[part]) for matrices in (*between, within)
        )
        null = np.concatenate([of_held_out.distances, of_training.distances])
        parts[part] = PartAudit(nearest=of_synthetic, null=np.sort(null))
    return Audit(parts)
