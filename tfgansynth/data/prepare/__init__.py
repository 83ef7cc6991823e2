"""Makes the canonical data set from images and masks as people have them.

Reading order:

- `options`: what a person can state.
- `files`: which files belong to a case, and what they hold.
- `intensities`: from stored values to grey or RGB, on one scale; square images.
- `values`, `masks`: from stored values to class indices.
- `planning`: the first pass over the files, which decides everything.
- `writing`: the second pass, which writes the canonical data set.
- `importing`: all of it.
"""
