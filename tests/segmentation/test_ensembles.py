"""One ensemble gives masks; of the other, no network segments what it has seen."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, FloatArray
from tfgansynth.data.copies.distances import Pairs, distances
from tfgansynth.segmentation.ensembles import CrossFittedEnsemble, PseudoLabelEnsemble
from tfgansynth.synthesis.substitutes import relabel

SIDE = 32


class Marker:
    """A network that finds one row of every image: its own."""

    def __init__(self, row: int) -> None:
        self.row = row

    def __call__(self, inputs: Any, training: bool) -> Any:
        logits = np.zeros((*inputs.shape[:3], 2), np.float32)
        logits[:, self.row, :, 1] = 1
        return logits


@pytest.fixture(scope="module")
def training() -> Pairs:
    rng = np.random.default_rng(0)
    images = np.kron(rng.uniform(0, 255, (6, 8, 8)), np.ones((4, 4)))
    return images.astype(np.float32), (images > 128).astype(np.uint8)


@pytest.fixture(scope="module")
def ensemble() -> CrossFittedEnsemble:
    parts = np.array([0, 3]), np.array([1, 5]), np.array([2, 4])
    return CrossFittedEnsemble(parts, tuple(map(Marker, range(3))), {})


def row_found(masks: Any) -> list[int]:
    assert (masks.sum(axis=(1, 2)) == SIDE).all()
    return [int(np.flatnonzero(mask.all(axis=1))[0]) for mask in masks]


def test_each_case_is_segmented_by_who_has_not_seen_it(
    ensemble: CrossFittedEnsemble, training: Pairs
) -> None:
    found = ensemble.segment(training[0], np.arange(6))
    assert row_found(found) == [0, 1, 2, 0, 2, 1]
    found = ensemble.segment(training[0][:3], np.array([4, 4, 0]))
    assert row_found(found) == [2, 2, 0]


def test_a_pair_is_segmented_by_who_has_not_seen_its_nearest_case(
    ensemble: CrossFittedEnsemble, training: Pairs
) -> None:
    rng = np.random.default_rng(1)
    images, _ = training
    # Nearly cases 5, 2, 0 and 1, whose networks mark rows 1, 2, 0 and 1.
    noise = rng.normal(0, 3, (4, SIDE, SIDE))
    nearly: NDArray[Any] = images[[5, 2, 0, 1]] * 0.9 + noise
    rows = np.zeros((4, SIDE, SIDE), np.uint8)
    rows[np.arange(4), [1, 2, 0, 2]] = 1
    nearest = distances(training, (nearly, rows))["image"].argmin(axis=1)
    assert row_found(ensemble.segment(nearly, nearest)) == [1, 2, 0, 1]


class Prediction:
    """A network that predicts the same of all pixels: log odds of the foreground."""

    def __init__(self, odds: float) -> None:
        self.odds = odds

    def __call__(self, inputs: Any, training: bool) -> Any:
        # Of bright images the contrary.
        bright = np.asarray(inputs).mean(axis=(1, 2, 3)) > 0
        sign = np.where(bright, -1, 1)[:, None, None]
        logits = np.zeros((*inputs.shape[:3], 2), np.float32)
        logits[..., 1] = sign * self.odds
        return logits


def pseudo_labels(*odds: float) -> PseudoLabelEnsemble:
    return PseudoLabelEnsemble(tuple(map(Prediction, odds)), {})


def stack(*greys: int) -> ByteArray:
    return np.stack([np.full((4, 4), grey, np.uint8) for grey in greys])


def test_the_mean_of_probabilities_decides() -> None:
    images = stack(0, 255)
    # One that is sure outweighs two that hardly lean: .98, .45, .45.
    found = pseudo_labels(4, -0.2, -0.2).segment(images)
    assert (found[0].all(), found[1].any()) == (True, False)
    # Logits would say yes here, probabilities say no: .9999, .2, .2.
    found = pseudo_labels(9, -1.4, -1.4).segment(images)
    assert (found[0].any(), found[1].all()) == (False, True)


def test_relabelled_pairs_keep_their_images() -> None:
    noise: list[FloatArray] = []

    def sampler(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        noise.append(z)
        return stack(10, 200, 30), stack(0, 0, 0)

    z = np.zeros((3, 2), np.float32)
    images, masks = relabel(sampler, pseudo_labels(1).segment, 1)(z)

    assert noise[0] is z
    np.testing.assert_array_equal(images, stack(10, 200, 30))
    np.testing.assert_array_equal(masks[..., 0], stack(255, 0, 255))
    assert masks.dtype == np.uint8
