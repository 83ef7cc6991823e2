import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tfgansynth.assessment.fidelity import (
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


def compared(
    shift: float, seed: int = 0, sizes: tuple[int, int, int] = (30, 120, 82)
) -> dict[str, ReferencedFigure]:
    rng = np.random.default_rng([seed, 1])
    n_training, n_synthetic, n_held_out = sizes
    return compare_features(
        normal(rng, n_training),
        normal(rng, n_synthetic, shift=shift),
        normal(rng, n_held_out),
        seed=seed,
        n_draws=100,
    )


def test_a_comparison_is_of_equal_sizes_and_repeats_itself() -> None:
    found = compared(0.5)

    assert list(found) == ["precision", "recall", "density", "coverage", "kid"]
    assert {comparison.size for comparison in found.values()} == {30}
    assert compared(0.5) == found
    for name, comparison in found.items():
        for estimate in (comparison.synthetic, comparison.real_reference):
            assert estimate.low <= estimate.value <= estimate.high
            assert name == "kid" or estimate.low >= 0
            assert name in ("kid", "density") or estimate.high <= 1
        gap = comparison.synthetic.value - comparison.real_reference.value
        assert comparison.difference.value == pytest.approx(gap)


def test_held_out_figures_are_the_real_reference() -> None:
    rng = np.random.default_rng(0)
    training, real = normal(rng, 40), normal(rng, 40)
    found = compare_features(training, real, real, seed=0, n_draws=50)
    exact = dataclasses.asdict(feature_figures(training, real))

    # All three have 40 cases, so that there is one subset of 40 of each.
    for name, comparison in found.items():
        assert comparison.synthetic.value == pytest.approx(exact[name])
        assert comparison.real_reference.value == pytest.approx(exact[name])
        assert comparison.difference.value == pytest.approx(0)


def test_a_shifted_set_differs_from_the_reference_and_an_equal_one_does_not() -> None:
    shifted = compared(1.5, sizes=(80, 120, 82))
    # Not precision: one real outlier's ball may hold most synthetic points.
    for name in ("density", "coverage"):
        assert shifted[name].difference.high < 0, name
    assert shifted["kid"].difference.low > 0

    for comparison in compared(0).values():
        assert comparison.difference.low <= 0 <= comparison.difference.high


@pytest.mark.parametrize("sizes", [(30, 120, 82), (50, 50, 50)])
def test_intervals_contain_the_true_figure_as_often_as_promised(
    sizes: tuple[int, int, int],
) -> None:
    rng = np.random.default_rng(7)
    size, shift, n_sets = min(sizes), 0.4, 40
    truth = means(
        [
            feature_figures(normal(rng, size), normal(rng, size, shift=shift))
            for _ in range(300)
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
    points = normal(np.random.default_rng(0), 11)
    with pytest.raises(ValueError, match="at least 12"):
        compare_features(points, points, points, seed=0)
    few = {"area": np.arange(3.0)}
    with pytest.raises(ValueError, match="at least 4"):
        compare_shapes(few, few, few, seed=0)


def test_every_interval_contains_its_figure() -> None:
    # With few points close together, nearly all halves have the same figure.
    rng = np.random.default_rng(0)
    scales = {15: 1.0, 120: 0.3, 82: 0.3}
    sets = [normal(rng, n, d=3) * scale for n, scale in scales.items()]
    found = compare_features(*sets, seed=0, n_draws=200, k=3)

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
