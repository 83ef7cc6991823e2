import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tests.gan.small import (
    CARD,
    PROVENANCE,
    SEED,
    SIZE,
    SMALL,
    Z_DIM,
    make_generator,
    noise,
)
from tfgansynth.arrays import split_pair
from tfgansynth.gan.exchange.export import (
    compare_frozen,
    export_generator,
    freeze_moments,
)
from tfgansynth.gan.networks import Generator
from tfgansynth.runtime import storage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(frozen: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds `generator/` and `generator.keras`."""
    folder = tmp_path_factory.mktemp("gan")
    export_generator(frozen, PROVENANCE, CARD, folder)
    return folder


# Frozen moments


def test_the_moments_of_the_first_level_are_those_of_1024_noise_vectors(
    frozen: Generator,
) -> None:
    z = noise(1024, SEED).astype(np.float64)
    maps = z @ np.asarray(frozen.project.kernel)
    per_map = maps.reshape(-1, SMALL.generator_maps[0])

    norm = frozen.norms[0]

    np.testing.assert_allclose(norm.population_mean, per_map.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(norm.population_variance, per_map.var(axis=0), rtol=1e-4)


def test_variances_far_below_the_squared_mean_are_measured() -> None:
    generator = make_generator()
    generator.norms[0].beta.assign(np.full(SMALL.generator_maps[0], 1e4, np.float32))
    # One equal weight for each of the four places that a place becomes.
    kernel = np.zeros(generator.upsamplings[0].kernel.shape, np.float32)
    kernel[1:3, 1:3] = 0.1
    generator.upsamplings[0].kernel.assign(kernel)

    freeze_moments(generator, seed=SEED)

    maps = np.asarray(
        generator.before_norm(noise(1024, SEED), 1, training=False), np.float64
    )
    means, variances = maps.mean(axis=(0, 1, 2)), maps.var(axis=(0, 1, 2))
    assert np.all(means**2 > 1e9 * variances)
    norm = generator.norms[1]
    np.testing.assert_allclose(norm.population_mean, means, rtol=1e-6)
    np.testing.assert_allclose(norm.population_variance, variances, rtol=1e-3)


def test_a_frozen_generator_is_the_limit_of_a_large_batch(frozen: Generator) -> None:
    # All noise vectors of the population as one batch: its moments are theirs.
    z = noise(1024, SEED)

    as_one_batch = np.asarray(frozen(z, training=True))

    np.testing.assert_allclose(
        np.asarray(frozen(z, training=False)), as_one_batch, atol=1e-4
    )
    # A small batch has moments of its own.
    small = np.asarray(frozen(z[:8], training=True))
    assert np.abs(small - as_one_batch[:8]).max() > 0.02


def test_freezing_leaves_the_trained_weights(frozen: Generator) -> None:
    for ours, theirs in zip(
        frozen.trainable_variables, make_generator().trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_the_report_measures_how_far_freezing_moves_the_samples(
    frozen: Generator,
) -> None:
    report = compare_frozen(frozen, batch=16, mask_threshold=120, seed=6)

    z = noise(16, 6)
    batch, still = (
        split_pair(np.asarray(frozen(z, training=training)))
        for training in (True, False)
    )
    difference = np.abs(batch[0].astype(int) - still[0].astype(int)).mean()
    agreement = np.mean((batch[1] >= 120) == (still[1] >= 120))
    assert report.n_population == 1024
    assert report.n_compared == 16
    assert report.image_difference == pytest.approx(difference, rel=1e-5)
    assert report.mask_agreement == pytest.approx(agreement, rel=1e-6)
    assert difference > 0.1
    assert 0.5 < agreement < 1


# The SavedModel

FOREIGN_PROGRAM = """
import sys
sys.modules["tfgansynth"] = None  # an import of it raises, installed or not
import numpy as np
import tensorflow as tf

folder, result = sys.argv[1:]
model = tf.saved_model.load(folder)
z = np.load(result + "/z.npy")
pairs = model.signatures["serving_default"](z=tf.constant(z))["pairs"]
one = model.signatures["serving_default"](z=tf.constant(z[2:3]))["pairs"]
def sample(seed, count):
    return model.signatures["sample"](
        seed=tf.constant(seed, tf.int64), count=tf.constant(count))
few, many, other = sample(1, 3), sample(1, 8), sample(2, 3)
assert "keras" not in type(model).__module__
np.savez(result + "/foreign.npz", pairs=pairs, one=one,
         few_images=few["images"], few_masks=few["masks"],
         many_images=many["images"], many_masks=many["masks"],
         other_images=other["images"])
"""


@pytest.fixture(scope="module")
def foreign(
    exported: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, NDArray[Any]]:
    """What a program without this package draws from the SavedModel."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    np.save(elsewhere / "z.npy", noise(6))
    program = elsewhere / "program.py"
    program.write_text(FOREIGN_PROGRAM)
    command = [sys.executable, program.name, str(exported / "generator"), "."]
    environment = {**os.environ, "PYTHONPATH": "", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, cwd=elsewhere, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(elsewhere / "foreign.npz") as arrays:
        return dict(arrays)


def test_a_program_without_this_package_draws_the_generators_pairs(
    foreign: dict[str, NDArray[Any]], frozen: Generator
) -> None:
    assert foreign["pairs"].dtype == np.float32
    assert foreign["pairs"].shape == (6, SIZE, SIZE, 2)
    expected = np.asarray(frozen(noise(6), training=False))
    np.testing.assert_allclose(foreign["pairs"], expected, atol=1e-5)
    assert expected.std() > 0.1


def test_a_pair_depends_on_its_z_alone(
    foreign: dict[str, NDArray[Any]],
) -> None:
    np.testing.assert_allclose(foreign["one"][0], foreign["pairs"][2], atol=1e-5)


def test_a_program_without_this_package_draws_bytes_by_seed_and_count(
    foreign: dict[str, NDArray[Any]],
) -> None:
    for name in ("few_images", "few_masks"):
        assert foreign[name].dtype == np.uint8
        assert foreign[name].shape == (3, SIZE, SIZE)
        assert foreign[name].std() > 10
    assert foreign["many_images"].shape == (8, SIZE, SIZE)
    assert np.any(foreign["few_images"] != foreign["few_masks"])
    # Eight samples, eight images.
    assert len({image.tobytes() for image in foreign["many_images"]}) == 8


def test_the_first_samples_do_not_depend_on_the_count(
    foreign: dict[str, NDArray[Any]],
) -> None:
    for kind in ("images", "masks"):
        few, many = foreign[f"few_{kind}"], foreign[f"many_{kind}"]
        # Another batch size may sum in another order: one grey level at most.
        difference = np.abs(few.astype(int) - many[:3].astype(int))
        assert difference.max() <= 1
        assert difference.mean() < 0.01
    assert np.any(foreign["other_images"] != foreign["few_images"])


def test_the_drawn_bytes_are_the_pairs_of_uniform_noise(
    frozen: Generator, exported: Path
) -> None:
    model = tf.saved_model.load(str(exported / "generator"))
    z = np.stack(
        [
            tf.random.stateless_uniform((Z_DIM,), [5, index], -1.0, 1.0)
            for index in range(4)
        ]
    )

    drawn = model.signatures["sample"](
        seed=tf.constant(5, tf.int64), count=tf.constant(4)
    )

    images, masks = split_pair(np.asarray(frozen(z, training=False)))
    for ours, expected in ((drawn["images"], images), (drawn["masks"], masks[..., 0])):
        difference = np.abs(np.asarray(ours).astype(int) - expected)
        assert difference.max() <= 1
        assert difference.mean() < 0.01


# The other files


def test_the_keras_file_gives_the_same_pairs(exported: Path, frozen: Generator) -> None:
    model = keras.models.load_model(exported / "generator.keras", safe_mode=True)

    assert type(model) is Generator
    assert model.config == SMALL
    for ours, theirs in zip(model.get_weights(), frozen.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for training in (True, False):
        np.testing.assert_allclose(
            np.asarray(model(noise(4), training=training)),
            np.asarray(frozen(noise(4), training=training)),
            atol=1e-6,
        )


def test_the_card_lies_beside_both_models(exported: Path) -> None:
    for name in ("model_card.md", "generator/model_card.md"):
        assert (exported / name).read_text() == CARD


def test_nothing_unfinished_is_left_behind_and_an_export_replaces_the_last(
    frozen: Generator, exported: Path
) -> None:
    def files() -> set[str]:
        return {path.name for path in exported.iterdir()}

    assert files() == {"generator", "generator.keras", "model_card.md"}
    stale = exported / "generator" / "stale"
    stale.touch()

    export_generator(frozen, PROVENANCE, CARD, exported)

    assert not stale.exists()
    assert files() == {"generator", "generator.keras", "model_card.md"}
    provenance = storage.read_record(exported / "generator" / "provenance.json")
    assert sorted(provenance.pop("files")) == [
        "generator.safetensors",
        "model_card.md",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    assert provenance == PROVENANCE


EXPORT = """
import sys
from pathlib import Path
from tests.gan.small import PROVENANCE, CARD, SEED, make_generator
from tfgansynth.gan.exchange.export import export_generator, freeze_moments
generator = make_generator()
freeze_moments(generator, seed=SEED)
export_generator(generator, PROVENANCE, CARD, Path(sys.argv[1]))
"""


def test_the_same_program_exports_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        command = [sys.executable, "-c", EXPORT, str(folder)]
        root = Path(__file__).parents[3]
        subprocess.run(command, cwd=root, check=True, capture_output=True)

    first, second = map(storage.hash_folder, folders)
    assert len(first) == 8
    assert first == second


@pytest.mark.parametrize("upsampling", ["deconvolution", "resize"])
def test_a_generator_in_bfloat16_is_exported_with_float32_pairs(
    tmp_path: Path, upsampling: Literal["deconvolution", "resize"]
) -> None:
    config = dataclasses.replace(SMALL, upsampling=upsampling)
    generator = Generator(config, size=SIZE, seed=3, policy="mixed_bfloat16")
    freeze_moments(generator, seed=SEED)

    export_generator(generator, PROVENANCE, CARD, tmp_path)

    model = tf.saved_model.load(str(tmp_path / "generator"))
    z = tf.constant(noise(3))
    pairs = model.signatures["serving_default"](z=z)["pairs"]
    assert pairs.dtype == tf.float32
    np.testing.assert_allclose(pairs, generator(z, training=False), atol=0.02)
