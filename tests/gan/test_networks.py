import dataclasses
import importlib
import inspect
import json
from typing import Any, Literal

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.config import GANConfig
from tfgansynth.gan.layers import LatentCodes, SpectralConv, with_stddev
from tfgansynth.gan.networks import BatchNorm, Discriminator, Generator
from tfgansynth.keras_classes import MODULES, PACKAGE

FloatArray = NDArray[np.float32]

SIZE = 16
SMALL = GANConfig(
    z_dim=5,
    generator_maps=(8, 6),
    discriminator_maps=(6, 8),
    batch_norm_scale=True,
)


def uniform(*shape: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return tf.constant(rng.uniform(-1, 1, shape), tf.float32)


def generator(
    config: GANConfig = SMALL, policy: str = "float32", n_codes: int = 0
) -> Generator:
    return Generator(
        config, size=SIZE, seed=3, policy=policy, n_codes=n_codes, name="generator"
    )


def discriminator(config: GANConfig = SMALL, policy: str = "float32") -> Discriminator:
    return Discriminator(config, size=SIZE, seed=4, policy=policy, name="discriminator")


def randomize(network: keras.Model) -> None:
    """Give every weight a value of its own, biases and normalizations too."""
    rng = np.random.default_rng(8)
    for weight in network.variables:
        values = rng.normal(0, 0.3, weight.shape)
        if weight.path.endswith(("gamma", "population_variance")):
            values = 1 + np.abs(values)
        weight.assign(values)


# Batch normalization


def norm_pair(*, scale: bool) -> tuple[BatchNorm, BatchNorm]:
    """The fused layer and the plain one, with equal weights that are not neutral."""
    layers = tuple(
        BatchNorm(epsilon=1e-5, scale=scale, fused=fused) for fused in (True, False)
    )
    for layer in layers:
        layer.build((None, 4, 4, 3))
        layer.beta.assign([0.5, -1.0, 2.0])
        layer.population_mean.assign([0.1, 0.2, -0.3])
        layer.population_variance.assign([0.5, 2.0, 3.0])
        if layer.gamma is not None:
            layer.gamma.assign([1.5, 0.5, -2.0])
    return layers[0], layers[1]


def relative_error(value: Any, reference: Any) -> float:
    value, reference = np.asarray(value), np.asarray(reference)
    return float(np.abs(value - reference).max() / np.abs(reference).max())


@pytest.mark.parametrize("scale", [True, False])
def test_fused_and_plain_batch_normalization_agree_with_their_gradients(
    scale: bool,
) -> None:
    # A mean far from 0 would show a formula that cancels.
    maps = 3 + 2 * uniform(6, 4, 4, 3)
    weights = uniform(6, 4, 4, 3, seed=1)
    outputs, gradients = [], []
    for layer in norm_pair(scale=scale):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            output = layer(maps, training=True)
            loss = tf.reduce_sum(output * weights)
        outputs.append(output)
        gradients.append(tape.gradient(loss, [maps, *layer.trainable_variables]))

    assert relative_error(outputs[0], outputs[1]) < 1e-5
    assert len(gradients[0]) == (3 if scale else 2)
    for fused, plain in zip(*gradients, strict=True):
        assert relative_error(fused, plain) < 1e-5


@pytest.mark.parametrize("fused", [True, False])
def test_training_normalizes_by_the_moments_of_the_batch(fused: bool) -> None:
    layer = norm_pair(scale=True)[0 if fused else 1]
    maps = np.asarray(3 + 2 * uniform(6, 4, 4, 3))

    output = layer(tf.constant(maps), training=True)

    wide = maps.astype(np.float64)
    mean, variance = wide.mean(axis=(0, 1, 2)), wide.var(axis=(0, 1, 2))
    expected = (wide - mean) / np.sqrt(variance + 1e-5)
    expected = expected * [1.5, 0.5, -2.0] + [0.5, -1.0, 2.0]
    np.testing.assert_allclose(np.asarray(output), expected, atol=1e-5)


@pytest.mark.parametrize("fused", [True, False])
def test_sampling_normalizes_by_the_population_moments(fused: bool) -> None:
    layer = norm_pair(scale=True)[0 if fused else 1]
    maps = np.asarray(uniform(6, 4, 4, 3))

    output = np.asarray(layer(tf.constant(maps), training=False))

    expected = (maps - np.array([0.1, 0.2, -0.3])) / np.sqrt([0.5, 2.0, 3.0])
    expected = expected * [1.5, 0.5, -2.0] + [0.5, -1.0, 2.0]
    np.testing.assert_allclose(output, expected, atol=1e-4)
    # Keras takes a missing `training` for inference; so must we.
    np.testing.assert_array_equal(np.asarray(layer(tf.constant(maps))), output)


def test_epsilon_is_added_to_the_variance() -> None:
    # A variance of 1e-6 is far below an epsilon of 1e-2.
    maps = 1e-3 * tf.constant([-1.0, 1.0])[:, None, None, None]
    for fused in (True, False):
        layer = BatchNorm(epsilon=1e-2, scale=True, fused=fused)
        output = np.asarray(layer(maps, training=True)).ravel()
        expected = 1e-3 / np.sqrt(1e-6 + 1e-2)
        np.testing.assert_allclose(output, [-expected, expected], rtol=1e-4)


@pytest.mark.parametrize("fused", [True, False])
def test_batch_normalization_keeps_no_running_averages(fused: bool) -> None:
    layer = norm_pair(scale=True)[0 if fused else 1]
    before = [np.asarray(weight) for weight in layer.weights]

    layer(5 + uniform(6, 4, 4, 3), training=True)

    for weight, old in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), old)


