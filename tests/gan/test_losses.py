import functools
import math
from typing import Any, Literal

import numpy as np
import pytest
import tensorflow as tf

from tfgansynth.config import GANConfig
from tfgansynth.gan.losses import LOSSES, gradient_penalty, probability_real
from tfgansynth.gan.networks import Discriminator

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
    names = {"non_saturating", "minimax", "paper_equation_1", "hinge", "wgan_gp"}
    assert set(LOSSES) == names


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


def test_the_wasserstein_losses_are_means_of_scores() -> None:
    # The score is real minus synthetic: 2, 0.5, -1 and 0.25, -3.
    real = np.array([[0, 2], [1, 1.5], [1, 0]], np.float32)
    synthetic = np.array([[0, 0.25], [3, 0]], np.float32)

    d_loss, g_loss = losses("wgan_gp", real, synthetic)

    assert d_loss == pytest.approx(-2.75 / 2 - 1.5 / 3, rel=1e-6)
    assert g_loss == pytest.approx(2.75 / 2, rel=1e-6)


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


# The gradient penalty, against differences in float64 of a network that is written here

SIDE = 8


def discriminator(
    norm: Literal["spectral", "none"], policy: str = "float32", maps: int = 6
) -> Discriminator:
    config = GANConfig(
        discriminator_maps=(4, maps),
        discriminator_norm=norm,
        init_stddev=0.3,
        logits_init_stddev=0.3,
    )
    made = Discriminator(config, size=SIDE, seed=4, policy=policy, name="d")
    for weight in made.trainable_variables:
        if weight.path.endswith("bias"):
            # Away from the kink of the leaky ReLU, as after training.
            weight.assign(np.linspace(-0.5, 0.7, weight.shape[0]))
    return made


def pairs_between(count: int = 2) -> Any:
    rng = np.random.default_rng(3)
    return rng.uniform(-1, 1, (count, SIDE, SIDE, 2)).astype(np.float32)


def sigmas(made: Discriminator) -> list[Any]:
    """Of each layer, what a kernel is divided by, as a function of the kernel.

    Miyato et al. 2018: the singular vectors count as constants.
    """
    found = []
    for layer in (*made.convolutions, made.classify):
        if not hasattr(layer, "singular_vector"):
            found.append(lambda kernel: 1.0)
            continue
        matrix = np.asarray(layer.kernel, np.float64).reshape(-1, layer.filters)
        left = matrix @ np.asarray(layer.singular_vector, np.float64)
        left /= np.linalg.norm(left)
        right = matrix.T @ left
        right /= np.linalg.norm(right)
        found.append(functools.partial(_along, left, right))
    return found


def _along(left: Any, right: Any, kernel: Any) -> float:
    return float((left.T @ kernel.reshape(len(left), -1) @ right).item())


def penalty_by_differences(
    weights: list[Any], divisors: list[Any], pairs: Any
) -> float:
    """Change each pixel of each pair a little and see how the score changes."""
    kernels = [
        kernel / divisor(kernel)
        for kernel, divisor in zip(weights[::2], divisors, strict=True)
    ]
    pixels = np.eye(2 * SIDE**2).reshape(-1, SIDE, SIDE, 2)
    step = 1e-6
    norms = []
    for pair in pairs.astype(np.float64):
        x = tf.constant(np.concatenate([pair + step * pixels, pair - step * pixels]))
        for kernel, bias in zip(kernels[:-1], weights[1:-1:2], strict=True):
            x = tf.nn.leaky_relu(tf.nn.conv2d(x, kernel, 2, "SAME") + bias, 0.2)
        logits = np.asarray(tf.reshape(x, (len(x), -1))) @ kernels[-1] + weights[-1]
        up, down = np.split(logits[:, 1] - logits[:, 0], 2)
        norms.append(np.linalg.norm((up - down) / (2 * step)))
    return float(np.mean((np.array(norms) - 1) ** 2))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_the_gradient_of_the_penalty_is_that_of_brute_force(
    norm: Literal["spectral", "none"], compiled: bool
) -> None:
    made, pairs = discriminator(norm), pairs_between()
    variables = made.trainable_variables
    weights = [np.asarray(variable, np.float64) for variable in variables]
    divisors = sigmas(made)

    def with_gradients() -> Any:
        with tf.GradientTape() as tape:
            penalty = gradient_penalty(made, tf.constant(pairs))
        # Of no pair does the slope depend on the last bias.
        *gradients, last = tape.gradient(penalty, variables)
        assert last is None
        return penalty, [*gradients, tf.zeros(2)]

    penalty, gradients = tf.function(with_gradients)() if compiled else with_gradients()

    assert float(penalty) == pytest.approx(
        penalty_by_differences(weights, divisors, pairs), rel=1e-4
    )
    rng = np.random.default_rng(5)
    for place, (variable, gradient) in enumerate(
        zip(variables, gradients, strict=True)
    ):
        direction = rng.normal(size=variable.shape)
        up, down = (
            penalty_by_differences(
                [*weights[:place], weights[place] + change, *weights[place + 1 :]],
                divisors,
                pairs,
            )
            for change in (1e-5 * direction, -1e-5 * direction)
        )
        slope = np.sum(np.asarray(gradient) * direction)
        assert slope == pytest.approx((up - down) / 2e-5, rel=1e-2, abs=1e-3)
        # A bias moves no slope; a kernel must, or nothing is tested.
        assert (abs(slope) > 0.01) == variable.path.endswith("kernel"), variable.path


def test_the_penalty_is_of_each_pair_by_itself() -> None:
    made, pairs = discriminator("none"), tf.constant(pairs_between(5))

    single = [float(gradient_penalty(made, pairs[i : i + 1])) for i in range(5)]

    assert float(gradient_penalty(made, pairs)) == pytest.approx(np.mean(single))
    assert np.std(single) > 1e-3


def test_the_penalty_of_a_constant_score_has_finite_gradients() -> None:
    made = discriminator("none")
    made.classify.kernel.assign(0 * made.classify.kernel)
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(made, tf.constant(pairs_between()))
    (gradient,) = tape.gradient(penalty, [made.classify.kernel])

    assert float(penalty) == pytest.approx(1, abs=1e-4)
    assert np.isfinite(np.asarray(gradient)).all()


@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_the_penalty_is_about_the_same_in_bfloat16(
    norm: Literal["spectral", "none"],
) -> None:
    found = []
    for policy in ("float32", "mixed_bfloat16"):
        made = discriminator(norm, policy, maps=16)
        kernels = [v for v in made.trainable_variables if v.path.endswith("kernel")]
        with tf.GradientTape() as tape:
            penalty = gradient_penalty(made, tf.constant(pairs_between(8)))
        gradients = map(np.asarray, tape.gradient(penalty, kernels))
        found.append((float(penalty), np.concatenate([g.ravel() for g in gradients])))
    (wide, wide_gradient), (narrow, gradient) = found

    assert narrow == pytest.approx(wide, rel=0.05)
    difference = np.linalg.norm(gradient - wide_gradient)
    assert difference < 0.1 * np.linalg.norm(wide_gradient)
