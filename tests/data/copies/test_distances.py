import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tfgansynth.assessment.memorization import nearest
from tfgansynth.data.copies.distances import Pairs, distances, unit_vectors
from tfgansynth.data.dataset import images_and_labels
from tfgansynth.data.loading import load_phantoms


@pytest.fixture(scope="module")
def phantoms() -> Pairs:
    cases = load_phantoms(24, 11, "both", 128, soft_masks=False).cases
    return images_and_labels(cases)


def moved(pairs: Pairs, rows: int, columns: int) -> Pairs:
    by = (rows, columns)
    return np.roll(pairs[0], by, (1, 2)), np.roll(pairs[1], by, (1, 2))


def test_a_case_is_at_0_from_itself_and_far_from_others(phantoms: Pairs) -> None:
    for matrix in distances(phantoms, phantoms).values():
        assert matrix.shape == (24, 24)
        np.testing.assert_allclose(np.diag(matrix), 0, atol=2e-3)
        assert matrix[~np.eye(24, dtype=np.bool_)].min() > 0.2
        assert matrix.max() < np.sqrt(2)


def test_neither_exposure_nor_number_type_changes_a_distance(phantoms: Pairs) -> None:
    images, masks = phantoms
    exact = distances(phantoms, phantoms)["image"]
    for copies in (images * 0.6 + 40, images.astype(np.float64) + 9):
        found = distances(phantoms, (copies, masks))["image"]
        np.testing.assert_allclose(found, exact, atol=2e-3)
    rounded = distances(phantoms, (np.rint(images).astype(np.uint8), masks))["image"]
    np.testing.assert_allclose(rounded, exact, atol=0.1)


def test_a_shift_within_reach_changes_little_and_one_beyond_much(
    phantoms: Pairs,
) -> None:
    # 8 of 128 pixels are 4 of 64: within reach, and met exactly but for the rim.
    for rows, columns in ((8, -8), (-4, 2), (0, 6)):
        for matrix in distances(phantoms, moved(phantoms, rows, columns)).values():
            assert np.diag(matrix).max() < 0.3
    for matrix in distances(phantoms, moved(phantoms, 24, 0)).values():
        assert np.diag(matrix).min() > 0.9


def test_a_pair_is_a_copy_only_if_both_its_parts_are(phantoms: Pairs) -> None:
    images, masks = phantoms
    mixed = distances(phantoms, (images, masks[::-1].copy()))

    np.testing.assert_allclose(np.diag(mixed["image"]), 0, atol=2e-3)
    np.testing.assert_allclose(np.diag(mixed["mask"][:, ::-1]), 0, atol=2e-3)
    halves = (mixed["image"] ** 2 + mixed["mask"] ** 2) / 2
    # The best shift of the pair is at most as good as the best of each part.
    assert (mixed["pair"] ** 2 >= halves - 1e-6).all()
    assert np.diag(mixed["pair"]).min() > 0.1


def test_a_shifted_mask_with_an_unshifted_image_is_not_a_pair(phantoms: Pairs) -> None:
    found = distances(phantoms, (phantoms[0], moved(phantoms, 8, 0)[1]))

    assert np.diag(found["mask"]).max() < 0.15
    assert np.diag(found["pair"]).min() > 0.15


def test_a_smooth_average_is_near_to_all_but_relatively_near_to_none(
    phantoms: Pairs,
) -> None:
    images, masks = phantoms
    average = (
        images.mean(axis=0, keepdims=True),
        masks.mean(axis=0, keepdims=True) > 0.5,
    )
    to_average = distances(phantoms, average)["image"]
    among = distances(phantoms, phantoms)["image"]
    np.fill_diagonal(among, np.inf)

    assert to_average.min() < among.min()
    quarter = np.quantile(nearest(among)[1], 0.25)
    assert nearest(to_average)[1][0] > quarter


def test_altered_copies_stand_out(phantoms: Pairs) -> None:
    images, masks = phantoms
    rng = np.random.default_rng(0)
    disguises: dict[str, NDArray[np.floating]] = {
        "noise": images + rng.normal(0, 10, images.shape),
        "gamma": 255 * (images / 255) ** 1.4,
        "smooth": ndimage.gaussian_filter(images, (0, 2, 2)),
        "shift": moved(phantoms, 3, -5)[0],
        "shade": images * np.linspace(0.7, 1, 128),
    }
    among = distances(phantoms, phantoms)["image"]
    np.fill_diagonal(among, np.inf)
    least = nearest(among)[1].min()
    for name, copies in disguises.items():
        cases, relative = nearest(distances(phantoms, (copies, masks))["image"])
        assert cases.tolist() == list(range(24)), name
        assert relative.max() < least, name


def test_small_and_empty_pairs_have_distances() -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (4, 16, 16))
    images[3] = 80
    masks = (images > 127).astype(np.uint8)
    for matrix in distances((images, masks), (images, masks)).values():
        assert np.isfinite(matrix).all()
        np.testing.assert_allclose(np.diag(matrix)[:3], 0, atol=2e-3)
        # What shows nothing resembles nothing.
        np.testing.assert_allclose(matrix[3], np.sqrt(2), atol=1e-6)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ((2, 64, 64), (2, 64, 64)),
        ((2, 128, 128), (3, 128, 128)),
        ((128, 128),) * 2,
        ((0, 128, 128),) * 2,
    ],
)
def test_images_and_labels_must_fit(
    phantoms: Pairs, images: tuple[int, ...], masks: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="of one size"):
        distances(phantoms, (np.zeros(images), np.zeros(masks, np.uint8)))


def test_products_of_unit_vectors_are_correlations() -> None:
    planes = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32)

    vectors = unit_vectors(planes)

    expected = np.corrcoef(planes.reshape(3, -1))
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-6)


def test_a_plane_without_details_correlates_with_nothing() -> None:
    flat = np.full((1, 4, 4), 7, np.float32)

    assert not unit_vectors(flat).any()
