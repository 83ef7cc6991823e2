"""The U-Net that shows what a training set is worth. Paper: IV-B.

Reading order:

- `unet`: the network, a Keras model that compiles itself as its configuration says.
- `optimizer`, `losses`: what it is trained with.
- `stopping`: the paper's stopping rule as a callback.
- `training`: `fit` with the callbacks of `callbacks`, resumed after anything.
- `files`: a trained U-Net on the disk; `ensembles`: several of them.
- `history`: the errors of a training, their file, and what they say of its end.
"""
