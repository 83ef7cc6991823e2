"""Decoders of medical formats, for the decoder process of `prepare-data`.

Reading order:

- `limits`: sizes.
- `placing`: volumes whose axes point to the left, back and head.
- `nifti`: NIfTI volumes.
- `dicom`: DICOM images, and DICOM-SEG.
"""
