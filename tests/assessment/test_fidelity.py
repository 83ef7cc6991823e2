import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tfgansynth.assessment.fidelity import (
    NetworkFeatures,
    ReferencedFigure,
    compare_features,
    compare_shapes,
    expected_coverage,
)
from tfgansynth.evaluation.generative_metrics import FeatureFigures, feature_figures

Points = NDArray[np.float64]


def normal(rng: np.random.Generator, n: int, d: int = 6, shift: float = 0) -> Points:
    return rng.normal(size=(n, d)) + shift


def means(figures: list[FeatureFigures]) -> FeatureFigures:
    return FeatureFigures(*np.mean([dataclasses.astuple(f) for f in figures], axis=0))


@pytest.mark.parametrize(("n", "m", "k"), [(30, 30, 5), (82, 82, 5), (20, 60, 3)])
def test_equal_distributions_have_the_theoretical_means(n: int, m: int, k: int) -> None:
    rng = np.random.default_rng(0)
    drawn = [feature_figures(normal(rng, n), normal(rng, m), k=k) for _ in range(400)]
    found = means(drawn)
    errors = np.std([dataclasses.astuple(f) for f in drawn], axis=0) / 20

    assert abs(found.coverage - expected_coverage(n, m, k)) < 4 * errors[3]
    # Each point is equally likely to be among the k nearest of n.
    assert abs(found.density - 1) < 4 * errors[2]
    assert abs(found.kid) < 4 * errors[4]


def test_expected_coverage_agrees_with_naeem() -> None:
    # One real point of two is covered unless the other real one is nearer than both.
    assert expected_coverage(2, 2, 1) == pytest.approx(2 / 3)
    assert expected_coverage(10000, 10000) == pytest.approx(1 - 2**-5, abs=1e-3)
    assert 0.97 < expected_coverage(30, 30) < 0.98


def network(
    real: Points, synthetic: Points, cases: NDArray[np.int64] | None = None
) -> NetworkFeatures:
    numbers = np.arange(len(real)) if cases is None else cases
    return NetworkFeatures(numbers, real, synthetic)


def two_networks(
    rng: np.random.Generator, real: Points, synthetic: Points, n_training: int
) -> list[NetworkFeatures]:
    """Features of two networks, each blind to the half of the training cases.

    They are the same points, seen from another side.
    """
    held_out = np.arange(n_training, len(real))
    networks = []
    for part in np.array_split(rng.permutation(n_training), 2):
        cases = np.append(np.sort(part), held_out)
        turn, _ = np.linalg.qr(rng.normal(size=(real.shape[1],) * 2))
        networks.append(network(real[cases] @ turn, synthetic @ turn, cases))
    return networks


def compared(
    shift: float, seed: int = 0, sizes: tuple[int, int, int] = (30, 120, 65)
) -> dict[str, ReferencedFigure]:
    """Compare sets by two networks; sizes of training, synthetic and held-out ones."""
    rng = np.random.default_rng([seed, 1])
    n_training, n_synthetic, n_held_out = sizes
    real = normal(rng, n_training + n_held_out)
    synthetic = normal(rng, n_synthetic, shift=shift)
    networks = two_networks(rng, real, synthetic, n_training)
    return compare_features(networks, seed=seed, n_draws=60)


def test_a_comparison_is_of_equal_sizes_and_repeats_itself() -> None:
    found = compared(0.5)

    assert list(found) == ["precision", "recall", "density", "coverage", "kid"]
    # Half of the 15 training and the 65 held-out cases that a network has not seen.
    assert {comparison.size for comparison in found.values()} == {40}
    assert compared(0.5) == found
    for name, comparison in found.items():
        for estimate in (comparison.synthetic, comparison.real_reference):
            assert estimate.low <= estimate.value <= estimate.high
            assert name == "kid" or estimate.low >= 0
            assert name in ("kid", "density") or estimate.high <= 1
        gap = comparison.synthetic.value - comparison.real_reference.value
        assert comparison.difference.value == pytest.approx(gap)


def test_figures_are_means_over_the_networks_on_equal_cases() -> None:
    rng = np.random.default_rng(0)
    real, synthetic = normal(rng, 80), normal(rng, 40)
    cases = rng.permutation(80)
    alone, other = (
        compare_features(networks, seed=0, n_draws=20)
        for networks in (
            [network(real, synthetic)],
            [network(1 + real**2, 1 + synthetic**2)],
        )
    )
    # The second network has its cases in another order.
    both = compare_features(
        [
            network(real, synthetic),
            network(1 + real[cases] ** 2, 1 + synthetic**2, cases),
        ],
        seed=0,
        n_draws=20,
    )
    for name, comparison in both.items():
        for side in ("synthetic", "real_reference", "difference"):
            mean = np.mean([getattr(each[name], side).value for each in (alone, other)])
            assert getattr(comparison, side).value == pytest.approx(mean), name


def test_other_real_cases_are_the_real_reference() -> None:
    """Without a halving to choose: pairs of real cases that are the same point."""
    rng = np.random.default_rng(0)
    real = normal(rng, 60)
    found = compare_features([network(real, real)], seed=0, n_draws=300)
    for name in ("precision", "recall", "coverage"):
        comparison = found[name]
        assert comparison.size == 30
        # A synthetic set of the same points meets some of them again.
        assert comparison.synthetic.value >= comparison.real_reference.value
    drawn = [
        feature_figures(*np.split(real[rng.permutation(60)], 2)) for _ in range(300)
    ]
    expected = means(drawn)
    errors = np.std([dataclasses.astuple(each) for each in drawn], axis=0) / 300**0.5
    for (name, comparison), value, error in zip(
        found.items(), dataclasses.astuple(expected), errors, strict=True
    ):
        # The scale is that of 30 cases there, and of all 60 here, which moves KID.
        slack = 6 * error + (0.02 if name == "kid" else 0)
        assert abs(comparison.real_reference.value - value) < slack, name


