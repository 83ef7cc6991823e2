"""Networks that change under the same configuration get another version number.

A change of a figure here without one in `NETWORK_VERSIONS` would let a run resume with
networks that are not its own.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tfgansynth.config import NETWORK_VERSIONS
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.presets import PRESETS
from tfgansynth.segmentation.optimizer import build_optimizer
from tfgansynth.segmentation.unet import build_unet

SMOKE = PRESETS["smoke"]
SIZE = 64
NOISE = np.random.default_rng(0).random((2, SIZE, SIZE, 1), np.float32)


def structure(variables: dict[str, Any], *outputs: Any) -> str:
    """Names and shapes of all variables, and the rough scale of their first outputs."""
    lines = [f"{name} {tuple(v.shape)}" for name, v in variables.items()]
    lines += [f"{np.asarray(output).std():.2g}" for output in outputs]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def unet_structure() -> str:
    unet = build_unet(SMOKE.unet, size=SIZE, seed=0)
    optimizer = build_optimizer(SMOKE.unet)
    optimizer.build(unet.trainable_variables)
    named = enumerate([*unet.variables, *optimizer.variables])
    return structure({str(index): variable for index, variable in named}, unet(NOISE))


def gan_structure() -> str:
    gan = DCGAN(SMOKE.gan, size=SIZE, seed=0)
    gan.compile()
    pairs = gan.generator(gan.draw_z(4, stream=0), training=True)
    return structure(gan.state(), pairs, gan.discriminator(pairs, training=True))


@pytest.mark.parametrize(
    ("network", "version", "structure_of", "expected"),
    [
        ("gan", 2, gan_structure, "3537949ec837cd51"),
        ("unet", 1, unet_structure, "9947d9e72c5b0d86"),
    ],
)
def test_structure_belongs_to_its_version(
    network: str, version: int, structure_of: Callable[[], str], expected: str
) -> None:
    assert (NETWORK_VERSIONS[network], structure_of()) == (version, expected)
