import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tfgansynth.evaluation.fidelity import (
    Comparison,
    FeatureFigures,
    compare_features,
    compare_shapes,
    expected_coverage,
    feature_figures,
    kid,
    shape_distances,
)

Points = NDArray[np.float64]


def line(*places: float) -> Points:
    return np.array(places)[:, None]


def normal(rng: np.random.Generator, n: int, d: int = 6, shift: float = 0) -> Points:
    return rng.normal(size=(n, d)) + shift


def means(figures: list[FeatureFigures]) -> FeatureFigures:
    return FeatureFigures(*np.mean([dataclasses.astuple(f) for f in figures], axis=0))


def kernel_mean(a: Points, b: Points) -> float:
    """E (x . y / d + 1)^3 for independent x ~ N(a, I) and y ~ N(b, I)."""
    d, ab, aa, bb = len(a), a @ b, a @ a, b @ b
    second = d + aa + bb + ab**2
    third = ab**3 + 3 * ab * (aa + bb) + 3 * ab * (d + 2)
    return float(1 + 3 * ab / d + 3 * second / d**2 + third / d**3)


def test_figures_on_a_line_are_as_computed_by_hand() -> None:
    # With k = 2 the real balls reach 3, 2, 3, 7 and the synthetic ones 10, 9, 10.
    real = line(0, 1, 3, 8)
    synthetic = line(2, 11, 12)

    found = feature_figures(real, synthetic, k=2)

    # 2 is in all four balls, 11 in that of 8, 12 in that of 8.
    assert found.precision == 1
    assert found.recall == 1
    assert found.density == pytest.approx((4 + 1 + 1) / 3 / 2)
    assert found.coverage == 1


def test_balls_of_the_nearest_neighbor_are_as_computed_by_hand() -> None:
    # With k = 1 the real balls reach 1, 1, 2, 5 and the synthetic ones 9, 3, 3.
    found = feature_figures(line(0, 1, 3, 8), line(2, 11, 14), k=1)

    # 2 is in the balls of 1 and 3, at whose rim it lies; 11 in that of 8; 14 in none.
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == 1
    assert found.density == pytest.approx((2 + 1 + 0) / 3)
    assert found.coverage == pytest.approx(3 / 4)


def test_a_set_is_wholly_like_itself_and_unlike_one_far_off() -> None:
    points = normal(np.random.default_rng(0), 40)

    same = feature_figures(points, points)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)

    far = feature_figures(points, points + 100)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)
    assert far.kid > 1


def test_a_dropped_mode_costs_recall_and_coverage_but_not_precision() -> None:
    rng = np.random.default_rng(0)
    real = np.concatenate([normal(rng, 100, 2), normal(rng, 100, 2, shift=50)])
    found = feature_figures(real, normal(rng, 200, 2))

    assert found.precision > 0.9
    assert 0.4 < found.recall <= 0.5
    assert 0.45 < found.coverage <= 0.5
    assert found.density == pytest.approx(1, abs=0.15)


def test_an_invented_mode_costs_precision_and_density_but_not_recall() -> None:
    rng = np.random.default_rng(0)
    synthetic = np.concatenate([normal(rng, 100, 2), normal(rng, 100, 2, shift=50)])
    found = feature_figures(normal(rng, 100, 2), synthetic)

    assert 0.4 < found.precision <= 0.5
    assert found.recall > 0.9
    assert found.coverage > 0.9
    assert found.density == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(("n", "m", "k"), [(30, 30, 5), (82, 82, 5), (20, 60, 3)])
def test_equal_distributions_have_the_means_that_theory_says(
    n: int, m: int, k: int
) -> None:
    rng = np.random.default_rng(0)
    drawn = [feature_figures(normal(rng, n), normal(rng, m), k=k) for _ in range(400)]
    found = means(drawn)
    errors = np.std([dataclasses.astuple(f) for f in drawn], axis=0) / 20

    assert abs(found.coverage - expected_coverage(n, m, k)) < 4 * errors[3]
    # A further point is as likely as any other to be among the k nearest of n.
    assert abs(found.density - 1) < 4 * errors[2]
    assert abs(found.kid) < 4 * errors[4]


def test_expected_coverage_is_that_of_naeem() -> None:
    # One real point of two is covered unless the other real one is nearer than both.
    assert expected_coverage(2, 2, 1) == pytest.approx(2 / 3)
    assert expected_coverage(10000, 10000) == pytest.approx(1 - 2**-5, abs=1e-3)
    assert 0.97 < expected_coverage(30, 30) < 0.98


def test_kid_is_as_computed_by_hand() -> None:
    # d = 1: k(0, 2) = 1, k(1, 3) = 64; across 1, 1 and k(2, 1) = 27, k(2, 3) = 343.
    assert kid(line(0, 2), line(1, 3)) == pytest.approx(1 + 64 - 2 * 372 / 4)


