"""The paper's generator and discriminator. Paper: III and IV-B.

Written in `keras.layers` and `keras.ops`, and in layers of `kernels` that are theirs
but faster. TensorFlow appears once, as the fused kernel of batch normalization, with
its plain form beside it.
"""

import dataclasses
from typing import Any

import keras
from keras import ops

from tfgansynth.config import GANConfig
from tfgansynth.runtime.kernels.convolution import convolution
from tfgansynth.runtime.kernels.layers import Convolution, TransposedConvolution

_PACKAGE = "tfgansynth"


def _initializer(config: GANConfig, seed: int) -> keras.Initializer:
    kinds = {
        "normal": keras.initializers.RandomNormal,
        "truncated_normal": keras.initializers.TruncatedNormal,
    }
    return kinds[config.init](mean=0.0, stddev=config.init_stddev, seed=seed)


@keras.saving.register_keras_serializable(_PACKAGE)
class BatchNorm(keras.layers.Layer):
    """Batch normalization without running averages. Source: tf-dcgan.

    With `training=True` (training, and the paper's own sampling) each map is
    normalized by the moments of its batch. Otherwise by the population moments,
    which stay (0, 1) until an export measures them.

    Args:
        epsilon: Added to the variance.
        scale: Learn a factor for each map besides the offset.
        fused: Use TensorFlow's fused kernel where the backend has it.
    """

    def __init__(
        self, *, epsilon: float, scale: bool, fused: bool = True, **kwargs: Any
    ) -> None:
        """Remember the settings; weights come with the first input."""
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.scale = scale
        self.fused = fused and keras.backend.backend() == "tensorflow"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create offset, factor and population moments, one a map."""
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
        """Normalize maps (b, h, w, c); same shape and dtype out."""
        gamma = ops.ones_like(self.beta) if self.gamma is None else self.gamma
        if training and self.fused:
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


class SpectralConv(keras.layers.Layer):
    """Convolution whose kernel is divided by its largest singular value.

    One power iteration a training call tracks that value. Source: Miyato et al.
    2018, "Spectral Normalization for Generative Adversarial Networks".

    Args:
        filters: Output maps.
        kernel_size: Side of the kernel; `None` connects all inputs to all outputs
            of a flat input instead.
        initializer: Of the kernel.
        seed: Of the power iteration's first vector.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | None,
        initializer: keras.Initializer,
        seed: int,
        **kwargs: Any,
    ) -> None:
        """Remember the settings; weights come with the first input."""
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.initializer = initializer
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create kernel, bias and the tracked singular vector."""
        window = () if self.kernel_size is None else (self.kernel_size,) * 2
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*window, input_shape[-1], self.filters),
            initializer=self.initializer,
            autocast=False,
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )
        self.singular_vector = self.add_weight(
            name="singular_vector",
            shape=(self.filters, 1),
            initializer=keras.initializers.RandomNormal(seed=self.seed),
            trainable=False,
            autocast=False,
        )

    def call(self, x: Any, training: bool = False) -> Any:
        """Convolve (b, h, w, c) with stride 2, or multiply a flat (b, c)."""
        kernel = ops.cast(self._normalized_kernel(training), x.dtype)
        if self.kernel_size is None:
            return ops.matmul(x, kernel) + self.bias
        return convolution(x, kernel, stride=2) + self.bias

    def _normalized_kernel(self, training: bool) -> Any:
        kernel = ops.convert_to_tensor(self.kernel)
        matrix = ops.reshape(kernel, (-1, self.filters))
        fixed = ops.stop_gradient(matrix)
        left = ops.normalize(ops.matmul(fixed, self.singular_vector), axis=0)
        right = ops.normalize(ops.matmul(ops.transpose(fixed), left), axis=0)
        if training:
            self.singular_vector.assign(right)
        largest = ops.matmul(ops.transpose(left), ops.matmul(matrix, right))
        return kernel / ops.reshape(largest, ())


class Codes(keras.layers.Layer):
    """Learned codes of cases, and z as what mixes and disturbs them.

    Source of the idea: Bojanowski et al. 2018, "Optimizing the Latent Space of
    Generative Networks". There each image has a code to be reproduced from; here the
    discriminator besides judges what comes of mixed ones.

    Args:
        count: How many, n, at most as many as z has numbers.
        config: Tells their length, that of z, and how sharply z chooses.
        seed: Of the initial codes.
    """

    def __init__(self, count: int, config: GANConfig, seed: int) -> None:
        """Create the codes, as z is spread."""
        super().__init__(dtype="float32", name="codes")
        self.count = count
        self.scale = (count + 1) / (2 * config.latent_temperature)
        self.noise = config.latent_noise
        initializer = keras.initializers.RandomNormal(stddev=3**-0.5, seed=seed)
        self.codes = self.add_weight(
            shape=(count, config.z_dim), initializer=initializer, name="codes"
        )

    def call(self, z: Any) -> Any:
        """Mix codes: float32 (m, length) in [-1, 1] -> float32 (m, length).

        The first n numbers of z say how much of each code. Sorted, they are 2 / (n + 1)
        apart on average: the scale undoes that, so that the temperature means the same
        for any n.
        """
        shares = ops.softmax(self.scale * z[:, : self.count])
        return ops.matmul(shares, self.codes) + self.noise * z

    def of_cases(self, cases: Any, z: Any) -> Any:
        """The codes of cases: int32 (m,) and float32 (m, length) -> (m, length)."""
        return ops.take(self.codes, cases, axis=0) + self.noise * z


@keras.saving.register_keras_serializable(_PACKAGE)
class Generator(keras.Model):
    """z -> pairs. Dense, then 5 x 5 transposed convolutions of stride 2.

    Paper: IV-B (maps, kernels, z); tf-dcgan (order of layers, biases, tanh).

    Args:
        config: The GAN's numbers.
        size: Side of the pairs in pixels.
        seed: Of the initial weights.
        policy: Keras dtype policy of the hidden layers.
        plain: Use Keras's own convolutions only, as what leaves this package must.
        n_codes: Codes that z mixes; 0: z goes in as it is.
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
        self.codes = Codes(n_codes, config, seed) if n_codes else None
        # No bias where batch normalization follows: its offset is the bias.
        self.project = keras.layers.Dense(
            base * base * first,
            use_bias=False,
            kernel_initializer=_initializer(config, seed),
            dtype=policy,
            name="project",
        )
        self.to_maps = keras.layers.Reshape(
            (base, base, first), dtype=policy, name="to_maps"
        )
        self.norms = [
            BatchNorm(
                epsilon=config.batch_norm_epsilon,
                scale=config.batch_norm_scale,
                dtype=policy,
                name=f"norm_{level}",
            )
            for level in range(len(config.generator_maps))
        ]
        upsampling = keras.layers.Conv2DTranspose if plain else TransposedConvolution
        self.upsamplings = [
            upsampling(
                filters,
                config.kernel_size,
                strides=2,
                padding="same",
                use_bias=level == len(rest),
                kernel_initializer=_initializer(config, seed + 1 + level),
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
            training: Normalize by the batch's moments, else by the population's.

        Returns:
            float32 (m, size, size, 2) in [-1, 1]; channel 0 image, 1 mask.
        """
        x = self.before_norm(z, 0, training)
        return self.after_norms(x, 0, training)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        own = {"config": dataclasses.asdict(self.config), "size": self.size}
        seeds = {"seed": self.seed, "policy": self.policy}
        codes = {"n_codes": self.n_codes} if self.n_codes else {}
        return {"name": self.name, **own, **seeds, **codes}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Build a generator from what `get_config` returned."""
        numbers: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in config["config"].items()
        }
        return cls(**{**config, "config": GANConfig(**numbers)})

    def plain_twin(self) -> "Generator":
        """The same generator in Keras's own convolutions."""
        twin: Generator = Generator.from_config({**self.get_config(), "plain": True})
        twin.set_weights(self.get_weights())
        return twin

    def before_norm(self, z: Any, level: int, training: bool) -> Any:
        """The maps that enter the batch normalization of one level."""
        x = self.to_maps(self.project(self.codes(z) if self.codes else z))
        for below in range(level):
            x = ops.relu(self.norms[below](x, training=training))
            x = self.upsamplings[below](x)
        return x

    def reproduce(self, cases: Any, z: Any) -> Any:
        """Generate training cases from their codes, by the moments of this batch.

        Args:
            cases: int32 (m,), which.
            z: float32 (m, z_dim) in [-1, 1], how codes are disturbed.

        Returns:
            float32 (m, size, size, 2) in [-1, 1].
        """
        assert self.codes
        code = self.codes.of_cases(cases, z)
        return self.after_norms(self.to_maps(self.project(code)), 0, training=True)

    def after_norms(self, x: Any, level: int, training: bool) -> Any:
        """From the maps that enter one level's normalization to the pairs."""
        for above in range(level, len(self.norms)):
            x = ops.relu(self.norms[above](x, training=training))
            x = self.upsamplings[above](x)
        return ops.tanh(ops.cast(x, "float32"))


class Discriminator(keras.Model):
    """Pairs -> two logits. 5 x 5 convolutions of stride 2, then Dense.

    Paper: IV-B (maps, kernels); tf-dcgan (normalization on the first level too,
    leaky ReLU, two logits).

    Args:
        config: The GAN's numbers.
        size: Side of the pairs in pixels.
        seed: Of the initial weights.
        policy: Keras dtype policy of the hidden layers.
    """

    def __init__(
        self, config: GANConfig, *, size: int, seed: int, policy: str, **kwargs: Any
    ) -> None:
        """Create the layers and, by one symbolic call, their weights."""
        super().__init__(**kwargs)
        self.config = config
        self.convolutions = []
        self.norms = []
        for level, filters in enumerate(config.discriminator_maps):
            initializer = _initializer(config, seed + level)
            name = f"convolution_{level}"
            if config.discriminator_norm == "spectral":
                layer = SpectralConv(
                    filters,
                    config.kernel_size,
                    initializer,
                    seed=seed + level,
                    dtype=policy,
                    name=name,
                )
            else:
                layer = Convolution(
                    filters,
                    config.kernel_size,
                    strides=2,
                    padding="same",
                    use_bias=False,
                    kernel_initializer=initializer,
                    dtype=policy,
                    name=name,
                )
                self.norms.append(
                    BatchNorm(
                        epsilon=config.batch_norm_epsilon,
                        scale=config.batch_norm_scale,
                        dtype=policy,
                        name=f"norm_{level}",
                    )
                )
            self.convolutions.append(layer)
        last_seed = seed + len(self.convolutions)
        last = _initializer(config, last_seed)
        # Logits are float32 under any policy: the losses are too.
        self.classify = (
            SpectralConv(2, None, last, seed=last_seed, dtype="float32", name="logits")
            if config.discriminator_norm == "spectral"
            else keras.layers.Dense(
                2, kernel_initializer=last, dtype="float32", name="logits"
            )
        )
        self.flatten = keras.layers.Flatten(dtype="float32", name="flatten")
        self(keras.KerasTensor((None, size, size, 2)))

    def call(self, pairs: Any, training: bool = False) -> Any:
        """Judge float32 (m, S, S, 2) pairs: float32 (m, 2) logits."""
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


def with_stddev(x: Any, group: int) -> Any:
    """Add a map that tells how much pairs deviate from each other.

    Source of the idea: Karras et al. 2018, "Progressive Growing of GANs", section 3.

    Args:
        x: float32 or bfloat16 (m, h, w, c).
        group: How many pairs are compared, a divisor of m; pair i with those m / group
            places apart.

    Returns:
        float32 (m, h, w, c + 1); the last map is one number for all of a group: the
        standard deviation over the group, averaged over places and maps.
    """
    x = ops.cast(x, "float32")
    side, maps = x.shape[1], x.shape[3]
    groups = ops.reshape(x, (group, -1, side, side, maps))
    # The gradient of a root is infinite at 0, where all pairs are equal.
    deviation = ops.sqrt(ops.var(groups, axis=0, keepdims=True) + 1e-8)
    mean = ops.mean(deviation, axis=(2, 3, 4), keepdims=True)
    spread = ops.broadcast_to(mean, ops.shape(groups[..., :1]))
    return ops.concatenate([x, ops.reshape(spread, (-1, side, side, 1))], axis=-1)
