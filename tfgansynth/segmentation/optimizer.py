"""Nesterov's method with weight decay as Caffe computes it."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfgansynth")
class CaffeNesterov(keras.optimizers.SGD):
    """SGD with Nesterov momentum and weight decay coupled into the gradient.

    Caffe adds `weight_decay * weight` to the gradient before the momentum sees
    it; Keras's own `weight_decay` shrinks the weights besides the update instead.
    Keras's Nesterov update itself equals Caffe's. Paper: IV-B.

    Args:
        learning_rate: Learning rate.
        momentum: Momentum in [0, 1).
        coupled_decay: L2 weight decay, on kernels and biases alike.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        momentum: float,
        coupled_decay: float,
        **kwargs: Any,
    ) -> None:
        """Remember the settings."""
        kwargs["nesterov"] = True
        super().__init__(learning_rate, momentum, **kwargs)
        self.coupled_decay = coupled_decay

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        decay = ops.cast(self.coupled_decay, variable.dtype) * variable
        super().update_step(gradient + decay, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` takes."""
        return {**super().get_config(), "coupled_decay": self.coupled_decay}