def five_modes(rng: np.random.Generator, n: int, d: int = 6) -> Points:
    modes = normal(rng, 5, d)
    return modes[rng.integers(5, size=n)] + normal(rng, n, d) / 10


def test_five_modes_are_told_from_all_that_is_real() -> None:
    """Recall of 15 cases, as it was, and of the 150 that a network has not seen."""
    few, many, references = [], [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        real, synthetic = normal(rng, 150), five_modes(rng, 300)
        chosen = synthetic[rng.choice(300, 15, replace=False)]
        few.append(feature_figures(real[:15], chosen, k=3).recall)
        found = compare_features([network(real, synthetic)], seed=seed, n_draws=10)
        many.append(found["recall"].synthetic.value)
        references.append(found["recall"].real_reference.value)
    # Anything, of single sets.
    assert 0.4 < np.mean(few) < 0.6
    assert np.std(few) > 0.2
    assert max(many) < 0.1
    assert min(references) > 0.8


def test_a_shifted_set_differs_from_the_reference_and_an_equal_one_does_not() -> None:
    shifted = compared(1.5, sizes=(80, 120, 120))
    # Not precision: one real outlier's ball may hold most synthetic points.
    for name in ("density", "coverage"):
        assert shifted[name].difference.high < 0, name
    assert shifted["kid"].difference.low > 0

    for comparison in compared(0).values():
        assert comparison.difference.low <= 0 <= comparison.difference.high


@pytest.mark.parametrize("sizes", [(30, 120, 65), (50, 38, 50)])
def test_intervals_contain_the_true_figure_as_often_as_promised(
    sizes: tuple[int, int, int],
) -> None:
    rng = np.random.default_rng(7)
    size, shift, n_sets = min((sizes[0] // 2 + sizes[2]) // 2, sizes[1]), 0.4, 40
    truth = means(
        [
            feature_figures(normal(rng, size), normal(rng, size, shift=shift))
            for _ in range(200)
        ]
    )
    held = np.zeros(5)
    for seed in range(n_sets):
        found = compared(shift, seed, sizes).values()
        for i, (comparison, value) in enumerate(
            zip(found, dataclasses.astuple(truth), strict=True)
        ):
            estimate = comparison.synthetic
            held[i] += estimate.low <= value <= estimate.high
    # Intervals that hold in 93 of 100 hold less often than this once in 500 times.
    assert held.min() >= 0.8 * n_sets, held / n_sets


def test_shape_distances_are_in_standard_deviations() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, 4)
    training = {"moved": values, "same": values, "count": np.full(4, 2.0)}
    synthetic = {
        "moved": values + 2 * values.std(),
        "same": values,
        "count": np.array([2.0, 2.0, 3.0, 1.0]),
    }
    figures = compare_shapes(training, synthetic, training, seed=0, n_draws=1)

    found = {name: figure.synthetic.value for name, figure in figures.items()}
    assert found == pytest.approx({"moved": 2, "same": 0, "count": 0.5})


def test_shapes_are_compared_by_wasserstein_distances() -> None:
    rng = np.random.default_rng(0)
    training, held_out = ({"area": rng.normal(0, 2, n)} for n in (40, 40))
    synthetic = {"area": rng.normal(6, 2, 40)}
    found = compare_shapes(training, synthetic, held_out, seed=3, n_draws=200)["area"]

    exact = [
        stats.wasserstein_distance(training["area"], other["area"])
        / np.std(training["area"])
        for other in (synthetic, held_out)
    ]
    assert found.synthetic.value == pytest.approx(exact[0])
    assert found.real_reference.value == pytest.approx(exact[1])
    assert found.difference.low > 2
    assert found.real_reference.low >= 0
    assert found.size == 40


def test_shapes_that_never_differ_have_no_distance() -> None:
    two = {"components": np.full(9, 2.0)}
    found = compare_shapes(two, two, two, seed=0, n_draws=5)["components"]

    assert dataclasses.astuple(found.synthetic) == (0, 0, 0)


def test_a_comparison_needs_enough_for_halves() -> None:
    points = normal(np.random.default_rng(0), 24)
    with pytest.raises(ValueError, match="at least 24"):
        compare_features([network(points[:23], points)], seed=0)
    with pytest.raises(ValueError, match="at least 12"):
        compare_features([network(points, points[:11])], seed=0)
    few = {"area": np.arange(3.0)}
    with pytest.raises(ValueError, match="at least 4"):
        compare_shapes(few, few, few, seed=0)


def test_every_interval_contains_its_figure() -> None:
    # With few points close together, nearly all halves have the same figure.
    rng = np.random.default_rng(0)
    real, synthetic = normal(rng, 16, d=3), normal(rng, 120, d=3) * 0.3
    found = compare_features([network(real, synthetic)], seed=0, n_draws=200, k=3)

    estimates = [
        estimate
        for comparison in found.values()
        for estimate in (
            comparison.synthetic,
            comparison.real_reference,
            comparison.difference,
        )
    ]
    assert all(each.low <= each.value <= each.high for each in estimates)
