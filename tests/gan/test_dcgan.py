import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tests.gan.small import state_of
from tfgansynth.config import GANConfig
from tfgansynth.errors import InputError
from tfgansynth.gan import dcgan
from tfgansynth.gan.augmentation import DRAWS
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.losses import gradient_penalty

Weights = dict[str, NDArray[np.float64]]
LossName = Literal["non_saturating", "minimax", "paper_equation_1", "hinge", "wgan_gp"]

SIZE = 16
BATCH = 6
STEPS = 3
# Large rates, and not one for both: three steps go far, and a mix-up shows.
SMALL = GANConfig(
    z_dim=5,
    generator_maps=(8, 6),
    discriminator_maps=(6, 8),
    batch_norm_scale=True,
    init_stddev=0.2,
    logits_init_stddev=0.2,
    generator_rate=0.01,
    discriminator_rate=0.004,
    batch=BATCH,
)


def real_batches(count: int = STEPS) -> list[Any]:
    rng = np.random.default_rng(0)
    shape = (count, BATCH, SIZE, SIZE, 2)
    return [tf.constant(batch, tf.float32) for batch in rng.uniform(-1, 1, shape)]


def make(config: GANConfig = SMALL, *, seed: int = 1, n_cases: int = 0) -> DCGAN:
    gan = DCGAN(config, size=SIZE, seed=seed, n_cases=n_cases)
    gan.compile()
    return gan


def weights_of(gan: DCGAN) -> tuple[Weights, Weights]:
    """The trainable weights of both networks by `layer/weight`, in float64."""
    generator, discriminator = (
        {
            "/".join(weight.path.split("/")[-2:]): np.asarray(weight, np.float64)
            for weight in network.trainable_variables
        }
        for network in (gan.generator, gan.discriminator)
    )
    assert len(generator) == 8
    assert len(discriminator) == 8
    return generator, discriminator


def copied(variable: Any) -> NDArray[Any]:
    # TensorFlow may lend the variable's own memory, which the next step changes.
    return np.asarray(variable).copy()


# The reference: tf-dcgan's step in float64, written without this package.


class TensorFlow1Adam:
    def __init__(self, rate: float) -> None:
        self.rate, self.t = rate, 0
        self.m: Weights = {}
        self.v: Weights = {}

    def update(self, weights: Weights, gradients: Weights) -> Weights:
        self.t += 1
        rate = self.rate * np.sqrt(1 - 0.999**self.t) / (1 - 0.5**self.t)
        updated = {}
        for name, g in gradients.items():
            self.m[name] = 0.5 * self.m.get(name, 0 * g) + 0.5 * g
            self.v[name] = 0.999 * self.v.get(name, 0 * g) + 0.001 * g * g
            updated[name] = weights[name] - rate * self.m[name] / (
                np.sqrt(self.v[name]) + 1e-8
            )
        return updated


def normalized(w: Any, level: int, x: Any) -> Any:
    mean, variance = tf.nn.moments(x, (0, 1, 2))
    x = (x - mean) / tf.sqrt(variance + 1e-5)
    return x * w.get(f"norm_{level}/gamma", 1.0) + w[f"norm_{level}/beta"]


def generate(w: Any, z: Any) -> Any:
    x = tf.reshape(z @ w["project/kernel"], (-1, 4, 4, 8))
    for level, maps in enumerate((6, 2)):
        x = tf.nn.relu(normalized(w, level, x))
        side = 2 * x.shape[1]
        x = tf.nn.conv2d_transpose(
            x, w[f"upsampling_{level}/kernel"], (len(z), side, side, maps), strides=2
        )
    return tf.tanh(x + w["upsampling_1/bias"])


def discriminate(w: Any, pairs: Any) -> Any:
    x = pairs
    for level in range(2):
        x = tf.nn.conv2d(x, w[f"convolution_{level}/kernel"], 2, "SAME")
        x = normalized(w, level, x)
        x = tf.nn.leaky_relu(x, 0.2)
    return tf.reshape(x, (len(x), -1)) @ w["logits/kernel"] + w["logits/bias"]


