import dataclasses
from collections.abc import Callable

import pytest

from tfgansynth.benchmark import flops
from tfgansynth.config import Config, DataConfig, GANConfig, UNetConfig
from tfgansynth.presets import PRESETS

TINY = Config(
    data=DataConfig(size=8),
    gan=GANConfig(z_dim=5, generator_maps=(3, 2), discriminator_maps=(4, 6), batch=3),
    unet=UNetConfig(depth=1, maps=3, batch=2),
)


def test_layers_of_the_generator_by_hand() -> None:
    # z to 2 x 2 x 3; 5 x 5 kernels at 2 x 2 pixels, 3 to 2; at 4 x 4 pixels, 2 to 2.
    by_hand = [5 * 12, 4 * 25 * 6, 16 * 25 * 4]

    assert flops.generator_layers(TINY.gan, 8) == by_hand == [60, 600, 1600]


def test_layers_of_the_discriminator_by_hand() -> None:
    # 5 x 5 kernels to 4 x 4 pixels, 2 to 4; to 2 x 2 pixels, 4 to 6; 24 to 2 logits.
    by_hand = [16 * 25 * 8, 4 * 25 * 24, 24 * 2]

    assert flops.discriminator_layers(TINY.gan, 8) == by_hand == [3200, 2400, 48]


def test_layers_of_the_unet_by_hand() -> None:
    down = [64 * 9 * 1 * 3, 64 * 9 * 3 * 3]
    bottom = [16 * 9 * 3 * 3, 16 * 9 * 3 * 3]
    up = [64 * 3 * 3, 64 * 9 * 6 * 3, 64 * 9 * 3 * 3, 64 * 3 * 2]

    assert flops.unet_layers(TINY.unet, 8) == down + bottom + up


def test_a_gan_step_by_hand() -> None:
    g, d = 60 + 600 + 1600, 3200 + 2400 + 48
    generator = g + g + (g - 60)
    on_real = d + d + (d - 3200)
    on_synthetic = d + d + (d - 3200) + d

    assert flops.gan_step(TINY) == 3 * (generator + on_real + on_synthetic) == 119568


def test_a_second_update_of_the_generator_passes_both_networks_again() -> None:
    gan = dataclasses.replace(TINY.gan, generator_updates=2)
    g, d = 2260, 5648

    more = flops.gan_step(dataclasses.replace(TINY, gan=gan)) - flops.gan_step(TINY)

    assert more == 3 * ((3 * g - 60) + 2 * d)


def test_resized_maps_take_four_times_the_arithmetic() -> None:
    gan = dataclasses.replace(TINY.gan, upsampling="resize")
    # At 4 x 4 pixels, 3 to 2; at 8 x 8 pixels, 2 to 2.
    assert flops.generator_layers(gan, 8) == [60, 4 * 600, 4 * 1600]


def test_a_penalty_and_further_updates_of_the_discriminator_by_hand() -> None:
    gan = dataclasses.replace(TINY.gan, loss="wgan_gp", discriminator_norm="none")
    more = dataclasses.replace(gan, discriminator_updates=3)
    one, three = (
        flops.gan_step(dataclasses.replace(TINY, gan=each)) for each in (gan, more)
    )
    g, d = 2260, 5648
    # Forward, gradient in the pairs, and its gradients in kernels and errors.
    assert one - flops.gan_step(TINY) == 3 * 4 * d
    # The generator forward, then all that the discriminator's loss takes.
    assert three - one == 3 * 2 * (g + 2 * (3 * d - 3200) + 4 * d)


def test_a_unet_step_by_hand() -> None:
    forward = sum(flops.unet_layers(TINY.unet, 8))

    assert forward == 26016
    assert flops.unet_step(TINY) == 2 * (3 * 26016 - 64 * 9 * 3)


@pytest.mark.parametrize(
    ("step", "tera"), [(flops.gan_step, 2.23), (flops.unet_step, 0.337)]
)
def test_the_papers_steps_in_tflop(step: Callable[[Config], int], tera: float) -> None:
    assert 2 * step(PRESETS["paper"]) / 1e12 == pytest.approx(tera, rel=0.003)