def test_without_scale_there_is_an_offset_alone() -> None:
    layer, _ = norm_pair(scale=False)

    assert [weight.name for weight in layer.trainable_variables] == ["beta"]
    output = np.asarray(layer(uniform(50, 4, 4, 3), training=True))
    np.testing.assert_allclose(output.mean((0, 1, 2)), [0.5, -1, 2], atol=1e-4)
    np.testing.assert_allclose(output.std((0, 1, 2)), 1, rtol=1e-3)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("fused", [True, False])
def test_batch_normalization_in_bfloat16_has_float32_moments(
    fused: bool, training: bool
) -> None:
    layer = BatchNorm(epsilon=1e-5, scale=True, fused=fused, dtype="mixed_bfloat16")
    maps = tf.cast(uniform(64, 4, 4, 3), tf.bfloat16)

    output = layer(maps, training=training)

    assert output.dtype == tf.bfloat16
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    if training:
        # Sums of 1024 numbers in bfloat16's 8 bits would be off by far more.
        wide = np.asarray(tf.cast(output, tf.float32))
        np.testing.assert_allclose(wide.mean((0, 1, 2)), 0, atol=2e-3)
        np.testing.assert_allclose(wide.std((0, 1, 2)), 1, atol=4e-3)


def test_batch_normalization_is_built_again_from_its_configuration() -> None:
    layer = BatchNorm(epsilon=0.25, scale=False, fused=False, name="own")

    again = BatchNorm.from_config(layer.get_config())

    assert again.get_config() == layer.get_config()
    assert (again.epsilon, again.scale, again.fused) == (0.25, False, False)
    assert again.name == "own"


# Spectral normalization


def spectral(kernel_size: int | None = 5) -> SpectralConv:
    initializer = keras.initializers.RandomNormal(0.0, 0.05, seed=1)
    layer = SpectralConv(7, kernel_size, initializer, seed=2)
    layer.build((None, 8, 8, 3) if kernel_size else (None, 40))
    return layer


def effective_kernel(layer: SpectralConv) -> FloatArray:
    """The kernel that inference multiplies with, as a matrix."""
    kernel = np.asarray(layer._normalized_kernel(training=False))
    return kernel.reshape(-1, kernel.shape[-1])


