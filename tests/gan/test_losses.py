import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfgansynth.gan.losses import LOSSES, probability_real

# Columns: synthetic, real. D is 3/4 and 9/10 for the real pairs, 1/2 and 1/4 for
# the synthetic ones; a constant on both logits changes nothing.
REAL = np.array([[0, math.log(3)], [7, 7 + math.log(9)]], np.float32)
SYNTHETIC = np.array([[2, 2], [math.log(3) - 1, -1]], np.float32)
D_REAL = np.array([0.75, 0.9])
D_SYNTHETIC = np.array([0.5, 0.25])


def losses(name: str, real: Any = REAL, synthetic: Any = SYNTHETIC) -> list[float]:
    pair = LOSSES[name](tf.constant(real), tf.constant(synthetic))
    assert all(loss.dtype == tf.float32 and loss.shape == () for loss in pair)
    return [float(loss) for loss in pair]


def test_the_probability_is_the_softmax_of_the_second_logit() -> None:
    for logits, expected in ((REAL, D_REAL), (SYNTHETIC, D_SYNTHETIC)):
        probability = probability_real(tf.constant(logits))
        np.testing.assert_allclose(np.asarray(probability), expected, rtol=1e-5)


def test_there_is_a_loss_for_every_name_of_the_configuration() -> None:
    assert set(LOSSES) == {"non_saturating", "minimax", "paper_equation_1", "hinge"}


def test_non_saturating_is_the_cross_entropy_for_both_networks() -> None:
    d_loss, g_loss = losses("non_saturating")

    # -(ln 3/4 + ln 9/10) / 2 - (ln 1/2 + ln 3/4) / 2
    assert d_loss == pytest.approx(0.686_936, rel=1e-5)
    # -(ln 1/2 + ln 1/4) / 2 = 3/2 ln 2
    assert g_loss == pytest.approx(1.5 * math.log(2), rel=1e-5)


def test_the_minimax_generator_loss_is_equation_2() -> None:
    d_loss, g_loss = losses("minimax")

    assert d_loss == losses("non_saturating")[0]
    assert g_loss == pytest.approx(np.mean(np.log(1 - D_SYNTHETIC)), rel=1e-5)


def test_paper_equation_1_is_equations_1_and_2_as_they_are_written() -> None:
    d_loss, g_loss = losses("paper_equation_1")

    equation_1 = np.mean(np.log(D_SYNTHETIC) + np.log(1 - D_REAL))
    equation_2 = np.mean(np.log(1 - D_SYNTHETIC))
    assert d_loss == pytest.approx(equation_1, rel=1e-5)
    assert g_loss == pytest.approx(equation_2, rel=1e-5)
    # By hand: (ln 1/2 + ln 1/4 + ln 1/4 + ln 1/10) / 2 = -(5 ln 2 + ln 10) / 2
    assert d_loss == pytest.approx(-(5 * math.log(2) + math.log(10)) / 2, rel=1e-5)


def test_hinge_ends_at_a_margin_of_one() -> None:
    # The score is real minus synthetic: 2, 0.5, -1 and 0.25, -3.
    real = np.array([[0, 2], [1, 1.5], [1, 0]], np.float32)
    synthetic = np.array([[0, 0.25], [3, 0]], np.float32)

    d_loss, g_loss = losses("hinge", real, synthetic)

    assert d_loss == pytest.approx((0 + 0.5 + 2) / 3 + (1.25 + 0) / 2, rel=1e-6)
    assert g_loss == pytest.approx(-(0.25 - 3) / 2, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_better_discriminator_has_a_lower_loss(name: str) -> None:
    step = np.array([[0, 0.1]], np.float32)
    better = losses(name, REAL + step, SYNTHETIC - step)

    assert better[0] < losses(name)[0]
    # What the discriminator gains on synthetic pairs the generator loses.
    assert better[1] > losses(name)[1]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_extreme_logits_give_finite_losses_and_gradients(
    name: str, logit: float
) -> None:
    real = tf.constant([[0, logit]], tf.float32)
    synthetic = tf.constant([[0, logit]], tf.float32)

    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, synthetic])
        d_loss, g_loss = LOSSES[name](real, synthetic)
    gradients = [*tape.gradient(d_loss, [real, synthetic])]
    gradients.append(tape.gradient(g_loss, synthetic))

    assert math.isfinite(float(d_loss))
    assert math.isfinite(float(g_loss))
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


def test_only_the_non_saturating_generator_learns_while_it_loses() -> None:
    # The reason for the name: D is sure, D(G(z)) = e^-20.
    synthetic = tf.constant([[20, 0]], tf.float32)
    slopes = {}
    for name in ("non_saturating", "minimax"):
        with tf.GradientTape() as tape:
            tape.watch(synthetic)
            _, g_loss = LOSSES[name](tf.constant(REAL), synthetic)
        slopes[name] = float(tape.gradient(g_loss, synthetic)[0, 1])

    assert slopes["non_saturating"] == pytest.approx(-1, rel=1e-5)
    assert slopes["minimax"] == pytest.approx(-math.exp(-20), rel=1e-3)
