"""Convolutions and their gradients, faster than TensorFlow's and equal to rounding.

Reading order:

- `layers`: Keras layers.
- `convolution`: the functions behind them.
- `library`, `filter_gradient.cc`: our kernel for filter gradients on a CPU.
"""
