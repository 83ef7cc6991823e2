"""The training steps of this package, as its training loops take them."""

import tensorflow as tf

from tfgansynth.benchmark.stepper import (
    Stepper,
    random_cases,
    random_pairs,
    tensorflow_stepper,
)
from tfgansynth.config import Config
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.runtime.devices import compile_step
from tfgansynth.segmentation.unet import build_unet


def gan(config: Config) -> Stepper:
    """Make steps of the GAN on one random mini-batch."""
    pairs = tf.constant(random_pairs(config))
    state = DCGAN(config.gan, size=config.data.size, seed=0, n_cases=len(pairs))
    state.compile()
    state.set_cases(pairs)
    step = compile_step(state.train_step)
    return tensorflow_stepper(lambda: step(pairs)["loss/generator"])


def unet(config: Config) -> Stepper:
    """Make steps of the U-Net on one random mini-batch."""
    network = build_unet(config.unet, size=config.data.size, seed=0)
    network.compile()
    step = compile_step(network.train_step)
    images, classes = map(tf.constant, random_cases(config))
    return tensorflow_stepper(lambda: step((images, classes))["loss"])
