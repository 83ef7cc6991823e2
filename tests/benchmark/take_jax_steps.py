"""Takes steps under JAX, in a process of its own: `take_jax_steps.py IN.npz OUT.npz`.

IN has first weights, mini-batches, noise and the configuration; OUT gets the weights
and scalars after each step. `test_jax_steps.py` compares them with TensorFlow's.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tfgansynth import keras_classes
from tfgansynth.config import GANConfig, UNetConfig
from tfgansynth.config_checks import settings_from


def gan(config: GANConfig, given: Any) -> dict[str, Any]:
    import jax

    from tfgansynth.benchmark.gpu.jax_steps import gan_step
    from tfgansynth.gan.networks import Discriminator, Generator

    common: dict[str, Any] = {"size": given["real"].shape[2], "policy": "float32"}
    generator = Generator(config, seed=0, **common)
    discriminator = Discriminator(config, seed=0, **common)
    set_weights(generator, given, "generator")
    set_weights(discriminator, given, "discriminator")
    state, step = gan_step(config, generator, discriminator)
    step = jax.jit(step)
    history = []
    for noise in zip(given["real"], given["z"], given["draws"], strict=True):
        state, scalars = step(state, *noise)
        history.append(scalars)
    return {**numbered(state), **scalars_by_name(history)}


def unet(config: UNetConfig, given: Any) -> dict[str, Any]:
    import jax
    import keras

    from tfgansynth.benchmark.gpu.jax_steps import unet_step
    from tfgansynth.segmentation.layers import connect
    from tfgansynth.segmentation.optimizer import build_optimizer

    plain = keras.layers.Conv2D, keras.layers.Conv2DTranspose
    shape = given["images"].shape[2], 1, 1
    network = keras.Model(*connect(config, shape, 0, *plain))
    set_weights(network, given, "weights")
    state, step = unet_step(network, build_optimizer(config))
    step = jax.jit(step)
    history = []
    for batch in zip(given["images"], given["classes"], strict=True):
        state, loss = step(state, *batch)
        history.append({"loss": loss})
    return {**numbered(state), **scalars_by_name(history)}


def set_weights(network: Any, given: Any, name: str) -> None:
    network.set_weights([given[f"{name}/{n}"] for n in range(len(network.weights))])


def numbered(state: dict[str, Any]) -> dict[str, Any]:
    """Give each array of a state its name and number."""
    return {
        f"{name}/{number}": np.asarray(array)
        for name, arrays in state.items()
        if name != "step"
        for number, array in enumerate(arrays)
    }


def scalars_by_name(history: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        f"scalars/{name}": np.array([float(scalars[name]) for scalars in history])
        for name in history[0]
    }


if __name__ == "__main__":
    keras_classes.use_backend("jax")
    with np.load(sys.argv[1], allow_pickle=False) as arrays:
        given = dict(arrays)
    kind: Any = {"gan": (gan, GANConfig), "unet": (unet, UNetConfig)}
    take, settings = kind[str(given["network"])]
    config = settings_from(settings, json.loads(str(given["config"])))
    found = take(config, given)
    assert "tensorflow" not in sys.modules
    np.savez(sys.argv[2], **found)
