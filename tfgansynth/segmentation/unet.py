"""The paper's U-Net. Paper: IV-B."""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from tfgansynth.arrays import FloatArray, MaskArray, to_signed
from tfgansynth.config import UNetConfig
from tfgansynth.runtime import checkpoints, weights
from tfgansynth.runtime.keras_files import save_keras
from tfgansynth.runtime.kernels.layers import Convolution, TransposedConvolution
from tfgansynth.runtime.precision import layer_policy
from tfgansynth.segmentation.optimizer import CaffeNesterov

_CLASSES = 2
"""Background and target."""
_PREDICTION_BATCH = 32


def build_unet(
    config: UNetConfig, *, size: int, seed: int, plain: bool = False
) -> keras.Model:
    """Build the U-Net: average poolings, one number of maps on all levels.

    Each level has two convolutions with ReLU; up-convolutions double the side on
    the way up, where the maps of the way down are concatenated. Weights start from
    the MSRA distribution (He et al. 2015), biases from zero.

    Args:
        config: The network's numbers.
        size: Side of the images in pixels, a multiple of 2 ** depth.
        seed: Of the initial weights.
        plain: Use Keras's own layers only: a model that loads without this package.

    Returns:
        A model: float32 (n, size, size, 1) in [-1, 1] -> float32
        (n, size, size, 2) logits.
    """
    layers = _LayerMaker(config, seed, plain)
    inputs = keras.Input((size, size, 1), name="image")
    x = inputs
    skips = []
    for _ in range(config.depth):
        x = layers.convolution(layers.convolution(x))
        skips.append(x)
        x = layers.pooling(x)
    x = layers.convolution(layers.convolution(x))
    for skip in reversed(skips):
        x = layers.join(skip, layers.up_convolution(x))
        x = layers.convolution(layers.convolution(x))
    return keras.Model(inputs, layers.logits(x), name="unet")


class _LayerMaker:
    """Makes layers, each with a name and a random seed of its own.

    Keras would number the names on from network to network, so that a file would
    depend on what else its program has built.
    """

    def __init__(self, config: UNetConfig, seed: int, plain: bool) -> None:
        self._config = config
        self._seed = seed
        self._convolution = keras.layers.Conv2D if plain else Convolution
        self._transposed = (
            keras.layers.Conv2DTranspose if plain else TransposedConvolution
        )
        self._policy = layer_policy(config.precision)
        self._counts: Counter[str] = Counter()

    def _name(self, kind: str) -> str:
        self._counts[kind] += 1
        return f"{kind}_{self._counts[kind]}"

    def _msra(self) -> keras.Initializer:
        self._seed += 1
        return keras.initializers.HeNormal(seed=self._seed)

    def convolution(self, x: Any) -> Any:
        return self._convolution(
            self._config.maps,
            self._config.kernel_size,
            padding="same",
            activation="relu",
            kernel_initializer=self._msra(),
            dtype=self._policy,
            name=self._name("convolution"),
        )(x)

    def pooling(self, x: Any) -> Any:
        return keras.layers.AveragePooling2D(
            2, dtype=self._policy, name=self._name("pooling")
        )(x)

    def up_convolution(self, x: Any) -> Any:
        return self._transposed(
            self._config.maps,
            2,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=self._msra(),
            dtype=self._policy,
            name=self._name("up_convolution"),
        )(x)

    def join(self, skip: Any, x: Any) -> Any:
        return keras.layers.Concatenate(dtype=self._policy, name=self._name("join"))(
            [skip, x]
        )

    def logits(self, x: Any) -> Any:
        return self._convolution(
            _CLASSES,
            1,
            padding="same",
            kernel_initializer=self._msra(),
            dtype="float32",
            name="logits",
        )(x)


def plain_twin(unet: keras.Model, config: UNetConfig) -> keras.Model:
    """The same U-Net in Keras's own layers: a file of it loads without this package."""
    size = unet.input_shape[1]
    twin = build_unet(config, size=size, seed=0, plain=True)
    twin.set_weights(unet.get_weights())
    return twin