def reference_losses(name: LossName, real: Any, synthetic: Any) -> tuple[Any, Any]:
    d_real, d_synthetic = (tf.nn.softmax(logits)[:, 1] for logits in (real, synthetic))
    assert name != "wgan_gp"
    equation_2 = tf.reduce_mean(tf.math.log(1 - d_synthetic))
    if name == "hinge":
        score = real[:, 1] - real[:, 0]
        synthetic_score = synthetic[:, 1] - synthetic[:, 0]
        margins = tf.maximum(0, 1 - score) + tf.maximum(0, 1 + synthetic_score)
        return tf.reduce_mean(margins), -tf.reduce_mean(synthetic_score)
    if name == "paper_equation_1":
        equation_1 = tf.math.log(d_synthetic) + tf.math.log(1 - d_real)
        return tf.reduce_mean(equation_1), equation_2
    d_loss = -tf.reduce_mean(tf.math.log(d_real)) - equation_2
    if name == "minimax":
        return d_loss, equation_2
    return d_loss, -tf.reduce_mean(tf.math.log(d_synthetic))


@dataclasses.dataclass
class Reference:
    generator: Weights
    discriminator: Weights
    config: GANConfig
    alternating: bool = False
    joint_moments: bool = False

    def __post_init__(self) -> None:
        self.g_adam = TensorFlow1Adam(self.config.generator_rate)
        self.d_adam = TensorFlow1Adam(self.config.discriminator_rate)
        self.losses: list[float] = []
        self.norms: list[float] = []

    def step(self, real: Any, zs: Sequence[Any]) -> None:
        """One step; after the first z each is a further update of the generator."""
        real = tf.cast(real, tf.float64)
        first, *more = (tf.cast(z, tf.float64) for z in zs)
        d_loss, d_gradients = self._gradients("discriminator", real, first)
        if self.alternating:
            self.discriminator = self.d_adam.update(self.discriminator, d_gradients)
        g_loss, g_gradients = self._gradients("generator", real, first)
        if not self.alternating:
            self.discriminator = self.d_adam.update(self.discriminator, d_gradients)
        self.generator = self.g_adam.update(self.generator, g_gradients)
        self.losses = [d_loss, g_loss]
        for z in more:
            _, g_gradients = self._gradients("generator", real, z)
            self.generator = self.g_adam.update(self.generator, g_gradients)
        self.norms = [
            float(np.sqrt(sum(np.sum(g**2) for g in gradients.values())))
            for gradients in (d_gradients, g_gradients)
        ]

    def _gradients(
        self, network: Literal["generator", "discriminator"], real: Any, z: Any
    ) -> tuple[float, Weights]:
        g, d = (
            {name: tf.constant(value) for name, value in weights.items()}
            for weights in (self.generator, self.discriminator)
        )
        trained = g if network == "generator" else d
        with tf.GradientTape() as tape:
            tape.watch(trained)
            synthetic = generate(g, z)
            if self.joint_moments:
                logits = discriminate(d, tf.concat([real, synthetic], 0))
                real_logits, synthetic_logits = logits[:BATCH], logits[BATCH:]
            else:
                real_logits, synthetic_logits = (
                    discriminate(d, pairs) for pairs in (real, synthetic)
                )
            losses = reference_losses(self.config.loss, real_logits, synthetic_logits)
            loss = losses[1 if network == "generator" else 0]
        gradients = tape.gradient(loss, trained)
        return float(loss), {name: np.asarray(x) for name, x in gradients.items()}


def distance(ours: Weights, theirs: Weights) -> float:
    """Largest difference of any weight."""
    assert ours.keys() == theirs.keys()
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)


def both(
    config: GANConfig, *, compiled: bool = False, **variant: Any
) -> tuple[DCGAN, Reference]:
    """A GAN and the reference after the same steps from the same weights."""
    gan = make(config)
    train_step = tf.function(gan.train_step) if compiled else gan.train_step
    reference = Reference(*weights_of(gan), config, **variant)
    for real in real_batches():
        zs = [
            gan.draw_z(BATCH, stream=0),
            *(
                gan.draw_z(BATCH, stream=2 * update + 1)
                for update in range(1, config.generator_updates)
            ),
        ]
        scalars = train_step(real)
        reference.step(real, zs)
        if variant:
            continue
        names = ("loss/discriminator", "loss/generator")
        ours = [float(scalars[name]) for name in names]
        np.testing.assert_allclose(ours, reference.losses, rtol=1e-4)
        names = ("gradient_norm/discriminator", "gradient_norm/generator")
        ours = [float(scalars[name]) for name in names]
        np.testing.assert_allclose(ours, reference.norms, rtol=1e-3)
    return gan, reference


