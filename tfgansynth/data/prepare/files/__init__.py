"""Which files belong to a case, and what they hold.

Reading order:

- `names`: what a file name says.
- `layouts`: the cases of a folder, from all its names.
- `tables`: the cases of a CSV; names of classes.
- `series`: DICOM images that are the slices of one volume.
- `reading`: the slices of a case.
"""