def build_optimizer(config: UNetConfig) -> keras.optimizers.Optimizer:
    """Build the optimizer that the configuration names."""
    averaging: dict[str, Any] = {}
    if config.average_decay:
        averaging = {"use_ema": True, "ema_momentum": config.average_decay}
    if config.optimizer == "nesterov":
        return CaffeNesterov(
            config.learning_rate,
            momentum=config.momentum,
            coupled_decay=config.weight_decay,
            **averaging,
        )
    return keras.optimizers.Adam(config.learning_rate, **averaging)


def save_unet(
    unet: keras.Model, config: UNetConfig, path: Path, provenance: Mapping[str, Any]
) -> None:
    """Write a trained U-Net, once for `load_unet` and once for Keras.

    Args:
        unet: The U-Net.
        config: Its numbers.
        path: Ends in `.safetensors`; beside it comes a `.keras` file in Keras's own
            layers, which loads without this package.
        provenance: What it came from, plain for JSON.
    """
    metadata = {
        "config": json.dumps(dataclasses.asdict(config), sort_keys=True),
        "provenance": json.dumps(provenance, sort_keys=True),
    }
    weights.write_weights(path, _by_path(unet), metadata)
    save_keras(plain_twin(unet, config), path.with_suffix(".keras"), provenance)


def load_unet(config: UNetConfig, *, size: int, path: Path) -> keras.Model:
    """Build a U-Net with the weights that `save_unet` wrote.

    Args:
        config: The network's numbers.
        size: Side of the images in pixels.
        path: A `.safetensors` file.

    Raises:
        InputError: The file was altered, or is of another network.
    """
    arrays, _ = weights.read_weights(path)
    unet = build_unet(config, size=size, seed=0)
    checkpoints.restore(_by_path(unet), arrays, path)
    return unet


def _by_path(unet: keras.Model) -> dict[str, Any]:
    return {variable.path: variable for variable in unet.variables}


def predict_masks(unet: keras.Model, images: FloatArray) -> MaskArray:
    """Segment images by the more probable class.

    Args:
        unet: A trained U-Net.
        images: (n, S, S) in [0, 255].

    Returns:
        Bool (n, S, S).
    """
    logits = _in_batches(unet, images)
    return np.asarray(logits[..., 1] > logits[..., 0])


def predict_probabilities(unet: keras.Model, images: NDArray[Any]) -> FloatArray:
    """Tell how probably each pixel is foreground.

    Args:
        unet: A trained U-Net.
        images: (n, S, S) in [0, 255].

    Returns:
        float32 (n, S, S) in [0, 1].
    """
    logits = _in_batches(unet, images)
    return np.asarray(expit(logits[..., 1] - logits[..., 0]), np.float32)


def bottleneck_features(unet: keras.Model, images: FloatArray) -> FloatArray:
    """Describe images by what the U-Net's deepest level makes of them.

    Args:
        unet: A trained U-Net.
        images: (n, S, S) in [0, 255].

    Returns:
        float32 (n, maps): the last maps before the way up, averaged over all places.
    """
    names = [layer.name for layer in unet.layers]
    # A U-Net of depth 0 has no way up.
    after = "up_convolution_1" if "up_convolution_1" in names else "logits"
    encoder = keras.Model(unet.input, unet.get_layer(after).input)
    return np.asarray(_in_batches(encoder, images).mean(axis=(1, 2)))


def _in_batches(network: keras.Model, images: NDArray[Any]) -> FloatArray:
    """Apply a network to images (n, S, S) in [0, 255], some at a time."""
    inputs = to_signed(images)[..., None]
    starts = range(0, len(inputs), _PREDICTION_BATCH)
    parts = (inputs[start : start + _PREDICTION_BATCH] for start in starts)
    answers = [network(part, training=False) for part in parts]
    # NumPy knows no bfloat16 of its own.
    return np.concatenate(
        [np.asarray(keras.ops.cast(answer, "float32")) for answer in answers]
    )
