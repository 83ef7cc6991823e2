import dataclasses

import numpy as np
import pytest
from scipy import stats

from tfgansynth.evaluation.mixed_effects import (
    CONFIDENCE,
    Components,
    Design,
    Differences,
    Estimate,
    estimate,
    share_interval,
)

RNG = np.random.default_rng(3)


def one_run(*values: float) -> Differences:
    return np.array(values)[:, None]


def width(found: Estimate) -> float:
    low, high = found.interval()
    return high - low


def folds_of_one_seed(*means: float) -> Differences:
    """Three folds of 20 cases each, every fold's mean as given."""
    noise = RNG.normal(size=(20, 3)) * 0.01
    noise += np.array(means) - noise.mean(axis=0)
    differences = np.full((60, 3), np.nan)
    for run in range(3):
        differences[20 * run : 20 * (run + 1), run] = noise[:, run]
    return differences


def test_one_training_run_is_the_paired_t_interval() -> None:
    values = RNG.normal(0.01, 0.02, size=40)
    expected = stats.ttest_1samp(values, 0)
    low, high = expected.confidence_interval(CONFIDENCE)

    found = estimate(one_run(*values))

    assert found.mean == pytest.approx(values.mean())
    assert width(found) == pytest.approx(high - low)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.components.run == 0
    assert found.components.case == pytest.approx(values.var(ddof=1))


def test_one_seed_is_the_t_interval_over_its_folds() -> None:
    means = 0.01, 0.05, -0.04
    expected = stats.ttest_1samp(means, 0)
    low, high = expected.confidence_interval(CONFIDENCE)

    found = estimate(folds_of_one_seed(*means))

    assert width(found) == pytest.approx(high - low)
    assert found.p == pytest.approx(expected.pvalue)


def test_folds_that_agree_by_chance_do_not_shrink_the_interval() -> None:
    differences = folds_of_one_seed(0.02, 0.02, 0.02)
    values = differences[~np.isnan(differences)]

    found = estimate(differences)

    expected = stats.t.isf(0.025, 2) * stats.sem(values)
    assert found.components.run == pytest.approx(0, abs=1e-12)
    assert width(found) / 2 == pytest.approx(expected, rel=0.02)


def test_components_are_those_of_the_analysis_of_variance() -> None:
    """Every case in every run: mean squares by the textbook."""
    cases, runs = 30, 6
    differences = (
        RNG.normal(size=(cases, 1))
        + RNG.normal(size=(1, runs))
        + RNG.normal(size=(cases, runs))
    )
    by_case = differences.mean(axis=1, keepdims=True)
    by_run = differences.mean(axis=0, keepdims=True)
    rest = differences - by_case - by_run + differences.mean()
    of_cases = runs * by_case.var(ddof=1)
    of_runs = cases * by_run.var(ddof=1)
    of_rest = (rest**2).sum() / (cases - 1) / (runs - 1)

    found = estimate(differences).components

    assert found.residual == pytest.approx(of_rest)
    assert found.case == pytest.approx((of_cases - of_rest) / runs)
    assert found.run == pytest.approx((of_runs - of_rest) / cases)


def test_components_are_unbiased_where_cases_meet_some_runs_only() -> None:
    rng = np.random.default_rng(0)
    truth = Components(case=1.0, run=0.5, residual=2.0)
    tested = rng.random((60, 8)) < 0.4
    tested[np.arange(60), np.arange(60) % 8] = True
    found = []
    for _ in range(400):
        values = (
            rng.normal(size=(60, 1)) * truth.case**0.5
            + rng.normal(size=8) * truth.run**0.5
            + rng.normal(size=(60, 8)) * truth.residual**0.5
        )
        differences = np.where(tested, values, np.nan)
        found.append(dataclasses.astuple(estimate(differences).components))

    errors = (np.mean(found, axis=0) - dataclasses.astuple(truth)) / stats.sem(found)

    assert (np.abs(errors) < 3).all(), errors


def test_standard_error_is_the_spread_of_means_that_are_drawn_anew() -> None:
    rng = np.random.default_rng(0)
    tested = rng.random((50, 6)) < 0.5
    tested[:, 0] = True
    per_case, per_run = tested.sum(axis=1), tested.sum(axis=0)
    design = estimate(np.where(tested, 0.0, np.nan)).design
    drawn = [
        np.where(
            tested,
            rng.normal(size=(50, 1))
            + 2 * rng.normal(size=6)
            + 3 * rng.normal(size=(50, 6)),
            0,
        ).sum()
        / tested.sum()
        for _ in range(20_000)
    ]

    error, _ = design.standard_error(Components(1, 4, 9))

    assert design.per_case == pytest.approx((per_case**2).sum() / per_case.sum())
    assert design.per_run == pytest.approx((per_run**2).sum() / per_run.sum())
    assert error == pytest.approx(np.std(drawn), rel=0.02)


