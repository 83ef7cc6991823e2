"""How alike two sets of feature vectors are, one real, one synthetic.

- *Precision* and *recall* (Kynkäänniemi et al. 2019, "Improved precision and recall
  metric for assessing generative models", section 2): each point has a ball that
  reaches to its k-th nearest neighbor in its own set, itself not counted. Precision
  is the share of synthetic points in the ball of any real one; recall the share of
  real points in the ball of any synthetic one.
- *Density* and *coverage* (Naeem et al. 2020, "Reliable fidelity and diversity metrics
  for generative models", section 3), both with real balls alone. Density is the mean
  number of real balls that a synthetic point lies in, over k: 1 on average for equal
  distributions, and more where synthetic points crowd. Coverage is the share of real
  balls with any synthetic point in it.
- *KID*, the kernel distance (Bińkowski et al. 2018, "Demystifying MMD GANs", section
  4): the unbiased estimate of the squared maximum mean discrepancy with the kernel
  (x . y / d + 1)^3, d the number of features. 0 on average for equal distributions,
  so that single values may be negative.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Features = NDArray[np.floating]
Matrix = NDArray[np.float64]
Indices = NDArray[np.int64]

NEIGHBORS = 5
"""k, the neighbors that a ball reaches to.

Naeem et al. take 5: then coverage of equal distributions is 0.97, near enough to 1 to
be read, for 30 points as for 10000. Kynkäänniemi et al. take 3 for 50000 points.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureFigures:
    """Figures of a synthetic set against a real one; the module defines them.

    Attributes:
        precision: [0, 1].
        recall: [0, 1].
        density: 0 or more.
        coverage: [0, 1].
        kid: Of features over the real ones' root mean square; may be negative.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    kid: float


def feature_figures(
    real: Features, synthetic: Features, *, k: int = NEIGHBORS
) -> FeatureFigures:
    """Measure all of a synthetic set against all of a real one.

    For a figure to watch during training. Equal sizes make it comparable.

    Args:
        real: (n, d), more than k of them.
        synthetic: (m, d), more than k of them.
        k: The neighbors that a ball reaches to, 1 or more.

    Raises:
        ValueError: There are too few, they are not finite or differ in d, or all
            real ones are equal.
    """
    check_features(k + 1, real, synthetic)
    scale = root_mean_square(real)
    space = FeatureSpace.of(real / scale, synthetic / scale)
    everything = np.arange(len(real)), np.arange(len(synthetic))
    return FeatureFigures(*map(float, space.figures(*everything, k)))


def kid(real: Features, synthetic: Features) -> float:
    """Return the unbiased kernel distance of features as they are, not scaled.

    Args:
        real: (n, d), n >= 2.
        synthetic: (m, d), m >= 2.

    Raises:
        ValueError: There are too few, they are not finite or differ in d.
    """
    check_features(2, real, synthetic)
    return _kid(
        _kernel(real, real), _kernel(real, synthetic), _kernel(synthetic, synthetic)
    )


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureSpace:
    """All distances and kernel values of a real and a synthetic set, for subsets.

    Attributes:
        distances: Among n real points (n, n), from them to m synthetic ones (n, m),
            and among those (m, m).
        kernels: The kernel's values, likewise.
    """

    distances: tuple[Matrix, Matrix, Matrix]
    kernels: tuple[Matrix, Matrix, Matrix]

    @classmethod
    def of(cls, real: Features, synthetic: Features) -> "FeatureSpace":
        """Compute them for features (n, d) and (m, d)."""
        pairs = (real, real), (real, synthetic), (synthetic, synthetic)
        within, across, among = (cdist(a, b) for a, b in pairs)
        kernels = [_kernel(a, b) for a, b in pairs]
        return cls((within, across, among), (kernels[0], kernels[1], kernels[2]))

    def figures(self, real: Indices, synthetic: Indices, k: int) -> Matrix:
        """The five figures of subsets, float64 (5,), in their class's order."""
        places = (
            np.ix_(real, real),
            np.ix_(real, synthetic),
            np.ix_(synthetic, synthetic),
        )
        within, across, among = (
            matrix[place] for matrix, place in zip(self.distances, places, strict=True)
        )
        kernels = (
            matrix[place] for matrix, place in zip(self.kernels, places, strict=True)
        )
        in_real = across <= _radii(within, k)[:, None]
        in_synthetic = across <= _radii(among, k)[None, :]
        return np.array(
            [
                in_real.any(axis=0).mean(),
                in_synthetic.any(axis=1).mean(),
                in_real.sum(axis=0).mean() / k,
                in_real.any(axis=1).mean(),
                _kid(*kernels),
            ]
        )


def root_mean_square(reference: Features) -> float:
    """Return the root mean square of features (n, d): the scale to divide all by.

    Raises:
        ValueError: All n are equal.
    """
    if (reference == reference[0]).all():
        raise ValueError("expected real features that differ, got equal ones")
    return float(np.sqrt(np.mean(np.asarray(reference, np.float64) ** 2)))


def check_features(least: int, *sets: Features) -> None:
    """Refuse sets of features that cannot be compared.

    Args:
        least: Points that each set must have.
        sets: (n, d) each, of one d.

    Raises:
        ValueError: There are too few, they are not finite or differ in d.
    """
    shapes = [features.shape for features in sets]
    if not all(len(shape) == 2 and shape[1] for shape in shapes) or (
        len({shape[1] for shape in shapes}) != 1
    ):
        raise ValueError(f"expected features (n, d) of one d, got shapes {shapes}")
    if min(shape[0] for shape in shapes) < least:
        raise ValueError(f"expected at least {least} in each set, got shapes {shapes}")
    if not all(np.isfinite(features).all() for features in sets):
        raise ValueError("expected finite features")


def _radii(within: Matrix, k: int) -> Matrix:
    """The distance of each point of a set to its k-th nearest, itself left out."""
    others = within.copy()
    np.fill_diagonal(others, np.inf)
    return np.asarray(np.partition(others, k - 1, axis=1)[:, k - 1])


def _kernel(a: Features, b: Features) -> Matrix:
    """The cubic kernel of Bińkowski et al., float64 (n, m)."""
    products = np.asarray(a, np.float64) @ np.asarray(b, np.float64).T
    return np.asarray((products / a.shape[1] + 1) ** 3)


def _kid(within: Matrix, across: Matrix, among: Matrix) -> float:
    """The unbiased estimate: equal points are left out of the sums within a set."""
    inner = sum(
        (kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1))
        for kernel in (within, among)
    )
    return float(inner - 2 * across.mean())