@pytest.mark.parametrize("kernel_size", [5, None])
def test_the_normalized_kernel_has_a_largest_singular_value_of_one(
    kernel_size: int | None,
) -> None:
    layer = spectral(kernel_size)
    x = uniform(2, 8, 8, 3) if kernel_size else uniform(2, 40)

    for _ in range(100):
        layer(x, training=True)

    (largest, *_) = np.linalg.svd(effective_kernel(layer), compute_uv=False)
    assert largest == pytest.approx(1, abs=1e-3)
    # The rest of the kernel keeps its proportions.
    original = np.asarray(layer.kernel).reshape(-1, 7)
    (sigma, *_) = np.linalg.svd(original, compute_uv=False)
    np.testing.assert_allclose(effective_kernel(layer), original / sigma, atol=1e-3)


def test_a_training_call_takes_one_step_of_the_power_iteration() -> None:
    layer = spectral()
    matrix = np.asarray(layer.kernel).reshape(-1, 7)
    vector = np.asarray(layer.singular_vector)

    layer(uniform(2, 8, 8, 3), training=True)

    left = matrix @ vector
    left /= np.linalg.norm(left)
    right = matrix.T @ left
    right /= np.linalg.norm(right)
    np.testing.assert_allclose(np.asarray(layer.singular_vector), right, atol=1e-5)


def test_inference_does_not_move_the_singular_vector() -> None:
    layer = spectral()
    before = np.asarray(layer.singular_vector)
    x = uniform(2, 8, 8, 3)

    first = layer(x, training=False)
    second = layer(x)

    np.testing.assert_array_equal(np.asarray(layer.singular_vector), before)
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


def test_spectral_convolution_convolves_with_stride_2_and_adds_the_bias() -> None:
    layer = spectral()
    layer.bias.assign(np.arange(7.0))
    x = uniform(2, 8, 8, 3)
    kernel = layer._normalized_kernel(training=False)

    output = np.asarray(layer(x))

    expected = tf.nn.conv2d(x, kernel, strides=2, padding="SAME") + np.arange(7.0)
    np.testing.assert_allclose(output, np.asarray(expected), atol=1e-6)


def test_the_gradient_passes_through_the_kernel_and_its_norm() -> None:
    layer = spectral(None)
    x = uniform(4, 40)
    for _ in range(50):
        layer(x, training=True)
    weights = uniform(4, 7, seed=6)

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, training=True) * weights)
    kernel_gradient, bias_gradient = tape.gradient(loss, [layer.kernel, layer.bias])

    # Of W / s(W) with ds/dW = u v^T (Miyato et al. 2018, eq. 10).
    matrix = np.asarray(layer.kernel, np.float64)
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    through = np.asarray(x, np.float64).T @ np.asarray(weights, np.float64)
    along = np.sum(through * matrix) / s[0]
    expected = (through - along * np.outer(u[:, 0], vt[0])) / s[0]
    np.testing.assert_allclose(kernel_gradient, expected, atol=1e-2)
    np.testing.assert_allclose(
        bias_gradient, np.asarray(weights).sum(axis=0), rtol=1e-5
    )
    # Without the norm's share it would be far from that.
    assert np.abs(through / s[0] - expected).max() > 0.1


def test_scaling_a_spectral_kernel_changes_nothing() -> None:
    layer = spectral()
    x = uniform(2, 8, 8, 3)
    before = np.asarray(layer(x))

    layer.kernel.assign(100 * layer.kernel)

    np.testing.assert_allclose(np.asarray(layer(x)), before, atol=1e-5)


# The networks


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("training", [True, False])
def test_pairs_are_float32_in_minus_one_to_one(policy: str, training: bool) -> None:
    model = generator(policy=policy)
    randomize(model)

    pairs = model(uniform(3, 5), training=training)

    assert pairs.dtype == tf.float32
    assert pairs.shape == (3, SIZE, SIZE, 2)
    assert np.abs(np.asarray(pairs)).max() <= 1
    assert np.asarray(pairs).min() < -0.1
    assert np.asarray(pairs).max() > 0.1
    assert {weight.dtype for weight in model.variables} == {"float32"}


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
def test_logits_are_two_float32_numbers_a_pair(
    policy: str, norm: Literal["batch", "spectral", "none"]
) -> None:
    config = dataclasses.replace(SMALL, discriminator_norm=norm)
    model = discriminator(config, policy)

    logits = model(uniform(3, SIZE, SIZE, 2), training=True)

    assert logits.dtype == tf.float32
    assert logits.shape == (3, 2)
    assert {weight.dtype for weight in model.variables} == {"float32"}
    assert len(model.norms) == (2 if norm == "batch" else 0)