TOLERANCE = 1e-5
# About ten times what float32 loses in three steps against float64.


@pytest.mark.parametrize(
    ("loss", "compiled"),
    [
        ("non_saturating", True),
        ("non_saturating", False),
        ("minimax", False),
        ("paper_equation_1", False),
        ("hinge", False),
    ],
)
def test_a_step_updates_both_networks_from_the_same_forward_pass(
    loss: LossName, compiled: bool
) -> None:
    gan, reference = both(dataclasses.replace(SMALL, loss=loss), compiled=compiled)

    generator, discriminator = weights_of(gan)
    assert distance(generator, reference.generator) < TOLERANCE
    assert distance(discriminator, reference.discriminator) < TOLERANCE


@pytest.mark.parametrize("variant", ["alternating", "joint_moments"])
def test_another_order_or_other_moments_would_have_shown(variant: str) -> None:
    gan, reference = both(SMALL, **{variant: True})

    generator, discriminator = weights_of(gan)
    assert distance(generator, reference.generator) > 500 * TOLERANCE
    assert distance(discriminator, reference.discriminator) > 500 * TOLERANCE


def test_the_authors_variant_updates_the_generator_twice_a_step() -> None:
    config = dataclasses.replace(SMALL, generator_updates=2)

    gan, reference = both(config)

    generator, discriminator = weights_of(gan)
    assert distance(generator, reference.generator) < TOLERANCE
    assert distance(discriminator, reference.discriminator) < TOLERANCE
    assert int(gan.g_optimizer.iterations) == 2 * STEPS
    assert int(gan.d_optimizer.iterations) == STEPS


def test_the_second_update_of_a_step_draws_fresh_z() -> None:
    config = dataclasses.replace(SMALL, generator_updates=2)
    gan = make(config)
    reference = Reference(*weights_of(gan), config)
    z = gan.draw_z(BATCH, stream=0)
    (real,) = real_batches(1)

    gan.train_step(real)
    reference.step(real, [z, z])

    generator, discriminator = weights_of(gan)
    assert distance(generator, reference.generator) > 500 * TOLERANCE
    assert distance(discriminator, reference.discriminator) < TOLERANCE


def test_a_step_without_scale_in_the_normalization() -> None:
    config = dataclasses.replace(SMALL, batch_norm_scale=False)
    gan = make(config)

    assert not [v for v in gan.generator.variables if v.path.endswith("gamma")]
    before = state_of(gan)
    gan.train_step(real_batches(1)[0])
    after = state_of(gan)
    assert np.any(before["generator/000"] != after["generator/000"])


def test_a_step_changes_weights_and_moments_but_no_population_moment() -> None:
    gan = make()
    before = [copied(weight) for weight in gan.generator.variables]
    before += [copied(weight) for weight in gan.discriminator.variables]

    gan.train_step(real_batches(1)[0])

    after = [*gan.generator.variables, *gan.discriminator.variables]
    for weight, old in zip(after, before, strict=True):
        same = np.array_equal(np.asarray(weight), old)
        assert same is (not weight.trainable), weight.path
    assert int(gan.step) == 1


def test_the_minimax_game_differs_in_the_generator_alone() -> None:
    (real,) = real_batches(1)
    gans = [
        make(dataclasses.replace(SMALL, loss=loss))
        for loss in ("non_saturating", "minimax")
    ]

    scalars = [gan.train_step(real) for gan in gans]

    ours, theirs = (state_of(gan) for gan in gans)
    for name in ours:
        same = np.array_equal(ours[name], theirs[name])
        if name.startswith(("discriminator", "d_optimizer")) or name == "step":
            assert same, name
    assert any(
        not np.array_equal(ours[name], theirs[name])
        for name in ours
        if name.startswith("generator")
    )
    for name in ("loss/discriminator", "gradient_norm/discriminator"):
        assert float(scalars[0][name]) == float(scalars[1][name])
    assert float(scalars[0]["loss/generator"]) != float(scalars[1]["loss/generator"])


