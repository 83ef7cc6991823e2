"""The U-Net's errors: the losses that it is trained with, and the Dice error."""

from typing import Any

import keras
import tensorflow as tf

from tfgansynth.keras_classes import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class PixelCrossEntropy(keras.losses.Loss):
    """Mean softmax cross-entropy over all pixels of a mini-batch, in nats.

    Targets are class indices (n, S, S), predictions are logits (n, S, S, classes).
    Paper: IV-B.
    """

    def __init__(
        self,
        name: str = "cross_entropy",
        reduction: str | None = None,
        dtype: Any = None,
    ) -> None:
        # No reduction by Keras: `call` returns the mean itself.
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the mean, a scalar."""
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.cast(y_true, tf.int32), y_pred
        )
        return tf.reduce_mean(losses)


@keras.saving.register_keras_serializable(PACKAGE)
class DiceCrossEntropy(PixelCrossEntropy):
    """Mean cross-entropy plus 1 minus the soft Dice coefficient of the classes.

    Dice is that of all pixels of a mini-batch together, so that a case without a class
    is nothing special, and its mean over the classes without the background (Isensee et
    al., nnU-Net, Nature Methods 2021). A class that no case of the mini-batch has adds
    a constant.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the sum, a scalar."""
        depth = y_pred.shape[-1]
        true = tf.one_hot(tf.cast(y_true, tf.int32), depth)[..., 1:]
        probable = tf.nn.softmax(y_pred)[..., 1:]
        errors = keras.losses.dice(true, probable, axis=(0, 1, 2))
        return super().call(y_true, y_pred) + tf.reduce_mean(errors)


class CaseMean(keras.metrics.Metric):
    """Mean over cases that come in mini-batches of any size.

    The mean of one mini-batch is exactly its value, which sum and count do not
    guarantee: (20 x) / 20 is not always x.
    """

    def __init__(self, name: str, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.mean = self.add_variable((), "zeros", name="mean")
        self.count = self.add_variable((), "zeros", name="count")

    def add(self, value: Any, count: Any) -> None:
        """Take the mean of `count` more cases."""
        count = tf.cast(count, self.dtype)
        self.count.assign_add(count)
        share = count / self.count.value
        self.mean.assign_add((value - self.mean.value) * share)

    def result(self) -> Any:
        """Return the mean so far, a scalar."""
        return tf.identity(self.mean.value)


@keras.saving.register_keras_serializable(PACKAGE)
class DiceError(CaseMean):
    """1 minus the mean Dice coefficient of the cases, and of the classes of each.

    A class that is neither in mask nor in prediction has a coefficient of 1.
    """

    def __init__(self, name: str = "dice_error", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a mini-batch.

        Args:
            y_true: Class indices (n, S, S).
            y_pred: Logits (n, S, S, K + 1).
            sample_weight: Must be None.
        """
        if sample_weight is not None:
            raise ValueError("expected no sample weights: every case counts alike")
        # `argmax` takes the first of equal logits: the background.
        depth = y_pred.shape[-1]
        predicted = tf.one_hot(tf.argmax(y_pred, axis=-1), depth)[..., 1:]
        true = tf.one_hot(tf.cast(y_true, tf.int32), depth)[..., 1:]
        overlap = tf.reduce_sum(predicted * true, axis=(1, 2))
        sizes = tf.reduce_sum(predicted + true, axis=(1, 2))
        dice = tf.where(sizes > 0, 2 * overlap / sizes, 1.0)
        self.add(1 - tf.reduce_mean(dice), tf.shape(sizes)[0])
