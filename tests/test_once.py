import numpy as np
import pytest

from tests import once
from tfgansynth.data import loading
from tfgansynth.data.copies.duplicates import find_duplicates
from tfgansynth.data.phantoms.phantom import make_phantoms
from tfgansynth.experiment import experiment_data


def test_the_product_uses_it() -> None:
    assert vars(loading)["make_phantoms"] is once.phantoms
    assert vars(experiment_data)["find_duplicates"] is once.duplicates


@pytest.mark.parametrize("size", [32, 64])
def test_phantoms_are_those_that_are_drawn_anew(size: int) -> None:
    for _ in range(2):
        found = once.phantoms(2, seed=3, lungs="left", size=size)
        for ours, new in zip(
            found, make_phantoms(2, seed=3, lungs="left", size=size), strict=True
        ):
            assert ours.case_id == new.case_id
            np.testing.assert_array_equal(ours.image, new.image)
            np.testing.assert_array_equal(ours.mask, new.mask)


def test_no_test_changes_what_others_get() -> None:
    (case,) = once.phantoms(1, seed=3, size=32)

    with pytest.raises(ValueError, match="read-only"):
        case.image[0, 0] = 1


def test_other_images_or_names_are_searched_anew() -> None:
    one, other = (case.image for case in once.phantoms(2, seed=3, size=64))

    for images in ({"a": one, "b": one}, {"a": one, "c": one}, {"a": one, "b": other}):
        assert once.duplicates(images) == once.duplicates(images)
        assert once.duplicates(images) == find_duplicates(images)
