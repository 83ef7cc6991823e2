"""The training steps under JAX, for machines with a GPU and without TensorFlow.

Reading order:

- `run`: one run within minutes, beside PyTorch.
- `jax_steps`: the steps of the GAN and of the U-Net.
"""
