"""The attack finds members among copies and none in an independent set."""

import numpy as np
import pytest
from scipy import stats

from tfgansynth.assessment.fidelity import Figure
from tfgansynth.assessment.membership import (
    Membership,
    advantage_of,
    infer_membership,
    leaks,
    nearest_pairs,
)
from tfgansynth.data.copies.distances import PARTS, Pairs
from tfgansynth.data.dataset import images_and_labels
from tfgansynth.data.loading import load_phantoms

N_MEMBERS, N_OTHERS, N_PAIRS = 12, 14, 12


@pytest.fixture(scope="module")
def real() -> Pairs:
    cases = load_phantoms(38, 2, "both", 32, soft_masks=False).cases
    return images_and_labels(cases)


def part(pairs: Pairs, start: int, stop: int) -> Pairs:
    return pairs[0][start:stop], pairs[1][start:stop]


def test_copies_give_members_away_and_other_pairs_do_not(real: Pairs) -> None:
    n = N_MEMBERS + N_OTHERS
    known = part(real, 0, n)
    names = [str(number) for number in range(n)]
    rng = np.random.default_rng(0)
    images, masks = part(real, 0, N_MEMBERS)
    noisy = images + rng.normal(0, 4, images.shape), masks
    copied = infer_membership(nearest_pairs(known, noisy), N_MEMBERS, names)
    independent = infer_membership(
        nearest_pairs(known, part(real, n, n + N_PAIRS)), N_MEMBERS, names
    )
    for result in (copied, independent):
        assert (result.n_members, result.n_others) == (N_MEMBERS, N_OTHERS)
        assert [*result.advantage] == [*PARTS]
    for name in PARTS:
        assert copied.advantage[name].value == 1
        assert copied.advantage[name].low > 0.6
        found = independent.advantage[name]
        assert found.low < 0 < found.high
        assert abs(found.value) < 0.4


@pytest.mark.parametrize("sizes", [(30, 135), (145, 20), (8, 6)])
@pytest.mark.parametrize("shift", [0, 0.5, 1.5])
def test_the_interval_holds_as_often_as_it_says(
    sizes: tuple[int, int], shift: float
) -> None:
    """Of two normal distributions the area is known."""
    truth = 2 * float(stats.norm.cdf(shift / 2**0.5)) - 1
    rng = np.random.default_rng(0)
    found = [
        advantage_of(rng.normal(-shift, 1, sizes[0]), rng.normal(0, 1, sizes[1]))
        for _ in range(400)
    ]
    holds = np.mean([each.low <= truth <= each.high for each in found])
    # 95 %, with two standard errors of 400 experiments.
    assert holds > 0.925
    assert shift or holds < 0.98
    error = float(np.std([each.value for each in found])) / 20
    assert np.mean([each.value for each in found]) == pytest.approx(
        truth, abs=4 * error
    )


def test_the_area_counts_pairs_and_halves_ties() -> None:
    members, others = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0])
    wins = sum((a < b) + (a == b) / 2 for a in members for b in others) / 6
    assert advantage_of(members, others).value == pytest.approx(2 * wins - 1)
    assert advantage_of(others, members).value == pytest.approx(1 - 2 * wins)
    same = advantage_of(np.ones(4), np.ones(5))
    assert same.value == 0
    assert same.low == pytest.approx(-same.high)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_attack_has_an_interval_too(sign: int) -> None:
    few, many = (
        advantage_of(sign * np.arange(n, dtype=float), sign * np.arange(n, 2.0 * n))
        for n in (3, 100)
    )
    for found in (few, many):
        assert found.value == sign
        assert found.low <= found.value <= found.high
    lengths = [found.high - found.low for found in (few, many)]
    assert lengths[0] > 0.4 > 0.1 > lengths[1] > 0


def test_a_patient_counts_once() -> None:
    values = np.array([0.1, 0.3, 0.9, 0.5, 0.6, 0.7])
    found = infer_membership({"image": values}, 3, ["a", "a", "b", "c", "d", "d"])
    assert (found.n_members, found.n_others) == (2, 2)
    expected = advantage_of(np.array([0.2, 0.9]), np.array([0.5, 0.65]))
    assert found.advantage["image"] == expected


def test_many_attacks_that_only_guess_are_no_leak() -> None:
    """Six sets, each attacked in three ways that know nothing."""
    rng = np.random.default_rng(0)

    def found(shift: float) -> Membership:
        advantage: dict[str, Figure] = {
            name: advantage_of(rng.normal(-shift, 1, 30), rng.normal(0, 1, 40))
            for name in PARTS
        }
        return Membership(n_members=30, n_others=40, advantage=advantage)

    studies = [[found(0) for _ in range(6)] for _ in range(100)]
    above = [
        any(each.low > 0 for one in sets for each in one.advantage.values())
        for sets in studies
    ]
    assert np.mean(above) > 0.2
    # 2.5 %, with two standard errors of 100 studies.
    assert np.mean([bool(leaks(sets)) for sets in studies]) < 0.06
    # Of one attack the test and its interval agree.
    alone = [
        {"image": figure} for one in studies[0] for figure in one.advantage.values()
    ]
    for advantage in alone:
        one = Membership(n_members=30, n_others=40, advantage=advantage)
        assert bool(leaks([one])) == (advantage["image"].low > 0)
    assert len(leaks([found(0), found(3)])) == len(PARTS)
