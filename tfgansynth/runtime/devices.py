"""Where TensorFlow computes, and how a training step is compiled for it."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def gpus() -> list[Any]:
    """The GPUs that TensorFlow sees."""
    return list(tf.config.list_physical_devices("GPU"))


def compile_step(step: Callable[..., Any], input_signature: Any = None) -> Any:
    """Make one function of a whole training step.

    On a GPU XLA fuses it. On a processor it would take minutes to compile
    convolutions that are slower than the library's.
    """
    return tf.function(
        step, input_signature=input_signature, jit_compile=True if gpus() else None
    )