def test_freedom_is_that_of_the_source_that_dominates() -> None:
    design = Design(cells=600, cases=200, runs=9, per_case=3, per_run=600 / 9)

    of_runs, few = design.standard_error(Components(case=1e-9, run=1, residual=0))
    of_cases, many = design.standard_error(Components(case=1, run=0, residual=0))

    assert of_runs == pytest.approx(1 / 3)
    assert few == pytest.approx(8)
    assert of_cases == pytest.approx(200**-0.5)
    # Satterthwaite's would be 1 / ((1 / 3) ** 2 / 8 + (2 / 3) ** 2 / 199), which is 62.
    assert many == 8


def test_more_seeds_shrink_what_seeds_can_shrink() -> None:
    components = Components(case=1, run=1, residual=1)
    design = Design(cells=480, cases=240, runs=6, per_case=2, per_run=80)

    later = design.after(1000, now=2)

    assert design.after(2, now=2) == design
    assert later.runs == 3000
    assert later.per_case == 1000
    error, _ = later.standard_error(components)
    assert error == pytest.approx((1 / 240 + 1 / 3000 + 1 / 240_000) ** 0.5)


@pytest.mark.parametrize("seed", range(20))
def test_an_interval_excludes_0_exactly_when_p_is_below_its_level(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = estimate(rng.normal(0.004, 0.01, size=(30, 4)) + rng.normal(0, 0.002, 4))

    for level in (0.5, 0.05, 0.05 / 13, found.p * 1.001, found.p * 0.999):
        low, high = found.interval(level)
        assert (low > 0 or high < 0) == (found.p < level)


def test_few_runs_have_few_degrees_of_freedom() -> None:
    """What differs between cases must not make up for runs that nobody has seen."""
    rng = np.random.default_rng(0)
    differences = rng.normal(size=(200, 1)) + 0.1 * rng.normal(size=(200, 6))

    found = estimate(differences)

    assert found.components.case > 50 * found.components.residual
    assert found.freedom == 5


def test_a_run_that_failed_lies_apart() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0.002, 0.01, size=(80, 6))
    assert estimate(differences).outlying_run is None
    differences[:, 4] -= 0.02

    assert estimate(differences).outlying_run == 4
    # Of three runs none can be told from the others.
    assert estimate(differences[:, 3:]).outlying_run is None


def test_runs_of_one_size_lie_apart_seldom() -> None:
    rng = np.random.default_rng(1)
    found = [estimate(rng.normal(size=(10, 6))).outlying_run for _ in range(400)]

    assert 0.01 < np.mean([each is not None for each in found]) < 0.09


def test_rounding_puts_no_run_apart() -> None:
    differences = np.full((7, 5), 0.1) + np.array([0, 0, 0, 0, 1e-17])

    assert estimate(differences).outlying_run is None


@pytest.mark.parametrize("n_cases", [2, 9, 13, 14])
@pytest.mark.parametrize("shift", [0.3, -0.3])
def test_wilcoxon_is_that_of_scipy(n_cases: int, shift: float) -> None:
    """With ties and zeros, and without."""
    rng = np.random.default_rng(n_cases)
    for decimals in (0, 8):
        values = rng.normal(shift, 2, size=(n_cases, 1)).round(decimals)
        side = "greater" if values.mean() > 0 else "less"
        expected = stats.wilcoxon(values[:, 0], alternative=side).pvalue
        assert estimate(values).p_wilcoxon == min(1, 2 * expected)


def test_wilcoxon_takes_each_case_once() -> None:
    differences = RNG.normal(0.3, 1, size=(25, 4))
    expected = stats.wilcoxon(differences.mean(axis=1)).pvalue

    assert estimate(differences).p_wilcoxon == pytest.approx(expected)


def test_ranks_opposite_to_the_mean_are_not_significant() -> None:
    values = np.linspace(0.01, 0.02, 40)
    values[:4] = -1.0

    found = estimate(one_run(*values))

    assert found.mean < 0
    assert stats.wilcoxon(values).pvalue < 0.001
    assert found.p_wilcoxon == 1