@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
def test_hidden_layers_follow_the_policy(
    norm: Literal["batch", "spectral", "none"],
) -> None:
    config = dataclasses.replace(SMALL, discriminator_norm=norm)
    x = uniform(2, SIZE, SIZE, 2)
    z = uniform(2, 5)

    for policy, dtype in (("float32", tf.float32), ("mixed_bfloat16", tf.bfloat16)):
        maps = discriminator(config, policy).convolutions[0](x)
        assert maps.dtype == dtype
        assert generator(policy=policy).before_norm(z, 1, True).dtype == dtype


def test_bfloat16_networks_compute_about_the_same() -> None:
    wide, narrow = generator(), generator(policy="mixed_bfloat16")
    critic, narrow_critic = discriminator(), discriminator(policy="mixed_bfloat16")
    z = uniform(8, 5)

    pairs = wide(z, training=True)

    np.testing.assert_allclose(
        np.asarray(narrow(z, training=True)), np.asarray(pairs), atol=0.05
    )
    np.testing.assert_allclose(
        np.asarray(narrow_critic(pairs, training=True)),
        np.asarray(critic(pairs, training=True)),
        atol=0.05,
    )


@pytest.mark.parametrize("scale", [True, False])
def test_the_generator_is_the_chain_of_layers_of_tf_dcgan(scale: bool) -> None:
    model = generator(dataclasses.replace(SMALL, batch_norm_scale=scale))
    randomize(model)
    weights = {weight.path: weight.value for weight in model.variables}

    def normalized(x: Any, level: int) -> Any:
        mean, variance = tf.nn.moments(x, (0, 1, 2))
        gamma = weights[f"generator/norm_{level}/gamma"] if scale else 1.0
        beta = weights[f"generator/norm_{level}/beta"]
        return tf.nn.relu((x - mean) / tf.sqrt(variance + 1e-5) * gamma + beta)

    def enlarged(x: Any, level: int, maps: int) -> Any:
        shape = (x.shape[0], 2 * x.shape[1], 2 * x.shape[2], maps)
        kernel = weights[f"generator/upsampling_{level}/kernel"]
        return tf.nn.conv2d_transpose(x, kernel, shape, strides=2, padding="SAME")

    z = uniform(6, 5)
    x = z @ weights["generator/project/kernel"]
    x = normalized(tf.reshape(x, (6, 4, 4, 8)), 0)
    x = normalized(enlarged(x, 0, 6), 1)
    expected = tf.tanh(enlarged(x, 1, 2) + weights["generator/upsampling_1/bias"])

    pairs = model(z, training=True)

    np.testing.assert_allclose(np.asarray(pairs), np.asarray(expected), atol=1e-4)


RESIZED = dataclasses.replace(SMALL, upsampling="resize")


def test_resized_maps_are_repeated_and_convolved() -> None:
    model, plain = generator(RESIZED), generator()
    randomize(model)
    weights = {weight.path: weight.value for weight in model.variables}
    x = normalized = tf.nn.relu(model.norms[1](uniform(6, 8, 8, 6), training=True))

    maps = model.upsamplings[1](model.resize(x))

    repeated = np.asarray(normalized).repeat(2, axis=1).repeat(2, axis=2)
    kernel = weights["generator/upsampling_1/kernel"]
    expected = tf.nn.conv2d(repeated, kernel, 1, "SAME")
    expected += weights["generator/upsampling_1/bias"]
    np.testing.assert_allclose(np.asarray(maps), np.asarray(expected), atol=1e-4)
    # The same levels and as many weights.
    z = uniform(3, 5)
    for level in (0, 1):
        ours, theirs = (each.before_norm(z, level, True) for each in (model, plain))
        assert ours.shape == theirs.shape
    assert model.count_params() == plain.count_params()


