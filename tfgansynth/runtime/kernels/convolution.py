"""Fast convolutions with SAME padding, their gradients, and layers of them.

Every function equals `keras.ops.conv` or `keras.ops.conv_transpose` to rounding, and so
do its gradients. The difference is in the TensorFlow operations used on a CPU, where
filter gradients take half the time of a training step:

* Filter gradients use our own kernel if the processor has the instructions.
* Without the kernel, the filter gradients of small maps are a dilated convolution with
  batch and channels exchanged.
* A transposed convolution to a few maps is a convolution to four times as many maps,
  followed by depth-to-space, which doubles the side.
"""

from typing import Any

import keras
from keras import ops

from tfgansynth.keras_classes import PACKAGE
from tfgansynth.runtime.devices import cpu_flags, gpus

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    from tfgansynth.runtime.kernels import library

_FEW_MAPS = 4
"""Output maps of a transposed convolution up to which depth-to-space is faster."""
_SMALL_SIDE = 8
"""Side of the errors up to which the dilated convolution is faster."""


@keras.saving.register_keras_serializable(PACKAGE)
class Convolution(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with SAME padding and equal strides, faster."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve maps (n, h, w, i) with a kernel (k, k, i, o)."""
        return convolution(inputs, kernel, stride=self.strides[0])


@keras.saving.register_keras_serializable(PACKAGE)
class TransposedConvolution(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with SAME padding and equal strides, faster."""

    def call(self, inputs: Any) -> Any:
        """Enlarge maps (n, h, w, i) to (n, h * stride, w * stride, filters)."""
        maps = transposed_convolution(inputs, self.kernel, stride=self.strides[0])
        if self.use_bias:
            maps = ops.add(maps, ops.reshape(self.bias, (1, 1, 1, self.filters)))
        return self.activation(maps)


def convolution(maps: Any, kernel: Any, *, stride: int) -> Any:
    """Convolve maps, padding with zeros.

    Args:
        maps: (n, h, w, i), of any floating-point type; h and w are multiples of the
            stride.
        kernel: (k, k, i, o) of the same type.
        stride: Pixels from one position to the next.

    Returns:
        (n, h / stride, w / stride, o) of the same type.
    """
    if not _is_ours():
        return ops.conv(maps, kernel, strides=stride, padding="same")

    @tf.custom_gradient
    def forward(maps: Any, kernel: Any) -> tuple[Any, Any]:
        def gradients(errors: Any) -> tuple[Any, Any]:
            shape = tf.shape(maps)
            size = int(kernel.shape[0])
            return (
                _transposed(errors, kernel, stride, shape),
                tf.cast(_filter_gradient(maps, errors, size, stride), kernel.dtype),
            )

        return tf.nn.conv2d(maps, kernel, stride, "SAME"), gradients

    # A variable itself would count as hidden state of the function.
    return forward(maps, tf.convert_to_tensor(kernel))


def transposed_convolution(maps: Any, kernel: Any, *, stride: int) -> Any:
    """Multiply the side of maps by the stride.

    Args:
        maps: (n, h, w, i), of any floating-point type.
        kernel: (k, k, o, i) of the same type.
        stride: Factor of the side.

    Returns:
        (n, h * stride, w * stride, o) of the same type.
    """
    if not _is_ours():
        return ops.conv_transpose(maps, kernel, strides=stride, padding="same")

    @tf.custom_gradient
    def forward(maps: Any, kernel: Any) -> tuple[Any, Any]:
        def gradients(errors: Any) -> tuple[Any, Any]:
            size = int(kernel.shape[0])
            return (
                tf.nn.conv2d(errors, kernel, stride, "SAME"),
                tf.cast(_filter_gradient(errors, maps, size, stride), kernel.dtype),
            )

        n, h, w, _ = tf.unstack(tf.shape(maps))
        shape = tf.stack([n, h * stride, w * stride, kernel.shape[2]])
        return _transposed(maps, kernel, stride, shape), gradients

    # A variable itself would count as hidden state of the function.
    return forward(maps, tf.convert_to_tensor(kernel))


def _is_ours() -> bool:
    # The library of a GPU has fast filter gradients; other backends know no TensorFlow.
    return keras.backend.backend() == "tensorflow" and not gpus()


def _transposed(maps: Any, kernel: Any, stride: int, shape: Any) -> Any:
    size, _, out_maps, _ = kernel.shape
    if (size, stride) == (5, 2) and out_maps <= _FEW_MAPS:
        return _by_depth_to_space(maps, kernel)
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=shape,
        filter=kernel,
        out_backprop=maps,
        strides=[1, stride, stride, 1],
        padding="SAME",
    )


def _by_depth_to_space(maps: Any, kernel: Any) -> Any:
    """Compute a transposed 5 x 5 convolution of stride 2 by a 3 x 3 one of stride 1.

    Row 2a + r of the result is the sum of rows a - 1, a and a + 1 of the maps times
    rows r + 3, r + 1 and r - 1 of the kernel; row -1 of the kernel is zero.
    """
    _, _, out_maps, in_maps = kernel.shape
    padded = tf.pad(kernel, [[1, 0], [1, 0], [0, 0], [0, 0]])
    taps = tf.reshape(padded, (3, 2, 3, 2, out_maps, in_maps))[::-1, :, ::-1]
    taps = tf.transpose(taps, (0, 2, 5, 1, 3, 4))
    small = tf.reshape(taps, (3, 3, in_maps, 4 * out_maps))
    return tf.nn.depth_to_space(tf.nn.conv2d(maps, small, 1, "SAME"), 2)


def _filter_gradient(maps: Any, errors: Any, size: int, stride: int) -> Any:
    """Return (size, size, i, o) from maps (n, h, w, i), errors (n, h/s, w/s, o)."""
    _, _, side, out_maps = errors.shape
    in_maps = maps.shape[-1]
    kernels, _ = library.load()
    # The kernel needs these sizes.
    tiled = in_maps % 16 == 0 and out_maps % 64 == 0 and side % 2 == 0
    # AMX is faster than the kernel on large maps.
    narrow = "avx512_bf16" in cpu_flags() and "amx_bf16" not in cpu_flags()
    if kernels is not None and tiled and (maps.dtype == tf.float32 or narrow):
        return kernels.tfgansynth_filter_gradient(
            maps=maps, errors=errors, kernel=size, stride=stride
        )
    if maps.dtype == tf.bfloat16 and stride == 2 and side <= _SMALL_SIDE:
        return _filter_gradient_by_convolution(maps, errors, size, stride)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=maps,
        filter_sizes=[size, size, in_maps, out_maps],
        out_backprop=errors,
        strides=[1, stride, stride, 1],
        padding="SAME",
    )


def _filter_gradient_by_convolution(
    maps: Any, errors: Any, size: int, stride: int
) -> Any:
    """Compute the same sum as a convolution of the maps with the errors."""
    padding = [
        _padding(int(maps.shape[axis]), int(errors.shape[axis]), size, stride)
        for axis in (1, 2)
    ]
    padded = tf.pad(maps, [[0, 0], *padding, [0, 0]])
    gradient = tf.nn.conv2d(
        tf.transpose(padded, (3, 1, 2, 0)),
        tf.transpose(errors, (1, 2, 0, 3)),
        1,
        "VALID",
        dilations=stride,
    )
    return tf.transpose(gradient, (1, 2, 0, 3))


def _padding(side: int, out_side: int, size: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after an axis under SAME padding."""
    total = max(0, (out_side - 1) * stride + size - side)
    return total // 2, total - total // 2
