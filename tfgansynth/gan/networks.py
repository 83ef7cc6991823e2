"""The paper's generator and discriminator. Paper: III and IV-B.

Both are written in `keras.ops` and Keras layers. TensorFlow appears where it is faster:
in the fused kernel of batch normalization, beside which the same layer stands without
it, and in the convolutions of `runtime.kernels`, which equal Keras's own to rounding.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from tfgansynth.arrays import ByteArray, FloatArray, split_pair
from tfgansynth.config import GANConfig
from tfgansynth.config_checks import settings_from
from tfgansynth.gan.layers import LatentCodes, SpectralConv, leaky_relu, with_stddev
from tfgansynth.keras_classes import PACKAGE
from tfgansynth.runtime.kernels.convolution import Convolution, TransposedConvolution


def config_of(settings: Mapping[str, Any]) -> GANConfig:
    """Turn the plain values of a file back into a configuration."""
    return settings_from(GANConfig, settings)


class Configured(keras.Model):
    """A model that Keras saves by its GAN's settings.

    Args:
        config: The GAN's settings.
        size: Side of the pairs in pixels.
        seed: Of all its randomness.
        channels: C, those of the image in a pair: 1 for grey, 3 for color.
        classes: K, the channels of the mask in a pair.
    """

    def __init__(
        self,
        config: GANConfig,
        size: int,
        seed: int,
        *,
        channels: int = 1,
        classes: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.size = size
        self.seed = seed
        self.channels = channels
        self.classes = classes

    @property
    def pair_shape(self) -> tuple[int, int, int]:
        """Shape of one pair, (S, S, C + K)."""
        return self.size, self.size, self.channels + self.classes

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes, as plain values."""
        settings = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self.config).items()
        }
        own = {"config": settings, "size": self.size, "seed": self.seed}
        if self.pair_shape[-1] > 2:
            own |= {"channels": self.channels, "classes": self.classes}
        return {"name": self.name, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Build a model from what `get_config` returned."""
        return cls(**{**config, "config": config_of(config["config"])})


@keras.saving.register_keras_serializable(PACKAGE)
class BatchNorm(keras.layers.Layer):
    """Batch normalization without running averages. Source: tf-dcgan.

    With `training=True` (training, and the paper's own sampling) each map is
    normalized by the moments of its batch. Otherwise it is normalized by the
    population moments, which are (0, 1) until an export measures them.

    Args:
        epsilon: Added to the variance.
        scale: Learn a factor for each map besides the offset.
        fused: Use TensorFlow's fused kernel where it is Keras's backend.
    """

    def __init__(
        self, *, epsilon: float, scale: bool, fused: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.scale = scale
        self.fused = fused

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create offset, factor and population moments of each map."""
        # Moments and their arithmetic stay float32 under any policy.
        weights: dict[str, Any] = {"shape": (input_shape[-1],), "autocast": False}
        self.beta = self.add_weight(name="beta", initializer="zeros", **weights)
        self.gamma = (
            self.add_weight(name="gamma", initializer="ones", **weights)
            if self.scale
            else None
        )
        weights["trainable"] = False
        self.population_mean = self.add_weight(
            name="population_mean", initializer="zeros", **weights
        )
        self.population_variance = self.add_weight(
            name="population_variance", initializer="ones", **weights
        )

    def call(self, x: Any, training: bool = False) -> Any:
        """Normalize maps (b, h, w, c); the result has the same shape and dtype."""
        ones = ops.ones_like(ops.convert_to_tensor(self.beta))
        gamma = ones if self.gamma is None else self.gamma
        if training and self.fused and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            y, _, _ = tf.compat.v1.nn.fused_batch_norm(
                x, gamma, self.beta, epsilon=self.epsilon, is_training=True
            )
            return y
        wide = ops.cast(x, "float32")
        if training:
            mean, variance = ops.moments(wide, axes=(0, 1, 2))
        else:
            mean, variance = self.population_mean, self.population_variance
        factor = gamma * ops.rsqrt(variance + self.epsilon)
        return ops.cast(wide * factor + (self.beta - mean * factor), x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` takes."""
        own = {"epsilon": self.epsilon, "scale": self.scale, "fused": self.fused}
        return {**super().get_config(), **own}


def _initializer(config: GANConfig, stddev: float, seed: int) -> keras.Initializer:
    kinds = {
        "normal": keras.initializers.RandomNormal,
        "truncated_normal": keras.initializers.TruncatedNormal,
    }
    return kinds[config.init](mean=0.0, stddev=stddev, seed=seed)


def _norm(config: GANConfig, policy: str, level: int) -> BatchNorm:
    return BatchNorm(
        epsilon=config.batch_norm_epsilon,
        scale=config.batch_norm_scale,
        dtype=policy,
        name=f"norm_{level}",
    )


_OURS: Mapping[str, Any] = {
    "deconvolution": TransposedConvolution,
    "resize": Convolution,
}
_PLAIN: Mapping[str, Any] = {
    "deconvolution": keras.layers.Conv2DTranspose,
    "resize": keras.layers.Conv2D,
}


@keras.saving.register_keras_serializable(PACKAGE)
class Generator(Configured):
    """z -> pairs: a dense layer, then 5 x 5 transposed convolutions of stride 2.

    Paper: IV-B (maps, kernels, z). Source: tf-dcgan (order of layers, biases, tanh).
    With `upsampling` `resize`, each level repeats pixels and convolves them.

    Args:
        config: The GAN's settings.
        size: Side of the pairs in pixels.
        seed: Seed of the initial weights.
        policy: Keras dtype policy of the hidden layers.
        plain: Use Keras's own convolutions only, for models that leave this package.
        n_codes: Number of latent codes that z mixes; with 0 z enters unchanged.
    """

    def __init__(
        self,
        config: GANConfig,
        *,
        size: int,
        seed: int,
        policy: str,
        plain: bool = False,
        n_codes: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, size, seed, **kwargs)
        self.policy = policy
        base = size >> len(config.generator_maps)
        first, *rest = config.generator_maps
        self.n_codes = n_codes
        self.codes = LatentCodes(n_codes, config, seed) if n_codes else None
        # No bias where batch normalization follows: its offset is the bias.
        self.project = keras.layers.Dense(
            base * base * first,
            use_bias=False,
            kernel_initializer=_initializer(config, config.init_stddev, seed),
            dtype=policy,
            name="project",
        )
        self.to_maps = keras.layers.Reshape(
            (base, base, first), dtype=policy, name="to_maps"
        )
        levels = range(len(config.generator_maps))
        self.norms = [_norm(config, policy, level) for level in levels]
        resizes = config.upsampling == "resize"
        kinds = _PLAIN if plain else _OURS
        self.resize: Any = keras.layers.UpSampling2D(dtype=policy) if resizes else None
        self.upsamplings = [
            kinds[config.upsampling](
                filters,
                config.kernel_size,
                strides=1 if resizes else 2,
                padding="same",
                use_bias=level == len(rest),
                kernel_initializer=_initializer(
                    config, config.init_stddev, seed + 1 + level
                ),
                dtype=policy,
                name=f"upsampling_{level}",
            )
            for level, filters in enumerate([*rest, self.pair_shape[-1]])
        ]
        # A symbolic call creates the weights.
        self(keras.KerasTensor((None, config.z_dim)))

    def call(self, z: Any, training: bool = False) -> Any:
        """Generate pairs.

        Args:
            z: float32 (m, z_dim) in [-1, 1].
            training: Normalize by the moments of this batch, otherwise by the
                population's.

        Returns:
            float32 (m, size, size, C + K) in [-1, 1]; first the image's channels.
        """
        return self._pairs(self.codes(z) if self.codes else z, training)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        codes = {"n_codes": self.n_codes} if self.n_codes else {}
        return {**super().get_config(), "policy": self.policy, **codes}

    def standard_layer_copy(self) -> Self:
        """Return the same generator in Keras's own convolutions."""
        copy = self.from_config({**self.get_config(), "plain": True})
        copy.set_weights(self.get_weights())
        return copy

    def sample(self, z: FloatArray) -> tuple[ByteArray, ByteArray]:
        """Sample with the moments of this batch, as the paper does.

        Args:
            z: float32 (m, z_dim) in [-1, 1].

        Returns:
            uint8 images (m, S, S[, 3]) and uint8 grey masks (m, S, S, K).
        """
        return self.split(np.asarray(self(z, training=True)))

    def split(self, pairs: FloatArray) -> tuple[ByteArray, ByteArray]:
        """Split pairs as `call` returns them into uint8 images and grey masks.

        Scaling and rounding are those of the configuration.
        """
        return split_pair(
            pairs,
            self.config.pixel_scaling,
            self.config.pixel_rounding,
            channels=self.channels,
        )

    def before_norm(self, z: Any, level: int, training: bool) -> Any:
        """Compute the maps that enter the batch normalization of one level."""
        return self._enlarge(self.codes(z) if self.codes else z, level, training)

    def reproduce(self, cases: Any, z: Any) -> Any:
        """Generate training cases from their codes, with the moments of this batch.

        Args:
            cases: int32 (m,), indices of the cases.
            z: float32 (m, z_dim) in [-1, 1], the noise that is added to the codes.

        Returns:
            float32 (m, size, size, C + K) in [-1, 1].
        """
        assert self.codes
        return self._pairs(self.codes.of_cases(cases, z), training=True)

    def _pairs(self, code: Any, training: bool) -> Any:
        x = self._enlarge(code, len(self.norms), training)
        return ops.tanh(ops.cast(x, "float32"))

    def _enlarge(self, code: Any, levels: int, training: bool) -> Any:
        x = self.to_maps(self.project(code))
        for level in range(levels):
            x = ops.relu(self.norms[level](x, training=training))
            x = self.upsamplings[level](self.resize(x) if self.resize else x)
        return x


@keras.saving.register_keras_serializable(PACKAGE)
class Discriminator(Configured):
    """Pairs -> two logits: 5 x 5 convolutions of stride 2, then a dense layer.

    Paper: IV-B (maps, kernels). Source: tf-dcgan (normalization on the first level
    too, leaky ReLU, two logits).

    Args:
        config: The GAN's settings.
        size: Side of the pairs in pixels.
        seed: Seed of the initial weights.
        policy: Keras dtype policy of the hidden layers.
    """

    def __init__(
        self, config: GANConfig, *, size: int, seed: int, policy: str, **kwargs: Any
    ) -> None:
        super().__init__(config, size, seed, **kwargs)
        self.policy = policy
        self.convolutions = []
        self.norms = []
        spectral = config.discriminator_norm == "spectral"
        for level, filters in enumerate(config.discriminator_maps):
            initializer = _initializer(config, config.init_stddev, seed + level)
            common = {"dtype": policy, "name": f"convolution_{level}"}
            if spectral:
                layer = SpectralConv(
                    filters,
                    config.kernel_size,
                    initializer,
                    seed=seed + level,
                    **common,
                )
            else:
                layer = Convolution(
                    filters,
                    config.kernel_size,
                    strides=2,
                    padding="same",
                    use_bias=config.discriminator_norm == "none",
                    kernel_initializer=initializer,
                    **common,
                )
                if config.discriminator_norm == "batch":
                    self.norms.append(_norm(config, policy, level))
            self.convolutions.append(layer)
        last_seed = seed + len(self.convolutions)
        last = _initializer(config, config.logits_init_stddev, last_seed)
        # Logits are float32 under any policy: the losses are too.
        self.classify = (
            SpectralConv(2, None, last, seed=last_seed, dtype="float32", name="logits")
            if spectral
            else keras.layers.Dense(
                2, kernel_initializer=last, dtype="float32", name="logits"
            )
        )
        self.flatten = keras.layers.Flatten(dtype="float32", name="flatten")
        # A symbolic call creates the weights.
        self(keras.KerasTensor((None, *self.pair_shape)))

    def call(self, pairs: Any, training: bool = False) -> Any:
        """Discriminate pairs: float32 (m, S, S, C + K) -> float32 (m, 2) logits."""
        x = pairs
        for level, layer in enumerate(self.convolutions):
            if self.norms:
                x = self.norms[level](layer(x), training=training)
            else:
                x = layer(x, training=training)
            x = leaky_relu(x, self.config.leaky_slope)
        if self.config.minibatch_stddev:
            x = with_stddev(x, self.config.minibatch_stddev)
        # Said here too: `stateless_call` does not hand it down, as a call does.
        return self.classify(self.flatten(x), training=training)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        return {**super().get_config(), "policy": self.policy}
