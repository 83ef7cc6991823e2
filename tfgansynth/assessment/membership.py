"""Membership inference: does a set give away which cases its generator learned from?

Somebody has the set and a real case, and guesses whether the generator has learned from
it. The attack takes those cases for members that a synthetic pair comes nearest to
(Chen et al. 2020, "GAN-Leaks", the full black-box attack). Members are the generator's
training cases, non-members the held-out real cases. The distance is that of the audit
(`data.copies.distances`), which exposure and small shifts do not change.

The *advantage* is 2 A - 1. A is the chance that of a member and a non-member the member
is nearer (the area under the ROC curve). 0 is guessing, 1 is certainty, and below 0
members are farther. It is 0 on average where nothing is given away, which the largest
difference of true and false positive rates is not.

The 95 % interval is Newcombe's for A (Statistics in Medicine 25, 2006, 559-573, method
5). At A = 1/2 its variance is exactly that of the rank sum without ties, so it excludes
0 as often as the rank-sum test rejects. It has a length at A = 1 too. The independent
unit is the patient, by the mean distance of the patient's cases.

Of many attacks on many sets some intervals are above 0 by chance. Whether any of them
is a leak is therefore a corrected test (`leaks`).

Other attacks may find more, among them those that know the generator itself. An
interval around 0 is no proof of privacy.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from tfgansynth.assessment.fidelity import Figure
from tfgansynth.data.copies.distances import PARTS, Pairs, distances

Values = NDArray[np.float64]

_LEVEL = 0.025
"""Of each end of an interval, and of all tests of leaks together."""
_Z = float(stats.norm.isf(_LEVEL))
_NEAR = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How well an attack tells members from non-members.

    Attributes:
        n_members: Patients, or cases, that the generator has learned from.
        n_others: Of those that it has not.
        advantage: Of the attack by images, masks and pairs, in [-1, 1].
    """

    n_members: int
    n_others: int
    advantage: Mapping[str, Figure]


def leaks(sets: Iterable[Membership]) -> list[Figure]:
    """Choose the attacks that tell members better than by chance, of all sets together.

    The rank-sum test of each is corrected for their number (Bonferroni), so that among
    sets that give nothing away any is chosen in at most 2.5 % of studies.
    """
    attacks = [(found, figure) for found in sets for figure in found.advantage.values()]
    return [
        figure
        for found, figure in attacks
        if len(attacks) * _chance(figure.value, found.n_members, found.n_others)
        <= _LEVEL
    ]


def _chance(advantage: float, n: int, m: int) -> float:
    """How often an attack that only guesses has such an advantage, or a larger one."""
    return float(stats.norm.sf(advantage / math.sqrt((n + m + 1) / (3 * n * m))))


def nearest_pairs(real: Pairs, synthetic: Pairs) -> dict[str, Values]:
    """Return the distance of each of n real cases to the synthetic pair nearest to it.

    Returns:
        For images, masks and pairs, float64 (n,).

    Raises:
        ValueError: As for `distances`.
    """
    found = distances(real, synthetic)
    return {part: found[part].min(axis=0) for part in PARTS}


def infer_membership(
    nearest: Mapping[str, Values], n_members: int, patients: Sequence[str]
) -> Membership:
    """Measure how well members are told from non-members.

    Args:
        nearest: From `nearest_pairs`, float64 (n,) each, the members first.
        n_members: How many are members; at least one is, and one is not.
        patients: The patient of each case. A patient's cases are all members or none.
    """
    names, places = np.unique(np.array(patients), return_inverse=True)
    is_member = np.zeros(len(names), np.bool_)
    is_member[places[:n_members]] = True
    assert not is_member[places[n_members:]].any(), "a patient must be on one side"
    counts = np.bincount(places)
    advantage = {}
    for part, values in nearest.items():
        means = np.bincount(places, values) / counts
        advantage[part] = advantage_of(means[is_member], means[~is_member])
    n = int(is_member.sum())
    return Membership(n_members=n, n_others=len(names) - n, advantage=advantage)


def advantage_of(members: Values, others: Values) -> Figure:
    """Return the advantage of an attack by distances, (n,) and (m,); see the module."""
    ranks = stats.rankdata(np.concatenate([members, others]))
    n, m = len(members), len(others)
    # Ranks are halved between those of one distance.
    area = 1 - float(ranks[:n].sum() - n * (n + 1) / 2) / (n * m)
    ends = (
        2 * _bound(area, end, n, m) - 1 if area != end else 2 * end - 1
        for end in (0.0, 1.0)
    )
    low, high = ends
    return Figure(value=2 * area - 1, low=low, high=high)


def _bound(area: float, end: float, n: int, m: int) -> float:
    """Find the area between that found and an end which is just compatible with it."""
    half = (n + m) / 2 - 1

    def gap(true: float) -> float:
        spread = 1 + half * ((1 - true) / (2 - true) + true / (1 + true))
        deviation = math.sqrt(true * (1 - true) * spread / (n * m))
        return abs(true - area) - _Z * deviation

    # At an end the spread is 0, so that the end itself is a solution, and no bound.
    return float(optimize.brentq(gap, np.clip(area, _NEAR, 1 - _NEAR), end))
