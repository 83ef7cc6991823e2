from collections.abc import Callable

import numpy as np
import pytest

from tfgansynth.arrays import (
    FloatArray,
    one_hot,
    resize_area,
    resize_bilinear,
    split_pair,
    stack_pair,
    to_bytes,
    to_signed,
)

ALL_BYTES = np.arange(256, dtype=np.uint8)


def test_signed_range_is_minus_one_to_one() -> None:
    signed = to_signed(np.array([0, 127.5, 255]))
    assert signed.dtype == np.float32
    assert signed.tolist() == [-1, 0, 1]


def test_all_bytes_survive_a_round_trip() -> None:
    assert to_bytes(to_signed(ALL_BYTES)).tolist() == ALL_BYTES.tolist()


def test_bytes_are_rounded_and_not_truncated() -> None:
    signed = (np.array([99.4, 99.6, 254.6]) / 127.5 - 1).astype(np.float32)
    assert to_bytes(signed).tolist() == [99, 100, 255]


def test_the_authors_scaling_is_minus_128_over_128_and_truncates() -> None:
    signed = to_signed(np.array([0, 64, 128, 255]), "authors")
    assert signed.tolist() == [-1, -0.5, 0, 127 / 128]
    assert to_bytes(to_signed(ALL_BYTES, "authors"), "authors", "down").tolist() == (
        ALL_BYTES.tolist()
    )
    values = (np.array([99.4, 99.6, 300.0]) / 128 - 1).astype(np.float32)
    assert to_bytes(values, "authors", "down").tolist() == [99, 99, 255]
    pair = stack_pair(np.full((1, 1), 64), np.ones((1, 1)), "authors")
    assert pair.ravel().tolist() == [-0.5, 127 / 128]
    assert [int(plane.item()) for plane in split_pair(pair, "authors", "down")] == (
        [64, 255]
    )


def test_values_outside_the_range_are_clipped_and_do_not_wrap() -> None:
    pixels = to_bytes(np.array([-1e9, -1.5, 1.5, 1e9]))
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [0, 0, 255, 255]


def test_area_resize_averages_what_each_pixel_covers() -> None:
    plane = np.arange(64, dtype=np.float32).reshape(8, 8)
    blocks = plane.reshape(2, 4, 2, 4).mean((1, 3))
    shrunk = resize_area(plane, 2)
    assert shrunk.dtype == np.float32
    np.testing.assert_allclose(shrunk, blocks)
    # A factor that is not an integer: each new pixel covers one and a half.
    np.testing.assert_allclose(
        resize_area(np.array([[0, 3, 6]] * 3), 2), [[1, 5], [1, 5]], rtol=1e-6
    )


def test_area_resize_turns_a_mask_into_the_covered_share() -> None:
    mask = np.zeros((8, 8), np.bool_)
    mask[:, :3] = True
    np.testing.assert_allclose(resize_area(mask, 4), [[1, 0.5, 0, 0]] * 4)


def test_resize_that_grows_is_bilinear() -> None:
    plane = np.array([[0.0, 8.0]] * 2)
    np.testing.assert_allclose(resize_area(plane, 4), [[0, 2, 6, 8]] * 4)
    # One side shrinks and one grows.
    wide = np.random.default_rng(0).random((3, 9))
    np.testing.assert_array_equal(resize_area(wide, 4), resize_bilinear(wide, 4))


def test_bilinear_resize_does_not_smooth() -> None:
    plane = np.zeros((8, 8))
    plane[3:5, 3:5] = 16
    # Every new pixel of 2 x 2 reads the four old ones around its center alone.
    np.testing.assert_array_equal(resize_bilinear(plane, 2), np.zeros((2, 2)))
    assert resize_area(plane, 2).tolist() == [[1, 1], [1, 1]]
    assert resize_bilinear(plane, 2).dtype == np.float32


@pytest.mark.parametrize("resize", [resize_area, resize_bilinear])
def test_plane_of_the_right_size_keeps_its_values_in_memory_of_its_own(
    resize: Callable[[FloatArray, int], FloatArray],
) -> None:
    plane = np.random.default_rng(0).random((6, 6), np.float32)
    before = plane.copy()
    same = resize(plane, 6)
    np.testing.assert_array_equal(same, plane)
    same[:] = 0
    np.testing.assert_array_equal(plane, before)


def test_resize_takes_transposed_planes() -> None:
    plane = np.random.default_rng(0).random((4, 8), np.float32)
    np.testing.assert_array_equal(
        resize_area(plane.T, 2), resize_area(plane.T.copy(), 2)
    )


def test_pair_has_the_image_first_and_the_mask_second() -> None:
    image = np.array([[0, 255]], np.uint8)
    pair = stack_pair(image, np.array([[[True], [False]]]))
    assert pair.dtype == np.float32
    assert pair.shape == (1, 2, 2)
    assert pair[..., 0].tolist() == [[-1, 1]]
    assert pair[..., 1].tolist() == [[1, -1]]


def test_half_covered_mask_pixel_lies_in_the_middle_of_the_range() -> None:
    pair = stack_pair(np.zeros((1, 3)), np.array([[[0], [0.5], [1]]]))
    assert pair[..., 1].tolist() == [[-1, 0, 1]]


def test_stacks_of_pairs_split_into_what_they_were_stacked_from() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 4, 5), np.uint8)
    masks = rng.random((3, 4, 5, 1)) < 0.5
    pairs = stack_pair(images, masks)
    assert pairs.shape == (3, 4, 5, 2)
    split_images, grey = split_pair(pairs)
    np.testing.assert_array_equal(split_images, images)
    np.testing.assert_array_equal(grey, np.where(masks, 255, 0))
    assert split_images.dtype == np.uint8
    assert grey.dtype == np.uint8


def test_pairs_in_color_with_several_classes_come_apart_again() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (4, 5, 3), np.uint8)
    planes = one_hot(rng.integers(0, 3, (4, 5), np.uint8), 2)
    pair = stack_pair(image, planes)
    assert pair.shape == (4, 5, 5)
    color, grey = split_pair(pair, channels=3)
    np.testing.assert_array_equal(color, image)
    np.testing.assert_array_equal(grey, np.where(planes, 255, 0))


def test_any_number_of_planes_is_resized_as_one_by_one() -> None:
    planes = np.random.default_rng(0).random((12, 12, 200)).astype(np.float32)
    for resize in (resize_area, resize_bilinear):
        whole = resize(planes, 8)
        assert whole.shape == (8, 8, 200)
        for index in (0, 127, 128, 199):
            np.testing.assert_allclose(
                whole[..., index], resize(planes[..., index], 8), atol=1e-6
            )
