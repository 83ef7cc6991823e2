from itertools import chain, islice
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tests.data.test_gan_pairs import numbered_pairs
from tfgansynth.arrays import FloatArray, Labels
from tfgansynth.config import AugmentationConfig
from tfgansynth.data.augmentation import batch_augmentation
from tfgansynth.data.pipelines import (
    LabelledImages,
    gan_pairs,
    labelled_pairs,
    network_inputs,
    whole_set,
)


def numbered_images(n: int) -> tuple[FloatArray, Labels]:
    """Images and masks of 8 bits that both hold their number."""
    images = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None], (n, 8, 8))
    bits = np.arange(n)[:, None] >> np.arange(8) & 1
    masks = np.broadcast_to(bits[:, None, :].astype(np.uint8), (n, 8, 8))
    return images, masks


def epoch_numbers(
    n: int, batch: int, *, seed: int = 0, epoch: int = 0
) -> list[list[int]]:
    found = []
    stream = labelled_pairs(
        LabelledImages(*numbered_images(n)),
        batch=batch,
        seed=seed,
        first_batch=epoch * -(-n // batch),
    )
    for inputs, targets in islice(stream, -(-n // batch)):
        assert inputs.shape[1:] == (8, 8, 1)
        assert targets.shape[1:] == (8, 8)
        by_image = np.rint((np.asarray(inputs)[:, 0, 0, 0] + 1) * 127.5)
        by_mask = (np.asarray(targets)[:, 0] << np.arange(8)).sum(1)
        # Image and mask stay together.
        np.testing.assert_array_equal(by_image, by_mask)
        found.append([int(number) for number in by_mask])
    return found


@pytest.mark.parametrize(
    ("n", "batch", "sizes"),
    [
        (10, 4, [4, 4, 2]),
        (8, 4, [4, 4]),
        (3, 16, [3]),
        (150, 16, [16] * 9 + [6]),
    ],
)
def test_epoch_serves_every_pair_once(n: int, batch: int, sizes: list[int]) -> None:
    batches = epoch_numbers(n, batch)
    assert [len(numbers) for numbers in batches] == sizes
    assert sorted(chain(*batches)) == list(range(n))


def test_one_stream_serves_epoch_after_epoch() -> None:
    stream = labelled_pairs(
        LabelledImages(*numbered_images(10)), batch=4, seed=0, first_batch=6
    )
    numbers = [
        [int(number) for number in (np.asarray(targets)[:, 0] << np.arange(8)).sum(1)]
        for _, targets in islice(stream, 6)
    ]
    assert numbers == epoch_numbers(10, 4, epoch=2) + epoch_numbers(10, 4, epoch=3)


def test_orders_differ_by_epoch_and_seed() -> None:
    orders = [
        tuple(chain(*epoch_numbers(20, 8, seed=seed, epoch=epoch)))
        for seed in range(3)
        for epoch in range(3)
    ]
    assert len(set(orders)) == 9
    assert tuple(range(20)) not in orders
    assert tuple(chain(*epoch_numbers(20, 8, seed=1, epoch=2))) == orders[5]


def test_real_and_synthetic_pairs_are_mixed() -> None:
    # As the experiment stacks them: 145 real ones first, 120 synthetic ones after.
    batches = epoch_numbers(250, 25)
    shares = [np.mean(np.array(numbers) < 145) for numbers in batches]
    # 0.58 expected, standard deviation 0.09.
    assert min(shares) > 0.25
    assert max(shares) < 0.9


def shared_numbers(
    n: int, n_real: int, *, batch: int, share: float, first: int = 0, count: int = 8
) -> list[list[int]]:
    stream = labelled_pairs(
        LabelledImages(*numbered_images(n), n_real),
        batch=batch,
        seed=3,
        first_batch=first,
        real_share=share,
    )
    return [
        [int(number) for number in (np.asarray(targets)[:, 0] << np.arange(8)).sum(1)]
        for _, targets in islice(stream, count)
    ]


@pytest.mark.parametrize(
    ("batch", "share", "n_real"),
    [(16, 0.5, 8), (16, 0.25, 4), (5, 0.5, 2), (8, 0.01, 1), (8, 0.99, 7)],
)
def test_each_batch_has_its_share_of_real_pairs(
    batch: int, share: float, n_real: int
) -> None:
    for numbers in shared_numbers(50, 6, batch=batch, share=share):
        assert len(numbers) == batch
        assert sum(number < 6 for number in numbers) == n_real


def test_each_kind_comes_round_before_any_comes_again() -> None:
    # Per batch three of six real ones and five of 20 synthetic ones.
    numbers = shared_numbers(26, 6, batch=8, share=0.4)
    real = [[n for n in batch if n < 6] for batch in numbers]
    synthetic = [[n for n in batch if n >= 6] for batch in numbers]

    for first in range(0, 8, 2):
        assert sorted(real[first] + real[first + 1]) == list(range(6))
    for first in (0, 4):
        assert sorted(chain(*synthetic[first : first + 4])) == list(range(6, 26))
    assert real[0] + real[1] != real[2] + real[3]


def test_shares_go_on_where_they_were() -> None:
    # Passes of 7 and 19 end within batches.
    whole = shared_numbers(26, 7, batch=8, share=0.4, count=9)
    assert shared_numbers(26, 7, batch=8, share=0.4, first=5, count=4) == whole[5:]


def test_pretraining_has_synthetic_pairs_alone_and_the_rest_real_ones() -> None:
    def served(first: int, count: int) -> list[list[int]]:
        stream = labelled_pairs(
            LabelledImages(*numbered_images(26), 6),
            batch=8,
            seed=3,
            first_batch=first,
            pretraining=5,
        )
        return [
            [int(n) for n in (np.asarray(targets)[:, 0] << np.arange(8)).sum(1)]
            for _, targets in islice(stream, count)
        ]

    numbers = served(0, 11)
    before, after = list(chain(*numbers[:5])), list(chain(*numbers[5:]))
    assert {len(batch) for batch in numbers} == {8}
    # Every pair of a kind once before any again: 20 synthetic, 6 real.
    assert sorted(before[:20]) == sorted(before[20:]) == list(range(6, 26))
    for start in range(0, 48, 6):
        assert sorted(after[start : start + 6]) == list(range(6))
    assert served(4, 3) == numbers[4:7]


@pytest.mark.parametrize("n_real", [0, 10])
def test_pairs_of_one_kind_have_no_share(n_real: int) -> None:
    numbers = shared_numbers(10, n_real, batch=4, share=0.5, count=6)
    assert numbers[:3] + numbers[3:] == [
        batch
        for epoch in range(2)
        for batch in epoch_numbers(10, 4, seed=3, epoch=epoch)
    ]


def shift_by_one(
    images: FloatArray, masks: Labels, rng: np.random.Generator
) -> tuple[FloatArray, Labels]:
    shifts = rng.integers(1, 100, (len(images), 1, 1)).astype(np.float32)
    return images + shifts, np.asarray(1 - masks, np.uint8)


def augmented(first_batch: int, *, seed: int = 0) -> list[list[NDArray[Any]]]:
    stream = labelled_pairs(
        LabelledImages(*numbered_images(5)),
        batch=2,
        seed=seed,
        first_batch=first_batch,
        augment=shift_by_one,
    )
    return [[np.asarray(part) for part in parts] for parts in islice(stream, 6)]


def test_augmentation_changes_image_and_mask_anew_each_time() -> None:
    plain = labelled_pairs(
        LabelledImages(*numbered_images(5)), batch=2, seed=0, first_batch=0
    )
    added = []
    for changed, own in zip(augmented(0), islice(plain, 6), strict=True):
        np.testing.assert_array_equal(changed[1], 1 - np.asarray(own[1]))
        shift = (changed[0] - np.asarray(own[0]))[:, 0, 0, 0] * 127.5
        added += np.rint(shift).tolist()
    assert min(added) >= 1
    # Ten pairs, drawn from 99 shifts.
    assert len(set(added)) > 5


def test_augmentation_goes_on_where_it_was() -> None:
    for whole, rest in zip(augmented(0)[3:], augmented(3), strict=False):
        for own, again in zip(whole, rest, strict=True):
            np.testing.assert_array_equal(own, again)
    assert not np.array_equal(augmented(0)[0][0], augmented(0, seed=1)[0][0])


@pytest.mark.parametrize("kind", ["strong", "cutmix", "learned"])
def test_each_augmentation_goes_on_where_it_was(kind: str) -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (5, 16, 16)).astype(np.float32)
    pairs = LabelledImages(images, (images > 128).astype(np.uint8))
    change = batch_augmentation(kind, AugmentationConfig(learned_pairs=4), pairs.masks)

    def batches(first: int) -> list[tuple[Any, Any]]:
        stream = labelled_pairs(
            pairs, batch=4, seed=2, first_batch=first, augment=change
        )
        return [(np.asarray(a), np.asarray(b)) for a, b in islice(stream, 8 - first)]

    whole = batches(0)
    for own, again in zip(whole[3:], batches(3), strict=True):
        np.testing.assert_array_equal(own[0], again[0])
        np.testing.assert_array_equal(own[1], again[1])
    # Mini-batches 0 and 2 of a kind differ by more than their order.
    assert not np.array_equal(np.sort(whole[0][0], 0), np.sort(whole[2][0], 0))


def test_labelled_images_are_signed_and_masks_are_classes() -> None:
    images = np.array([[[0, 127.5], [255, 51]]], np.float32)
    masks = np.array([[[0, 1], [1, 0]]], np.uint8)
    inputs, targets = network_inputs(images, masks)
    assert inputs.dtype == np.float32
    assert inputs.shape == (1, 2, 2, 1)
    signed = np.array([[-1, 0], [1, -0.6]])
    np.testing.assert_allclose(inputs[0, ..., 0], signed, atol=1e-6)
    assert targets.dtype == np.int32
    assert targets.tolist() == [[[0, 1], [1, 0]]]


@pytest.mark.parametrize(
    ("n", "batch", "n_real", "share", "size"),
    [
        (3, 2, 0, 0.0, None),  # the last mini-batch of an epoch is smaller
        (4, 2, 0, 0.0, 2),
        (3, 4, 0, 0.0, 3),
        (3, 2, 1, 0.5, 2),
    ],
)
def test_batches_have_the_types_that_the_network_takes_and_static_sizes(
    n: int, batch: int, n_real: int, share: float, size: int | None
) -> None:
    stream = labelled_pairs(
        LabelledImages(*numbered_images(n), n_real),
        batch=batch,
        seed=0,
        real_share=share,
    )
    inputs, targets = stream.element_spec
    assert (inputs.dtype.name, targets.dtype.name) == ("float32", "int32")
    assert inputs.shape.as_list() == [size, 8, 8, 1]
    assert targets.shape.as_list() == [size, 8, 8]


def test_streams_are_endless_and_the_whole_set_is_one_batch() -> None:
    images = LabelledImages(*numbered_images(3))
    endless = (
        labelled_pairs(images, batch=2, seed=0),
        gan_pairs(numbered_pairs(3), batch=2, seed=0),
        gan_pairs(numbered_pairs(3), batch=2, seed=0, first_step=lambda: 4),
    )
    for stream in endless:
        assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    ((inputs, targets),) = whole_set(images)
    assert int(whole_set(images).cardinality()) == 1
    expected = network_inputs(images.images, images.masks)
    np.testing.assert_array_equal(inputs, expected[0])
    np.testing.assert_array_equal(targets, expected[1])


def test_each_iteration_starts_where_a_function_says() -> None:
    done = 0
    images = LabelledImages(*numbered_images(5))
    streams = (
        labelled_pairs(images, batch=2, seed=0, first_batch=lambda: done),
        gan_pairs(numbered_pairs(5), batch=2, seed=0, first_step=lambda: done),
    )
    for done in (0, 4):
        fixed = (
            labelled_pairs(images, batch=2, seed=0, first_batch=done),
            gan_pairs(numbered_pairs(5), batch=2, seed=0, first_step=done),
        )
        for stream, expected in zip(streams, fixed, strict=True):
            for own, other in zip(islice(stream, 3), islice(expected, 3), strict=True):
                np.testing.assert_array_equal(own[0], other[0])


def test_keras_trains_on_the_streams() -> None:
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 1, name="logits")]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = LabelledImages(*numbered_images(5))
    history = model.fit(
        labelled_pairs(images, batch=2, seed=0),
        steps_per_epoch=3,
        epochs=2,
        validation_data=whole_set(images),
        shuffle=False,
        verbose=0,
    )
    assert set(history.history) == {"loss", "val_loss"}
    assert len(history.history["loss"]) == 2
