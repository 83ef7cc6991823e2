import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import devices
from tfgansynth.runtime.kernels import convolution

SIZE = 16


def test_without_a_gpu_xla_does_not_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(tf, "function", lambda step, **options: asked.append(options))
    for found in ([], ["GPU:0"]):
        monkeypatch.setattr(devices, "gpus", lambda found=found: found)
        devices.compile_step(lambda: None)
    assert [options["jit_compile"] for options in asked] == [None, True]


def fixed_noise(gan: DCGAN, shape: tuple[int, ...], stream: int) -> Any:
    rng = np.random.default_rng(stream)
    return tf.constant(rng.uniform(0, 1, shape), tf.float32)


def losses(monkeypatch: pytest.MonkeyPatch, *, gpu: bool, preset: str) -> list[Any]:
    """Three GAN steps as a machine with or without a GPU compiles them."""
    for module in (devices, convolution):
        monkeypatch.setattr(module, "gpus", lambda: ["GPU:0"] if gpu else [])
    config = dataclasses.replace(
        PRESETS[preset].gan,
        generator_maps=(8,),
        discriminator_maps=(8,),
        z_dim=5,
        batch=4,
        augment_shift=2,
        augment_cutout=4,
        precision="float32",
    )
    # XLA draws other random numbers from the same seed.
    monkeypatch.setattr(DCGAN, "_uniform", fixed_noise)
    gan = DCGAN(config, size=SIZE, seed=0)
    gan.compile()
    pairs = np.random.default_rng(0).uniform(-1, 1, (4, SIZE, SIZE, 2))
    step = devices.compile_step(gan.train_step)
    real = tf.constant(pairs, tf.float32)
    return [[float(x) for x in step(real).values()] for _ in range(3)]


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "fast"])
def test_a_step_compiled_by_xla_is_the_same_step(
    monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    # On the processor: whether XLA takes the step is decided before a device comes in.
    ours = losses(monkeypatch, gpu=False, preset=preset)
    compiled = losses(monkeypatch, gpu=True, preset=preset)
    np.testing.assert_allclose(compiled, ours, rtol=2e-3, atol=2e-4)
