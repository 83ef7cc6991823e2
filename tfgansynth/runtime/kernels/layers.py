"""Keras's convolution layers, computed by our functions.

Each differs from the Keras layer in speed only. Arguments and weights are the same, and
results are equal to rounding.
"""

from typing import Any

import keras
from keras import ops

from tfgansynth.runtime.kernels.convolution import convolution, transposed_convolution


@keras.saving.register_keras_serializable("tfgansynth")
class Convolution(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with SAME padding and equal strides."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve maps (n, h, w, i) with a kernel (k, k, i, o)."""
        return convolution(inputs, kernel, stride=self.strides[0])


@keras.saving.register_keras_serializable("tfgansynth")
class TransposedConvolution(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with SAME padding and equal strides."""

    def call(self, inputs: Any) -> Any:
        """Enlarge maps (n, h, w, i) to (n, h * stride, w * stride, filters)."""
        maps = transposed_convolution(inputs, self.kernel, stride=self.strides[0])
        if self.use_bias:
            maps = ops.add(maps, ops.reshape(self.bias, (1, 1, 1, self.filters)))
        return self.activation(maps)
