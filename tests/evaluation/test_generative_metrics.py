import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from tfgansynth.evaluation.generative_metrics import FeatureSpace, feature_figures

Points = NDArray[np.float64]


def line(*places: float) -> Points:
    return np.array(places)[:, None]


def normal(rng: np.random.Generator, n: int, d: int = 6, shift: float = 0) -> Points:
    return rng.normal(size=(n, d)) + shift


def kid(real: Points, synthetic: Points) -> float:
    """The kernel distance of features as they are, not scaled."""
    everything = np.arange(len(real)), np.arange(len(synthetic))
    return float(FeatureSpace.of(real, synthetic).figures(*everything, k=1)[-1])


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


def test_a_set_matches_itself_and_not_a_distant_one() -> None:
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


def test_kid_needs_two_of_each() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        feature_figures(line(1), line(1, 2), k=1)