def test_the_probabilities_are_the_means_of_d_over_each_batch() -> None:
    gan = make()
    (real,) = real_batches(1)
    synthetic = gan.generator(gan.draw_z(BATCH, stream=0), training=True)
    expected = {
        name: np.mean(tf.nn.softmax(gan.discriminator(pairs, training=True))[:, 1])
        for name, pairs in (("real", real), ("synthetic", synthetic))
    }

    scalars = gan.train_step(real)

    for name, probability in expected.items():
        ours = float(scalars[f"probability_real/{name}"])
        assert ours == pytest.approx(probability, rel=1e-5)


# The fast preset's additions

FAST = dataclasses.replace(
    SMALL,
    discriminator_norm="spectral",
    loss="hinge",
    augment="differentiable",
    augment_shift=2,
    augment_cutout=4,
    average_decay=0.995,
)


def test_real_and_synthetic_pairs_are_augmented_by_draws_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[Any, NDArray[np.float32]]] = []

    def spy(pairs: Any, draws: Any, config: GANConfig, channels: int) -> Any:
        assert config is FAST
        assert channels == 1
        seen.append((np.asarray(pairs), np.asarray(draws)))
        # Both networks' pairs come out as one: D cannot tell them apart.
        return 0 * pairs

    monkeypatch.setattr(dcgan, "augment", spy)
    gan = make(FAST)
    batches = real_batches(2)
    synthetic = gan.generator(gan.draw_z(BATCH, stream=0), training=True)

    scalars = [gan.train_step(real) for real in batches]

    assert len(seen) == 4
    np.testing.assert_array_equal(seen[0][0], batches[0])
    np.testing.assert_array_equal(seen[1][0], synthetic)
    np.testing.assert_array_equal(seen[2][0], batches[1])
    everything = np.stack([draws for _, draws in seen])
    assert everything.shape == (4, BATCH, DRAWS)
    assert everything.min() >= 0
    assert everything.max() < 1
    # All drawn independently: no number comes twice.
    assert np.unique(everything).size == everything.size
    for step in scalars:
        real_probability, synthetic_probability = (
            float(step[f"probability_real/{kind}"]) for kind in ("real", "synthetic")
        )
        assert real_probability == pytest.approx(synthetic_probability, abs=1e-3)


def test_without_augmentation_the_discriminator_sees_pairs_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(dcgan, "augment", fail)

    make().train_step(real_batches(1)[0])


def test_the_gradient_reaches_the_generator_through_the_augmentation() -> None:
    gan = make(FAST)
    before = [copied(weight) for weight in gan.generator.trainable_variables]

    scalars = gan.train_step(real_batches(1)[0])

    assert float(scalars["gradient_norm/generator"]) > 1e-4
    for weight, old in zip(gan.generator.trainable_variables, before, strict=True):
        assert np.any(np.asarray(weight) != old), weight.path


def test_averages_follow_the_weights_young_ones_faster() -> None:
    config = dataclasses.replace(SMALL, average_decay=0.15)
    gan = make(config)
    averages = [copied(w) for w in gan.generator.trainable_variables]
    for average, start in zip(gan.averages, averages, strict=True):
        np.testing.assert_array_equal(np.asarray(average), start)

    # min(0.15, (1 + step) / (10 + step)): 1/10, then 0.15 < 2/11.
    for real, decay in zip(real_batches(), (0.1, 0.15, 0.15), strict=True):
        gan.train_step(real)
        averages = [
            decay * average + (1 - decay) * np.asarray(weight)
            for average, weight in zip(
                averages, gan.generator.trainable_variables, strict=True
            )
        ]
        for average, expected in zip(gan.averages, averages, strict=True):
            np.testing.assert_allclose(np.asarray(average), expected, atol=1e-6)


def test_the_sampled_generator_holds_the_averages() -> None:
    gan = make(dataclasses.replace(SMALL, average_decay=0.5))
    for real in real_batches():
        gan.train_step(real)
    gan.generator.norms[0].population_mean.assign(np.arange(8.0))
    before = state_of(gan)

    sampled = gan.sampling_generator()

    assert sampled is not gan.generator
    for weight, average, trained in zip(
        sampled.trainable_variables,
        gan.averages,
        gan.generator.trainable_variables,
        strict=True,
    ):
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(average))
        assert np.any(np.asarray(weight) != np.asarray(trained)), trained.path
    np.testing.assert_array_equal(sampled.norms[0].population_mean, np.arange(8.0))
    # A copy: training does not depend on it.
    sampled.trainable_variables[0].assign(0 * sampled.trainable_variables[0])
    for name, array in state_of(gan).items():
        np.testing.assert_array_equal(array, before[name])


