"""Writes pairs in the raw layout of nnU-Net, version 2.

Source: its documentation, `documentation/reference/dataset-format.md`, and what its
`verify_dataset_integrity` demands: one file a channel, `CASE_0000.png`; labels of the
same size in `CASE.png` whose pixels are consecutive integers from 0, the background;
and `dataset.json`, which counts the cases and names channels, labels and file ending.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfgansynth.arrays import ByteArray, Labels, MaskArray
from tfgansynth.runtime import storage

CHANNEL = "image"
"""Of any name but those for which nnU-Net has another rule, it normalizes a channel by
each image's own mean and deviation."""

_ENDING = ".png"


def write_nnunet(
    folder: Path,
    pairs: Mapping[str, tuple[ByteArray, Labels | MaskArray]],
    classes: Sequence[str],
) -> None:
    """Write `imagesTr/`, `labelsTr/` and `dataset.json`.

    Args:
        folder: Named `DatasetXXX_Name`, XXX three digits.
        pairs: By case: uint8 (S, S) image, and label map of uint8, or mask of bool.
        classes: Names of the classes, in the order of their indices from 1.
    """
    for case, (image, mask) in pairs.items():
        storage.write_png(folder / "imagesTr" / f"{case}_0000{_ENDING}", image)
        storage.write_png(folder / "labelsTr" / f"{case}{_ENDING}", mask.view(np.uint8))
    content = {
        "channel_names": {"0": CHANNEL},
        "labels": labels(classes),
        "numTraining": len(pairs),
        "file_ending": _ENDING,
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    storage.write_json(folder / "dataset.json", content)


def labels(classes: Sequence[str]) -> dict[str, int]:
    """What each integer of a label map means, by name."""
    return {name: index for index, name in enumerate(["background", *classes])}
