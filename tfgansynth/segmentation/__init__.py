"""The U-Net that shows what a training set is worth. Paper: IV-B.

Reading order:

- `training`: trains one U-Net by `fit`, resumed after anything.
- `unet`: the network, a Keras model that compiles itself as its configuration says;
  `layers`: how it is connected.
- `optimizer`, `losses`: what it is trained with.
- `callbacks`: the paper's stopping rule, time and records.
- `ensembles`: several trained U-Nets.
- `history`: the errors of a training, their file, and what they say of its end.
"""