def test_without_averaging_the_generator_itself_is_sampled() -> None:
    gan = make()
    gan.train_step(real_batches(1)[0])

    assert gan.sampling_generator() is gan.generator
    assert gan.averages == []


# Wasserstein loss and updates of the discriminator

WASSERSTEIN = dataclasses.replace(
    SMALL, loss="wgan_gp", discriminator_norm="none", penalty_weight=7.0
)
RATE = 0.05


def by_plain_descent(config: GANConfig) -> DCGAN:
    """A GAN whose steps are its gradients."""
    gan = make(config)
    gan.compile(
        g_optimizer=keras.optimizers.SGD(RATE), d_optimizer=keras.optimizers.SGD(RATE)
    )
    return gan


def mean_score(gan: DCGAN, pairs: Any) -> Any:
    logits = gan.discriminator(pairs, training=True)
    return tf.reduce_mean(logits[:, 1] - logits[:, 0])


def assert_descended(
    weights: list[Any], before: list[Any], gradients: list[Any]
) -> None:
    for weight, old, gradient in zip(weights, before, gradients, strict=True):
        gone = (old - np.asarray(weight)) / RATE
        np.testing.assert_allclose(gone, gradient, rtol=1e-3, atol=1e-4)


def test_a_wasserstein_step_descends_loss_and_penalty_of_one_forward_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gan = by_plain_descent(WASSERSTEIN)
    (real,) = real_batches(1)
    between: list[Any] = []

    def spy(discriminator: Any, pairs: Any) -> Any:
        between.append(np.asarray(pairs))
        return gradient_penalty(discriminator, pairs)

    monkeypatch.setattr(dcgan, "gradient_penalty", spy)
    d_weights = gan.discriminator.trainable_variables
    g_weights = gan.generator.trainable_variables
    before = [[copied(w) for w in weights] for weights in (d_weights, g_weights)]
    z = gan.draw_z(BATCH, stream=0)

    scalars = gan.train_step(real)

    after = [[copied(w) for w in weights] for weights in (d_weights, g_weights)]
    for weights, values in zip((d_weights, g_weights), before, strict=True):
        for weight, value in zip(weights, values, strict=True):
            weight.assign(value)
    with tf.GradientTape(persistent=True) as tape:
        synthetic = gan.generator(z, training=True)
        distance = mean_score(gan, real) - mean_score(gan, synthetic)
        penalty = gradient_penalty(gan.discriminator, tf.constant(between[0]))
        d_loss = -distance + 7 * penalty
        g_loss = -mean_score(gan, synthetic)
    expected = {
        "loss/discriminator": d_loss,
        "loss/generator": g_loss,
        "loss/gradient_penalty": penalty,
        "wasserstein/estimate": distance,
    }
    # No probability: a score has no bounds.
    assert {name for name in scalars if not name.startswith("grad")} == {*expected}
    for name, value in expected.items():
        assert float(scalars[name]) == pytest.approx(float(value), rel=1e-4), name
    assert_descended(after[0], before[0], zeroed(tape.gradient(d_loss, d_weights)))
    assert_descended(after[1], before[1], zeroed(tape.gradient(g_loss, g_weights)))
    # Each on its own line from a synthetic pair to its real one.
    line = np.asarray(real - synthetic).reshape(BATCH, -1)
    share = (between[0] - np.asarray(synthetic)).reshape(BATCH, -1) / line
    shares = np.median(share, axis=1)
    np.testing.assert_allclose(share.T, np.tile(shares, (len(line.T), 1)), atol=1e-2)
    assert np.unique(shares).size == BATCH
    assert 0 <= shares.min() <= shares.max() < 1


def zeroed(gradients: list[Any]) -> list[Any]:
    return [0.0 if gradient is None else np.asarray(gradient) for gradient in gradients]