def test_only_resized_maps_have_no_dotted_seams() -> None:
    # Odena et al. 2016: constant maps and kernels, away from the border.
    drawn = {}
    for config in (SMALL, RESIZED):
        model = generator(config)
        level = model.upsamplings[1]
        level.kernel.assign(tf.ones_like(level.kernel))
        x = tf.ones((1, 8, 8, 6))
        maps = level(model.resize(x) if model.resize else x)
        drawn[config.upsampling] = np.asarray(maps)[0, 4:-4, 4:-4, 0] / 6
    # A kernel of 5 at stride 2 covers 2 or 3 pixels along each axis.
    assert sorted(set(drawn["deconvolution"].ravel())) == [4, 6, 9]
    assert set(drawn["resize"].ravel()) == {25}


def test_a_resizing_generator_has_a_copy_in_standard_layers() -> None:
    model = generator(RESIZED)
    randomize(model)

    copy = model.standard_layer_copy()

    assert {type(each) for each in copy.upsamplings} == {keras.layers.Conv2D}
    z = uniform(3, 5)
    pairs, again = (np.asarray(each(z, training=True)) for each in (model, copy))
    np.testing.assert_allclose(pairs, again, atol=1e-5)


def test_the_discriminator_is_the_chain_of_layers_of_tf_dcgan() -> None:
    model = discriminator()
    randomize(model)
    weights = {weight.path: weight.value for weight in model.variables}
    pairs = uniform(6, SIZE, SIZE, 2)

    x = pairs
    for level in range(2):
        prefix = f"discriminator/convolution_{level}"
        x = tf.nn.conv2d(x, weights[f"{prefix}/kernel"], strides=2, padding="SAME")
        mean, variance = tf.nn.moments(x, (0, 1, 2))
        x = (x - mean) / tf.sqrt(variance + 1e-5)
        x *= weights[f"discriminator/norm_{level}/gamma"]
        x += weights[f"discriminator/norm_{level}/beta"]
        x = tf.maximum(x, 0.2 * x)
    flat = tf.reshape(x, (6, -1))
    expected = flat @ weights["discriminator/logits/kernel"]
    expected += weights["discriminator/logits/bias"]

    logits = model(pairs, training=True)

    np.testing.assert_allclose(np.asarray(logits), np.asarray(expected), atol=1e-3)


def test_the_logits_of_a_pair_depend_on_its_batch_in_training_alone() -> None:
    model = discriminator()
    randomize(model)
    pairs = uniform(6, SIZE, SIZE, 2)

    together = np.asarray(model(pairs, training=True))[:3]
    apart = np.asarray(model(pairs[:3], training=True))
    assert np.abs(together - apart).max() > 1e-2

    together = np.asarray(model(pairs, training=False))[:3]
    apart = np.asarray(model(pairs[:3], training=False))
    np.testing.assert_allclose(together, apart, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("level", [0, 1])
def test_the_maps_before_a_level_lead_to_the_pairs(level: int, training: bool) -> None:
    model = generator()
    randomize(model)
    z = uniform(4, 5)

    maps = model.before_norm(z, level, training)
    for norm, upsampling in zip(
        model.norms[level:], model.upsamplings[level:], strict=True
    ):
        maps = upsampling(keras.ops.relu(norm(maps, training=training)))

    np.testing.assert_array_equal(
        np.asarray(keras.ops.tanh(maps)), np.asarray(model(z, training=training))
    )


@pytest.mark.parametrize("through_json", [False, True])
def test_a_generator_is_built_again_from_its_configuration(through_json: bool) -> None:
    model = generator()
    settings = model.get_config()
    if through_json:
        # JSON, and so a `.keras` file, knows no tuples.
        settings = json.loads(json.dumps(settings))

    again = Generator.from_config(settings)

    assert again.get_config() == model.get_config()
    assert again.config == SMALL
    assert again.name == model.name
    # The same seed: the same initial weights.
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("name", "module"), MODULES.items())
def test_a_serializable_class_saves_its_constructor_arguments(
    name: str, module: str
) -> None:
    kind = getattr(importlib.import_module(module), name)

    assert keras.saving.get_registered_object(f"{PACKAGE}>{name}") is kind
    ours = [base for base in kind.__mro__ if base.__module__.startswith(PACKAGE)]
    added: set[str] = set()
    for base in ours:
        if "__init__" in vars(base):
            added |= set(inspect.signature(vars(base)["__init__"]).parameters)
    # These Keras saves by itself; on others it raises, or loses them.
    added -= {"self", "name", "dtype", "reduction"}
    assert not added or any("get_config" in vars(base) for base in ours)


