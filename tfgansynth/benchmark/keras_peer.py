"""The same networks as a user of Keras writes them: plain layers, plain optimizers.

The GAN follows Keras's example of a GAN with a custom `train_step`: real and synthetic
pairs pass the discriminator as one batch, and the generator's update draws new pairs.
It has one logit, the binary cross-entropy, batch normalization and no augmentation,
whatever the configuration says about these. The number format is a global policy, which
the builders set for their whole process.
"""

from typing import Any

import keras
import tensorflow as tf

from tfgansynth.benchmark.stepper import (
    Stepper,
    random_cases,
    random_pairs,
    tensorflow_stepper,
)
from tfgansynth.config import Config, GANConfig, Precision, UNetConfig

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def gan(config: Config) -> Stepper:
    """Make steps of the GAN on one random mini-batch."""
    _set_policy(config.gan.precision)
    network = _GAN(config.gan, config.data.size)
    network.compile(_adam(config.gan, config.gan.discriminator_rate))
    step = _as_fit_compiles_it(network)
    pairs = tf.constant(random_pairs(config))
    return tensorflow_stepper(lambda: step(pairs)["g_loss"])


def unet(config: Config) -> Stepper:
    """Make steps of the U-Net on one random mini-batch."""
    _set_policy(config.unet.precision)
    network = _build_unet(config.unet, config.data.size)
    network.compile(
        _unet_optimizer(config.unet),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    step = _as_fit_compiles_it(network)
    images, classes = map(tf.constant, random_cases(config))
    return tensorflow_stepper(lambda: step((images, classes))["loss"])


def _set_policy(precision: Precision) -> None:
    keras.config.set_dtype_policy(_POLICIES[precision])


def _as_fit_compiles_it(network: keras.Model) -> Any:
    # Keras decides whether XLA compiles the step: on a GPU it does.
    return tf.function(network.train_step, jit_compile=network.jit_compile)


def _adam(config: GANConfig, rate: float) -> Any:
    return keras.optimizers.Adam(
        rate, beta_1=config.beta_1, beta_2=config.beta_2, epsilon=config.epsilon
    )


class _GAN(keras.Model):
    def __init__(self, config: GANConfig, size: int) -> None:
        super().__init__()
        self.config = config
        self.generator = _build_generator(config, size)
        self.discriminator = _build_discriminator(config, size)
        self.g_optimizer = _adam(config, config.generator_rate)
        self.loss_function = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, real: Any) -> dict[str, Any]:
        m = real.shape[0]
        synthetic = self.generator(self._draw_z(m), training=True)
        pairs = tf.concat([synthetic, real], axis=0)
        labels = tf.concat([tf.zeros((m, 1)), tf.ones((m, 1))], axis=0)
        with tf.GradientTape() as tape:
            logits = self.discriminator(pairs, training=True)
            d_loss = self.loss_function(labels, logits)
        weights = self.discriminator.trainable_weights
        gradients = tape.gradient(d_loss, weights)
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))

        for _ in range(self.config.generator_updates):
            with tf.GradientTape() as tape:
                synthetic = self.generator(self._draw_z(m), training=True)
                logits = self.discriminator(synthetic, training=True)
                g_loss = self.loss_function(tf.ones((m, 1)), logits)
            weights = self.generator.trainable_weights
            gradients = tape.gradient(g_loss, weights)
            self.g_optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return {"d_loss": d_loss, "g_loss": g_loss}

    def _draw_z(self, count: int) -> Any:
        return tf.random.uniform((count, self.config.z_dim), -1.0, 1.0)


def _build_generator(config: GANConfig, size: int) -> keras.Model:
    layers = keras.layers
    base = size >> len(config.generator_maps)
    first, *rest = config.generator_maps
    stack = [
        keras.Input((config.z_dim,)),
        layers.Dense(base * base * first, use_bias=False),
        layers.Reshape((base, base, first)),
    ]
    for maps in rest:
        stack += [layers.BatchNormalization(), layers.ReLU()]
        stack.append(
            layers.Conv2DTranspose(
                maps, config.kernel_size, strides=2, padding="same", use_bias=False
            )
        )
    stack += [layers.BatchNormalization(), layers.ReLU()]
    stack.append(
        layers.Conv2DTranspose(2, config.kernel_size, strides=2, padding="same")
    )
    return keras.Sequential([*stack, layers.Activation("tanh", dtype="float32")])


def _build_discriminator(config: GANConfig, size: int) -> keras.Model:
    layers = keras.layers
    stack = [keras.Input((size, size, 2))]
    for maps in config.discriminator_maps:
        stack += [
            layers.Conv2D(
                maps, config.kernel_size, strides=2, padding="same", use_bias=False
            ),
            layers.BatchNormalization(),
            layers.LeakyReLU(negative_slope=config.leaky_slope),
        ]
    return keras.Sequential(
        [*stack, layers.Flatten(), layers.Dense(1, dtype="float32")]
    )


def _build_unet(config: UNetConfig, size: int) -> keras.Model:
    layers = keras.layers

    def two_convolutions(x: Any) -> Any:
        for _ in range(2):
            x = layers.Conv2D(
                config.maps, config.kernel_size, padding="same", activation="relu"
            )(x)
        return x

    inputs = keras.Input((size, size, 1))
    x = inputs
    skips = []
    for _ in range(config.depth):
        x = two_convolutions(x)
        skips.append(x)
        x = layers.AveragePooling2D(2)(x)
    x = two_convolutions(x)
    for skip in reversed(skips):
        x = layers.Conv2DTranspose(config.maps, 2, strides=2, activation="relu")(x)
        x = two_convolutions(layers.Concatenate()([skip, x]))
    return keras.Model(inputs, layers.Conv2D(2, 1, dtype="float32")(x))


def _unet_optimizer(config: UNetConfig) -> Any:
    if config.optimizer == "adam":
        return keras.optimizers.Adam(config.learning_rate)
    return keras.optimizers.SGD(
        config.learning_rate,
        momentum=config.momentum,
        nesterov=True,
        weight_decay=config.weight_decay,
    )
