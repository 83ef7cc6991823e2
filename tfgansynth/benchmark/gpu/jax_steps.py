"""The training steps of this package under JAX. Imported only by a worker.

Networks, losses, augmentation and optimizers are this package's own and Keras's, on its
JAX backend. A step here takes a state and returns the next one; it computes what
`DCGAN.train_step` and `UNet.train_step` compute. The GAN's leaves out what neither
`paper` nor `fast` uses: latent codes, further updates of either network, the gradient
penalty, and the standard deviation of a mini-batch.
"""

from collections.abc import Callable
from typing import Any

import jax
import keras
from jax import numpy as jnp
from keras import ops

from tfgansynth.benchmark.stepper import Stepper, random_cases, random_pairs
from tfgansynth.config import Config, GANConfig
from tfgansynth.gan.augmentation import DRAWS, augment
from tfgansynth.gan.losses import LOSSES, probabilities
from tfgansynth.gan.networks import Discriminator, Generator
from tfgansynth.runtime.devices import layer_policy
from tfgansynth.segmentation.layers import connect
from tfgansynth.segmentation.optimizer import build_optimizer

State = dict[str, Any]
"""Arrays by name: weights, what layers track, optimizers, step."""


class JAXStepper(Stepper):
    """A `Stepper` that also names its device."""

    def device_name(self) -> str:
        """Return what JAX calls the device, `NVIDIA A100` for example."""
        return str(jax.devices()[0].device_kind)


def gan(config: Config) -> Stepper:
    """Make steps of the GAN on one random mini-batch."""
    numbers = config.gan
    common: dict[str, Any] = {
        "size": config.data.size,
        "policy": layer_policy(numbers.precision),
    }
    generator = Generator(numbers, seed=0, name="generator", **common)
    discriminator = Discriminator(numbers, seed=1, name="discriminator", **common)
    state, step = gan_step(numbers, generator, discriminator)
    real = jnp.asarray(random_pairs(config))

    def step_with_noise(state: State, real: Any) -> tuple[State, Any]:
        key = jax.random.fold_in(jax.random.key(0), state["step"])
        keys = jax.random.split(key, 3)
        m = len(real)
        state, scalars = step(
            state,
            real,
            jax.random.uniform(keys[0], (m, numbers.z_dim), minval=-1),
            jax.random.uniform(keys[1], (2, m, DRAWS)),
        )
        return state, scalars["loss/generator"]

    return _stepper(step_with_noise, state, real)


def unet(config: Config) -> Stepper:
    """Make steps of the U-Net on one random mini-batch."""
    shape = config.data.size, 1, 1
    plain = keras.layers.Conv2D, keras.layers.Conv2DTranspose
    network = keras.Model(*connect(config.unet, shape, 0, *plain))
    state, step = unet_step(network, build_optimizer(config.unet))
    return _stepper(step, state, *map(jnp.asarray, random_cases(config)))


def product(config: Config, side: int) -> Stepper:
    """Make products of a large matrix with itself, in the GAN's number format."""
    noise = jax.random.normal(jax.random.key(0), (side, side))
    matrix = noise.astype(config.gan.precision)
    multiply = jax.jit(lambda matrix: matrix @ matrix)
    return JAXStepper(lambda: multiply(matrix)[0, 0], _gpu_peak_bytes())


