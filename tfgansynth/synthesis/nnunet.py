"""Writes pairs in the raw layout of nnU-Net, version 2.

Source: its documentation, `documentation/reference/dataset-format.md`, and what its
`verify_dataset_integrity` demands: one file a channel, `CASE_0000.png`; labels of the
same size in `CASE.png` whose pixels are consecutive integers from 0, the background;
and `dataset.json`, which counts the cases and names channels, labels and file ending.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tfgansynth.arrays import ByteArray, Labels
from tfgansynth.runtime import storage

CHANNELS = {1: ("image",), 3: ("red", "green", "blue")}
"""Names by number, all of one file. Of any name but those for which nnU-Net has another
rule, it normalizes a channel by each image's own mean and deviation."""

_ENDING = ".png"


def write_nnunet(
    folder: Path,
    pairs: Mapping[str, tuple[ByteArray, Labels]],
    classes: Sequence[str],
) -> None:
    """Write `imagesTr/`, `labelsTr/` and `dataset.json`.

    Args:
        folder: Named `DatasetXXX_Name`, XXX three digits.
        pairs: By case: uint8 (S, S) or (S, S, 3) image, and label map of uint8.
        classes: Names of the classes, in the order of their indices from 1.
    """
    for case, (image, mask) in pairs.items():
        storage.write_png(folder / "imagesTr" / f"{case}_0000{_ENDING}", image)
        storage.write_png(folder / "labelsTr" / f"{case}{_ENDING}", mask)
    image, _ = next(iter(pairs.values()))
    channels = 3 if image.ndim == 3 else 1
    content = {
        "channel_names": {str(i): name for i, name in enumerate(CHANNELS[channels])},
        "labels": labels(classes),
        "numTraining": len(pairs),
        "file_ending": _ENDING,
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    storage.write_json(folder / "dataset.json", content)


def labels(classes: Sequence[str]) -> dict[str, int]:
    """What each integer of a label map means, by name."""
    return {name: index for index, name in enumerate(["background", *classes])}
