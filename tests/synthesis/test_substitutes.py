"""The control of a synthetic set: whole training cases, none preferred."""

import numpy as np

from tfgansynth.synthesis.sampling import draw_z
from tfgansynth.synthesis.substitutes import case_sampler

N_CASES, SIDE = 30, 4
IMAGES = np.arange(N_CASES, dtype=np.float32)[:, None, None] + np.zeros(
    (N_CASES, SIDE, SIDE), np.float32
)
MASKS = (IMAGES % 2).astype(np.uint8)


def test_each_case_is_drawn_as_often_as_any_other() -> None:
    images, _ = case_sampler(IMAGES, MASKS, 1)(draw_z(0, 0, 30_000, 100))
    counts = np.bincount(images[:, 0, 0], minlength=N_CASES)
    assert len(counts) == N_CASES
    # A binomial count strays by 31 from 1000 on average.
    assert np.abs(counts - 1000).max() < 5 * 31


def test_image_and_mask_are_of_one_case() -> None:
    images, greys = case_sampler(IMAGES, MASKS, 1)(draw_z(0, 0, 100, 3))
    assert images.dtype == greys.dtype == np.uint8
    assert images.shape == (100, SIDE, SIDE)
    assert greys.shape == (100, SIDE, SIDE, 1)
    assert set(np.unique(greys)) == {0, 255}
    np.testing.assert_array_equal(greys[..., 0] == 255, images % 2 == 1)


def test_the_ends_of_the_noise_are_the_first_and_the_last_case() -> None:
    z = np.array([[-1], [np.nextafter(np.float32(1), np.float32(0))]], np.float32)
    images, _ = case_sampler(IMAGES, MASKS, 1)(z)
    assert images[:, 0, 0].tolist() == [0, N_CASES - 1]


def test_grey_values_are_rounded() -> None:
    images, _ = case_sampler(IMAGES[:1] + 0.6, MASKS[:1], 1)(draw_z(0, 0, 2, 1))
    assert (images == 1).all()
