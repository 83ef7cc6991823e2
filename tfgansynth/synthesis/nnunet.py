"""Writes pairs in the raw layout of nnU-Net, version 2.

Source: its documentation, `documentation/reference/dataset-format.md`, and what its
`verify_dataset_integrity` demands: one file a channel, `CASE_0000.png`; labels of the
same size in `CASE.png` whose pixels are consecutive integers from 0, the background;
and `dataset.json`, which counts the cases and names channels, labels and file ending.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.runtime import storage

CHANNEL = "image"
"""Of any name but those for which nnU-Net has another rule, it normalizes a channel by
each image's own mean and deviation."""

_ENDING = ".png"


def write_nnunet(
    folder: Path, pairs: Mapping[str, tuple[ByteArray, MaskArray]], label: str
) -> None:
    """Write `imagesTr/`, `labelsTr/` and `dataset.json`.

    Args:
        folder: Named `DatasetXXX_Name`, XXX three digits.
        pairs: By case: uint8 (S, S) image and bool (S, S) mask.
        label: What the mask shows.
    """
    for case, (image, mask) in pairs.items():
        storage.write_png(folder / "imagesTr" / f"{case}_0000{_ENDING}", image)
        storage.write_png(folder / "labelsTr" / f"{case}{_ENDING}", mask.view(np.uint8))
    content = {
        "channel_names": {"0": CHANNEL},
        "labels": labels(label),
        "numTraining": len(pairs),
        "file_ending": _ENDING,
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    storage.write_json(folder / "dataset.json", content)


def labels(label: str) -> dict[str, int]:
    """What each integer of a label map means, by name."""
    return {"background": 0, label: 1}
