"""The U-Net's optimizers: Nesterov's method as Caffe computes it, Adam and AdamW."""

from typing import Any

import keras
from keras import ops

from tfgansynth.config import UNetConfig
from tfgansynth.keras_classes import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class CaffeNesterov(keras.optimizers.SGD):
    """SGD with Nesterov momentum and weight decay coupled into the gradient.

    Caffe adds `weight_decay * weight` to the gradient before the momentum. Keras's
    own `weight_decay` shrinks the weights directly, beside the gradient: it is
    decoupled. Keras's Nesterov update itself equals Caffe's. Paper: IV-B.

    Args:
        learning_rate: Learning rate.
        momentum: Momentum in [0, 1).
        coupled_decay: L2 weight decay, on kernels and biases alike.
        **kwargs: Arguments of `keras.optimizers.SGD`; `nesterov` is always True.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        momentum: float,
        coupled_decay: float,
        **kwargs: Any,
    ) -> None:
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


def build_optimizer(config: UNetConfig) -> keras.optimizers.Optimizer:
    """Build the optimizer that the configuration names.

    With `average_decay` it also keeps running averages of the weights. They are
    variables of the optimizer, so that every checkpoint of Keras's has them. The rate
    of `modern` is a function of the optimizer's step, which they have too.
    """
    averaging: dict[str, Any] = {}
    if config.average_decay:
        averaging = {"use_ema": True, "ema_momentum": config.average_decay}
    if config.architecture == "modern":
        rate: Any = config.learning_rate
        if config.fixed_steps:
            rate = keras.optimizers.schedules.CosineDecay(rate, config.fixed_steps)
        return keras.optimizers.AdamW(
            rate, weight_decay=config.weight_decay, **averaging
        )
    if config.optimizer == "nesterov":
        return CaffeNesterov(
            config.learning_rate,
            momentum=config.momentum,
            coupled_decay=config.weight_decay,
            **averaging,
        )
    return keras.optimizers.Adam(config.learning_rate, **averaging)
