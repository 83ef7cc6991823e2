"""A folder that nobody has prepared: what would go wrong in silence is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.prepare.inputs import (
    SIDE,
    disc,
    noise,
    pixel_counts,
    run,
    save,
    write_pairs,
)
from tfgansynth.config import Config
from tfgansynth.data.checks.report import check
from tfgansynth.data.loading import load_directory
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import load_experiment_data

ONE = disc(30, 30, 14)
LARGE = disc(48, 48, 44)


def refused(root: Path, *words: str) -> None:
    """Loading refuses it in one line, and check-data has the same fault."""
    with pytest.raises(InputError) as raised:
        load_directory(root, "both", SIDE, soft_masks=False)
    report = check(root, "both")
    for word in words:
        assert word in str(raised.value)
        assert any(word in fault.problem for fault in report.faults)
    assert str(raised.value).startswith(str(root))


def noted(root: Path, *words: str) -> None:
    """Loading notes it in one line, and check-data the same."""
    dataset = load_directory(root, "both", SIDE, soft_masks=False)
    report = check(root, "both")
    assert report.faults == ()
    for word in words:
        assert any(word in note for note in dataset.notes), dataset.notes
        assert any(word in str(note) for note in report.notes)


def palette(index: int) -> Image.Image:
    """Index 0 is white, 1 dark red."""
    drawn = Image.fromarray(ONE.astype(np.uint8)).convert("P")
    drawn.putpalette([255, 255, 255, 139, 0, 0])
    return drawn


def red_on_white(index: int) -> np.ndarray:
    return np.where(ONE[..., None], (255, 0, 0), (255, 255, 255)).astype(np.uint8)


@pytest.mark.parametrize("draw", [palette, red_on_white])
def test_colors_of_masks_are_not_read_as_grey(
    tmp_path: Path, draw: Callable[[int], np.ndarray]
) -> None:
    refused(
        write_pairs(tmp_path / "in", draw),
        "has colors, as a mask of several classes has",
        "tfgansynth prepare-data",
    )


def test_a_palette_of_greys_is_grey(tmp_path: Path) -> None:
    def drawn(index: int) -> Image.Image:
        image = Image.fromarray(1 - ONE.astype(np.uint8)).convert("P")
        image.putpalette([255, 255, 255, 0, 0, 0])
        return image

    root = write_pairs(tmp_path / "in", drawn)
    cases = load_directory(root, "both", SIDE, soft_masks=False).cases

    assert {int(case.mask.sum()) for case in cases} == {int(ONE.sum())}


@pytest.mark.parametrize("inside", [ONE, LARGE], ids=["small", "large"])
def test_mixed_polarity_is_refused(tmp_path: Path, inside: np.ndarray) -> None:
    root = write_pairs(
        tmp_path / "in", lambda i: (inside ^ (i % 3 == 0)).astype(np.uint8) * 255
    )

    refused(root, "4 of 12 masks look inverted (c00.png, c03.png", "--polarity border")
    run(root, tmp_path / "out", polarity="border")
    assert pixel_counts(tmp_path / "out")[1] == 12 * inside.sum()
    run(root, tmp_path / "kept", polarity="keep")
    assert check(tmp_path / "kept", "both").faults == ()


def test_large_masks_are_noted(tmp_path: Path) -> None:
    noted(
        write_pairs(tmp_path / "all", lambda i: LARGE),
        "c00.png: 12 of 12 masks cover more than 60 % of the image (c00.png",
        "inverted?",
    )


def test_values_that_differ_between_masks_are_refused(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: ONE.astype(np.uint8) * (1 + i % 2))
    deep = write_pairs(
        tmp_path / "deep", lambda i: ONE.astype(np.uint16) * (300 + i % 2)
    )

    refused(root, "has the values 0 and 2, c00.png has 0 and 1", "--foreground any")
    refused(deep, "has the values 0 and 301, c00.png has 0 and 300")


def test_masks_as_jpeg_may_have_different_maxima(tmp_path: Path) -> None:
    for index in range(4):
        save(tmp_path / f"in/images/{index}.png", noise(index))
        inside = disc(30 + index, 40, 12)
        save(tmp_path / f"in/masks/{index}.jpg", inside.astype(np.uint8) * 255)

    cases = load_directory(tmp_path / "in", "both", SIDE, soft_masks=False).cases

    for index, case in enumerate(cases):
        assert (case.mask ^ disc(30 + index, 40, 12)).sum() < 20


def test_12_bits_in_16_are_refused(tmp_path: Path) -> None:
    """They were trained on 16 grey levels."""
    root = write_pairs(
        tmp_path / "in", lambda i: ONE, lambda i: noise(i).astype(np.uint16) * 16
    )

    refused(root, "has values up to 4080 in 16 bits", "16 of 256 grey levels")
    run(root, tmp_path / "out")
    assert check(tmp_path / "out", "both").faults == ()


def test_one_dark_image_of_16_bits_is_no_fault(tmp_path: Path) -> None:
    root = write_pairs(
        tmp_path / "in",
        lambda i: ONE,
        lambda i: noise(i).astype(np.uint16) * (257 if i else 40),
    )

    assert check(root, "both").faults == ()


def test_colors_that_become_grey_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_pairs(
        tmp_path / "in", lambda i: ONE, lambda i: noise(i, (SIDE, SIDE, 3))
    )

    noted(root, "c00.png: is in color, and read as grey", "(and 11 more of 12)")
    load_experiment_data(Config(), root)
    said = [line for line in capsys.readouterr().out.splitlines() if "in color" in line]
    assert len(said) == 1
    assert said[0].startswith(f"Data: {root}/images/c00.png: is in color")


@pytest.mark.parametrize("grey", ["RGB", "RGBA", "P", "JPEG"])
def test_grey_in_colors_is_not_called_color(tmp_path: Path, grey: str) -> None:
    def drawn(index: int) -> Image.Image:
        return Image.fromarray(noise(index)).convert("RGB" if grey == "JPEG" else grey)

    root = write_pairs(tmp_path / "in", lambda i: ONE)
    for index in range(12):
        extension = "jpg" if grey == "JPEG" else "png"
        (root / f"images/c{index:02d}.png").unlink()
        drawn(index).save(root / f"images/c{index:02d}.{extension}")

    assert load_directory(root, "both", SIDE, soft_masks=False).notes == ()


UNTURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""From upright to what is stored with a tag of EXIF."""


@pytest.mark.parametrize("tag", range(2, 9))
@pytest.mark.parametrize("kind", ["png", "tif", "16"])
def test_a_turned_image_meets_its_upright_mask(
    tmp_path: Path, tag: int, kind: str
) -> None:
    noted_tag = Image.Exif()
    noted_tag[0x112] = tag
    for index in range(3):
        bright = noise(index) // 4 + ONE.astype(np.uint8) * 150
        pixels = bright.astype(np.uint16) * 257 if kind == "16" else bright
        path = tmp_path / f"in/images/{index}.{'png' if kind == '16' else kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).transpose(UNTURN[tag]).save(path, exif=noted_tag)
        save(tmp_path / f"in/masks/{index}.png", ONE)

    dataset = load_directory(tmp_path / "in", "both", SIDE, soft_masks=False)

    for index, case in enumerate(dataset.cases):
        expected = noise(index) // 4 + ONE.astype(np.uint8) * 150
        np.testing.assert_allclose(case.image, expected, atol=0.01)
    noted(tmp_path / "in", "is stored turned (EXIF), and read upright")
