"""The tf.data pipelines: mini-batches for `fit`, of pairs for the GAN and the U-Net.

Both are functions of (seed, position) alone, without hidden iterator state, so that
a resumed training gets exactly the mini-batches that it would have had. Both are
endless streams, whose cardinality is infinite: `fit` needs `steps_per_epoch`. They
prepare two mini-batches ahead. Batch sizes are static where all are equal.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, Labels, one_hot, stack_pair, to_signed
from tfgansynth.data.dataset import Case
from tfgansynth.seeds import derive_seed

_AUGMENTATION = 1
"""Separates the randomness of augmentation from that of the order."""

Position = int | Callable[[], int]
"""Mini-batches to leave out, where a training is resumed: a number, or a function that
each new iteration calls, such as `UNet.steps_done`."""


@dataclasses.dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images with masks, real or synthetic.

    Attributes:
        images: float32 (n, S, S) or (n, S, S, 3) in [0, 255].
        masks: uint8 (n, S, S), class indices.
        n_real: Number of real ones, which come first. They are told from synthetic
            ones where a mini-batch has a share of them.
    """

    images: FloatArray
    masks: Labels
    n_real: int = 0


def real_pairs(
    cases: Sequence[Case], *, soft_masks: bool, scaling: str = "paper"
) -> FloatArray:
    """Stack the pairs of real cases for the GAN. Paper: III.

    Args:
        cases: n cases.
        soft_masks: Keep partly covered mask pixels grey instead of binary.
        scaling: How the pairs hold grey values: `gan.pixel_scaling`.

    Returns:
        float32 (n, S, S, C + K) in [-1, 1]; first the channels of the image.
    """

    def planes(case: Case) -> NDArray[Any]:
        if soft_masks:
            return case.coverage
        return one_hot(case.labels, case.coverage.shape[-1])

    return np.stack([stack_pair(case.image, planes(case), scaling) for case in cases])


AugmentPair = Callable[[FloatArray, np.random.Generator], FloatArray]
"""Augments one pair, float32 (S, S, C + K) in [-1, 1], at random."""


