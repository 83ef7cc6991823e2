import dataclasses

import numpy as np
import pytest

from tfgansynth.arrays import FloatArray
from tfgansynth.config import GANConfig
from tfgansynth.evaluation.generative_metrics import feature_figures
from tfgansynth.gan.recording import block_means, fidelity_figures

SIDE = 32
CONFIG = GANConfig(z_dim=5)
NAMES = ["precision", "recall", "density", "coverage", "kid"]


def pairs(n: int, seed: int, level: float = 0.0) -> FloatArray:
    """Pairs whose features vary: a coarse pattern, enlarged."""
    coarse = np.random.default_rng(seed).normal(level, 0.2, (n, 4, 4, 2))
    fine = np.kron(coarse, np.ones((1, 8, 8, 1)))
    return np.asarray(np.clip(fine, -1, 1), np.float32)


def as_drawn(generated: FloatArray, z: FloatArray) -> FloatArray:
    """What a generator makes whose z are indices."""
    chosen = np.argsort(z[:, 0], kind="stable") % len(generated)
    return np.asarray(generated[chosen])


def test_features_are_the_means_of_blocks_of_image_and_mask() -> None:
    pair = np.zeros((1, SIDE, SIDE, 2), np.float32)
    pair[0, :2, 2:4] = (0.5, -1)  # one block of 2 x 2 pixels
    pair[0, 31, 31] = (1, 0.25)  # a quarter of another

    image, mask = block_means(pair, 16).reshape(2, 16, 16)

    for plane, block, corner in ((image, 0.5, 0.25), (mask, -1, 0.0625)):
        expected = np.zeros((16, 16), np.float32)
        expected[0, 1], expected[15, 15] = block, corner
        np.testing.assert_array_equal(plane, expected)


def test_small_pairs_are_their_own_features() -> None:
    pair = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 2)).astype(np.float32)

    expected = np.moveaxis(pair, -1, 1).reshape(3, -1)
    np.testing.assert_array_equal(block_means(pair, 16), expected)


@pytest.mark.parametrize(("n", "drawn"), [(12, 16), (20, 20), (150, 150)])
def test_as_many_are_drawn_as_there_are_cases_and_always_the_same(
    n: int, drawn: int
) -> None:
    asked: list[FloatArray] = []

    def draw(z: FloatArray) -> FloatArray:
        asked.append(z)
        return pairs(len(z), seed=2)

    for _ in range(2):
        fidelity_figures(pairs(n, seed=1), draw, CONFIG)

    first, second = np.split(np.concatenate(asked), 2)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (drawn, 5)
    assert first.dtype == np.float32
    assert np.abs(first).max() <= 1
    assert len(np.unique(first)) == first.size
    assert max(map(len, asked)) <= 64
    # No batch whose moments would be of a few pairs only.
    assert min(map(len, asked)) >= 16


def test_figures_are_those_of_the_features_of_all_that_is_drawn() -> None:
    validation, generated = pairs(70, seed=1), pairs(70, seed=2, level=0.1)
    rest = iter(np.split(generated, [35]))

    found = fidelity_figures(validation, lambda z: next(rest), CONFIG)

    expected = feature_figures(block_means(validation, 16), block_means(generated, 16))
    assert found == {
        f"fidelity/{name}": value
        for name, value in dataclasses.asdict(expected).items()
    }


def test_figures_tell_good_collapsed_and_wrong_generators_apart() -> None:
    validation = pairs(20, seed=1)

    def figures_of(generated: FloatArray) -> dict[str, float]:
        found = fidelity_figures(validation, lambda z: as_drawn(generated, z), CONFIG)
        return {name: found[f"fidelity/{name}"] for name in NAMES}

    good, wrong = (
        figures_of(pairs(20, seed=2)),
        figures_of(pairs(20, seed=2, level=0.8)),
    )
    one = pairs(1, seed=2)
    noise = np.random.default_rng(3).normal(0, 1e-3, (20, SIDE, SIDE, 2))
    collapsed = figures_of((one + noise).astype(np.float32))

    assert good["kid"] < collapsed["kid"] < wrong["kid"]
    assert good["coverage"] > collapsed["coverage"] > wrong["coverage"] == 0
    assert good["recall"] > 0.5 > collapsed["recall"] == 0


@pytest.mark.parametrize("validation", [pairs(11, seed=1), np.ones((20, 8, 8, 2))])
def test_no_figures_without_enough_different_cases(validation: FloatArray) -> None:
    def draw(z: FloatArray) -> FloatArray:
        raise AssertionError("drew for no figures")

    assert fidelity_figures(validation, draw, CONFIG) == {}


def test_blocks_and_least_pairs_are_those_of_the_configuration() -> None:
    config = dataclasses.replace(CONFIG, fidelity_blocks=4, fidelity_pairs=30)
    validation, generated = pairs(20, seed=1), pairs(30, seed=2)
    asked: list[tuple[int, ...]] = []

    def draw(z: FloatArray) -> FloatArray:
        asked.append(z.shape)
        return generated

    found = fidelity_figures(validation, draw, config)

    assert asked == [(30, 5)]
    expected = feature_figures(block_means(validation, 4), block_means(generated, 4))
    assert found["fidelity/kid"] == expected.kid
