"""The layers of both U-Nets, on any backend of Keras. Paper: IV-B."""

import itertools
import math
from collections import Counter
from typing import Any

import keras

from tfgansynth.config import UNetConfig
from tfgansynth.runtime.devices import layer_policy

Shape = tuple[int, int, int]
"""Side and channels of a U-Net's images, and its classes without the background."""
_GROUP = 8
"""Maps that are normalized together, where their number allows it."""


def connect(
    config: UNetConfig, shape: Shape, seed: int, convolution: type, transposed: type
) -> tuple[Any, Any]:
    """Connect layers, each with a name and a random seed of its own: input and logits.

    Keras numbers names on from network to network: a file would depend on what else
    its program has built.
    """
    size, channels, classes = shape
    parts = _Parts(config, seed, convolution, transposed)
    block = parts.residual if config.architecture == "modern" else parts.convolved_twice
    inputs = keras.Input((size, size, channels), name="image")
    x = inputs
    skips = []
    for level in range(config.depth):
        x = block(x, config.maps_at(level))
        skips.append(x)
        x = keras.layers.AveragePooling2D(2, **parts.named("pooling"))(x)
    x = block(x, config.maps_at(config.depth))
    for level, skip in reversed([*enumerate(skips)]):
        x = parts.enlarged(x, config.maps_at(level))
        x = keras.layers.Concatenate(**parts.named("join"))([skip, x])
        x = block(x, config.maps_at(level))
    # Logits are float32 under any policy.
    own = {**parts.msra(), "dtype": "float32", "name": "logits"}
    return inputs, convolution(classes + 1, 1, **own)(x)


class _Parts:
    """Makes the parts of one U-Net, in their order.

    Args:
        config: The network's numbers.
        seed: Of the initial weights.
        convolution: Class of the convolutions.
        transposed: Class of the up-convolutions.
    """

    def __init__(
        self, config: UNetConfig, seed: int, convolution: type, transposed: type
    ) -> None:
        self._kernel_size = config.kernel_size
        self._policy = layer_policy(config.precision)
        self._convolution, self._transposed = convolution, transposed
        self._counts: Counter[str] = Counter()
        self._seeds = itertools.count(seed + 1)

    def named(self, kind: str) -> dict[str, Any]:
        """Number format and name of the next layer of a kind."""
        self._counts[kind] += 1
        return {"dtype": self._policy, "name": f"{kind}_{self._counts[kind]}"}

    def msra(self) -> dict[str, Any]:
        """Padding and first weights of the next convolution."""
        initializer = keras.initializers.HeNormal(seed=next(self._seeds))
        return {"padding": "same", "kernel_initializer": initializer}

    def convolved_twice(self, x: Any, maps: int) -> Any:
        """The paper's block: two convolutions with ReLU."""
        for _ in range(2):
            own = {**self.msra(), **self.named("convolution")}
            x = self._convolution(maps, self._kernel_size, activation="relu", **own)(x)
        return x

    def enlarged(self, x: Any, maps: int) -> Any:
        """Double the side."""
        own = {**self.msra(), **self.named("up_convolution")}
        return self._transposed(maps, 2, strides=2, activation="relu", **own)(x)

    def residual(self, x: Any, maps: int) -> Any:
        """Two normalized convolutions beside a way past them (He et al. 2016)."""
        inner = self._normalized(x, maps, self._kernel_size)
        inner = self._normalized(self._rectified(inner), maps, self._kernel_size)
        past = x if x.shape[-1] == maps else self._normalized(x, maps, 1)
        both = keras.layers.Add(**self.named("sum"))([past, inner])
        return self._rectified(both)

    def _normalized(self, x: Any, maps: int, kernel_size: int) -> Any:
        # The normalization's offset is the bias.
        own = {**self.msra(), **self.named("convolution"), "use_bias": False}
        x = self._convolution(maps, kernel_size, **own)(x)
        groups = math.gcd(maps, max(1, maps // _GROUP))
        named = self.named("normalization")
        return keras.layers.GroupNormalization(groups, **named)(x)

    def _rectified(self, x: Any) -> Any:
        return keras.layers.ReLU(**self.named("relu"))(x)
