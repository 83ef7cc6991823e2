import numpy as np
import pytest

from tfgansynth.data.lungs import find_regions, select_lungs


def two_lungs() -> np.ndarray:
    """The patient's right lung, on the left of the image, is the larger one."""
    mask = np.zeros((40, 60), bool)
    mask[5:35, 8:25] = True
    mask[8:30, 36:52] = True
    return mask


def test_both_is_the_mask_itself() -> None:
    mask = two_lungs()

    assert select_lungs(mask, "both") is mask


def test_left_lung_is_on_the_right_of_the_image() -> None:
    mask = two_lungs()

    left, right = select_lungs(mask, "left"), select_lungs(mask, "right")

    assert left.dtype == np.bool_
    assert not left[:, :30].any()
    assert not right[:, 30:].any()
    np.testing.assert_array_equal(left | right, mask)


def test_order_follows_the_columns_not_the_size() -> None:
    mirrored = two_lungs()[:, ::-1]

    left = select_lungs(mirrored, "left")

    np.testing.assert_array_equal(left[:, 30:], mirrored[:, 30:])


def test_specks_are_dropped() -> None:
    mask = two_lungs()
    mask[0, 0] = mask[0, 59] = True

    left, right = select_lungs(mask, "left"), select_lungs(mask, "right")

    np.testing.assert_array_equal(left | right, two_lungs())


def test_a_small_lung_is_still_a_lung() -> None:
    mask = two_lungs()
    mask[14:, 36:] = False

    np.testing.assert_array_equal(select_lungs(mask, "left")[:, 30:], mask[:, 30:])


def test_touching_lungs_are_cut_at_the_emptiest_column() -> None:
    mask = two_lungs()
    mask[15:25, 25:36] = True
    mask[15:22, 33] = False

    left, right = select_lungs(mask, "left"), select_lungs(mask, "right")

    np.testing.assert_array_equal(right, mask & (np.arange(60) < 33))
    np.testing.assert_array_equal(left, mask & (np.arange(60) >= 33))


def test_of_equal_columns_the_cut_takes_the_middle_one() -> None:
    mask = two_lungs()
    mask[20, 25:36] = True

    cut = np.flatnonzero(select_lungs(mask, "left").any(axis=0))[0]

    assert cut in (29, 30)


def test_a_piece_above_touching_lungs_is_not_a_lung() -> None:
    mask = np.zeros((40, 60), bool)
    mask[15:35, 8:52] = True
    mask[15:32, 30] = False
    mask[2:10, 10:20] = True

    left, right = select_lungs(mask, "left"), select_lungs(mask, "right")

    assert left.sum() == pytest.approx(20 * 22, abs=20)
    assert right.sum() == pytest.approx(20 * 22 + 80, abs=20)


def test_a_single_lung_leaves_the_other_side_empty() -> None:
    mask = two_lungs()
    mask[:, 30:] = False

    np.testing.assert_array_equal(select_lungs(mask, "right"), mask)
    assert not select_lungs(mask, "left").any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 3), (256, 256)])
def test_empty_and_full_masks_of_any_shape(shape: tuple[int, int]) -> None:
    empty, full = np.zeros(shape, bool), np.ones(shape, bool)

    assert not select_lungs(empty, "left").any()
    left, right = select_lungs(full, "left"), select_lungs(full, "right")
    assert (left ^ right).all()


def test_the_mask_given_is_not_changed() -> None:
    mask = two_lungs()
    mask[20, 25:36] = True
    before = mask.copy()

    select_lungs(mask, "left")[:] = False

    np.testing.assert_array_equal(mask, before)


def test_regions_come_largest_first_and_touch_at_corners() -> None:
    mask = np.zeros((20, 20), bool)
    mask[0:3, 0:3] = True
    mask[0:2, 10:13] = True
    mask[10:15, 10:15] = True
    mask[15:20, 15:20] = True

    areas = [int(region.sum()) for region in find_regions(mask)]

    assert areas == [50, 9]
    assert find_regions(np.zeros((4, 4), bool)) == []


def test_a_mask_of_many_dots_has_no_more_than_two_regions() -> None:
    mask = np.zeros((2048, 2048), bool)
    mask[::2, ::2] = True

    # One array of 4 MiB for each of its million dots would not fit any machine.
    assert [region.sum() for region in find_regions(mask)] == [1, 1]
