import dataclasses
import math
from typing import Any, Literal

import numpy as np
import pytest

from tfgansynth.config import GANConfig
from tfgansynth.gan import health
from tfgansynth.gan.health import History
from tfgansynth.gan.losses import LOSSES

THIRD = float(np.float32(1) / np.float32(3))
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
    ("losses", "saturated"),
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
def test_the_discriminator_is_saturated_when_its_loss_is_low_for_long(
    losses: tuple[float, ...], saturated: bool
) -> None:
    assert health.discriminator_saturated(of_losses(*losses), CONFIG) is saturated
    assert bool(health.faults(of_losses(*losses), CONFIG)) is saturated


@pytest.mark.parametrize("sure", [0.6, 0.951, 0.952, 0.999])
def test_saturation_means_the_same_certainty_under_equation_1(
    sure: float,
) -> None:
    # Logits (synthetic, real) of a discriminator that is right with `sure`.
    score = math.log(sure / (1 - sure))
    real, synthetic = np.array([[0, score]]), np.array([[score, 0]])
    saturated = {}
    names: tuple[Literal["non_saturating", "minimax", "paper_equation_1"], ...]
    names = ("non_saturating", "minimax", "paper_equation_1")
    for name in names:
        loss = float(
            LOSSES[name](real.astype(np.float32), synthetic.astype(np.float32))[0]
        )
        config = dataclasses.replace(CONFIG, loss=name)
        saturated[name] = health.discriminator_saturated(of_losses(*[loss] * 4), config)

    # -2 log 0.9512 = 0.1
    assert set(saturated.values()) == {sure > 0.9512}


@pytest.mark.parametrize("loss", list(LOSSES))
def test_a_threshold_of_zero_is_never_reached(loss: Any) -> None:
    config = dataclasses.replace(CONFIG, loss=loss, saturation_loss=0.0)

    lowest = -1e30 if loss in ("paper_equation_1", "wgan_gp") else 0.0
    assert not health.discriminator_saturated(of_losses(*[lowest] * 9), config)


@pytest.mark.parametrize("loss", [-500.0, 0.0, 0.05])
def test_a_critic_does_not_saturate(loss: float) -> None:
    config = dataclasses.replace(CONFIG, loss="wgan_gp")
    assert not health.faults(of_losses(*[loss] * 9), config)
    # The same numbers of another loss are a fault.
    assert health.faults(of_losses(*[loss] * 9), CONFIG)


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
def test_mode_collapse_means_that_the_last_samples_lack_diversity(
    shares: tuple[float, ...], collapsed: bool
) -> None:
    assert bool(health.faults(of_diversities(*shares), CONFIG)) is collapsed


def test_faults_name_their_numbers() -> None:
    history = of_losses(0.01, 0.02, 0.03, 0.04)
    history.add(40, {health.DIVERSITY: 0.123})

    saturation, collapse = health.faults(history, CONFIG).values()

    assert saturation == (
        "the discriminator is saturated: its median loss over 40 steps is 0.025, below "
        "0.1 (--gan.saturation-loss)"
    )
    assert collapse == (
        "mode collapse: the samples are 0.12 times as diverse as the real images, "
        "less than 0.5 (--gan.mode-collapse-share)"
    )


def test_losses_that_are_not_finite_are_faults() -> None:
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
def test_weights_that_are_not_finite_are_faults(name: str, network: str) -> None:
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


# History


@pytest.fixture
def history() -> History:
    history = History()
    history.add(0, {"health/diversity": 1.25})
    history.add(2, {"loss/generator": THIRD, "loss/discriminator": -1e-30})
    history.add(4, {"loss/generator": 2.0, "loss/discriminator": 3.0})
    history.add(4, {"health/diversity": 0.5})
    return history


def test_a_checkpoint_restores_a_history_to_the_bit(history: History) -> None:
    arrays = history.arrays()

    assert set(arrays) == {
        "history/health/diversity",
        "history/loss/generator",
        "history/loss/discriminator",
    }
    assert arrays["history/loss/generator"].tolist() == [[2, THIRD], [4, 2]]
    others: dict[str, Any] = {"step": np.array(4), "generator/000": np.zeros(3)}
    back = History.from_arrays({**others, **arrays})
    assert back == history
    assert back.to_csv() == history.to_csv()


def test_csv_has_a_line_for_each_step_and_blanks(history: History) -> None:
    assert history.to_csv() == (
        "step,health/diversity,loss/discriminator,loss/generator\n"
        "0,1.25,,\n"
        f"2,,-1e-30,{THIRD!r}\n"
        "4,0.5,3.0,2.0\n"
    )


def test_an_empty_history_stays_empty() -> None:
    assert History().arrays() == {}
    assert History.from_arrays({}) == History()