def test_another_seed_gives_other_weights() -> None:
    ours = generator()
    theirs = Generator(SMALL, size=SIZE, seed=99, policy="float32")

    for a, b in zip(ours.trainable_variables, theirs.trainable_variables, strict=True):
        if a.path.endswith("/kernel"):
            assert np.abs(np.asarray(a) - np.asarray(b)).max() > 0.01


def test_the_deviation_of_a_group_is_a_map_of_its_own() -> None:
    x = np.random.default_rng(0).normal(size=(6, 2, 2, 3)).astype(np.float32)
    found = np.asarray(with_stddev(x, 2))
    assert found.shape == (6, 2, 2, 4)
    np.testing.assert_array_equal(found[..., :3], x)
    for index in range(6):
        # Pairs 0 and 3, 1 and 4, 2 and 5.
        expected = x[index % 3 :: 3].std(axis=0).mean()
        np.testing.assert_allclose(found[index, ..., 3], expected, rtol=1e-4)


def test_equal_pairs_have_no_deviation_and_finite_gradients() -> None:
    x = tf.Variable(np.ones((4, 2, 2, 3), np.float32))
    with tf.GradientTape() as tape:
        last = with_stddev(x, 4)[..., 3]
        total = tf.reduce_sum(last)
    assert np.asarray(last).max() < 1e-3
    assert np.isfinite(np.asarray(tape.gradient(total, x))).all()


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_discriminator_that_sees_deviations_notices_little_variety(
    policy: str,
) -> None:
    config = dataclasses.replace(SMALL, minibatch_stddev=4)
    network = discriminator(config, policy)
    plain = discriminator(SMALL, policy)
    assert network.count_params() == plain.count_params() + 2 * 4 * 4
    pairs = np.asarray(uniform(4, SIZE, SIZE, 2))
    alike = np.repeat(pairs[:1], 4, axis=0)
    mixed, same = (np.asarray(network(each)) for each in (pairs, alike))
    # The first pair is in both; only its company differs.
    assert not np.allclose(mixed[0], same[0], atol=1e-4)
    apart, together = (np.asarray(plain(each))[0] for each in (pairs, alike))
    np.testing.assert_allclose(apart, together, atol=1e-3)


CODED = dataclasses.replace(SMALL, z_dim=8, latent_codes=True)
SPECTRAL = dataclasses.replace(SMALL, discriminator_norm="spectral")


def test_a_z_that_points_at_a_code_gives_what_the_code_gives() -> None:
    network = generator(CODED, n_codes=5)
    z = -np.ones((5, 8), np.float32)
    z[np.arange(5), np.arange(5)] = 1

    mixed = np.asarray(network(z, training=True))
    reproduced = np.asarray(network.reproduce(np.arange(5, dtype=np.int32), z))

    np.testing.assert_allclose(mixed, reproduced, atol=0.02)
    assert np.ptp(mixed, axis=0).max() > 0.05