def test_kid_is_unbiased_for_equal_and_for_shifted_distributions() -> None:
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.5):
        a, b = np.zeros(6), np.full(6, shift)
        exact = kernel_mean(a, a) + kernel_mean(b, b) - 2 * kernel_mean(a, b)
        found = [
            kid(normal(rng, 12), normal(rng, 20, shift=shift)) for _ in range(2000)
        ]
        error = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found) - exact) < 4 * error
        assert error < 0.02


def test_figures_do_not_depend_on_the_features_scale() -> None:
    rng = np.random.default_rng(0)
    real, synthetic = normal(rng, 40), normal(rng, 30, shift=1)
    found = feature_figures(real, synthetic)
    larger = feature_figures(real * 1e3, synthetic * 1e3)

    assert dataclasses.astuple(larger) == pytest.approx(dataclasses.astuple(found))
    # Nor do neighbors depend on features that say nothing.
    dead = np.zeros((40, 1))
    wider = feature_figures(np.hstack([real, dead]), np.hstack([synthetic, dead[:30]]))
    assert dataclasses.astuple(wider)[:4] == dataclasses.astuple(found)[:4]


def test_float32_features_do() -> None:
    rng = np.random.default_rng(0)
    real, synthetic = normal(rng, 40), normal(rng, 30)
    rounded = feature_figures(real.astype(np.float32), synthetic.astype(np.float32))

    exact = dataclasses.astuple(feature_figures(real, synthetic))
    assert dataclasses.astuple(rounded) == pytest.approx(exact, abs=1e-4)


def compared(
    shift: float, seed: int = 0, sizes: tuple[int, int, int] = (30, 120, 82)
) -> dict[str, Comparison]:
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
        for estimate in (comparison.synthetic, comparison.ruler):
            assert estimate.low <= estimate.value <= estimate.high
            assert name == "kid" or estimate.low >= 0
            assert name in ("kid", "density") or estimate.high <= 1
        gap = comparison.synthetic.value - comparison.ruler.value
        assert comparison.difference.value == pytest.approx(gap)


def test_held_out_figures_are_the_ruler() -> None:
    rng = np.random.default_rng(0)
    training, real = normal(rng, 40), normal(rng, 40)
    found = compare_features(training, real, real, seed=0, n_draws=50)
    exact = dataclasses.asdict(feature_figures(training, real))

    # All three have 40 cases, so that there is one subset of 40 of each.
    for name, comparison in found.items():
        assert comparison.synthetic.value == pytest.approx(exact[name])
        assert comparison.ruler.value == pytest.approx(exact[name])
        assert comparison.difference.value == pytest.approx(0)


def test_a_shifted_set_differs_from_the_ruler_and_an_equal_one_does_not() -> None:
    shifted = compared(1.5, sizes=(80, 120, 82))
    # Not precision: one real outlier's ball may hold most synthetic points.
    for name in ("density", "coverage"):
        assert shifted[name].difference.high < 0, name
    assert shifted["kid"].difference.low > 0

    for comparison in compared(0).values():
        assert comparison.difference.low <= 0 <= comparison.difference.high


@pytest.mark.parametrize("sizes", [(30, 120, 82), (50, 50, 50)])
def test_intervals_hold_the_true_figure_as_often_as_they_say(
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
    values = rng.normal(3, 2, 500)
    found = shape_distances(
        {"moved": values, "same": values, "count": np.full(4, 2.0)},
        {
            "moved": values + 2 * values.std(),
            "same": values,
            "count": np.array([2.0, 2.0, 3.0, 1.0]),
        },
    )

    assert found == pytest.approx({"moved": 2, "same": 0, "count": 0.5})


def test_compared_shapes_are_wasserstein_distances_beside_the_ruler() -> None:
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
    assert found.ruler.value == pytest.approx(exact[1])
    assert found.difference.low > 2
    assert found.ruler.low >= 0
    assert found.size == 40


def test_shapes_that_never_differ_have_no_distance() -> None:
    two = {"components": np.full(9, 2.0)}
    found = compare_shapes(two, two, two, seed=0, n_draws=5)["components"]

    assert dataclasses.astuple(found.synthetic) == (0, 0, 0)


@pytest.mark.parametrize(
    ("real", "synthetic", "message"),
    [
        (np.zeros((5, 2)), np.zeros((9, 2)), "at least 6"),
        (np.zeros((9, 2)), np.zeros((9, 3)), "one d"),
        (np.zeros(9), np.zeros((9, 1)), "one d"),
        (np.zeros((9, 0)), np.zeros((9, 0)), "one d"),
        (np.zeros((9, 2)), np.ones((9, 2)), "that differ"),
        (np.full((9, 2), np.nan), np.ones((9, 2)), "finite"),
    ],
)
def test_features_must_be_comparable(
    real: Points, synthetic: Points, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        feature_figures(real, synthetic)


def test_a_comparison_needs_enough_for_halves() -> None:
    points = normal(np.random.default_rng(0), 11)
    with pytest.raises(ValueError, match="at least 12"):
        compare_features(points, points, points, seed=0)
    few = {"area": np.arange(3.0)}
    with pytest.raises(ValueError, match="at least 4"):
        compare_shapes(few, few, few, seed=0)


def test_kid_needs_two_of_each() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        kid(line(1), line(1, 2))
