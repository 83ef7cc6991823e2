"""The other implementations are the same networks, and they train."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

from tfgansynth.benchmark import keras_peer, ours
from tfgansynth.benchmark.measurement import KERAS, OURS, TORCH, _with_precision, build
from tfgansynth.benchmark.results import GAN, UNET
from tfgansynth.benchmark.stepper import random_cases, random_pairs
from tfgansynth.config import Config, DataConfig, GANConfig, Precision, UNetConfig
from tfgansynth.gan.networks import Generator
from tfgansynth.segmentation.unet import build_unet

pytestmark = pytest.mark.slow

SIZE = 16
TINY = Config(
    data=DataConfig(size=SIZE),
    gan=GANConfig(
        z_dim=5,
        generator_maps=(8, 6),
        discriminator_maps=(6, 8),
        batch_norm_scale=True,
        batch=4,
    ),
    unet=UNetConfig(depth=2, maps=4, batch=3, optimizer="adam", learning_rate=1e-2),
)


@pytest.fixture(autouse=True)
def same_policy() -> Iterator[None]:
    yield
    keras.config.set_dtype_policy("float32")


def losses(stepper: Any, steps: int) -> list[float]:
    return [float(stepper._step()) for _ in range(steps)]


def number_of_weights(network: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in network.trainable_variables)


def test_random_pairs_fill_the_range() -> None:
    pairs = random_pairs(TINY)
    images, classes = random_cases(TINY)

    assert pairs.shape == (4, SIZE, SIZE, 2)
    assert images.shape == (3, SIZE, SIZE, 1)
    assert classes.shape == (3, SIZE, SIZE)
    assert pairs.dtype == images.dtype == np.float32
    assert -1 <= pairs.min() < -0.9
    assert 0.9 < pairs.max() <= 1
    assert set(np.unique(classes)) == {0, 1}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("module", [ours, keras_peer])
def test_unets_of_tensorflow_learn_their_batch(
    module: Any, precision: Precision
) -> None:
    # Keras reports the running mean of the losses.
    history = losses(module.unet(_with_precision(TINY, precision)), 30)

    assert np.isfinite(history).all()
    assert history[-1] < history[0]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("module", [ours, keras_peer])
def test_gans_of_tensorflow_take_steps(module: Any, precision: Precision) -> None:
    history = losses(module.gan(_with_precision(TINY, precision)), 5)

    assert np.isfinite(history).all()
    assert len(set(history)) == 5


def test_a_step_in_plain_keras_changes_both_networks() -> None:
    network = keras_peer._GAN(TINY.gan, SIZE)
    network.compile(keras_peer._adam(TINY.gan, 1e-2))
    both = (network.generator, network.discriminator)
    before = [part.get_weights() for part in both]

    network.train_step(keras.ops.convert_to_tensor(random_pairs(TINY)))

    for part, old in zip(both, before, strict=True):
        new = part.get_weights()
        assert not any(np.array_equal(a, b) for a, b in zip(new, old, strict=True))


def test_plain_keras_computes_in_the_requested_format() -> None:
    keras_peer._set_policy("bfloat16")
    generator = keras_peer._build_generator(TINY.gan, SIZE)
    discriminator = keras_peer._build_discriminator(TINY.gan, SIZE)
    unet = keras_peer._build_unet(TINY.unet, SIZE)

    convolutions = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    for network, last in (
        (generator, "bfloat16"),
        (discriminator, "bfloat16"),
        (unet, "float32"),
    ):
        *formats, of_last = [
            layer.compute_dtype
            for layer in network.layers
            if isinstance(layer, convolutions)
        ]
        assert set(formats) == {"bfloat16"}
        assert of_last == last
        assert network.outputs[0].dtype == "float32"


def test_plain_keras_has_our_networks() -> None:
    generator = Generator(TINY.gan, size=SIZE, seed=0, policy="float32")
    unet = build_unet(TINY.unet, size=SIZE, seed=0)

    peer = keras_peer._build_generator(TINY.gan, SIZE)
    assert number_of_weights(peer) == number_of_weights(generator)
    assert peer.outputs[0].shape == (None, SIZE, SIZE, 2)
    peer = keras_peer._build_unet(TINY.unet, SIZE)
    assert number_of_weights(peer) == number_of_weights(unet)


@pytest.mark.parametrize("kernel_size", [3, 4, 5])
def test_pytorch_has_the_networks_of_plain_keras(kernel_size: int) -> None:
    torch = pytest.importorskip("torch")
    from tfgansynth.benchmark import torch_peer

    gan = dataclasses.replace(TINY.gan, kernel_size=kernel_size)
    pairs = [
        (torch_peer._build_generator(gan, SIZE), keras_peer._build_generator),
        (torch_peer._build_discriminator(gan, SIZE), keras_peer._build_discriminator),
    ]
    for network, build_peer in pairs:
        count = sum(weight.numel() for weight in network.parameters())
        assert count == number_of_weights(build_peer(gan, SIZE))
    generator, discriminator = (network for network, _ in pairs)
    synthetic = generator(torch.zeros(2, 5))
    assert synthetic.shape == (2, 2, SIZE, SIZE)
    assert discriminator(synthetic).shape == (2, 1)

    unet = torch_peer._UNet(TINY.unet)
    count = sum(weight.numel() for weight in unet.parameters())
    assert count == number_of_weights(keras_peer._build_unet(TINY.unet, SIZE))
    assert unet(torch.zeros(2, 1, SIZE, SIZE)).shape == (2, 2, SIZE, SIZE)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_pytorch_trains(precision: Precision) -> None:
    pytest.importorskip("torch")
    config = _with_precision(TINY, precision)

    history = losses(build(TORCH, UNET, config), 30)
    assert history[-1] < history[0]
    history = losses(build(TORCH, GAN, config), 5)
    assert np.isfinite(history).all()
    assert len(set(history)) == 5


@pytest.mark.parametrize("name", [KERAS, TORCH])
def test_peers_use_the_requested_optimizer_and_updates(name: str) -> None:
    if name == TORCH:
        pytest.importorskip("torch")
    unet = dataclasses.replace(TINY.unet, optimizer="nesterov", learning_rate=1e-3)
    gan = dataclasses.replace(TINY.gan, generator_updates=2)
    config = dataclasses.replace(TINY, gan=gan, unet=unet)

    history = losses(build(name, UNET, config), 30)
    assert history[-1] < history[0]
    assert np.isfinite(losses(build(name, GAN, config), 3)).all()


@pytest.mark.parametrize("network", [GAN, UNET])
@pytest.mark.parametrize("name", [OURS, KERAS])
def test_implementations_are_built_by_name(name: str, network: str) -> None:
    stepper = build(name, network, TINY)

    assert stepper.run(1) > 0
    assert stepper.device() in {"CPU", "GPU"}
    assert stepper.peak_bytes() > 2**20
