"""How similar a real and a synthetic set of feature vectors are.

- *Precision* and *recall* (Kynkäänniemi et al. 2019, "Improved precision and recall
  metric for assessing generative models", section 2): the ball of a point extends to
  its k-th nearest neighbor in its own set, without itself. Precision is the share of
  synthetic points in the ball of any real point. Recall is the share of real points in
  the ball of any synthetic point.
- *Density* and *coverage* (Naeem et al. 2020, "Reliable fidelity and diversity metrics
  for generative models", section 3) use real balls only. Density is the mean number of
  real balls around a synthetic point, over k: 1 on average for equal distributions, and
  more where synthetic points are crowded. Coverage is the share of real balls that
  contain a synthetic point.
- *KID*, the kernel distance (Bińkowski et al. 2018, "Demystifying MMD GANs", section
  4): the unbiased estimate of the squared maximum mean discrepancy with the kernel
  (x . y / d + 1)^3, d the number of features. It is 0 on average for equal
  distributions, so single values may be negative.

These figures are our own because the intervals in `assessment.fidelity` need them for
hundreds of subsets of the same points, from distances that are computed once.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Features = NDArray[np.floating]
Matrix = NDArray[np.float64]
Indices = NDArray[np.int64]

NEIGHBORS = 5
"""k: the ball of a point extends to its k-th nearest neighbor.

Naeem et al. use 5. The coverage of equal distributions is then 0.97, near 1, for 30
points as for 10000. Kynkäänniemi et al. use 3 for 50000 points.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureFigures:
    """Figures of a synthetic set against a real one; see the module.

    Attributes:
        precision: [0, 1].
        recall: [0, 1].
        density: 0 or more.
        coverage: [0, 1].
        kid: Of features over the root mean square of the real ones; may be negative.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    kid: float


def feature_figures(
    real: Features, synthetic: Features, *, k: int = NEIGHBORS
) -> FeatureFigures:
    """Compare a whole synthetic set with a whole real one.

    The figures are for use during training. They are comparable for equal sizes.

    Args:
        real: (n, d), more than k of them.
        synthetic: (m, d), more than k of them.
        k: 1 or more; see `NEIGHBORS`.

    Raises:
        ValueError: There are too few, they are not finite or differ in d, or all
            real ones are equal.
    """
    check_features(k + 1, real, synthetic)
    scale = root_mean_square(real)
    space = FeatureSpace.of(real / scale, synthetic / scale)
    everything = np.arange(len(real)), np.arange(len(synthetic))
    return FeatureFigures(*map(float, space.figures(*everything, k)))


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureSpace:
    """All distances and kernel values of a real and a synthetic set, for subsets.

    Attributes:
        distances: Among n real points (n, n), from these to m synthetic points (n, m),
            and among the synthetic points (m, m).
        kernels: The values of the kernel for the same pairs.
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
        """Return the figures of subsets, float64 (5,), ordered as `FeatureFigures`."""
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
    """Return the root mean square of features (n, d), by which all are divided.

    Raises:
        ValueError: All n are equal.
    """
    if (reference == reference[0]).all():
        raise ValueError("expected real features that differ, got equal ones")
    return float(np.sqrt(np.mean(np.asarray(reference, np.float64) ** 2)))


def check_features(least: int, *sets: Features) -> None:
    """Refuse sets of features that cannot be compared.

    Args:
        least: The fewest points that each set must have.
        sets: (n, d) each, with the same d.

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
    """Return the distance of each point of a set to its k-th nearest other point."""
    others = within.copy()
    np.fill_diagonal(others, np.inf)
    return np.asarray(np.partition(others, k - 1, axis=1)[:, k - 1])


def _kernel(a: Features, b: Features) -> Matrix:
    """The cubic kernel of Bińkowski et al., float64 (n, m)."""
    products = np.asarray(a, np.float64) @ np.asarray(b, np.float64).T
    return np.asarray((products / a.shape[1] + 1) ** 3)


def _kid(within: Matrix, across: Matrix, among: Matrix) -> float:
    """Return the unbiased estimate, without pairs of a point and itself."""
    inner = sum(
        (kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1))
        for kernel in (within, among)
    )
    return float(inner - 2 * across.mean())
