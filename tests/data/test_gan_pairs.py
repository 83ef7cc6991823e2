from collections import Counter
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray
from tfgansynth.data.dataset import Case
from tfgansynth.data.pipelines import AugmentPair, gan_pairs, real_pairs


def numbered_pairs(n: int) -> FloatArray:
    """Pairs of one pixel that hold their number, in both channels."""
    numbers = np.arange(n, dtype=np.float32)
    return np.stack([numbers, -numbers], -1).reshape(n, 1, 1, 2)


def served(
    n: int, batch: int, count: int, *, seed: int = 0, first_step: int = 0
) -> NDArray[np.int64]:
    """Numbers of the pairs in the first so many batches, (count, batch)."""
    stream = gan_pairs(numbered_pairs(n), batch=batch, seed=seed, first_step=first_step)
    batches = np.stack([np.asarray(pairs) for pairs in islice(stream, count)])
    assert batches.dtype == np.float32
    assert batches.shape == (count, batch, 1, 1, 2)
    # An image keeps its own mask.
    np.testing.assert_array_equal(batches[..., 0], -batches[..., 1])
    return batches[:, :, 0, 0, 0].astype(np.int64)


def raised(pair: FloatArray, rng: np.random.Generator) -> FloatArray:
    return pair + np.float32(rng.integers(1, 100) / 128)


def test_changes_come_anew_each_time_and_go_on_where_they_were() -> None:
    def batches(first: int, *, seed: int = 1) -> NDArray[np.float32]:
        stream = gan_pairs(
            numbered_pairs(3), batch=4, seed=seed, first_step=first, augment=raised
        )
        return np.stack([np.asarray(pairs) for pairs in islice(stream, 9 - first)])

    whole = batches(0)
    assert whole.shape == (9, 4, 1, 1, 2)
    np.testing.assert_array_equal(whole[5:], batches(5))
    plain = served(3, 4, 9, seed=1)
    added = whole[..., 0, 0, 0] - plain
    np.testing.assert_array_equal(whole[..., 0, 0, 1], added - plain)
    # 36 pairs of 99 values.
    assert len(set(added.ravel().tolist())) > 20
    assert not np.array_equal(whole, batches(0, seed=2))


@pytest.mark.parametrize(
    ("n", "batch"),
    [(30, 7), (30, 30), (30, 128), (145, 128), (10, 1), (1, 3), (7, 21), (5, 16)],
)
def test_each_pass_serves_each_pair_once(n: int, batch: int) -> None:
    passes = 4
    numbers = served(n, batch, -(-passes * n // batch)).ravel()[: passes * n]
    for one_pass in numbers.reshape(passes, n):
        assert sorted(one_pass) == list(range(n))


def test_batch_larger_than_the_data_serves_pairs_about_equally_often() -> None:
    # The paper's 128 against 30 cases: four or five of each.
    for numbers in served(30, 128, 6):
        counts = Counter(numbers.tolist())
        assert set(counts) == set(range(30))
        assert set(counts.values()) <= {3, 4, 5, 6}


def test_order_differs_between_passes() -> None:
    orders = served(30, 30, 20)
    assert len({tuple(order) for order in orders}) == 20
    # Shuffled and not merely turned: neighbors change too.
    neighbors = [set(pairwise(order)) for order in orders.tolist()]
    assert len(neighbors[0] & neighbors[1]) < 10


def test_every_pair_comes_at_every_place() -> None:
    orders = served(5, 5, 400)
    for place in range(5):
        counts = np.bincount(orders[:, place], minlength=5)
        # 80 expected of each, standard deviation 8.
        assert counts.min() > 45
        assert counts.max() < 115


@pytest.mark.parametrize(("n", "batch"), [(30, 7), (30, 128)])
@pytest.mark.parametrize("first_step", [1, 5, 1000])
def test_stream_goes_on_where_it_was(n: int, batch: int, first_step: int) -> None:
    if first_step < 100:
        whole = served(n, batch, first_step + 6)[first_step:]
    else:
        # The same from two places before.
        whole = served(n, batch, 8, first_step=first_step - 2)[2:]
    np.testing.assert_array_equal(served(n, batch, 6, first_step=first_step), whole)


def test_seed_determines_the_stream() -> None:
    np.testing.assert_array_equal(served(30, 7, 5, seed=3), served(30, 7, 5, seed=3))
    assert not np.array_equal(served(30, 7, 5, seed=3), served(30, 7, 5, seed=4))
    # Nor is one seed's stream another's, a pass later.
    assert not np.array_equal(
        served(30, 30, 1, seed=3, first_step=1), served(30, 30, 1, seed=4)
    )


def test_largest_derived_seed_is_taken() -> None:
    assert sorted(served(9, 9, 1, seed=2**31 - 1)[0]) == list(range(9))


@pytest.mark.parametrize("augment", [None, raised])
def test_pairs_have_static_sizes(augment: AugmentPair | None) -> None:
    stream = gan_pairs(numbered_pairs(3), batch=4, seed=0, augment=augment)
    assert stream.element_spec.shape.as_list() == [4, 1, 1, 2]


@pytest.fixture
def cases() -> list[Case]:
    rng = np.random.default_rng(0)
    return [
        Case(
            case_id=f"case-{index}",
            image=rng.uniform(0, 255, (4, 4)).astype(np.float32),
            coverage=np.tile(
                np.array([[0], [0.25], [0.5], [1]], np.float32), (4, 1, 1)
            ),
        )
        for index in range(3)
    ]


def channels(cases: list[Case], *, soft_masks: bool) -> tuple[Any, Any]:
    pairs = real_pairs(cases, soft_masks=soft_masks)
    assert pairs.shape == (3, 4, 4, 2)
    assert pairs.dtype == np.float32
    assert pairs.min() >= -1
    assert pairs.max() <= 1
    return pairs[..., 0], pairs[..., 1]


@pytest.mark.parametrize("soft_masks", [False, True])
def test_images_are_the_first_channel_in_order(
    cases: list[Case], soft_masks: bool
) -> None:
    images, _ = channels(cases, soft_masks=soft_masks)
    for image, case in zip(images, cases, strict=True):
        np.testing.assert_allclose(image, case.image / 127.5 - 1, atol=1e-6)


def test_pairs_have_the_scaling_of_the_configuration(cases: list[Case]) -> None:
    pairs = real_pairs(cases, soft_masks=False, scaling="authors")
    for pair, case in zip(pairs, cases, strict=True):
        np.testing.assert_allclose(pair[..., 0], (case.image - 128) / 128, atol=1e-6)


def test_masks_are_binary_and_half_covered_pixels_belong_to_them(
    cases: list[Case],
) -> None:
    _, masks = channels(cases, soft_masks=False)
    np.testing.assert_array_equal(masks, np.tile([-1, -1, 1, 1], (3, 4, 1)))


def test_soft_masks_stay_grey(cases: list[Case]) -> None:
    _, masks = channels(cases, soft_masks=True)
    np.testing.assert_allclose(masks, np.tile([-1, -0.5, 0, 1], (3, 4, 1)), atol=1e-6)
