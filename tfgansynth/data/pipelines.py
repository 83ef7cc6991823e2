"""The tf.data pipelines: endless passes for the GAN, whole epochs for the U-Net.

Both are functions of (seed, position) alone: no hidden iterator state, so that
training goes on after an interruption with exactly the batches it would have had.
Both are one stream for the whole training and ahead of it by two batches.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, MaskArray, stack_pair, to_signed
from tfgansynth.data.dataset import Case
from tfgansynth.seeds import derive_seed

_AUGMENTATION = 1
"""Tells the randomness of augmentation from that of the order."""


def real_pairs(
    cases: Sequence[Case], *, soft_masks: bool, scaling: str = "paper"
) -> FloatArray:
    """Stack the pairs of real cases for the GAN. Paper: III.

    Args:
        cases: n cases.
        soft_masks: Keep partly covered mask pixels grey instead of binary.
        scaling: How the pairs hold grey values: `gan.pixel_scaling`.

    Returns:
        float32 (n, S, S, 2) in [-1, 1]; channel 0 image, channel 1 mask.
    """
    return np.stack(
        [
            stack_pair(case.image, case.coverage if soft_masks else case.mask, scaling)
            for case in cases
        ]
    )


Change = Callable[[FloatArray, np.random.Generator], FloatArray]
"""Changes one pair, float32 (S, S, 2) in [-1, 1], at random."""


def endless_batches(
    pairs: FloatArray,
    *,
    batch: int,
    seed: int,
    first_step: int,
    change: Change | None = None,
) -> Any:
    """Serve mini-batches without end; every pair once before any comes again.

    Batches run on across passes, so that a batch may be larger than the data
    set: the paper's 128 against 30 cases.

    Args:
        pairs: float32 (n, S, S, 2).
        batch: Pairs a mini-batch.
        seed: Determines the order of every pass, and all changes.
        first_step: Number of batches to leave out: where training goes on.
        change: Changes each pair each time it is served.

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

    def changed_at(step: Any) -> Any:
        def changed(number: int, served: FloatArray) -> FloatArray:
            rng = np.random.default_rng([seed, number, _AUGMENTATION])
            assert change
            return np.stack([change(pair, rng) for pair in served])

        own = batch_at(step)
        return tf.ensure_shape(
            tf.numpy_function(changed, [step, own], tf.float32), own.shape
        )

    steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
    return _ahead(steps.map(changed_at if change else batch_at))


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


Augment = Callable[
    [FloatArray, MaskArray, np.random.Generator], tuple[FloatArray, MaskArray]
]
"""Changes one image, float32 (S, S) in [0, 255], and its mask, bool, at random."""


def epoch_batches(
    images: FloatArray,
    masks: MaskArray,
    *,
    batch: int,
    seed: int,
    first_batch: int,
    n_real: int = 0,
    real_share: float = 0.0,
    augment: Augment | None = None,
) -> Any:
    """Serve epochs without end: in each every pair once, in an order of its own.

    Real and synthetic pairs come in one stack and are mixed evenly by the shuffle;
    with a share of real ones, each mini-batch has as many of both kinds as any
    other, and each kind goes round on its own: every pair once before it comes again.

    Args:
        images: (n, S, S) in [0, 255].
        masks: bool (n, S, S).
        batch: Pairs a mini-batch; the last one of an epoch may be smaller if there is
            no share.
        seed: Determines the order of every epoch, and all augmentation.
        first_batch: Number of mini-batches to leave out: where training goes on.
        n_real: How many pairs, the first ones, are real.
        real_share: Their share in each mini-batch, to the next whole pair, one of each
            kind at least; 0 for none, which also pairs of one kind have.
        augment: Changes each pair each time it is served.

    Returns:
        A `tf.data.Dataset` of (float32 (b, S, S, 1), int32 (b, S, S)).
    """
    side, n = images.shape[1], len(images)
    if real_share and 0 < n_real < n:
        members = _shared_members(n, n_real, batch, real_share, seed)
    else:
        members = _shuffled_members(n, batch, seed)

    def batches() -> Iterator[tuple[FloatArray, Any]]:
        for number in itertools.count(first_batch):
            chosen = members(number)
            pairs = list(zip(images[chosen], masks[chosen], strict=True))
            if augment:
                rng = np.random.default_rng([seed, number, _AUGMENTATION])
                pairs = [augment(image, mask, rng) for image, mask in pairs]
            yield labelled(*map(np.stack, zip(*pairs, strict=True)))

    specs = (
        tf.TensorSpec((None, side, side, 1), tf.float32),
        tf.TensorSpec((None, side, side), tf.int32),
    )
    return _ahead(tf.data.Dataset.from_generator(batches, output_signature=specs))


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


def _endless_members(n: int, batch: int, seed: int) -> _Members:
    def members(number: int) -> NDArray[np.int64]:
        first = number * batch
        passes = range(first // n, (first + batch - 1) // n + 1)
        orders = [np.random.default_rng([seed, each]).permutation(n) for each in passes]
        return np.concatenate(orders)[first % n :][:batch]

    return members
