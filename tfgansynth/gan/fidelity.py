"""How alike generated pairs and validation cases are, watched while a GAN is trained.

A GAN's losses do not say when to stop; these figures may: precision, recall, density,
coverage and KID (`generative_metrics`) of a fixed probe of generated pairs against
the fold's validation cases, which the GAN does not learn from.

Their features need no network: the block means of image and mask, at most 16 x 16 of
each, as vectors of up to 512 numbers. They see posture, shape and exposure, not
texture. (The assessment of a finished set takes the bottleneck of the fold's U-Net,
which does not exist yet while its GAN is trained: its figures are others than these.)
"""

import dataclasses
from collections.abc import Callable
from typing import Self

import numpy as np

from tfgansynth.arrays import FloatArray, resize_area
from tfgansynth.evaluation.generative_metrics import NEIGHBORS, feature_figures

_BLOCKS = 16
_LEAST_PAIRS = 16
_LEAST_CASES = 2 * (NEIGHBORS + 1)
"""With fewer, a ball reaches over half of the cases or more."""
_LARGEST_BATCH = 64
_SEED = 1


@dataclasses.dataclass(frozen=True, slots=True)
class FidelityProbe:
    """What a generator is asked for time and again, and compared with.

    Attributes:
        features: float32 (n, d), of the validation cases; empty where no figures can
            be had of them.
        z: float32 (m, z_dim) in [-1, 1], the same for all of a training.
    """

    features: FloatArray
    z: FloatArray

    @classmethod
    def of(cls, validation: FloatArray, z_dim: int) -> Self:
        """Ask for as many pairs as there are validation cases, at least 16.

        Args:
            validation: float32 (n, S, S, 2) in [-1, 1]. Fewer than 12, or cases that
                are all alike, give no figures.
            z_dim: Of the generator.
        """
        features = block_means(validation)
        if len(features) < _LEAST_CASES or (features == features[0]).all():
            features = features[:0]
        # Of its own: what it draws leaves training and the sample sheets alone.
        rng = np.random.default_rng(_SEED)
        shape = max(len(validation), _LEAST_PAIRS), z_dim
        return cls(features, rng.uniform(-1, 1, shape).astype(np.float32))

    def figures(self, draw: Callable[[FloatArray], FloatArray]) -> dict[str, float]:
        """Measure a generator; empty where no figures can be had.

        Args:
            draw: Takes float32 (b, z_dim), returns pairs float32 (b, S, S, 2) in
                [-1, 1], finite. Called with at most 64 z, to bound its memory.

        Returns:
            Values by `fidelity/` and the name in `generative_metrics`.
        """
        if not len(self.features):
            return {}
        batches = np.array_split(self.z, -(-len(self.z) // _LARGEST_BATCH))
        generated = np.concatenate([block_means(draw(batch)) for batch in batches])
        found = dataclasses.asdict(feature_figures(self.features, generated))
        return {f"fidelity/{name}": value for name, value in found.items()}


def block_means(pairs: FloatArray) -> FloatArray:
    """Average image and mask over blocks, at most 16 x 16 of them.

    Args:
        pairs: float32 (n, S, S, 2) in [-1, 1].

    Returns:
        float32 (n, d) in [-1, 1], d = 512 or, where S < 16, 2 S^2.
    """
    side = min(_BLOCKS, pairs.shape[1])
    planes = np.moveaxis(pairs, -1, 1).reshape(-1, *pairs.shape[1:3])
    small = np.stack([resize_area(plane, side) for plane in planes])
    return small.reshape(len(pairs), -1)