@pytest.mark.parametrize("count", [30, 145])
@pytest.mark.parametrize(
    ("temperature", "largest", "of_five"), [(1, 0.6, 0.95), (2, 0.4, 0.85)]
)
def test_mixtures_have_the_temperature_of_the_configuration(
    count: int, temperature: float, largest: float, of_five: float
) -> None:
    config = dataclasses.replace(SMALL, z_dim=count, latent_temperature=temperature)
    codes = LatentCodes(count, config, seed=0)
    codes.codes.assign(np.eye(count))
    z = np.asarray(uniform(2000, count))
    shares = np.sort(np.asarray(codes(z)) - 0.2 * z, axis=1)[:, ::-1]

    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-4)
    assert shares.min() >= -1e-6
    assert shares[:, 0].mean() == pytest.approx(largest, abs=0.05)
    # Copies of one case are rare, and so are mixtures of many.
    assert (shares[:, 0] > 0.95).mean() < 0.1
    assert shares[:, :5].sum(axis=1).mean() > of_five


def test_a_generator_with_codes_is_built_again_from_its_configuration() -> None:
    network = generator(CODED, n_codes=5)
    copy = network.standard_layer_copy()

    assert [weight.path for weight in copy.weights] == [
        weight.path for weight in network.weights
    ]
    z = uniform(4, 8)
    np.testing.assert_allclose(
        np.asarray(copy(z, training=True)),
        np.asarray(network(z, training=True)),
        atol=1e-5,
    )
    assert network.count_params() == (generator(CODED).count_params() + 5 * 8)


# Random streams


@pytest.mark.parametrize(
    "network",
    [
        lambda: generator(CODED, n_codes=5),
        lambda: discriminator(
            dataclasses.replace(SMALL, discriminator_norm="spectral")
        ),
    ],
)
def test_no_two_initializers_draw_the_same_stream(network: Any) -> None:
    # One stream gives standard scores that are equal up to the sample's deviation.
    weights = {
        path: np.asarray(weight).ravel()[:2]
        for path, weight in ((w.path, w) for w in network().variables)
        if path.endswith(("kernel", "codes", "singular_vector"))
    }
    ratios = {path: round(float(a / b), 3) for path, (a, b) in weights.items()}

    assert len(weights) >= 4
    assert len(set(ratios.values())) == len(ratios), ratios


def test_latent_codes_leave_all_other_weights_as_they_are() -> None:
    without, coded = generator(CODED), generator(CODED, n_codes=5)
    ours = {weight.path: np.asarray(weight) for weight in coded.variables}
    for weight in without.variables:
        np.testing.assert_array_equal(ours[weight.path], np.asarray(weight))


def test_the_logits_have_a_standard_deviation_of_their_own() -> None:
    config = dataclasses.replace(SMALL, logits_init_stddev=0.02, init_stddev=0.3)

    network = discriminator(config)

    kernels = {w.path: np.asarray(w) for w in network.variables if "kernel" in w.path}
    stddevs = {path: float(kernel.std()) for path, kernel in kernels.items()}
    assert stddevs.pop("discriminator/logits/kernel") == pytest.approx(0.02, rel=0.2)
    assert all(value == pytest.approx(0.3, rel=0.2) for value in stddevs.values())


def test_a_discriminator_is_built_again_from_its_configuration() -> None:
    network = discriminator(SPECTRAL)

    again = Discriminator.from_config(json.loads(json.dumps(network.get_config())))

    assert again.config == SPECTRAL
    for ours, theirs in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_spectral_convolution_is_built_again_from_its_configuration() -> None:
    layer = spectral()

    again = SpectralConv.from_config(layer.get_config())
    again.build((None, 8, 8, 3))

    for ours, theirs in zip(layer.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_pairs_are_split_by_the_scaling_and_rounding_of_the_configuration() -> None:
    pairs = np.array([[[[-1.0, 0.996]]]], np.float32)
    authors = dataclasses.replace(SMALL, pixel_scaling="authors", pixel_rounding="down")

    ours, theirs = generator().split(pairs), generator(authors).split(pairs)

    # (0.996 + 1) x 127.5 = 254.49; (0.996 + 1) x 128 = 255.488
    assert [int(plane.item()) for plane in ours] == [0, 254]
    assert [int(plane.item()) for plane in theirs] == [0, 255]
    lower = generator(dataclasses.replace(authors, pixel_scaling="paper"))
    assert int(lower.split(pairs - np.float32(0.001))[1].item()) == 254
