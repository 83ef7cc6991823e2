"""How alike real and synthetic sets are: fidelity and diversity, beside a ruler.

On feature vectors of images, from any network that both sets pass through: precision,
recall, density, coverage and KID, as `generative_metrics` defines them. Coverage of
equal distributions is `expected_coverage`.

On shape figures of masks (`soundness`): per figure, the first Wasserstein distance
between the two distributions, in standard deviations of the training masks.

No figure has a meaning of its own. What it can reach depends on the number of points,
the features and the spread of the data: precision and recall of equal distributions
stay below 1, in many dimensions far below, and a Wasserstein distance of samples is
never 0. One outlier, whose ball is large, may lift precision or recall; density and
coverage are there because they bear it (Naeem et al.). So each figure comes with the
*ruler*, the same figure for held-out real cases in place of synthetic ones, and both
from sets of equal sizes: the smallest of the three sizes, m, as means over random
subsets.

Intervals come from half-sampling: figures of random halves (m / 2 of each set, drawn
without replacement), whose deviations from their own mean are put around the figure.
A half-sample differs from its set as much as the set from its population (Shao and
Wu 1989, "A general theory for jackknife variance estimation", with half of the cases
deleted). The ordinary bootstrap is no choice here: it draws points twice, a point's
nearest neighbor is then itself, balls shrink to nothing and KID's sums over different
points count equal ones. Sets larger than m are sampled as if they had m, which makes
their intervals wider, never narrower than they should be. KID's are for the scale that
the training cases give, as if it were exact. The difference to the ruler is taken draw
by draw, with the same training cases on both sides. On normal distributions that
are equal or overlap for the most part, 95 % intervals held the true figure of sets of
82 in 86 to 100 of 100, those of KID for sets far apart in 69 to 79. They say nothing
where a figure is so near 0 or 1 that halves no longer vary.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from scipy.stats import wasserstein_distance

from tfgansynth.evaluation.generative_metrics import (
    NEIGHBORS,
    FeatureFigures,
    Features,
    FeatureSpace,
    Indices,
    Matrix,
    check_features,
    root_mean_square,
)

DRAWS = 500


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of the synthetic set beside that of held-out real cases.

    Attributes:
        synthetic: Synthetic against training cases.
        ruler: Held-out against training cases.
        difference: Synthetic less ruler.
        size: How many of each set a figure is from.
    """

    synthetic: Estimate
    ruler: Estimate
    difference: Estimate
    size: int


def expected_coverage(n_real: int, n_synthetic: int, k: int = NEIGHBORS) -> float:
    """Return the mean coverage of equal distributions, whatever they are.

    Source: Naeem et al. 2020, section 3.3.3: the chance that not all k nearest of a
    real point are real, among n_real - 1 real and n_synthetic synthetic ones.
    """
    others = np.arange(n_real - 1, n_real - 1 - k, -1, dtype=np.float64)
    return float(1 - np.prod(others / (others + n_synthetic)))


def compare_features(
    training: Features,
    synthetic: Features,
    held_out: Features,
    *,
    seed: int,
    k: int = NEIGHBORS,
    n_draws: int = DRAWS,
) -> dict[str, Comparison]:
    """Compare synthetic with training cases, and held-out cases with the same.

    All features are divided by the root mean square of the training cases' features,
    one number for all d, so that KID means about the same for each network. They are
    not centered: a mean taken from one of the sets would bias KID.

    Args:
        training: (n, d), the cases the generator was trained on.
        synthetic: (m, d).
        held_out: (l, d), real cases that generator and network never saw.
        seed: Determines the subsets.
        k: The neighbors that a ball reaches to.
        n_draws: Subsets for each figure and for each interval.

    Returns:
        A comparison for each of `FeatureFigures`.

    Raises:
        ValueError: A set has fewer than 2 k + 2 cases, features are not finite or
            differ in d, or all training cases are equal.
    """
    check_features(2 * (k + 1), training, synthetic, held_out)
    scale = root_mean_square(training)
    spaces = [
        FeatureSpace.of(training / scale, each / scale)
        for each in (synthetic, held_out)
    ]

    def measure(part: Indices, ours: Indices, theirs: Indices) -> Matrix:
        pairs = zip(spaces, (ours, theirs), strict=True)
        return np.array([space.figures(part, others, k) for space, others in pairs])

    names = [field.name for field in dataclasses.fields(FeatureFigures)]
    limits = np.array([[0, 0, 0, 0, -np.inf], [1, 1, np.inf, 1, np.inf]])
    sizes = len(training), len(synthetic), len(held_out)
    return _compare(names, measure, sizes, limits, seed=seed, n_draws=n_draws)


