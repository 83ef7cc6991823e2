"""The data set: import, checks, split, augmentation, and mini-batches for training.

Reading order:

- `dataset`: the canonical cases.
- `importers`, `phantoms`: where cases come from.
- `prepare`: makes a data set from images and masks as people have them.
- `lungs`: selects the target in a mask.
- `checks`: finds every fault of a data set; `loading`: loads it; `resizing`: what that
  does to the target.
- `copies`: the engine that finds copies, with `registration` and `keypoints`;
  `duplicates`: cases that show one picture.
- `similarity`: perceptual hashes of generated images.
- `splits`: cross-validation; `held_out`: the leakage guard of the test cases.
- `augmentation`: classical augmentation; `pipelines`: `tf.data` mini-batches.
"""
