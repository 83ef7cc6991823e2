"""The 2-channel DCGAN: both networks, both optimizers, and one training step."""

from typing import Any

import keras
import tensorflow as tf

from tfgansynth.config import GANConfig
from tfgansynth.errors import InputError
from tfgansynth.gan.augmentation import DRAWS, augment
from tfgansynth.gan.losses import LOSSES, probability_real
from tfgansynth.gan.networks import Discriminator, Generator
from tfgansynth.runtime.devices import layer_policy
from tfgansynth.seeds import derive_seed


def _adam(config: GANConfig, rate: float, network: keras.Model) -> Any:
    optimizer = keras.optimizers.Adam(
        rate, beta_1=config.beta_1, beta_2=config.beta_2, epsilon=config.epsilon
    )
    # Built now, so that a checkpoint finds its moments to load into.
    optimizer.build(network.trainable_variables)
    return optimizer


class DCGAN(keras.Model):
    """Generator and discriminator of image-mask pairs. Paper: III.

    All randomness of a step is a function of (seed, step): the step counter is
    the whole random state.

    Args:
        config: The GAN's numbers.
        size: Side of the pairs in pixels.
        seed: Of initial weights, noise and augmentation.
        n_cases: Training cases; each has a code if the configuration says so.

    Raises:
        InputError: There are more codes than numbers in z.
    """

    def __init__(
        self, config: GANConfig, *, size: int, seed: int, n_cases: int = 0
    ) -> None:
        """Create both networks and both optimizers."""
        if config.latent_codes and n_cases > config.z_dim:
            raise InputError(
                f"--gan.z-dim {config.z_dim}: expected {n_cases} or more with "
                "--gan.latent-codes, a number for each training case"
            )
        super().__init__()
        policy = layer_policy(config.precision)
        self.config = config
        self.generator = Generator(
            config,
            size=size,
            seed=derive_seed(seed, "generator"),
            policy=policy,
            n_codes=n_cases if config.latent_codes else 0,
            name="generator",
        )
        self.discriminator = Discriminator(
            config,
            size=size,
            seed=derive_seed(seed, "discriminator"),
            policy=policy,
            name="discriminator",
        )
        self.cases: Any = None
        self.loss_function = LOSSES[config.loss]
        self.g_optimizer = _adam(config, config.generator_rate, self.generator)
        self.d_optimizer = _adam(config, config.discriminator_rate, self.discriminator)
        self.noise_seed = derive_seed(seed, "noise")
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.averages = [
            tf.Variable(weight.value, trainable=False)
            for weight in self.generator.trainable_variables
            if config.average_decay
        ]

    def draw_z(self, count: int, stream: int) -> Any:
        """Draw noise for the current step: float32 (count, z_dim) in [-1, 1)."""
        shape = (count, self.config.z_dim)
        return 2 * self._uniform(shape, stream) - 1

    def learn_cases(self, pairs: Any) -> None:
        """Name the pairs that the codes stand for, in their order.

        Args:
            pairs: float32 (n, S, S, 2) in [-1, 1], as many as there are codes.
                Without codes nothing is kept.
        """
        if self.generator.n_codes:
            self.cases = tf.constant(pairs)

    def train_step(self, real: Any) -> dict[str, Any]:
        """Update both networks from the same forward pass. Source: tf-dcgan.

        Real and synthetic pairs pass the discriminator as separate batches, so
        that each is normalized by its own moments.

        Args:
            real: float32 (m, S, S, 2) in [-1, 1].

        Returns:
            Scalars by name: losses, probabilities, gradient norms.
        """
        m = real.shape[0]
        z = self.draw_z(m, stream=0)
        with tf.GradientTape(persistent=True) as tape:
            synthetic = self.generator(z, training=True)
            real_logits = self._judge(real, stream=1)
            synthetic_logits = self._judge(synthetic, stream=2)
            d_loss, g_loss = self.loss_function(real_logits, synthetic_logits)
            codes = {}
            g_total = g_loss
            if self.generator.n_codes:
                codes["loss/codes"] = self._code_error(m)
                g_total = g_loss + self.config.latent_loss * codes["loss/codes"]
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
            **codes,
            "loss/discriminator": d_loss,
            "loss/generator": g_loss,
            "probability_real/real": tf.reduce_mean(probability_real(real_logits)),
            "probability_real/synthetic": tf.reduce_mean(
                probability_real(synthetic_logits)
            ),
            "gradient_norm/discriminator": tf.linalg.global_norm(d_gradients),
            "gradient_norm/generator": tf.linalg.global_norm(g_gradients),
        }

    def sampling_generator(self) -> Generator:
        """The generator to sample from: a copy that holds the averaged weights.

        Without averaging it is the generator itself.
        """
        if not self.config.average_decay:
            return self.generator
        copy: Generator = Generator.from_config(self.generator.get_config())
        copy.set_weights(self.generator.get_weights())
        for weight, average in zip(
            copy.trainable_variables, self.averages, strict=True
        ):
            weight.assign(average)
        return copy

    def state(self) -> dict[str, Any]:
        """All variables by name: what a checkpoint must hold."""
        groups = {
            "average": self.averages,
            "generator": self.generator.variables,
            "discriminator": self.discriminator.variables,
            "g_optimizer": self.g_optimizer.variables,
            "d_optimizer": self.d_optimizer.variables,
        }
        named = {
            f"{group}/{index:03d}": variable
            for group, variables in groups.items()
            for index, variable in enumerate(variables)
        }
        return {**named, "step": self.step}

    def _uniform(self, shape: tuple[int, ...], stream: int) -> Any:
        seed = tf.stack([self.noise_seed + tf.cast(stream, tf.int64), self.step])
        return tf.random.stateless_uniform(shape, seed)

    def _judge(self, pairs: Any, stream: int) -> Any:
        if self.config.augment == "differentiable":
            draws = self._uniform((pairs.shape[0], DRAWS), stream)
            pairs = augment(pairs, draws, self.config)
        return self.discriminator(pairs, training=True)

    def _code_error(self, m: int) -> Any:
        """Mean absolute error of as many reproduced cases as half a mini-batch."""
        count = max(m // 2, 1)
        chosen = self._uniform((count,), stream=-1) * self.cases.shape[0]
        cases = tf.cast(chosen, tf.int32)
        reproduced = self.generator.reproduce(cases, self.draw_z(count, stream=-2))
        return tf.reduce_mean(tf.abs(reproduced - tf.gather(self.cases, cases)))

    def _update_generator_again(self, real_logits: Any, m: int, update: int) -> Any:
        z = self.draw_z(m, stream=2 * update + 1)
        with tf.GradientTape() as tape:
            logits = self._judge(self.generator(z, training=True), 2 * update + 2)
            _, g_loss = self.loss_function(real_logits, logits)
        gradients = tape.gradient(g_loss, self.generator.trainable_variables)
        self.g_optimizer.apply(gradients, self.generator.trainable_variables)
        return gradients

    def _update_averages(self) -> None:
        if not self.averages:
            return
        # Young averages follow faster: the first weights are noise.
        step = tf.cast(self.step, tf.float32)
        decay = tf.minimum(
            self.config.average_decay, (1 + step) / (self.config.average_warmup + step)
        )
        for average, weight in zip(
            self.averages, self.generator.trainable_variables, strict=True
        ):
            average.assign(average + (1 - decay) * (weight - average))
