"""Convolutions and their gradients, faster than TensorFlow's and equal to rounding.

Reading order:

- `convolution`: Keras layers and the functions behind them.
- `library`, `filter_gradient.cc`: our kernel for filter gradients on a CPU.
"""
