"""The layout against what nnU-Net's own check of a data set demands.

After its documentation (`reference/dataset-format.md`) and its
`verify_dataset_integrity`, which is not installed here.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.io import imread

from tfgansynth.synthesis.nnunet import write_nnunet

RNG = np.random.default_rng(0)
PAIRS = {
    f"case-{n}": (
        RNG.integers(0, 256, (16, 16), np.uint8),
        RNG.integers(0, 2, (16, 16), np.uint8),
    )
    for n in range(3)
}


def verify(folder: Path) -> dict[str, Any]:
    """Do what nnU-Net does before it plans; returns `dataset.json`."""
    assert re.fullmatch(r"Dataset\d{3}_[A-Za-z0-9_]+", folder.name)
    content: dict[str, Any] = json.loads((folder / "dataset.json").read_text())
    assert {"labels", "channel_names", "numTraining", "file_ending"} <= content.keys()
    ending = content["file_ending"]
    # Its reader of natural images takes these; the name is that of its class.
    assert ending in (".png", ".bmp", ".tif")
    assert content["overwrite_image_reader_writer"] == "NaturalImage2DIO"
    values = list(content["labels"].values())
    assert content["labels"]["background"] == 0
    assert values == list(range(len(values)))
    channels = len(content["channel_names"])
    assert list(content["channel_names"]) == [str(n) for n in range(channels)]

    images = {path.name for path in (folder / "imagesTr").iterdir()}
    labels = {path.name for path in (folder / "labelsTr").iterdir()}
    cases = {re.sub(rf"_\d{{4}}{re.escape(ending)}$", "", name) for name in images}
    assert len(cases) == content["numTraining"]
    assert images == {f"{case}_0000{ending}" for case in cases}
    assert labels == {f"{case}{ending}" for case in cases}
    for case in cases:
        label = imread(folder / "labelsTr" / f"{case}{ending}")
        assert label.ndim == 2
        assert set(np.unique(label)) <= set(values)
        # The reader of natural images makes a channel of each color.
        image = imread(folder / "imagesTr" / f"{case}_0000{ending}")
        assert image.shape == (*label.shape, *([channels] if channels > 1 else []))
        assert image.dtype == label.dtype == np.uint8
    return content


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "Dataset501_SyntheticLungs"
    write_nnunet(folder, PAIRS, ["left lung"])
    return folder


def test_the_layout_is_what_nnunet_demands(written: Path) -> None:
    assert verify(written) == {
        "channel_names": {"0": "image"},
        "labels": {"background": 0, "left lung": 1},
        "numTraining": 3,
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }


def test_no_rule_of_normalization_but_the_usual_one_applies(written: Path) -> None:
    special = {"ct", "nonorm", "zscore", "rescale_to_0_1", "rgb_to_0_1"}

    assert not special & set(verify(written)["channel_names"].values())


def test_pixels_are_those_of_the_pairs(written: Path) -> None:
    for case, (image, mask) in PAIRS.items():
        with Image.open(written / "imagesTr" / f"{case}_0000.png") as found:
            np.testing.assert_array_equal(np.asarray(found), image)
        with Image.open(written / "labelsTr" / f"{case}.png") as found:
            assert found.mode == "L"
            np.testing.assert_array_equal(np.asarray(found), mask.astype(np.uint8))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "labelsTr/case-1.png").unlink(),
        lambda folder: (folder / "imagesTr/case-1_0000.png").unlink(),
        lambda folder: Image.new("L", (8, 8)).save(folder / "labelsTr/case-1.png"),
        lambda folder: Image.new("L", (16, 16), 255).save(
            folder / "labelsTr/case-1.png"
        ),
    ],
)
def test_the_check_finds_what_is_wrong(written: Path, damage: Any) -> None:
    damage(written)

    with pytest.raises(AssertionError):
        verify(written)


def test_classes_and_colors_have_names(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset501_SyntheticNerves"
    pairs = {
        f"case-{n}": (
            RNG.integers(0, 256, (16, 16, 3), np.uint8),
            RNG.integers(0, 3, (16, 16), np.uint8),
        )
        for n in range(3)
    }
    write_nnunet(folder, pairs, ["nerve", "vessel"])
    content = verify(folder)
    assert content["labels"] == {"background": 0, "nerve": 1, "vessel": 2}
    assert content["channel_names"] == {"0": "red", "1": "green", "2": "blue"}
    for case, (image, labels) in pairs.items():
        stored = imread(folder / "imagesTr" / f"{case}_0000.png")
        np.testing.assert_array_equal(stored, image)
        stored = imread(folder / "labelsTr" / f"{case}.png")
        np.testing.assert_array_equal(stored, labels)
