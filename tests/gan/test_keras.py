"""What a Keras user expects of a model, of the GAN: in every case to the bit."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tests.event_files import points
from tfgansynth.config import GANConfig
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.losses import minimax
from tfgansynth.presets import PRESETS

pytestmark = pytest.mark.slow

SIZE, BATCH = 16, 4
# All that has a state: averages, singular vectors, codes with their cases.
ALL = GANConfig(
    z_dim=12,
    latent_codes=True,
    generator_maps=(8, 6),
    discriminator_maps=(6, 8),
    discriminator_norm="spectral",
    loss="hinge",
    augment="differentiable",
    augment_shift=2,
    augment_cutout=4,
    average_decay=0.995,
    batch=BATCH,
)
PLAIN = dataclasses.replace(
    ALL, latent_codes=False, discriminator_norm="batch", average_decay=0.0
)
PAIRS = np.random.default_rng(0).uniform(-1, 1, (12, SIZE, SIZE, 2)).astype(np.float32)
ROUNDING = 1e-5
"""TensorFlow compiles another graph where it does not know the size of a batch."""
Z = np.random.default_rng(1).uniform(-1, 1, (3, 12)).astype(np.float32)


def make(config: GANConfig = ALL) -> DCGAN:
    gan = DCGAN(config, size=SIZE, seed=1, n_cases=len(PAIRS))
    gan.compile()
    gan.set_cases(PAIRS)
    return gan


def batches() -> Any:
    return tf.data.Dataset.from_tensor_slices(PAIRS).batch(BATCH, drop_remainder=True)


def fit(gan: DCGAN, data: Any = None, **options: Any) -> Any:
    return gan.fit(
        batches() if data is None else data, verbose=0, shuffle=False, **options
    )


@pytest.fixture(scope="module")
def fitted() -> DCGAN:
    """A GAN after an epoch, to compare with only."""
    gan = make()
    fit(gan)
    return gan


def state_of(gan: DCGAN) -> dict[str, NDArray[Any]]:
    state = {name: np.asarray(value).copy() for name, value in gan.state().items()}
    if gan.cases is not None:
        state["cases"] = np.asarray(gan.cases).copy()
    return state


def assert_same(ours: DCGAN, theirs: DCGAN, tolerance: float = 0.0) -> None:
    our_state, their_state = state_of(ours), state_of(theirs)
    assert our_state.keys() == their_state.keys()
    for name, array in our_state.items():
        np.testing.assert_allclose(
            array, their_state[name], rtol=0, atol=tolerance, err_msg=name
        )
    np.testing.assert_allclose(
        np.asarray(ours(Z)), np.asarray(theirs(Z)), rtol=0, atol=tolerance
    )


def test_the_preset_for_tests_fits_with_defaults() -> None:
    gan = DCGAN(PRESETS["smoke"].gan, size=128, seed=0)
    gan.compile()
    pairs = np.zeros((2, 128, 128, 2), np.float32)

    # Any warning fails a test: a data set needs no further option.
    history = gan.fit(tf.data.Dataset.from_tensors(pairs), verbose=0)

    assert int(gan.step) == 1
    assert np.isfinite(history.history["loss/generator"]).all()


def test_compile_takes_optimizers_and_loss_of_the_configuration_or_its_own() -> None:
    gan = make(dataclasses.replace(PLAIN, loss="minimax", generator_rate=0.25))

    assert gan.optimizer is None  # Keras's default would be a third one
    assert float(gan.g_optimizer.learning_rate) == 0.25
    assert float(gan.d_optimizer.learning_rate) == np.float32(4e-4)
    assert gan.loss_function is minimax

    gan.compile(g_optimizer="sgd", d_optimizer=keras.optimizers.SGD(0.5), loss="hinge")

    assert type(gan.g_optimizer) is keras.optimizers.SGD
    assert float(gan.d_optimizer.learning_rate) == 0.5
    assert gan.loss_function is not minimax
    assert gan.metrics == []


@pytest.mark.parametrize("config", [ALL, PLAIN])
def test_fit_takes_the_steps_of_train_step(config: GANConfig) -> None:
    ours, theirs = make(config), make(config)
    step = tf.function(theirs.train_step)

    history = fit(ours, epochs=2)
    scalars = [step(batch) for _ in range(2) for batch in batches()]

    assert_same(ours, theirs)
    assert int(ours.step) == 6
    for name, values in history.history.items():
        assert values == [float(scalars[last][name]) for last in (2, 5)]


def from_generator() -> Any:
    def pairs() -> Any:
        yield from (PAIRS[:4], PAIRS[4:8], PAIRS[8:])

    spec = tf.TensorSpec((None, None, None, None), tf.float32)
    data = tf.data.Dataset.from_generator(pairs, output_signature=spec)
    return data.apply(tf.data.experimental.assert_cardinality(3))


@pytest.mark.parametrize(
    "data",
    [
        from_generator,
        lambda: PAIRS,
        lambda: batches().map(lambda pairs: (pairs,)),
        lambda: tf.data.Dataset.from_tensor_slices(PAIRS.astype(np.float64)).batch(4),
    ],
    ids=["no static shape", "array", "tuples", "float64"],
)
def test_fit_takes_any_batched_pairs(data: Callable[[], Any], fitted: DCGAN) -> None:
    ours = make()
    source = data()
    options = {"batch_size": BATCH} if isinstance(source, np.ndarray) else {}

    fit(ours, source, **options)

    assert_same(ours, fitted, ROUNDING)


def test_the_last_mini_batch_may_be_smaller() -> None:
    ours, theirs = make(), make()

    fit(ours, tf.data.Dataset.from_tensor_slices(PAIRS).batch(5))
    for first in (0, 5, 10):
        theirs.train_step(tf.constant(PAIRS[first : first + 5]))

    assert int(ours.step) == 3
    assert_same(ours, theirs, ROUNDING)


def test_pairs_of_another_size_or_with_a_target_are_refused() -> None:
    gan = make()
    with pytest.raises(ValueError, match="alone, got a target"):
        fit(gan, batches().map(lambda pairs: (pairs, pairs)))
    with pytest.raises(ValueError, match=r"expected mini-batches of pairs \(m, 16, 16"):
        gan.train_step(tf.zeros((4, 8, 8, 2)))


@pytest.mark.parametrize("config", [ALL, PLAIN])
def test_a_call_draws_pairs_of_the_sampled_weights(config: GANConfig) -> None:
    gan = make(config)
    fit(gan)

    pairs = np.asarray(gan(Z))

    assert pairs.shape == (3, SIZE, SIZE, 2)
    expected = np.asarray(gan.sampling_generator()(Z, training=True))
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_allclose(gan.predict(Z, verbose=0), pairs, atol=1e-6)


def test_a_gan_is_built_again_from_its_configuration() -> None:
    gan = make()

    again = DCGAN.from_config(gan.get_config())
    again.compile()
    again.set_cases(PAIRS)

    assert again.get_config() == gan.get_config()
    assert_same(again, gan)


@pytest.mark.parametrize("config", [ALL, PLAIN])
def test_a_saved_model_loads_and_continues_its_training(
    config: GANConfig, tmp_path: Path
) -> None:
    gan = make(config)
    gan.compile(d_optimizer=keras.optimizers.SGD(0.01, momentum=0.5), loss="minimax")
    fit(gan)
    gan.save(tmp_path / "gan.keras")

    again = keras.saving.load_model(tmp_path / "gan.keras")

    assert type(again) is DCGAN
    assert_same(again, gan)
    fit(gan)
    fit(again)
    assert_same(again, gan)


def test_a_critic_and_resized_maps_are_saved_and_continue(tmp_path: Path) -> None:
    config = dataclasses.replace(
        PLAIN, loss="wgan_gp", discriminator_norm="none", upsampling="resize"
    )
    gan, batch = make(config), tf.constant(PAIRS[:BATCH])
    gan.train_step(batch)
    gan.save(tmp_path / "gan.keras")

    again = keras.saving.load_model(tmp_path / "gan.keras")

    assert again.config == config
    ours, theirs = (each.train_step(batch) for each in (gan, again))
    assert float(ours["loss/gradient_penalty"]) == float(
        theirs["loss/gradient_penalty"]
    )
    assert_same(again, gan)


def test_an_uncompiled_model_is_saved_and_loaded_too(tmp_path: Path) -> None:
    gan = DCGAN(PLAIN, size=SIZE, seed=1)
    gan.save(tmp_path / "gan.keras")

    again = keras.saving.load_model(tmp_path / "gan.keras")

    np.testing.assert_array_equal(np.asarray(again(Z)), np.asarray(gan(Z)))
    assert not again.compiled


def test_saved_weights_are_the_whole_state(tmp_path: Path) -> None:
    gan, again = make(), make()
    fit(gan)
    gan.save_weights(tmp_path / "gan.weights.h5")
    assert again.cases is not None
    again.cases.assign(0 * PAIRS)

    again.load_weights(tmp_path / "gan.weights.h5")

    assert_same(again, gan)
    fit(gan)
    fit(again)
    assert_same(again, gan)


@pytest.mark.parametrize("config", [ALL, PLAIN])
def test_backup_and_restore_resumes_to_the_bit(
    config: GANConfig, tmp_path: Path
) -> None:
    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    whole, killed, resumed = make(config), make(config), make(config)
    fit(whole, epochs=4)
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(killed, epochs=4, callbacks=[backup, Killed()])
    assert int(killed.step) == 6

    fit(resumed, epochs=4, callbacks=[keras.callbacks.BackupAndRestore(tmp_path)])

    assert int(resumed.step) == 12
    assert_same(resumed, whole)


def test_keras_own_tensorboard_callback_works(tmp_path: Path) -> None:
    board = keras.callbacks.TensorBoard(tmp_path, histogram_freq=1, update_freq=1)

    fit(make(), epochs=2, callbacks=[board])

    losses = {
        step: value
        for (tag, step), value in points(tmp_path / "train").items()
        if tag == "epoch_loss/generator"
    }
    assert sorted(losses) == [0, 1]
    assert np.isfinite(list(losses.values())).all()


def test_steps_may_be_executed_several_at_a_time(fitted: DCGAN) -> None:
    ours = make()
    ours.compile(steps_per_execution=3)

    fit(ours)

    assert_same(ours, fitted)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (((PAIRS + 1) * 127).astype(np.uint8), r"pairs in \[-1, 1\], got .* uint8"),
        (PAIRS[..., :1], r"\(m, 16, 16, 2\), got \(4, 16, 16, 1\)"),
        (PAIRS[:, :8, :8], r"\(m, 16, 16, 2\), got \(4, 8, 8, 2\)"),
    ],
)
def test_what_is_no_pair_is_named(pairs: NDArray[Any], words: str) -> None:
    data = tf.data.Dataset.from_tensor_slices(pairs).batch(BATCH, drop_remainder=True)
    with pytest.raises(ValueError, match=words):
        fit(make(), data)


def test_a_size_that_cannot_be_halved_is_named() -> None:
    with pytest.raises(ValueError, match="size 18: expected a multiple of 4"):
        DCGAN(PLAIN, size=18, seed=0)