def shape_distances(
    real: Mapping[str, Matrix], synthetic: Mapping[str, Matrix]
) -> dict[str, float]:
    """Return the distance between the distributions of each shape figure.

    The first Wasserstein distance over the real ones' standard deviation; where all
    real ones are equal, as numbers of components may be, over 1.

    Args:
        real: Name of a figure -> float64 (n,), from `soundness.shape_table`.
        synthetic: The same figures, float64 (m,).
    """
    return {
        name: float(wasserstein_distance(values, synthetic[name]) / _unit(values))
        for name, values in real.items()
    }


def compare_shapes(
    training: Mapping[str, Matrix],
    synthetic: Mapping[str, Matrix],
    held_out: Mapping[str, Matrix],
    *,
    seed: int,
    n_draws: int = DRAWS,
) -> dict[str, Comparison]:
    """Compare synthetic with training masks, and held-out masks with the same.

    Args:
        training: Name of a figure -> float64 (n,), from `soundness.shape_table`.
        synthetic: The same figures, float64 (m,).
        held_out: The same figures, float64 (l,).
        seed: Determines the subsets.
        n_draws: Subsets for each figure and for each interval.

    Returns:
        A comparison of distances (see `shape_distances`) for each figure.

    Raises:
        ValueError: A set has fewer than 4 masks.
    """
    tables = training, synthetic, held_out
    reference, *others = (
        np.stack([table[name] / _unit(values) for name, values in training.items()])
        for table in tables
    )
    sizes = tuple(table.shape[1] for table in (reference, *others))
    if min(sizes) < 4:
        raise ValueError(f"expected at least 4 masks of each kind, got {sizes}")

    def measure(part: Indices, *chosen: Indices) -> Matrix:
        sets = [table[:, rows] for table, rows in zip(others, chosen, strict=True)]
        return np.array([_wasserstein(reference[:, part], each) for each in sets])

    limits = np.array([[0.0], [np.inf]])
    return _compare(list(training), measure, sizes, limits, seed=seed, n_draws=n_draws)


def _compare(
    names: list[str],
    measure: Callable[[Indices, Indices, Indices], Matrix],
    sizes: tuple[int, ...],
    limits: Matrix,
    *,
    seed: int,
    n_draws: int,
) -> dict[str, Comparison]:
    """Compare by subsets, and by their halves for the intervals.

    Args:
        names: Of the figures.
        measure: Takes indices into training, synthetic and held-out cases; returns
            (2, figures): synthetic and ruler.
        sizes: Of the three sets.
        limits: (2, figures), between which the figures must lie.
        seed: Determines the subsets.
        n_draws: How many.
    """
    rng = np.random.default_rng(seed)
    size = min(sizes)

    def draw(count: int) -> Matrix:
        return np.stack(
            [
                measure(*(rng.choice(n, count, replace=False) for n in sizes))
                for _ in range(n_draws)
            ]
        )

    values, halves = draw(size).mean(axis=0), draw(size // 2)
    deviations = halves - halves.mean(axis=0)
    low, high = np.clip(values + _spread(deviations), *limits)
    difference = values[0] - values[1]
    between = difference, *(difference + _spread(deviations[:, 0] - deviations[:, 1]))
    triples = [*zip(values, low, high, strict=True), between]
    ours, ruler, gap = (_estimates(triple) for triple in triples)
    return {
        name: Comparison(ours[i], ruler[i], gap[i], size)
        for i, name in enumerate(names)
    }


def _spread(deviations: Matrix) -> Matrix:
    """The ends of an interval around a figure, (2, ...) of deviations (draws, ...).

    Where nearly all halves have one value, of few points, all those quantiles may lie
    on one side; no interval leaves out its own figure.
    """
    low, high = np.quantile(deviations, (0.025, 0.975), axis=0)
    return np.stack([np.minimum(low, 0), np.maximum(high, 0)])


def _estimates(triple: tuple[Matrix, Matrix, Matrix]) -> list[Estimate]:
    """Turn values, lower and upper ends, (figures,) each, into estimates."""
    return [Estimate(*map(float, ends)) for ends in zip(*triple, strict=True)]


def _unit(values: Matrix) -> float:
    """The standard deviation of a figure, or 1 where it is constant."""
    return float(np.std(values)) or 1.0


def _wasserstein(first: Matrix, second: Matrix) -> Matrix:
    """The distance between rows, (figures, n) each, of equal n.

    For equal numbers it is the mean distance between the ordered values.
    """
    gaps = np.sort(first, axis=1) - np.sort(second, axis=1)
    return np.asarray(np.abs(gaps).mean(axis=1))