def gan_pairs(
    pairs: FloatArray,
    *,
    batch: int,
    seed: int,
    first_step: Position = 0,
    augment: AugmentPair | None = None,
) -> Any:
    """Serve mini-batches without end; every pair comes once before any comes again.

    Batches run on across passes, so that a batch may be larger than the data
    set: the paper's 128 against 30 cases.

    Args:
        pairs: float32 (n, S, S, C + K).
        batch: Pairs a mini-batch.
        seed: Determines the order of every pass, and all augmentation.
        first_step: Mini-batches to leave out.
        augment: Augments each pair each time it is served.

    Returns:
        A `tf.data.Dataset` of float32 (batch, S, S, C + K).
    """
    n = len(pairs)
    table = tf.constant(pairs)
    passes = -(-batch // n) + 1  # a batch touches at most this many passes

    def batch_at(step: Any) -> Any:
        start = step * batch
        first_pass = start // n
        orders = [
            tf.random.experimental.stateless_shuffle(
                tf.range(n),
                seed=tf.stack([tf.constant(seed, tf.int64), first_pass + k]),
            )
            for k in range(passes)
        ]
        offset = tf.cast(start % n, tf.int32)
        indices = tf.concat(orders, 0)[offset : offset + batch]
        return tf.gather(table, tf.ensure_shape(indices, (batch,)))

    def augmented_at(step: Any) -> Any:
        def augmented(number: int, served: FloatArray) -> FloatArray:
            rng = np.random.default_rng([seed, number, _AUGMENTATION])
            assert augment
            return np.stack([augment(pair, rng) for pair in served])

        own = batch_at(step)
        return tf.ensure_shape(
            tf.numpy_function(augmented, [step, own], tf.float32), own.shape
        )

    return _ahead(_steps(first_step).map(augmented_at if augment else batch_at))


def _steps(first: Position) -> Any:
    """Count from a position without end."""
    if not callable(first):
        return tf.data.Dataset.range(first, np.iinfo(np.int64).max)

    def start() -> NDArray[np.int64]:
        return np.asarray(first(), np.int64)

    # The function is called when an iteration starts.
    return tf.data.Dataset.from_tensors(0).flat_map(
        lambda _: tf.data.Dataset.range(
            tf.ensure_shape(tf.numpy_function(start, [], tf.int64), ()),
            np.iinfo(np.int64).max,
        )
    )


def _ahead(batches: Any) -> Any:
    """Prepare batches during training, as an endless dataset."""
    options = tf.data.Options()
    # There is nothing to tune, and the tuner's thread holds up the end of a stream
    # for seconds.
    options.autotune.enabled = False
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return batches.apply(endless).prefetch(2).with_options(options)


def network_inputs(images: FloatArray, masks: Labels) -> tuple[FloatArray, Any]:
    """Convert images and masks to what the U-Net takes.

    Args:
        images: (n, S, S) or (n, S, S, 3) in [0, 255].
        masks: uint8 (n, S, S), class indices.

    Returns:
        float32 (n, S, S, C) in [-1, 1] and int32 (n, S, S).
    """
    channels = images if images.ndim == 4 else images[..., None]
    return to_signed(channels), np.asarray(masks, np.int32)


Augment = Callable[[FloatArray, Labels, np.random.Generator], tuple[FloatArray, Labels]]
"""Augments images, float32 (b, S, S[, 3]) in [0, 255], and their masks at random."""


def labelled_pairs(
    pairs: LabelledImages,
    *,
    batch: int,
    seed: int,
    first_batch: Position = 0,
    real_share: float = 0.0,
    pretraining: int = 0,
    augment: Augment | None = None,
) -> Any:
    """Serve epochs without end; each has every pair once, in an order of its own.

    An epoch has `ceil(n / batch)` mini-batches, the `steps_per_epoch` of `fit`.
    Real and synthetic pairs are mixed evenly by the shuffle. With a share of real
    ones, each mini-batch has as many of both kinds as any other, and each kind has
    passes of its own: every pair comes once before any comes again.

    Args:
        pairs: n real and synthetic pairs.
        batch: Pairs a mini-batch; the last one of an epoch may be smaller if there is
            no share.
        seed: Determines the order of every epoch, and all augmentation.
        first_batch: Mini-batches to leave out.
        real_share: Share of real pairs in each mini-batch, rounded to whole pairs, one
            of each kind at least. 0, or pairs of one kind: no share.
        pretraining: First mini-batches, of synthetic pairs alone; all later ones have
            real pairs alone. 0, or pairs of one kind: both kinds are mixed.
        augment: Augments each mini-batch.

    Returns:
        A `tf.data.Dataset` of (float32 (b, S, S, C), int32 (b, S, S)).
    """
    images, masks = pairs.images, pairs.masks
    side, n = images.shape[1], len(images)
    channels = images.shape[-1] if images.ndim == 4 else 1
    size: int | None = batch
    if pretraining and 0 < pairs.n_real < n:
        members = _members_by_turn(n, pairs.n_real, batch, pretraining, seed)
    elif real_share and 0 < pairs.n_real < n:
        members = _shared_members(n, pairs.n_real, batch, real_share, seed)
    else:
        members = _shuffled_members(n, batch, seed)
        if n % batch:
            size = n if n < batch else None

    def batches() -> Iterator[tuple[FloatArray, Any]]:
        first = first_batch() if callable(first_batch) else first_batch
        for number in itertools.count(first):
            chosen = members(number)
            served = images[chosen], masks[chosen]
            if augment:
                rng = np.random.default_rng([seed, number, _AUGMENTATION])
                served = augment(*served, rng)
            yield network_inputs(*served)

    specs = (
        tf.TensorSpec((size, side, side, channels), tf.float32),
        tf.TensorSpec((size, side, side), tf.int32),
    )
    return _ahead(tf.data.Dataset.from_generator(batches, output_signature=specs))


def whole_set(pairs: LabelledImages) -> Any:
    """Serve all pairs once, as one mini-batch: for validation.

    Returns:
        A `tf.data.Dataset` of one (float32 (n, S, S, C), int32 (n, S, S)).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    inputs = network_inputs(pairs.images, pairs.masks)
    return tf.data.Dataset.from_tensors(inputs).with_options(options)


_Members = Callable[[int], NDArray[np.int64]]
"""Number of a mini-batch -> indices of its pairs."""


def _shuffled_members(n: int, batch: int, seed: int) -> _Members:
    n_batches = math.ceil(n / batch)

    def members(number: int) -> NDArray[np.int64]:
        epoch, place = divmod(number, n_batches)
        order = np.random.default_rng([seed, epoch]).permutation(n)
        return order[place * batch : (place + 1) * batch]

    return members


def _shared_members(
    n: int, n_real: int, batch: int, real_share: float, seed: int
) -> _Members:
    n_served = min(max(round(real_share * batch), 1), batch - 1)
    real = _endless_members(n_real, n_served, derive_seed(seed, "real"))
    synthetic = _endless_members(
        n - n_real, batch - n_served, derive_seed(seed, "synthetic")
    )
    return lambda number: np.concatenate([real(number), n_real + synthetic(number)])


def _members_by_turn(
    n: int, n_real: int, batch: int, n_first: int, seed: int
) -> _Members:
    """Serve synthetic pairs in the first mini-batches, and real ones after them."""
    real = _endless_members(n_real, batch, derive_seed(seed, "real"))
    synthetic = _endless_members(n - n_real, batch, derive_seed(seed, "synthetic"))

    def members(number: int) -> NDArray[np.int64]:
        is_first = number < n_first
        return n_real + synthetic(number) if is_first else real(number - n_first)

    return members


def _endless_members(n: int, batch: int, seed: int) -> _Members:
    def members(number: int) -> NDArray[np.int64]:
        first = number * batch
        passes = range(first // n, (first + batch - 1) // n + 1)
        orders = [np.random.default_rng([seed, each]).permutation(n) for each in passes]
        return np.concatenate(orders)[first % n :][:batch]

    return members