def test_equal_regimes_have_a_difference_of_exactly_zero() -> None:
    found = estimate(np.zeros((6, 2)))

    assert (found.mean, *found.interval()) == (0, 0, 0)
    assert found.p == 1


def test_a_constant_difference_is_certain() -> None:
    found = estimate(np.full((10, 2), 0.25))

    assert found.interval() == (0.25, 0.25)
    assert found.p == 0


@pytest.mark.parametrize("factor", [1e-9, 1e6])
def test_units_do_not_matter(factor: float) -> None:
    differences = RNG.normal(0.3, 1, size=(25, 4)) + RNG.normal(size=4)

    found, scaled = estimate(differences), estimate(factor * differences)

    low, high = found.interval()
    assert scaled.interval() == pytest.approx((factor * low, factor * high))
    assert scaled.p == pytest.approx(found.p)


@pytest.mark.parametrize(
    "differences",
    [
        one_run(0.1),
        np.empty((0, 0)),
        np.array([[0.1, np.nan], [0.2, np.nan]]),
        np.array([[0.1, 0.2], [np.nan, np.nan]]),
    ],
    ids=["one case", "none", "a run without cases", "a case without runs"],
)
def test_too_little_is_refused(differences: Differences) -> None:
    with pytest.raises(ValueError, match="expected two cases or more"):
        estimate(differences)


def test_patients_of_one_case_each_change_nothing() -> None:
    differences = folds_of_one_seed(0.01, 0.05, -0.04)
    names = [f"p{number}" for number in range(60)]
    assert estimate(differences, patients=names) == estimate(differences)


def test_one_run_of_patients_is_the_t_interval_over_their_means() -> None:
    """Where all have as many cases; the mean is that over cases."""
    values = RNG.normal(0.03, 0.02, size=(12, 4)) + RNG.normal(0, 0.02, size=(12, 1))
    expected = stats.ttest_1samp(values.mean(axis=1), 0)
    low, high = expected.confidence_interval(CONFIDENCE)
    names = [f"p{number // 4}" for number in range(48)]

    found = estimate(one_run(*values.ravel()), patients=names)

    assert found.mean == pytest.approx(values.mean())
    assert width(found) == pytest.approx(high - low)
    assert found.p == pytest.approx(expected.pvalue)
    ranks = stats.wilcoxon(values.mean(axis=1)).pvalue
    assert found.p_wilcoxon == pytest.approx(ranks)
    assert (found.design.cases, found.design.patients) == (48, 12)
    within = values.var(axis=1, ddof=1).mean()
    between = values.mean(axis=1).var(ddof=1)
    assert found.components.residual == pytest.approx(within)
    assert found.components.case == pytest.approx(between - within / 4)


def test_one_patient_is_not_enough() -> None:
    with pytest.raises(ValueError, match="expected two patients or more"):
        estimate(one_run(0.1, 0.2, 0.3), patients=["a"] * 3)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_interval_of_a_share_holds_the_true_one(share: float) -> None:
    """Cases, runs and the rest differ, and real pairs are in both differences."""
    n_inside, n_shown, n_experiments = 0, 0, 40
    for number in range(n_experiments):
        rng = np.random.default_rng([number, 7])
        real, some, all_real = (
            rng.normal(0, 0.008, (40, 1))
            + rng.normal(0, 0.003, (1, 6))
            + rng.normal(0, 0.010, (40, 6))
            for _ in range(3)
        )
        parts, wholes = some - real + 0.02 * share, all_real - real + 0.02
        found = share_interval(parts, wholes)
        if found:
            n_shown += 1
            n_inside += found[0] <= share <= found[1]
    assert n_shown == n_experiments
    # Of 95 % there are 35 or more of 40 in 98 of 100 such tests.
    assert n_inside >= 35


@pytest.mark.parametrize("gap", [0.0, -0.02])
def test_of_no_gap_there_is_no_share(gap: float) -> None:
    rng = np.random.default_rng(0)
    parts, wholes = rng.normal(0, 0.01, (2, 40, 6))
    assert share_interval(parts + 0.01, wholes - wholes.mean() + gap) is None


def test_a_share_without_spread_is_a_point() -> None:
    wholes = np.full((40, 6), 0.02)
    assert share_interval(wholes / 4, wholes) == pytest.approx((0.25, 0.25))
