"""The data set: import, checks, split, augmentation, and mini-batches for training.

Reading order:

- `dataset`: the canonical cases.
- `importers`, `phantoms`: where cases come from.
- `lungs`: selects the target in a mask.
- `checks`: finds every fault of a data set; `loading`: loads it.
- `similarity`: measures of how alike images are; `duplicates`: finds copies.
- `splits`: cross-validation; `held_out`: the leakage guard of the test cases.
- `augmentation`: classical augmentation; `pipelines`: `tf.data` mini-batches.
"""
