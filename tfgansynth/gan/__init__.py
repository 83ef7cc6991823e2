"""The generator of pairs: networks, losses, training step, training, exchange.

Reading order:

- `training`: trains one GAN by `fit`.
- `dcgan`: both networks, their optimizers and one training step.
- `networks`: generator and discriminator; `losses`. Beyond the paper: `layers`;
  `augmentation` of what the discriminator sees.
- `callbacks`: time and checkpoints; `recording`: history, samples and fidelity;
  `health`: what the history shows.
- `exchange/`: generators that travel.
"""
