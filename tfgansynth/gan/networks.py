"""The paper's generator and discriminator. Paper: III and IV-B.

Both are written in Keras layers, in `gan.layers`, and in the convolutions of
`runtime.kernels`, which equal Keras's own to rounding but are faster.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import keras
from keras import ops

from tfgansynth.arrays import ByteArray, FloatArray, split_pair
from tfgansynth.config import GANConfig
from tfgansynth.gan.layers import (
    PACKAGE,
    BatchNorm,
    LatentCodes,
    SpectralConv,
    with_stddev,
)
from tfgansynth.runtime.kernels.layers import Convolution, TransposedConvolution


def settings_of(config: GANConfig) -> dict[str, Any]:
    """Turn a configuration into what JSON can hold."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }


def config_of(settings: Mapping[str, Any]) -> GANConfig:
    """Turn what `settings_of` returned back into a configuration."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in settings.items()
    }
    return GANConfig(**values)


class Configured(keras.Model):
    """A model that Keras saves by its GAN's settings."""

    config: GANConfig
    size: int
    seed: int

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        own = {"config": settings_of(self.config), "size": self.size}
        return {"name": self.name, **own, "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Build a model from what `get_config` returned."""
        return cls(**{**config, "config": config_of(config["config"])})


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


@keras.saving.register_keras_serializable(PACKAGE)
class Generator(Configured):
    """z -> pairs: a dense layer, then 5 x 5 transposed convolutions of stride 2.

    Paper: IV-B (maps, kernels, z). Source: tf-dcgan (order of layers, biases, tanh).

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
        """Create the layers and, by one symbolic call, their weights."""
        super().__init__(**kwargs)
        self.config = config
        self.size = size
        self.seed = seed
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
        upsampling = keras.layers.Conv2DTranspose if plain else TransposedConvolution
        self.upsamplings = [
            upsampling(
                filters,
                config.kernel_size,
                strides=2,
                padding="same",
                use_bias=level == len(rest),
                kernel_initializer=_initializer(
                    config, config.init_stddev, seed + 1 + level
                ),
                dtype=policy,
                name=f"upsampling_{level}",
            )
            for level, filters in enumerate([*rest, 2])
        ]
        self(keras.KerasTensor((None, config.z_dim)))

    def call(self, z: Any, training: bool = False) -> Any:
        """Generate pairs.

        Args:
            z: float32 (m, z_dim) in [-1, 1].
            training: Normalize by the moments of this batch, otherwise by the
                population's.

        Returns:
            float32 (m, size, size, 2) in [-1, 1]; channel 0 image, 1 mask.
        """
        x = self.before_norm(z, 0, training)
        return self.after_norms(x, 0, training)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        codes = {"n_codes": self.n_codes} if self.n_codes else {}
        return {**super().get_config(), "policy": self.policy, **codes}

    def standard_layer_copy(self) -> Self:
        """Return the same generator in Keras's own convolutions."""
        copy = self.from_config({**self.get_config(), "plain": True})
        copy.set_weights(self.get_weights())
        return copy

    def split(self, pairs: FloatArray) -> tuple[ByteArray, ByteArray]:
        """Split pairs as `call` returns them into uint8 images and grey masks.

        Scaling and rounding are those of the configuration.
        """
        return split_pair(pairs, self.config.pixel_scaling, self.config.pixel_rounding)

    def before_norm(self, z: Any, level: int, training: bool) -> Any:
        """Compute the maps that enter the batch normalization of one level."""
        x = self.to_maps(self.project(self.codes(z) if self.codes else z))
        for below in range(level):
            x = ops.relu(self.norms[below](x, training=training))
            x = self.upsamplings[below](x)
        return x

    def reproduce(self, cases: Any, z: Any) -> Any:
        """Generate training cases from their codes, with the moments of this batch.

        Args:
            cases: int32 (m,), indices of the cases.
            z: float32 (m, z_dim) in [-1, 1], the noise that is added to the codes.

        Returns:
            float32 (m, size, size, 2) in [-1, 1].
        """
        assert self.codes
        code = self.codes.of_cases(cases, z)
        return self.after_norms(self.to_maps(self.project(code)), 0, training=True)

    def after_norms(self, x: Any, level: int, training: bool) -> Any:
        """Compute the pairs from the maps that enter one level's normalization."""
        for above in range(level, len(self.norms)):
            x = ops.relu(self.norms[above](x, training=training))
            x = self.upsamplings[above](x)
        return ops.tanh(ops.cast(x, "float32"))


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
        """Create the layers and, by one symbolic call, their weights."""
        super().__init__(**kwargs)
        self.config = config
        self.size = size
        self.seed = seed
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
                    use_bias=False,
                    kernel_initializer=initializer,
                    **common,
                )
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
        self(keras.KerasTensor((None, size, size, 2)))

    def call(self, pairs: Any, training: bool = False) -> Any:
        """Discriminate pairs: float32 (m, S, S, 2) -> float32 (m, 2) logits."""
        x = pairs
        for level, layer in enumerate(self.convolutions):
            if self.norms:
                x = self.norms[level](layer(x), training=training)
            else:
                x = layer(x, training=training)
            x = ops.leaky_relu(x, negative_slope=self.config.leaky_slope)
        if self.config.minibatch_stddev:
            x = with_stddev(x, self.config.minibatch_stddev)
        return self.classify(self.flatten(x))

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        return {**super().get_config(), "policy": self.policy}