def test_the_penalty_is_taken_of_what_the_discriminator_sees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = dataclasses.replace(FAST, loss="wgan_gp", discriminator_updates=2)
    seen: list[NDArray[np.float32]] = []

    def constant(pairs: Any, draws: Any, config: GANConfig, channels: int) -> Any:
        return 0 * pairs + 0.5

    def spy(_: Any, pairs: Any) -> Any:
        seen.append(np.asarray(pairs))
        return tf.zeros(())

    monkeypatch.setattr(dcgan, "augment", constant)
    monkeypatch.setattr(dcgan, "gradient_penalty", spy)

    make(config).train_step(real_batches(1)[0])

    np.testing.assert_allclose(np.stack(seen), np.full_like(seen, 0.5), atol=1e-6)
    assert len(seen) == 2


def test_further_updates_of_the_discriminator_come_first_with_fresh_z(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = dataclasses.replace(
        SMALL, loss="hinge", discriminator_norm="none", discriminator_updates=3
    )
    gan = by_plain_descent(config)
    (real,) = real_batches(1)
    zs: list[Any] = []
    original = gan.draw_z

    def spy(count: Any, stream: int) -> Any:
        zs.append(original(count, stream))
        return zs[-1]

    monkeypatch.setattr(gan, "draw_z", spy)
    twin = make(config)
    weights = twin.discriminator.trainable_variables

    gan.train_step(real)

    assert np.unique(np.stack(zs)).size == 3 * BATCH * 5
    # The generator has not moved before the last of them.
    for z in zs:
        synthetic = twin.generator(z, training=True)
        with tf.GradientTape() as tape:
            logits = [
                twin.discriminator(pairs, training=True) for pairs in (real, synthetic)
            ]
            d_loss, _ = reference_losses("hinge", *logits)
        for weight, gradient in zip(
            weights, tape.gradient(d_loss, weights), strict=True
        ):
            weight.assign(weight - RATE * gradient)
    for ours, theirs in zip(
        gan.discriminator.trainable_variables, weights, strict=True
    ):
        np.testing.assert_allclose(
            np.asarray(ours), np.asarray(theirs), rtol=1e-4, atol=1e-5
        )
    assert int(gan.d_optimizer.iterations) == 3
    assert int(gan.g_optimizer.iterations) == 1


def test_batch_normalization_is_refused_with_the_penalty() -> None:
    gan = DCGAN(SMALL, size=SIZE, seed=1)
    with pytest.raises(InputError, match=r"^--gan\.discriminator-norm batch: expected"):
        gan.compile(loss="wgan_gp")


# Randomness and state


# All that draws random numbers or has a state, at once.
ALL = dataclasses.replace(FAST, generator_updates=2)


def test_one_seed_gives_one_training_to_the_bit() -> None:
    states = []
    for seed in (1, 1, 2):
        gan = make(ALL, seed=seed)
        for real in real_batches():
            gan.train_step(real)
        states.append(state_of(gan))

    ours, again, other = states
    assert ours.keys() == again.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, again[name])
    assert np.abs(ours["generator/000"] - other["generator/000"]).max() > 0.01


def test_z_is_a_function_of_seed_stream_and_step() -> None:
    gan = make()
    zs = [np.asarray(gan.draw_z(4, stream)) for stream in range(3)]
    np.testing.assert_array_equal(np.asarray(gan.draw_z(4, 0)), zs[0])
    gan.step.assign(1)
    zs += [np.asarray(gan.draw_z(4, stream)) for stream in range(3)]
    zs.append(np.asarray(make(seed=2).draw_z(4, 0)))

    assert np.unique(np.stack(zs)).size == 7 * 4 * 5
    same = make()
    same.step.assign(1)
    np.testing.assert_array_equal(np.asarray(same.draw_z(4, 0)), zs[3])


def test_both_networks_start_from_seeds_of_their_own() -> None:
    generator, discriminator = weights_of(make())

    kernels = [
        weights.ravel()[:20]
        for network in (generator, discriminator)
        for name, weights in network.items()
        if name.endswith("kernel")
    ]
    assert np.unique(np.stack(kernels)).size == 6 * 20


def test_the_state_is_all_that_resuming_needs() -> None:
    first, *rest = real_batches()
    gan = make(ALL)
    gan.train_step(first)
    state = state_of(gan)
    other = make(ALL)
    # Whatever a new instance starts from must be overwritten by the state.
    for variable in other.state().values():
        variable.assign(variable + tf.ones((), variable.dtype))
    for name, variable in other.state().items():
        variable.assign(state[name])

    for real in rest:
        gan.train_step(real)
        other.train_step(real)

    # Not by `state`: what it leaves out must show.
    for ours, theirs in zip(variables_of(gan), variables_of(other), strict=True):
        np.testing.assert_array_equal(copied(ours), copied(theirs))
    assert len(state) == len(variables_of(gan))


