"""Which files belong to a case, and what they hold.

Reading order:

- `names`: what a file name says.
- `layouts`: the cases of a folder, from all its names.
- `tables`: the cases of a CSV; names of classes.
- `reading`: the slices of a case.
"""
