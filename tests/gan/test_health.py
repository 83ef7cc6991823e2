import dataclasses
import math
from typing import Any, Literal

import numpy as np
import pytest

from tfgansynth.config import GANConfig
from tfgansynth.gan import health
from tfgansynth.gan.history import History
from tfgansynth.gan.losses import LOSSES

CONFIG = GANConfig(saturation_loss=0.1, saturation_steps=40, mode_collapse_share=0.5)


def of_losses(*losses: float) -> History:
    """Every ten steps one loss of the discriminator."""
    history = History()
    for index, loss in enumerate(losses, start=1):
        history.add(10 * index, {health.LOSS: loss})
    return history


def of_diversities(*shares: float) -> History:
    history = History()
    for index, share in enumerate(shares):
        history.add(10 * index, {health.DIVERSITY: share})
    return history


@pytest.mark.parametrize(
    ("losses", "won"),
    [
        ((), False),
        ((0.0, 0.0, 0.0), False),  # not for long
        ((0.0, 0.0, 0.0, 0.0), True),
        ((0.09, 0.09, 0.09, 0.09), True),
        ((0.11, 0.11, 0.11, 0.11), False),
        ((0.05, 0.05, 0.05, 9.0), True),  # a peak
        ((0.05, 0.05, 9.0, 9.0), False),
        ((1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0), True),
        ((0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0), False),  # has recovered
    ],
)
def test_the_discriminator_has_won_when_its_loss_is_low_for_long(
    losses: tuple[float, ...], won: bool
) -> None:
    assert health.discriminator_won(of_losses(*losses), CONFIG) is won
    assert bool(health.faults(of_losses(*losses), CONFIG)) is won


@pytest.mark.parametrize("sure", [0.6, 0.951, 0.952, 0.999])
def test_as_sure_a_discriminator_has_won_under_the_printed_loss_too(
    sure: float,
) -> None:
    # Logits (synthetic, real) of a discriminator that is right with `sure`.
    score = math.log(sure / (1 - sure))
    real, synthetic = np.array([[0, score]]), np.array([[score, 0]])
    won = {}
    names: tuple[Literal["non_saturating", "minimax", "paper_equation_1"], ...]
    names = ("non_saturating", "minimax", "paper_equation_1")
    for name in names:
        loss = float(
            LOSSES[name](real.astype(np.float32), synthetic.astype(np.float32))[0]
        )
        config = dataclasses.replace(CONFIG, loss=name)
        won[name] = health.discriminator_won(of_losses(*[loss] * 4), config)

    # -2 log 0.9512 = 0.1
    assert set(won.values()) == {sure > 0.9512}


@pytest.mark.parametrize("loss", list(LOSSES))
def test_a_threshold_of_zero_is_never_reached(loss: Any) -> None:
    config = dataclasses.replace(CONFIG, loss=loss, saturation_loss=0.0)

    lowest = -1e30 if loss == "paper_equation_1" else 0.0
    assert not health.discriminator_won(of_losses(*[lowest] * 9), config)


@pytest.mark.parametrize(
    ("shares", "collapsed"),
    [
        ((), False),
        ((0.49,), True),
        ((0.5,), False),
        ((0.1, 0.9), False),
        ((1, 0), True),
    ],
)
def test_samples_have_collapsed_when_the_last_are_too_much_alike(
    shares: tuple[float, ...], collapsed: bool
) -> None:
    assert health.samples_collapsed(of_diversities(*shares), CONFIG) is collapsed
    assert bool(health.faults(of_diversities(*shares), CONFIG)) is collapsed


def test_faults_are_said_with_their_numbers() -> None:
    history = of_losses(0.01, 0.02, 0.03, 0.04)
    history.add(40, {health.DIVERSITY: 0.123})

    won, collapsed = health.faults(history, CONFIG).values()

    assert won == (
        "the discriminator has won: its median loss over 40 steps is 0.025, below "
        "0.1 (--gan.saturation-loss)"
    )
    assert collapsed == (
        "samples have collapsed: they are 0.12 times as diverse as the real images, "
        "less than 0.5 (--gan.mode-collapse-share)"
    )


def test_losses_that_are_no_numbers_are_faults() -> None:
    sound = {"loss/discriminator": 0.5, "loss/generator": -3.0}
    assert health.fault_of_losses(sound) == ""
    # A norm may overflow where its gradients do not.
    assert health.fault_of_losses({**sound, "gradient_norm/x": math.inf}) == ""
    assert (
        health.fault_of_losses({**sound, "loss/discriminator": math.nan})
        == "the loss of the discriminator is nan"
    )
    assert (
        health.fault_of_losses({"loss/discriminator": -math.inf, "loss/generator": 0.0})
        == "the loss of the discriminator is -inf"
    )


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("generator/000", "generator"),
        ("g_optimizer/002", "generator"),
        ("average/001", "generator"),
        ("discriminator/000", "discriminator"),
        ("d_optimizer/002", "discriminator"),
    ],
)
def test_weights_that_are_no_numbers_are_faults(name: str, network: str) -> None:
    state = {
        "average/001": np.zeros(2, np.float32),
        "generator/000": np.zeros((2, 2), np.float32),
        "discriminator/000": np.zeros(3, np.float32),
        "g_optimizer/002": np.zeros(3, np.float32),
        "d_optimizer/002": np.zeros(3, np.float32),
        "step": np.array(3),
    }
    assert health.fault_of_weights(state) == ""
    for value in (math.nan, math.inf):
        state[name].flat[1] = value
        fault = f"the weights of the {network} are not finite"
        assert health.fault_of_weights(state) == fault


def test_diversity_is_the_mean_distance_of_hashes_in_bits() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 32, 32), np.uint8)

    assert health.diversity(np.stack([images[0]] * 4)) == 0
    # The signs of noise agree in half of 64 bits.
    assert 28 < health.diversity(images) < 36
