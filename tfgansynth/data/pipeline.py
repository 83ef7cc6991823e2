"""The tf.data pipelines: endless passes for the GAN, whole epochs for the U-Net.

Both are functions of (seed, position) alone: no hidden iterator state, so that
training goes on after an interruption with exactly the batches it would have had.
Both are one stream for the whole training and ahead of it by two batches.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.data.dataset import Case
from tfgansynth.pixels import FloatArray, MaskArray, stack_pair, to_signed


def real_pairs(cases: Sequence[Case], *, soft_masks: bool) -> FloatArray:
    """Stack the pairs of real cases for the GAN. Paper: III.

    Args:
        cases: n cases.
        soft_masks: Keep partly covered mask pixels grey instead of binary.

    Returns:
        float32 (n, S, S, 2) in [-1, 1]; channel 0 image, channel 1 mask.
    """
    return np.stack(
        [
            stack_pair(case.image, case.coverage if soft_masks else case.mask)
            for case in cases
        ]
    )


def endless_batches(
    pairs: FloatArray, *, batch: int, seed: int, first_step: int
) -> Any:
    """Serve mini-batches without end; every pair once before any comes again.

    Batches run on across passes, so that a batch may be larger than the data
    set: the paper's 128 against 30 cases.

    Args:
        pairs: float32 (n, S, S, 2).
        batch: Pairs a mini-batch.
        seed: Determines the order of every pass.
        first_step: Number of batches to leave out: where training goes on.

    Returns:
        A `tf.data.Dataset` of float32 (batch, S, S, 2).
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
        return tf.gather(table, tf.concat(orders, 0)[offset : offset + batch])

    steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
    return _ahead(steps.map(batch_at))


def _ahead(batches: Any) -> Any:
    """Prepare batches while others are trained on."""
    options = tf.data.Options()
    # There is nothing to tune, and its thread keeps the end of a stream waiting for
    # seconds.
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)


def labelled(images: FloatArray, masks: MaskArray) -> tuple[FloatArray, Any]:
    """Bring images and masks into the form the U-Net takes.

    Args:
        images: (n, S, S) in [0, 255].
        masks: bool (n, S, S).

    Returns:
        float32 (n, S, S, 1) in [-1, 1] and int32 (n, S, S) class indices.
    """
    return to_signed(images)[..., None], np.asarray(masks, np.int32)


def epoch_batches(
    images: FloatArray, masks: MaskArray, *, batch: int, seed: int, first_epoch: int
) -> Any:
    """Serve epochs without end: in each every pair once, in an order of its own.

    Real and synthetic pairs come in one stack and are mixed evenly by the shuffle.

    Args:
        images: (n, S, S) in [0, 255].
        masks: bool (n, S, S).
        batch: Pairs a mini-batch; the last one of an epoch may be smaller.
        seed: Determines the order of every epoch.
        first_epoch: Number of epochs to leave out: where training goes on.

    Returns:
        A `tf.data.Dataset` of (float32 (b, S, S, 1), int32 (b, S, S)).
    """
    inputs, targets = (tf.constant(table) for table in labelled(images, masks))

    def members() -> Iterator[NDArray[np.int64]]:
        for epoch in itertools.count(first_epoch):
            order = np.random.default_rng([seed, epoch]).permutation(len(images))
            for start in range(0, len(order), batch):
                yield order[start : start + batch]

    def batch_of(chosen: Any) -> Any:
        return tf.gather(inputs, chosen), tf.gather(targets, chosen)

    spec = tf.TensorSpec((None,), tf.int64)
    stream = tf.data.Dataset.from_generator(members, output_signature=spec)
    return _ahead(stream.map(batch_of))
