"""What downsampling does to a target is measured, and said where results are."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tfgansynth.cli import main
from tfgansynth.data.dataset import Identity
from tfgansynth.data.loading import load_directory, load_phantoms
from tfgansynth.data.phantoms.phantom import make_phantom
from tfgansynth.data.resizing import (
    Resizing,
    Tried,
    summarize,
    summarize_classes,
    try_classes,
    try_sizes,
)
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import load_experiment_data
from tfgansynth.presets import PRESETS, at_size
from tfgansynth.records import converter
from tfgansynth.records.reading.remarks import data_remarks
from tfgansynth.runtime import storage


def square(side: int, inner: int) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[:inner, :inner] = True
    return mask


def vessels(side: int = 256, n: int = 8) -> np.ndarray:
    """Thin slanted lines that leave one trunk: one component."""
    mask = np.zeros((side, side), np.uint8)
    cv2.line(mask, (10, 10), (10, side - 10), 1, 4)
    for row in range(n):
        y = 10 + row * (side - 30) // n
        cv2.line(mask, (10, y), (side - 10, y + 19), 1, 2)
    return mask > 0


def test_a_coarse_target_is_kept_at_every_size() -> None:
    found = try_sizes(square(256, 128), 64)
    assert sorted(found) == [64, 128, 256, 512]
    for target in found.values():
        assert (target.area, target.before, target.after) == (1.0, 1, 1)
    assert summarize([found], [256], 64) is None


def test_pixels_that_vanish_are_counted() -> None:
    mask = square(256, 128)
    mask[200, 0:200:8] = True
    found = try_sizes(mask, 128)
    assert found[128].before == 26
    assert found[128].after == 1
    assert found[128].area == pytest.approx(128**2 / (128**2 + 25))
    assert found[256].after == 26


def test_thin_vessels_name_the_size_that_keeps_them() -> None:
    tried = [try_sizes(vessels(n=n), 64) for n in (7, 8, 9)]
    found = summarize(tried, [256] * 3, 64)
    assert found is not None
    assert found.components_before == 1
    after = [t[64].after for t in tried]
    assert found.components_after == sorted(after)[1] > 20
    assert found.area == sorted(t[64].area for t in tried)[1]
    assert found.keeps == 256
    (sentence,) = found.sentences
    assert sentence.startswith("downsampling to 64 x 64 px changes the target: its are")
    assert sentence.endswith("--data.size 256 keeps it")


def test_the_median_decides() -> None:
    thin, coarse = try_sizes(vessels(), 64), try_sizes(square(256, 128), 64)
    assert summarize([thin, coarse, coarse], [256] * 3, 64) is None
    assert summarize([thin, thin, coarse], [256] * 3, 64) is not None


def test_no_size_may_keep_it() -> None:
    dots = np.zeros((1024, 1024), bool)
    dots[::8, ::8] = True
    found = summarize([try_sizes(dots, 128)], [1024], 128)
    assert found is not None
    assert found.keeps is None
    assert found.sentences[0].endswith("; no size up to 512 px keeps it")


def test_enlarging_is_said() -> None:
    tried = [try_sizes(square(side, side // 2), 128) for side in (64, 100, 128, 256)]
    found = summarize(tried, [64, 100, 128, 256], 128)
    assert found == Resizing(128, 1.0, 1.0, 1.0, 128, n_smaller=2, smallest=64)
    assert found.sentences == (
        "2 images are smaller than 128 x 128 px and are enlarged (smallest: 64 px); "
        "--data.size 64 enlarges none",
    )


def test_negatives_alone_have_nothing_to_keep() -> None:
    assert summarize([], [256, 256], 128) is None


def test_soft_masks_are_tried_as_they_are_resized() -> None:
    mask = np.zeros((256, 256), bool)
    mask[:, ::2] = True
    # Of two columns of each pair, area averaging sees a half; bilinear likewise.
    assert try_sizes(mask, 128)[128].area == 2.0
    one = np.zeros((256, 256), bool)
    one[:, 1::4] = True
    hard, soft = (try_sizes(one, 64, soft=each)[64] for each in (False, True))
    assert hard.area == 0.0
    assert soft.area == 4.0


@pytest.fixture
def thin_data(tmp_path: Path) -> Path:
    root = tmp_path / "vessels"
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for case in range(3):
        image = rng.integers(0, 256, (256, 256), np.uint8)
        mask = vessels(n=7 + case).astype(np.uint8) * 255
        Image.fromarray(image).save(root / f"images/{case}.png")
        Image.fromarray(mask).save(root / f"masks/{case}.png")
    return root


def described(root: Path, spacing: object) -> None:
    """Make a folder a canonical data set, whose masks are class indices."""
    for path in (root / "masks").iterdir():
        Image.fromarray((np.array(Image.open(path)) > 0).astype(np.uint8)).save(path)
    content = {
        "format": "tfgansynth-dataset",
        "version": 1,
        "target": "vessels",
        "classes": {"background": 0, "vessels": 1},
        "channels": 1,
        "spacing_mm": spacing,
        "negatives": [],
        "made": {},
        "files": {
            path.relative_to(root).as_posix(): storage.hash_file(path)
            for path in sorted(root.glob("*/*.png"))
        },
    }
    (root / "dataset.json").write_text(json.dumps(content))


def test_loading_tells_it_and_results_keep_it(thin_data: Path) -> None:
    dataset = load_directory(thin_data, "both", 64, soft_masks=False)
    masks = [vessels(n=7 + case) for case in range(3)]
    expected = summarize([try_sizes(mask, 64) for mask in masks], [256] * 3, 64)
    assert expected is not None
    assert dataset.resizing == dataset.identity.resizing == expected
    assert dataset.notes == expected.sentences
    identity = dataset.identity
    content = json.loads(json.dumps(converter.to_json(identity)))
    assert content == json.loads(json.dumps(identity.record()))
    assert converter.from_json(Identity, content, Path("x")) == identity
    (remark,) = data_remarks(identity, ())
    assert (remark.kind, remark.stage) == ("resizing", "data")
    assert remark.text == expected.sentences[0]


def test_what_is_kept_leaves_no_trace_in_records(thin_data: Path) -> None:
    identity = load_directory(thin_data, "both", 256, soft_masks=False).identity
    assert not {"resizing", "spacing_mm"} & set(identity.record())
    assert set(converter.to_json(identity)) == set(identity.record())
    assert data_remarks(identity, ()) == ()


def test_the_check_says_it_for_the_size_asked_for(
    thin_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "changes the target: its area by +17%, components from 1 to 33 (medians)"
    for arguments, is_said in (
        ((), True),
        (("--size", "64"), True),
        (("--size", "256"), False),
    ):
        with pytest.raises(SystemExit) as end:
            main.main(["check-data", str(thin_data), *arguments])
        out = capsys.readouterr().out
        # Three cases are too few to split.
        assert end.value.code == 2
        assert "NOT READY: no faults, but 3 cases are too few" in out
        assert ("changes the target" in out) == is_said
        if "64" in arguments:
            assert words in out


def test_a_command_says_it(thin_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = at_size(PRESETS["smoke"], 64)
    load_experiment_data(config, thin_data)
    out = capsys.readouterr().out
    assert "Data: downsampling to 64 x 64 px changes the target: " in out
    load_experiment_data(at_size(PRESETS["smoke"], 512), thin_data)
    out = capsys.readouterr().out
    assert (
        "Data: 3 images are smaller than 512 x 512 px and are enlarged (smallest: "
        "256 px); --data.size 256 enlarges none\n"
    ) in out


@pytest.mark.parametrize(
    ("spacing", "expected"), [([0.5, 0.5], 2.0), ([0.5, 0.50001], 2.0), (None, None)]
)
def test_spacing_is_that_of_resized_pixels(
    thin_data: Path, spacing: object, expected: float | None
) -> None:
    described(thin_data, spacing)
    dataset = load_directory(thin_data, "both", 64, soft_masks=False)
    assert dataset.spacing_mm == dataset.identity.spacing_mm == expected


def test_pixels_that_are_not_square_have_no_spacing(thin_data: Path) -> None:
    described(thin_data, [0.5, 0.8])
    dataset = load_directory(thin_data, "both", 256, soft_masks=False)
    assert dataset.spacing_mm is None
    assert dataset.notes == (
        "pixels are not square (0.5 x 0.8 mm): distances are in px only",
    )


def test_images_of_several_sizes_have_no_spacing(thin_data: Path) -> None:
    for folder in ("images", "masks"):
        path = thin_data / folder / "0.png"
        Image.open(path).crop((0, 0, 200, 200)).save(path)
    described(thin_data, [0.5, 0.5])
    dataset = load_directory(thin_data, "both", 200, soft_masks=True)
    assert dataset.spacing_mm is None
    assert dataset.notes[-1] == (
        "images have 200 to 256 px, so their pixels differ: distances are in px only"
    )


@pytest.mark.parametrize("spacing", [[0, 1], [1, -1], ["1", "1"], [1]])
def test_a_spacing_that_is_no_length_is_refused(
    thin_data: Path, spacing: object
) -> None:
    described(thin_data, spacing)
    with pytest.raises(InputError, match=r"dataset\.json: was altered"):
        load_directory(thin_data, "both", 64, soft_masks=False)


def test_phantoms_are_never_enlarged() -> None:
    large = load_phantoms(1, 0, "both", 512, soft_masks=False).cases[0]
    direct = make_phantom(0, 0, "both", 512)
    np.testing.assert_array_equal(large.image, direct.image)
    np.testing.assert_array_equal(large.mask, direct.labels > 0)


def test_a_class_that_is_thin_is_not_hidden_by_the_others() -> None:
    labels = 2 * vessels().astype(np.uint8)
    labels[:128, :128] = 1
    by_class: list[list[Tried]] = [[], []]
    for own, tried in zip(by_class, try_classes(labels, 2, 64), strict=True):
        own += tried
    found = summarize_classes(by_class, [256], 64)
    assert found is not None
    assert found.keeps == 256
    assert found.area == by_class[1][0][64].area
    assert summarize_classes([[], []], [256], 64) is None
