"""The layers of the paper's U-Net, on any backend of Keras. Paper: IV-B."""

import itertools
from collections import Counter
from typing import Any

import keras

from tfgansynth.config import UNetConfig
from tfgansynth.runtime.devices import layer_policy

Shape = tuple[int, int, int]
"""Side and channels of a U-Net's images, and its classes without the background."""


def connect(
    config: UNetConfig, shape: Shape, seed: int, convolution: type, transposed: type
) -> tuple[Any, Any]:
    """Connect layers, each with a name and a random seed of its own: input and logits.

    Keras numbers names on from network to network: a file would depend on what else
    its program has built.
    """
    size, channels, classes = shape
    policy = layer_policy(config.precision)
    counts: Counter[str] = Counter()
    seeds = itertools.count(seed + 1)

    def named(kind: str) -> dict[str, Any]:
        counts[kind] += 1
        return {"dtype": policy, "name": f"{kind}_{counts[kind]}"}

    def msra() -> dict[str, Any]:
        initializer = keras.initializers.HeNormal(seed=next(seeds))
        return {"padding": "same", "kernel_initializer": initializer}

    def convolved_twice(x: Any) -> Any:
        for _ in range(2):
            own = {**msra(), **named("convolution")}
            x = convolution(config.maps, config.kernel_size, activation="relu", **own)(
                x
            )
        return x

    def enlarged(x: Any) -> Any:
        own = {**msra(), **named("up_convolution")}
        return transposed(config.maps, 2, strides=2, activation="relu", **own)(x)

    inputs = keras.Input((size, size, channels), name="image")
    x = inputs
    skips = []
    for _ in range(config.depth):
        x = convolved_twice(x)
        skips.append(x)
        x = keras.layers.AveragePooling2D(2, **named("pooling"))(x)
    x = convolved_twice(x)
    for skip in reversed(skips):
        x = keras.layers.Concatenate(**named("join"))([skip, enlarged(x)])
        x = convolved_twice(x)
    # Logits are float32 under any policy.
    classify = convolution(classes + 1, 1, **msra(), dtype="float32", name="logits")
    return inputs, classify(x)