def variables_of(gan: DCGAN) -> list[Any]:
    return [
        gan.step,
        *gan.averages,
        *gan.generator.variables,
        *gan.discriminator.variables,
        *gan.g_optimizer.variables,
        *gan.d_optimizer.variables,
    ]


CODED = dataclasses.replace(SMALL, latent_codes=True, latent_loss=50.0)


def test_codes_learn_to_reproduce_their_cases() -> None:
    (pairs,) = real_batches(1)
    gan = make(CODED, n_cases=4)
    gan.set_cases(pairs[:4])
    step = tf.function(gan.train_step)
    errors = [float(step(pairs)["loss/latent_codes"]) for _ in range(60)]

    assert np.mean(errors[-5:]) < 0.8 * np.mean(errors[:5])
    z = np.zeros((4, 5), np.float32)
    found = np.asarray(gan.generator.reproduce(np.arange(4, dtype=np.int32), z))
    distances = np.abs(found[:, None] - np.asarray(pairs)[None, :4]).mean((2, 3, 4))
    # Each code gives its own case rather than another.
    assert distances.argmin(axis=1).tolist() == [0, 1, 2, 3]


def test_the_cases_drawn_for_codes_depend_on_seed_and_step_alone() -> None:
    (pairs,) = real_batches(1)

    def losses(seed: int) -> list[float]:
        gan = make(CODED, seed=seed, n_cases=4)
        gan.set_cases(pairs[:4])
        return [float(gan.train_step(pairs)["loss/latent_codes"]) for _ in range(3)]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_more_cases_than_numbers_of_z_are_refused() -> None:
    with pytest.raises(InputError, match=r"--gan\.z-dim 5: expected 6 or more"):
        DCGAN(CODED, size=SIZE, seed=1, n_cases=6)
    (pairs,) = real_batches(1)
    without = DCGAN(SMALL, size=SIZE, seed=1, n_cases=6)
    without.set_cases(pairs)
    assert without.cases is None


def test_latent_codes_without_cases_are_refused() -> None:
    with pytest.raises(InputError, match="n_cases 0: expected the number of cases"):
        DCGAN(CODED, size=SIZE, seed=1)
    gan = make(CODED, n_cases=4)
    with pytest.raises(InputError, match="call set_cases first"):
        gan.fit(np.asarray(real_batches(1)[0]), verbose=0)


def watch_codes(gan: DCGAN, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Return a list that gets the cases and the noise of each reproduction."""
    seen: list[tuple[Any, Any]] = []
    original = gan.generator.reproduce

    def reproduce(cases: Any, z: Any) -> Any:
        seen.append((np.asarray(cases), np.asarray(z)))
        return original(cases, z)

    monkeypatch.setattr(gan.generator, "reproduce", reproduce)
    return seen


def test_every_update_of_the_generator_has_the_error_of_the_codes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (pairs,) = real_batches(1)
    norms = []
    for weight in (0.0, 500.0):
        config = dataclasses.replace(CODED, generator_updates=2, latent_loss=weight)
        gan = make(config, n_cases=4)
        gan.set_cases(pairs[:4])
        seen = watch_codes(gan, monkeypatch)
        # The norm that is returned is that of the last update.
        norms.append(float(gan.train_step(pairs)["gradient_norm/generator"]))

    assert norms[1] > 2 * norms[0]
    # Each update draws cases and noise of its own.
    (_, first), (_, second) = seen
    assert np.unique(np.concatenate([first, second])).size == first.size + second.size


@pytest.mark.parametrize(("share", "count"), [(0.5, 3), (0.9, 5), (0.0, 1)])
def test_a_share_of_the_mini_batch_is_reproduced(
    share: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pairs,) = real_batches(1)
    gan = make(dataclasses.replace(CODED, latent_share=share), n_cases=4)
    gan.set_cases(pairs[:4])
    seen = watch_codes(gan, monkeypatch)

    gan.train_step(pairs)

    ((cases, z),) = seen
    assert cases.shape == (count,)
    assert z.shape == (count, 5)
