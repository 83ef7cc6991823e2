"""The whole chain on images in color with three classes, one of them seldom."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.prepare.inputs import disc, noise, save
from tests.tools.conftest import SMALL_NETWORKS, TINY, Runner
from tfgansynth.evaluation.predictions import read_predictions
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import read_set

pytestmark = pytest.mark.slow

SIDE, NAMES = 48, ("red", "green", "blue")
OPTIONS = (
    *(*TINY, *SMALL_NETWORKS),
    *("--gan.steps", "60", "--gan.sample-every", "30", "--gan.log-every", "20"),
    *("--gan.generator-maps", "16", "16"),
    *("--synthesis.mask-threshold", "60", "--evaluation.cross-fit-steps", "4"),
    *("--unet.min-steps", "0", "--synthesis.pseudo-label-members", "1"),
    *("--synthesis.pseudo-label-steps", "60", "--synthesis.augment", "elastic"),
)

TABLE = ("--folds", "1", "--assess")


@pytest.fixture(scope="module")
def data(tool: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty images of three discs in colors, the third in every third image."""
    source = tmp_path_factory.mktemp("data") / "discs"
    for index in range(30):
        labels = np.zeros((SIDE, SIDE), np.uint8)
        labels[disc(12, 12 + index % 5, 8, SIDE)] = 1
        labels[disc(30, 32 - index % 4, 9, SIDE)] = 2
        if index % 3 == 0:
            labels[disc(36, 12, 6, SIDE)] = 3
        image = noise(index, (SIDE, SIDE, 3)) // 4
        for channel in range(3):
            image[..., channel] += 180 * (labels == channel + 1).astype(np.uint8)
        save(source / f"images/d{index:02d}.png", image)
        save(source / f"masks/d{index:02d}.png", labels)
    target = source.with_name("prepared")
    classes = [f"{name}={index}" for index, name in enumerate(NAMES, 1)]
    done = tool("prepare_data", source, target, "--classes", *classes)
    assert (done.returncode, done.stderr) == (0, "")
    assert "class 3, blue: in 10 of 30 cases" in done.stdout
    return target


@pytest.fixture(scope="module")
def run(tool: Runner, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    folder = out / "prepared-reduced-smoke-seed0"
    common = (*OPTIONS, "--data", data, "--out", out)
    for name, *arguments in (
        ("check_data", data),
        ("run_table", *common, *TABLE),
        ("report", folder),
        ("export_generator", folder, "--fold", "1"),
        ("export_set", folder, "--fold", "1"),
        ("verify", folder),
    ):
        done = tool(name, *map(str, arguments))
        assert (done.returncode, done.stderr) == (0, ""), (name, done.stderr)
        if name == "run_table":
            assert re.search(r"^    red +0\.\d{4} ± ", done.stdout, re.MULTILINE)
    return folder


def test_a_set_has_all_channels_and_classes(run: Path) -> None:
    images, masks = read_set(run / "fold-1/synthetic")
    assert images.shape[1:] == (32, 32, 3)
    assert masks.shape[1:] == (32, 32)
    assert 0 < masks.max() <= 3


def test_metrics_are_of_each_class(run: Path) -> None:
    (unet,) = run.glob("fold-1/unet-r6-s0")
    found = read_predictions(unet / "predictions.npz")
    assert found.n_classes == 3
    lines = (unet / "cases.csv").read_text().splitlines()
    assert len(lines) == 1 + 4 * len(found.case_ids)
    assert [line.split(",")[4] for line in lines[1:5]] == ["mean", *NAMES]
    table = storage.read_record(run / "table.json")
    assert list(table["rows"][0]["ours"]["by_class"]) == [*NAMES]
    assert table["dataset"]["classes"] == [*NAMES]
    assert "| real only, green |" in (run / "table.md").read_text()
    comparison = (run / "comparison.md").read_text()
    assert all(f"|   {name} |" in comparison for name in NAMES)


def test_an_assessment_has_shapes_of_each_class(run: Path) -> None:
    record = storage.read_record(run / "fold-1/assessment/assessment.json")
    shapes = record["fidelity"]["shapes"]
    assert {name.partition(", ")[0] for name in shapes} == {*NAMES}
    assert "green" in (run / "report.html").read_text()


def test_a_set_is_handed_on_with_its_classes(run: Path) -> None:
    (folder,) = run.glob("fold-1/handover/synthetic/Dataset*")
    content = json.loads((folder / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "red": 1, "green": 2, "blue": 3}
    assert len(content["channel_names"]) == 3
    images, masks = read_set(run / "fold-1/synthetic")
    for index, path in enumerate(sorted((folder / "labelsTr").iterdir())):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), masks[index])
    for index, path in enumerate(sorted((folder / "imagesTr").iterdir())):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), images[index])