def gan_step(
    config: GANConfig, generator: Generator, discriminator: Discriminator
) -> tuple[State, Callable[..., tuple[State, dict[str, Any]]]]:
    """Make the first state of a GAN and its training step.

    Returns:
        The state, and a pure function of a state, real pairs float32 (m, S, S, C + K)
        in [-1, 1], z float32 (m, z_dim) in [-1, 1], and draws float32 (2, m, DRAWS) in
        [0, 1), which augment the real and the synthetic pairs. It returns the next
        state and the scalars of `DCGAN.train_step`.
    """
    g_optimizer = _adam(config, config.generator_rate, generator)
    d_optimizer = _adam(config, config.discriminator_rate, discriminator)
    state = {
        "generator": _values(generator.trainable_variables),
        "discriminator": _values(discriminator.trainable_variables),
        "discriminator_tracked": _values(discriminator.non_trainable_variables),
        "g_optimizer": _values(g_optimizer.variables),
        "d_optimizer": _values(d_optimizer.variables),
        "step": jnp.zeros((), "int32"),
    }
    if config.average_decay:
        state["averages"] = list(map(jnp.copy, state["generator"]))
    # No layer of a generator tracks anything in training.
    g_tracked = _values(generator.non_trainable_variables)

    def discriminate(weights: Any, tracked: Any, pairs: Any, draws: Any) -> Any:
        if config.augment == "differentiable":
            pairs = augment(pairs, draws, config)
        return discriminator.stateless_call(weights, tracked, pairs, training=True)

    def step(
        state: State, real: Any, z: Any, draws: Any
    ) -> tuple[State, dict[str, Any]]:
        def losses(g_weights: Any, d_weights: Any) -> Any:
            synthetic, _ = generator.stateless_call(
                g_weights, g_tracked, z, training=True
            )
            tracked = state["discriminator_tracked"]
            real_logits, tracked = discriminate(d_weights, tracked, real, draws[0])
            synthetic_logits, tracked = discriminate(
                d_weights, tracked, synthetic, draws[1]
            )
            both = LOSSES[config.loss](real_logits, synthetic_logits)
            return both, (tracked, real_logits, synthetic_logits)

        (d_loss, g_loss), gradients_of, (tracked, real_logits, synthetic_logits) = (
            jax.vjp(losses, state["generator"], state["discriminator"], has_aux=True)
        )
        # The weights of the two losses in what each network's gradient is of. XLA drops
        # the halves that nobody uses.
        one, zero = jnp.ones(()), jnp.zeros(())
        _, d_gradients = gradients_of((one, zero))
        g_gradients, _ = gradients_of((zero, one))
        d_weights, d_variables = d_optimizer.stateless_apply(
            state["d_optimizer"], d_gradients, state["discriminator"]
        )
        g_weights, g_variables = g_optimizer.stateless_apply(
            state["g_optimizer"], g_gradients, state["generator"]
        )
        after = {
            "generator": g_weights,
            "discriminator": d_weights,
            "discriminator_tracked": tracked,
            "g_optimizer": g_variables,
            "d_optimizer": d_variables,
            "step": state["step"] + 1,
        }
        if config.average_decay:
            young = (1 + state["step"]) / (config.average_warmup + state["step"])
            share = 1 - jnp.minimum(config.average_decay, young)
            after["averages"] = [
                average + share * (weight - average)
                for average, weight in zip(state["averages"], g_weights, strict=True)
            ]
        return after, {
            "loss/discriminator": d_loss,
            "loss/generator": g_loss,
            **probabilities(real_logits, synthetic_logits),
            "gradient_norm/discriminator": _norm(d_gradients),
            "gradient_norm/generator": _norm(g_gradients),
        }

    return state, step


def unet_step(
    network: keras.Model, optimizer: keras.optimizers.Optimizer
) -> tuple[State, Callable[..., tuple[State, Any]]]:
    """Make the first state of a U-Net and its training step.

    Returns:
        The state, and a pure function of a state, images float32 (n, S, S, C) in
        [-1, 1] and classes int32 (n, S, S). It returns the next state and the loss.
    """
    optimizer.build(network.trainable_variables)
    state = {
        "weights": _values(network.trainable_variables),
        "optimizer": _values(optimizer.variables),
    }

    def step(state: State, images: Any, classes: Any) -> tuple[State, Any]:
        def loss_of(weights: Any) -> Any:
            logits, _ = network.stateless_call(weights, [], images, training=True)
            return ops.mean(
                ops.sparse_categorical_crossentropy(classes, logits, from_logits=True)
            )

        loss, gradients = jax.value_and_grad(loss_of)(state["weights"])
        weights, variables = optimizer.stateless_apply(
            state["optimizer"], gradients, state["weights"]
        )
        return {"weights": weights, "optimizer": variables}, loss

    return state, step


def _adam(config: GANConfig, rate: float, network: keras.Model) -> Any:
    optimizer = keras.optimizers.Adam(
        rate, beta_1=config.beta_1, beta_2=config.beta_2, epsilon=config.epsilon
    )
    optimizer.build(network.trainable_variables)
    return optimizer


def _values(variables: Any) -> list[Any]:
    return [variable.value for variable in variables]


def _norm(gradients: Any) -> Any:
    return jnp.sqrt(sum(jnp.sum(jnp.square(gradient)) for gradient in gradients))


def _stepper(step: Callable[..., Any], state: State, *batch: Any) -> Stepper:
    # The next state takes the memory of the last.
    compiled = jax.jit(step, donate_argnums=0)

    def take() -> Any:
        nonlocal state
        state, loss = compiled(state, *batch)
        return loss

    return JAXStepper(take, _gpu_peak_bytes())


def _gpu_peak_bytes() -> Callable[[], int] | None:
    device = jax.devices()[0]
    if device.platform != "gpu":
        return None
    return lambda: int(device.memory_stats()["peak_bytes_in_use"])
