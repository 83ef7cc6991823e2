"""The DCGAN of pairs as a Keras model: both networks and their training step."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgansynth.arrays import FloatArray
from tfgansynth.config import GANConfig
from tfgansynth.config_checks import check_halvings, check_penalty
from tfgansynth.errors import InputError
from tfgansynth.gan.augmentation import DRAWS, augment
from tfgansynth.gan.losses import LOSSES, Loss, gradient_penalty, probabilities
from tfgansynth.gan.networks import Configured, Discriminator, Generator
from tfgansynth.keras_classes import PACKAGE
from tfgansynth.runtime.checkpoints import numbered
from tfgansynth.runtime.devices import layer_policy
from tfgansynth.seeds import derive_seed

_FAR = 1000
"""A random stream far from those of the generator's updates, 202 at most."""


@keras.saving.register_keras_serializable(PACKAGE)
class DCGAN(Configured):
    """Generator and discriminator of image-mask pairs. Paper: III.

    A pair has C channels of the image and K of the mask, one a class; both are 1 in the
    paper.

    Use it as any Keras model: `compile`, `fit` on mini-batches of pairs, `gan(z)` to
    draw pairs, `save`. Its whole state is in variables that Keras tracks. All
    randomness of a step is a function of (seed, step), so that a training which is
    resumed from its variables continues exactly.

    Args:
        config: The GAN's settings.
        size: Side of the pairs in pixels.
        seed: Seed of initial weights, noise and augmentation.
        n_cases: Number of training cases. Needed with latent codes, one a case.
        **kwargs: `channels` (C), `classes` (K), and arguments of `keras.Model`.

    Raises:
        InputError: The networks cannot halve a side of `size` pixels; or with latent
            codes, there are no cases or more cases than numbers in z.
    """

    def __init__(
        self,
        config: GANConfig,
        *,
        size: int,
        seed: int,
        n_cases: int = 0,
        **kwargs: Any,
    ) -> None:
        for maps in (config.generator_maps, config.discriminator_maps):
            check_halvings(size, len(maps))
        n_codes = n_cases if config.latent_codes else 0
        if config.latent_codes and not n_cases:
            raise InputError(
                "n_cases 0: expected the number of cases with latent codes"
            )
        if n_codes > config.z_dim:
            raise InputError(
                f"--gan.z-dim {config.z_dim}: expected {n_codes} or more with "
                "--gan.latent-codes, a number for each training case"
            )
        super().__init__(config, size, seed, **kwargs)
        self.n_cases = n_cases
        policy = layer_policy(config.precision)
        shape: dict[str, Any] = {"channels": self.channels, "classes": self.classes}
        self.generator = Generator(
            config,
            size=size,
            seed=derive_seed(seed, "generator"),
            policy=policy,
            n_codes=n_codes,
            name="generator",
            **shape,
        )
        self.discriminator = Discriminator(
            config,
            size=size,
            seed=derive_seed(seed, "discriminator"),
            policy=policy,
            name="discriminator",
            **shape,
        )
        self.noise_seed = derive_seed(seed, "noise")
        self.step = keras.Variable(0, dtype="int64", trainable=False, name="step")
        # A copy: Keras would take a TensorFlow variable itself for the average's own.
        self.averages = [
            keras.Variable(np.array(weight), trainable=False, name=f"average_{index}")
            for index, weight in enumerate(self.generator.trainable_variables)
            if config.average_decay
        ]
        self.cases = (
            self.add_weight(
                shape=(n_codes, *self.pair_shape),
                initializer="zeros",
                trainable=False,
                name="cases",
            )
            if n_codes
            else None
        )
        self.built = True

    def compile(
        self,
        g_optimizer: Any = None,
        d_optimizer: Any = None,
        loss: str | Loss | None = None,
        **kwargs: Any,
    ) -> None:
        """Set optimizers and loss; without arguments, those of the configuration.

        Args:
            g_optimizer: A Keras optimizer, or its name, for the generator.
            d_optimizer: The same for the discriminator.
            loss: A name in `losses.LOSSES`, or a function of that kind.
            kwargs: `jit_compile`, `run_eagerly`, `steps_per_execution`, as for any
                Keras model.

        Raises:
            InputError: The loss `wgan_gp` with batch normalization.
        """
        # One optimizer of Keras's own would be a third one, which nobody uses.
        super().compile(optimizer=None, **kwargs)
        config = self.config
        self.loss_setting = loss or config.loss
        if self.loss_setting == "wgan_gp":
            check_penalty(config)
        self.loss_function: Loss = (
            LOSSES[self.loss_setting]
            if isinstance(self.loss_setting, str)
            else self.loss_setting
        )
        self.g_optimizer = _optimizer(g_optimizer, config, config.generator_rate)
        self.d_optimizer = _optimizer(d_optimizer, config, config.discriminator_rate)
        # Built now, so that whatever loads a state finds variables to load into.
        self.g_optimizer.build(self.generator.trainable_variables)
        self.d_optimizer.build(self.discriminator.trainable_variables)

    def set_cases(self, pairs: FloatArray) -> None:
        """Set the training cases that the latent codes must reproduce, in their order.

        Args:
            pairs: float32 (n_cases, S, S, C + K) in [-1, 1]. Ignored without codes.
        """
        if self.cases is not None:
            self.cases.assign(pairs)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train on mini-batches of pairs; the arguments are those of any Keras model.

        `x` is a batched `tf.data.Dataset` of pairs, also with a last mini-batch that is
        smaller, or an array (n, S, S, C + K) with `batch_size`. A mini-batch must be a
        multiple of `minibatch_stddev` where that is on.

        Raises:
            InputError: The latent codes have no cases: call `set_cases` first.
        """
        if self.cases is not None and not np.any(self.cases):
            raise InputError("DCGAN.fit: call set_cases first with latent codes")
        if isinstance(kwargs.get("x", args[0] if args else None), tf.data.Dataset):
            # A data set has its own order. Keras's default would warn of that.
            kwargs.setdefault("shuffle", False)
        return super().fit(*args, **kwargs)

    def call(self, z: Any) -> Any:
        """Draw pairs as the paper does: with the moments of this batch.

        Where the weights are averaged, the averages are used.

        Args:
            z: float32 (m, z_dim) in [-1, 1].

        Returns:
            float32 (m, size, size, C + K) in [-1, 1]; first the image's channels.
        """
        if not self.averages:
            return self.generator(z, training=True)
        pairs, _ = self.generator.stateless_call(
            self.averages, self.generator.non_trainable_variables, z, training=True
        )
        return pairs

    def draw_z(self, count: Any, stream: int) -> Any:
        """Draw noise for the current step: float32 (count, z_dim) in [-1, 1)."""
        return 2 * self._uniform((count, self.config.z_dim), stream) - 1

    def train_step(self, data: Any) -> dict[str, Any]:
        """Update both networks from the same forward pass. Source: tf-dcgan.

        Real and synthetic pairs pass the discriminator as separate batches. So each
        is normalized by its own moments. Further updates of the discriminator come
        before, those of the generator after.

        Args:
            data: float32 (m, S, S, C + K) in [-1, 1], real pairs; alone or in a tuple.

        Returns:
            Scalars by name: losses, gradient norms, and probabilities or, of `wgan_gp`,
            the estimated Wasserstein distance of what the discriminator sees.
        """
        real = self._real_pairs(data)
        m = real.shape[0] or tf.shape(real)[0]
        for update in range(1, self.config.discriminator_updates):
            self._update_discriminator_before(real, m, update)
        with tf.GradientTape(persistent=True) as tape:
            synthetic = self.generator(self.draw_z(m, stream=0), training=True)
            d_loss, g_loss, real_logits, scalars = self._both_losses(real, synthetic, 1)
            g_total, latent = self._with_latent_loss(g_loss, m, update=0)
        # Both gradients come before either update: the same forward pass.
        d_gradients = tape.gradient(d_loss, self.discriminator.trainable_variables)
        g_gradients = tape.gradient(g_total, self.generator.trainable_variables)
        del tape
        self.d_optimizer.apply(d_gradients, self.discriminator.trainable_variables)
        self.g_optimizer.apply(g_gradients, self.generator.trainable_variables)
        for update in range(1, self.config.generator_updates):
            g_gradients = self._update_generator_again(real_logits, m, update)
        self._update_averages()
        self.step.assign_add(1)
        return {
            **latent,
            "loss/discriminator": d_loss,
            "loss/generator": g_loss,
            **scalars,
            "gradient_norm/discriminator": tf.linalg.global_norm(d_gradients),
            "gradient_norm/generator": tf.linalg.global_norm(g_gradients),
        }

    def sampling_generator(self) -> Generator:
        """Return the generator to sample from: a copy that has the averaged weights.

        Without averaging it is the generator itself.
        """
        if not self.averages:
            return self.generator
        copy = Generator.from_config(self.generator.get_config())
        copy.set_weights(self.generator.get_weights())
        for weight, average in zip(
            copy.trainable_variables, self.averages, strict=True
        ):
            weight.assign(average)
        return copy

    def state(self) -> dict[str, Any]:
        """Return by name all variables that training changes: what a checkpoint needs.

        The model must be compiled.
        """
        named = numbered(
            average=self.averages,
            generator=self.generator.variables,
            discriminator=self.discriminator.variables,
            g_optimizer=self.g_optimizer.variables,
            d_optimizer=self.d_optimizer.variables,
        )
        return {**named, "step": self.step}

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        return {**super().get_config(), "n_cases": self.n_cases}

    def get_compile_config(self) -> dict[str, Any]:
        """Return what `compile_from_config` takes."""
        if not self.compiled:
            return {}
        serialize = keras.saving.serialize_keras_object
        return {
            "g_optimizer": serialize(self.g_optimizer),
            "d_optimizer": serialize(self.d_optimizer),
            "loss": serialize(self.loss_setting),
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a saved model was compiled."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self) -> list[Any]:
        """No metrics: a step returns its scalars itself."""
        return []

    def _real_pairs(self, data: Any) -> Any:
        pairs, target, _ = keras.utils.unpack_x_y_sample_weight(data)
        if target is not None:
            raise ValueError(
                "DCGAN.fit: expected mini-batches of pairs (m, S, S, C + K) alone, got "
                "a target with them"
            )
        pairs = tf.convert_to_tensor(pairs)
        if not pairs.dtype.is_floating:
            raise ValueError(
                "DCGAN.fit: expected float pairs in [-1, 1], got pairs of "
                f"{pairs.dtype.name}"
            )
        shape = (None, *self.pair_shape)
        if not pairs.shape.is_compatible_with(shape):
            sides = ", ".join(map(str, self.pair_shape))
            raise ValueError(
                f"DCGAN.fit: expected mini-batches of pairs (m, {sides}), got "
                f"{tuple(pairs.shape)}"
            )
        return tf.ensure_shape(tf.cast(pairs, tf.float32), shape)

    def _uniform(self, shape: tuple[Any, int], stream: int) -> Any:
        step = tf.convert_to_tensor(self.step)
        seed = tf.stack([self.noise_seed + tf.cast(stream, tf.int64), step])
        drawn = tf.random.stateless_uniform(shape, seed)
        return tf.ensure_shape(drawn, (None, shape[1]))

    def _seen(self, pairs: Any, stream: int) -> Any:
        """What the discriminator sees of pairs."""
        if self.config.augment != "differentiable":
            return pairs
        count = pairs.shape[0] or tf.shape(pairs)[0]
        draws = self._uniform((count, DRAWS), stream)
        return augment(pairs, draws, self.config, self.channels)

    def _both_losses(self, real: Any, synthetic: Any, stream: int) -> tuple[Any, ...]:
        """Compute both losses, the logits of real pairs, and what is shown of them."""
        seen = self._seen(real, stream), self._seen(synthetic, stream + 1)
        logits = [self.discriminator(pairs, training=True) for pairs in seen]
        d_loss, g_loss = self.loss_function(*logits)
        if self.loss_setting != "wgan_gp":
            return d_loss, g_loss, logits[0], probabilities(*logits)
        count = real.shape[0] or tf.shape(real)[0]
        share = self._uniform((count, 1), _FAR + stream)[:, :, None, None]
        between = tf.stop_gradient(share * seen[0] + (1 - share) * seen[1])
        penalty = gradient_penalty(self.discriminator, between)
        # A score without bounds is no probability; its means differ by the distance.
        shown = {"loss/gradient_penalty": penalty, "wasserstein/estimate": -d_loss}
        return d_loss + self.config.penalty_weight * penalty, g_loss, logits[0], shown

    def _update_discriminator_before(self, real: Any, m: Any, update: int) -> None:
        stream = 2 * _FAR + 3 * update
        synthetic = self.generator(self.draw_z(m, stream + 2), training=True)
        with tf.GradientTape() as tape:
            d_loss, *_ = self._both_losses(real, synthetic, stream)
        weights = self.discriminator.trainable_variables
        self.d_optimizer.apply(tape.gradient(d_loss, weights), weights)

    def _with_latent_loss(
        self, g_loss: Any, m: Any, update: int
    ) -> tuple[Any, dict[str, Any]]:
        """Add the error of reproduced cases to the generator's loss, if it has codes.

        The error is the mean absolute one of `latent_share` of a mini-batch.
        """
        if self.cases is None:
            return g_loss, {}
        share = self.config.latent_share
        if isinstance(m, int):
            count = max(int(m * share), 1)
        else:
            count = tf.maximum(tf.cast(tf.cast(m, tf.float32) * share, tf.int32), 1)
        chosen = self._uniform((count, 1), stream=-2 * update - 1)[:, 0]
        cases = tf.cast(chosen * self.cases.shape[0], tf.int32)
        z = self.draw_z(count, stream=-2 * update - 2)
        reproduced = self.generator.reproduce(cases, z)
        error = tf.reduce_mean(tf.abs(reproduced - tf.gather(self.cases, cases)))
        return g_loss + self.config.latent_loss * error, {"loss/latent_codes": error}

    def _update_generator_again(self, real_logits: Any, m: Any, update: int) -> Any:
        with tf.GradientTape() as tape:
            z = self.draw_z(m, stream=2 * update + 1)
            synthetic = self.generator(z, training=True)
            seen = self._seen(synthetic, stream=2 * update + 2)
            logits = self.discriminator(seen, training=True)
            _, g_loss = self.loss_function(real_logits, logits)
            g_total, _ = self._with_latent_loss(g_loss, m, update)
        gradients = tape.gradient(g_total, self.generator.trainable_variables)
        self.g_optimizer.apply(gradients, self.generator.trainable_variables)
        return gradients

    def _update_averages(self) -> None:
        if not self.averages:
            return
        # Young averages follow faster: the first weights are noise.
        step = tf.cast(tf.convert_to_tensor(self.step), tf.float32)
        decay = tf.minimum(
            self.config.average_decay, (1 + step) / (self.config.average_warmup + step)
        )
        for average, weight in zip(
            self.averages, self.generator.trainable_variables, strict=True
        ):
            average.assign(average + (1 - decay) * (weight - average))


def _optimizer(given: Any, config: GANConfig, rate: float) -> Any:
    if given is not None:
        return keras.optimizers.get(given)
    return keras.optimizers.Adam(
        rate, beta_1=config.beta_1, beta_2=config.beta_2, epsilon=config.epsilon
    )
