"""Fidelity and diversity: how similar are the real and the synthetic set?

- Feature vectors of images, from any networks, are compared by precision, recall,
  density, coverage and KID; `generative_metrics` defines them. `expected_coverage` is
  the coverage of equal distributions.
- Shape figures of masks (`quality`) are compared by the first Wasserstein distance
  between the two distributions, in standard deviations of the training masks.

No figure has a meaning of its own. Its possible values depend on the number of points,
the features and the spread of the data. Precision and recall of equal distributions are
below 1, in many dimensions far below, and a Wasserstein distance of samples is never 0.
One outlier has a large ball and can raise precision or recall; density and coverage are
robust against it (Naeem et al.). Each figure therefore comes with the *real reference*:
the same figure for further real cases instead of synthetic ones.

- **Features**: a network compares all real cases that it has not seen: those held out,
  and the training cases that the other networks of the cross-fitted ensemble have
  learned from. These real cases are halved at random. Synthetic pairs are compared
  with the one half, and the other half with the same. Figures are means over many
  halvings and over the networks, which together have not seen any real case.
- **Shapes**: synthetic masks are compared with training masks, and held-out masks with
  the same. Figures are means over random subsets.

Both sides are of equal size m: half of the real cases of a network or, of shapes, the
smallest of the three sets; and no more than there are synthetic pairs. With few points
the figures of features say little. Of five modes, sampled by 15 points, recall is 0.5
on average and anything from 0 to 1 in single sets (`tests/assessment/test_fidelity.py`
simulates it): each ball reaches to another mode.

Intervals come from half-sampling: the deviations of random halves (m / 2 of each set,
drawn without replacement) from their own mean are added to the figure. A half-sample
differs from its set as much as the set from its population (Shao and Wu 1989, "A
general theory for jackknife variance estimation", with half of the cases deleted). The
ordinary bootstrap does not work here: it draws points twice. The nearest neighbor of a
point is then the point itself, balls have no radius, and the sums of KID over different
points include equal ones.

- Figures of features are means over halvings also within a half, so that the chance of
  a single halving is not in their intervals. Of shapes, sets larger than m are sampled
  as if they had m points. Such intervals are wider than necessary, never narrower.
- The intervals of KID treat the scale of the real cases as exact.
- All networks see the same cases in a draw, so that their figures vary together.
- The difference to the real reference is computed draw by draw, with the same real
  cases on both sides.
- They are not valid for a figure so near 0 or 1 that halves do not vary.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

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
_HALVINGS = 3
"""Of each half of the cases: few, as their mean is of many such halves."""
_Draw = Callable[[np.random.Generator], Matrix]
_FIGURES = tuple(field.name for field in dataclasses.fields(FeatureFigures))


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, slots=True)
class ReferencedFigure:
    """A figure of the synthetic set next to that of further real cases.

    Attributes:
        synthetic: Synthetic pairs against real cases.
        real_reference: Other real cases against the same.
        difference: Synthetic minus real reference.
        size: The number of items of each set from which a figure is computed.
    """

    synthetic: Figure
    real_reference: Figure
    difference: Figure
    size: int


def expected_coverage(n_real: int, n_synthetic: int, k: int = NEIGHBORS) -> float:
    """Return the mean coverage of two equal distributions, whatever these are.

    It is the chance that of n_real - 1 real and n_synthetic synthetic points, not all
    of the k nearest to a real point are real. Source: Naeem et al. 2020, section 3.3.3.
    """
    others = np.arange(n_real - 1, n_real - 1 - k, -1, dtype=np.float64)
    return float(1 - np.prod(others / (others + n_synthetic)))


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkFeatures:
    """What one network makes of images that it has not seen.

    Attributes:
        cases: int64 (n,), which real cases these are, each once; other networks
            count the same cases in the same way.
        real: (n, d), their features.
        synthetic: (m, d), those of all synthetic pairs.
    """

    cases: Indices
    real: Features
    synthetic: Features


def features_size(networks: Sequence[NetworkFeatures]) -> int:
    """Return how many real cases and synthetic pairs are compared at a time."""
    return min(min(len(each.real) // 2, len(each.synthetic)) for each in networks)


def compare_features(
    networks: Sequence[NetworkFeatures],
    *,
    seed: int,
    k: int = NEIGHBORS,
    n_draws: int = DRAWS,
) -> dict[str, ReferencedFigure]:
    """Compare synthetic pairs with real cases, and other real cases with the same.

    All features are divided by one number, the root mean square of the features of the
    real cases, so that KID is comparable between networks. They are not centered: a
    mean of one of the sets would bias KID.

    Args:
        networks: One or more; figures are means over them.
        seed: Determines the subsets.
        k: The ball of a point extends to its k-th nearest neighbor.
        n_draws: Subsets for each figure and for each interval.

    Returns:
        A comparison for each of `FeatureFigures`.

    Raises:
        ValueError: There are fewer than 2 k + 2 synthetic pairs or twice as many real
            cases, features are not finite or differ in d, or all real ones are equal.
    """
    spaces = [_spaces(each, 2 * (k + 1)) for each in networks]
    n_cases = 1 + max(int(each.cases.max()) for each in networks)
    n_synthetic = min(len(each.synthetic) for each in networks)
    size = features_size(networks)

    def halving(
        rng: np.random.Generator, pools: list[Indices], drawn: Indices
    ) -> Matrix:
        """Halve the real cases of each network; take as many synthetic pairs."""
        count = min(*(len(pool) // 2 for pool in pools), len(drawn))
        chosen = rng.choice(drawn, count, replace=False)
        found = np.zeros((2, len(_FIGURES)))
        # One order of all cases, so that networks see the same ones.
        rank = rng.permutation(n_cases)
        for each, pool, (synthetic, real) in zip(networks, pools, spaces, strict=True):
            order = pool[np.argsort(rank[each.cases[pool]])]
            part, others = order[:count], order[count : 2 * count]
            found[0] += synthetic.figures(part, chosen, k)
            found[1] += real.figures(part, others, k)
        return found / len(networks)

    def whole(rng: np.random.Generator) -> Matrix:
        pools = [np.arange(len(each.cases)) for each in networks]
        return halving(rng, pools, np.arange(n_synthetic))

    def half(rng: np.random.Generator) -> Matrix:
        rank = rng.permutation(n_cases)
        orders = [np.argsort(rank[each.cases]) for each in networks]
        pools = [order[: len(order) // 2] for order in orders]
        drawn = rng.choice(n_synthetic, n_synthetic // 2, replace=False)
        found = [halving(rng, pools, drawn) for _ in range(_HALVINGS)]
        return np.asarray(np.mean(found, axis=0))

    limits = np.array([[0, 0, 0, 0, -np.inf], [1, 1, np.inf, 1, np.inf]])
    return _compare(_FIGURES, (whole, half), size, limits, seed=seed, n_draws=n_draws)


def _spaces(network: NetworkFeatures, least: int) -> tuple[FeatureSpace, FeatureSpace]:
    """Return real beside synthetic points, and real points beside themselves."""
    check_features(2 * least, network.real)
    check_features(least, network.real, network.synthetic)
    scale = root_mean_square(network.real)
    found = FeatureSpace.of(network.real / scale, network.synthetic / scale)
    within, kernel = found.distances[0], found.kernels[0]
    return found, FeatureSpace((within,) * 3, (kernel,) * 3)


def compare_shapes(
    training: Mapping[str, Matrix],
    synthetic: Mapping[str, Matrix],
    held_out: Mapping[str, Matrix],
    *,
    seed: int,
    n_draws: int = DRAWS,
) -> dict[str, ReferencedFigure]:
    """Compare synthetic with training masks, and held-out masks with the same.

    The distance of a figure is the first Wasserstein distance over the standard
    deviation of the training values, or over 1 if these are all equal, as numbers of
    components can be.

    Args:
        training: Name of a figure -> float64 (n,), from `quality.shape_table`.
        synthetic: The same figures, float64 (m,).
        held_out: The same figures, float64 (l,).
        seed: Determines the subsets.
        n_draws: Subsets for each figure and for each interval.

    Returns:
        A comparison of distances for each figure.

    Raises:
        ValueError: A set has fewer than 4 masks.
    """
    tables = training, synthetic, held_out
    reference, *others = (
        # A constant figure, as numbers of components can be, keeps its unit.
        np.stack([table[n] / (float(np.std(v)) or 1.0) for n, v in training.items()])
        for table in tables
    )
    sizes = tuple(table.shape[1] for table in (reference, *others))
    if min(sizes) < 4:
        raise ValueError(f"expected at least 4 masks of each kind, got {sizes}")

    def measure(count: int, rng: np.random.Generator) -> Matrix:
        part, *chosen = (rng.choice(n, count, replace=False) for n in sizes)
        sets = [table[:, rows] for table, rows in zip(others, chosen, strict=True)]
        return np.array([_wasserstein(reference[:, part], each) for each in sets])

    limits, size = np.array([[0.0], [np.inf]]), min(sizes)
    draws = functools.partial(measure, size), functools.partial(measure, size // 2)
    return _compare(list(training), draws, size, limits, seed=seed, n_draws=n_draws)


def _compare(
    names: Sequence[str],
    draws: tuple[_Draw, _Draw],
    size: int,
    limits: Matrix,
    *,
    seed: int,
    n_draws: int,
) -> dict[str, ReferencedFigure]:
    """Compare means over subsets, with intervals from halves.

    Args:
        names: Of the figures.
        draws: Draw subsets of a size from all, and of half of it from half of all;
            return (2, figures): synthetic and real reference.
        size: Of the subsets.
        limits: (2, figures), the lowest and highest possible values.
        seed: Determines the subsets.
        n_draws: The number of subsets.
    """
    rng = np.random.default_rng(seed)
    values, halves = (np.stack([draw(rng) for _ in range(n_draws)]) for draw in draws)
    values = values.mean(axis=0)
    deviations = halves - halves.mean(axis=0)
    low, high = np.clip(values + _spread(deviations), *limits)
    difference = values[0] - values[1]
    between = difference, *(difference + _spread(deviations[:, 0] - deviations[:, 1]))
    triples = [*zip(values, low, high, strict=True), between]
    synthetic, real, gap = (
        [Figure(*map(float, ends)) for ends in zip(*triple, strict=True)]
        for triple in triples
    )
    return {
        name: ReferencedFigure(synthetic[i], real[i], gap[i], size)
        for i, name in enumerate(names)
    }


def _spread(deviations: Matrix) -> Matrix:
    """Return the ends of an interval around a figure: (2, ...) from (draws, ...).

    If nearly all halves have the same value, as with few points, both quantiles can be
    on one side. An interval always includes its own figure.
    """
    low, high = np.quantile(deviations, (0.025, 0.975), axis=0)
    return np.stack([np.minimum(low, 0), np.maximum(high, 0)])


def _wasserstein(first: Matrix, second: Matrix) -> Matrix:
    """Return the distance between rows, (figures, n) each.

    For equal n it is the mean distance between the sorted values.
    """
    gaps = np.sort(first, axis=1) - np.sort(second, axis=1)
    return np.asarray(np.abs(gaps).mean(axis=1))
