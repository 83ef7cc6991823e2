"""A small generator, as after training, and what an export says about it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.config import GANConfig
from tfgansynth.gan.export import FreezingReport
from tfgansynth.gan.networks import Generator

SIZE, Z_DIM = 16, 5
SEED = 9
SMALL = GANConfig(
    z_dim=Z_DIM,
    generator_maps=(64, 16),  # what our kernels take: none may be left in an export
    discriminator_maps=(6, 8),
    init_stddev=0.1,
)
PROVENANCE: dict[str, Any] = {
    "dataset": {
        "name": "phantoms-60",
        "cases": 60,
        "is_phantom": True,
        "sha256": "0123abcd",
    },
    "lungs": "left",
    "fold": 2,
    "training_cases": {"a": "00aa", "b": "00bb", "c": "00cc"},
    "preset": "smoke",
    "seed": 17,
    "step": 4321,
    "generator_sha256": "feedbeef" * 8,
}
CARD = "# A card\n"
REPORT = FreezingReport(
    n_population=1024, n_compared=128, image_difference=3.456, mask_agreement=0.9876
)


def noise(count: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, Z_DIM)).astype(np.float32)


def make_generator() -> Generator:
    generator = Generator(SMALL, size=SIZE, seed=3, policy="float32", name="generator")
    rng = np.random.default_rng(4)
    for weight in generator.trainable_variables:
        if not weight.path.endswith("kernel"):
            # As after a training: no bias, offset or scale is neutral.
            weight.assign(weight + rng.normal(0, 0.3, weight.shape))
    return generator
