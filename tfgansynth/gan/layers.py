"""Layers of options that the paper does not have."""

from typing import Any

import keras
from keras import ops

from tfgansynth.config import GANConfig
from tfgansynth.keras_classes import PACKAGE
from tfgansynth.runtime.kernels.convolution import convolution
from tfgansynth.seeds import derive_seed


@keras.saving.register_keras_serializable(PACKAGE)
class SpectralConv(keras.layers.Layer):
    """Convolution whose kernel is divided by its largest singular value.

    One power iteration in each training call tracks that value. Source: Miyato et
    al. 2018, "Spectral Normalization for Generative Adversarial Networks".

    Args:
        filters: Number of output maps.
        kernel_size: Side of the kernel; with `None` all inputs of a flat input are
            connected to all outputs.
        initializer: Initializer of the kernel.
        seed: Seed from which that of the power iteration's start vector is derived.
            It may be the kernel's: the two streams are independent.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | None,
        initializer: keras.Initializer,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.initializer = keras.initializers.get(initializer)
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
        # A stream of its own: the kernel's would make the vector the kernel's start.
        start = derive_seed(self.seed, "singular vector")
        self.singular_vector = self.add_weight(
            name="singular_vector",
            shape=(self.filters, 1),
            initializer=keras.initializers.RandomNormal(seed=start),
            trainable=False,
            autocast=False,
        )

    def call(self, x: Any, training: bool = False) -> Any:
        """Convolve (b, h, w, c) with stride 2, or multiply a flat (b, c)."""
        kernel = ops.cast(self._normalized_kernel(training), x.dtype)
        if self.kernel_size is None:
            return ops.matmul(x, kernel) + self.bias
        return convolution(x, kernel, stride=2) + self.bias

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` takes."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "initializer": keras.initializers.serialize(self.initializer),
            "seed": self.seed,
        }

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


class LatentCodes(keras.layers.Layer):
    """Learned latent codes of training cases; z mixes them and adds noise.

    Source of the idea: Bojanowski et al. 2018, "Optimizing the Latent Space of
    Generative Networks" (GLO). There each image has a code that must reproduce it.
    Here the discriminator also sees pairs of mixed codes.

    Args:
        count: Number n of codes, at most the length of z.
        config: Gives the length of z, the softmax temperature and the latent noise.
        seed: Seed from which that of the initial codes is derived. It may be another
            layer's: the streams are independent.
    """

    def __init__(self, count: int, config: GANConfig, seed: int) -> None:
        super().__init__(dtype="float32", name="latent_codes")
        self.count = count
        self.scale = (count + 1) / (2 * config.latent_temperature)
        self.noise = config.latent_noise
        # They have the mean and variance of z.
        self.codes = self.add_weight(
            shape=(count, config.z_dim),
            initializer=keras.initializers.RandomNormal(
                stddev=3**-0.5, seed=derive_seed(seed, "latent codes")
            ),
            name="codes",
        )

    def call(self, z: Any) -> Any:
        """Mix codes: float32 (m, z_dim) in [-1, 1] -> float32 (m, z_dim).

        The first n numbers of z weigh the codes. Sorted, they are 2 / (n + 1) apart
        on average. The scale undoes that, so that a temperature means the same for
        any n.
        """
        shares = ops.softmax(self.scale * z[:, : self.count])
        return ops.matmul(shares, self.codes) + self.noise * z

    def of_cases(self, cases: Any, z: Any) -> Any:
        """Codes of cases with noise: int32 (m,), float32 (m, z_dim) -> (m, z_dim)."""
        return ops.take(self.codes, cases, axis=0) + self.noise * z


def with_stddev(x: Any, group: int) -> Any:
    """Append a map with the standard deviation of each group of pairs.

    Source of the idea: Karras et al. 2018, "Progressive Growing of GANs", section 3.

    Args:
        x: float32 or bfloat16 (m, h, w, c).
        group: Pairs in a group, a divisor of m. Pair i is grouped with those m / group
            places apart.

    Returns:
        float32 (m, h, w, c + 1). The last map is one number for all pairs of a group:
        the standard deviation over the group, averaged over pixels and maps.
    """
    x = ops.cast(x, "float32")
    side, maps = x.shape[1], x.shape[3]
    groups = ops.reshape(x, (group, -1, side, side, maps))
    # The gradient of a root is infinite at 0, where all pairs are equal.
    deviation = ops.sqrt(ops.var(groups, axis=0, keepdims=True) + 1e-8)
    mean = ops.mean(deviation, axis=(2, 3, 4), keepdims=True)
    spread = ops.broadcast_to(mean, ops.shape(groups[..., :1]))
    return ops.concatenate([x, ops.reshape(spread, (-1, side, side, 1))], axis=-1)


def leaky_relu(x: Any, slope: float) -> Any:
    """Multiply what is not above 0 by a slope; at 0 too, the gradient is the slope.

    Backends of Keras differ at 0, and blanked pixels become exact zeros.
    """
    if keras.backend.backend() == "tensorflow":
        return ops.leaky_relu(x, negative_slope=slope)
    return ops.where(x > 0, x, slope * x)
