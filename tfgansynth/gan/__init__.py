"""The generator of pairs: networks, losses, training step, training, exchange.

Reading order:

- `layers`, `networks`: generator and discriminator; `losses`; `augmentation`: of what
  the discriminator sees.
- `dcgan`: both networks, their optimizers and one training step.
- `training`: trains one GAN by `fit`; `callbacks`: time, checks and checkpoints;
  `recording`: samples, fidelity and TensorBoard; `health`: what the history shows.
- `exchange/`: generators that travel.
"""
