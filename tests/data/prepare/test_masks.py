"""Masks of every kind become class indices with the right number of pixels."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.prepare.inputs import (
    SIDE,
    N,
    disc,
    masks,
    noise,
    pixel_counts,
    run,
    save,
    write_pairs,
)
from tfgansynth.data.checks.report import check
from tfgansynth.data.loading import load_directory
from tfgansynth.errors import InputError

ONE = disc(30, 30, 14)
TWO = disc(64, 64, 10)
THREE = disc(70, 25, 8)


def binary(index: int) -> np.ndarray:
    return ONE.astype(np.uint8) * 255


def instances(index: int) -> np.ndarray:
    """Disc k has the value k, to 30, in 16 bits."""
    drawn = np.zeros((SIDE, SIDE), np.uint16)
    for k in range(1, 31):
        drawn[disc(8 + 15 * ((k - 1) // 6), 8 + 15 * ((k - 1) % 6), 5)] = k
    return drawn


def classes(index: int) -> np.ndarray:
    """Disc 1 is everywhere, disc 3 in every third file."""
    drawn = ONE.astype(np.uint8)
    if index % 3 == 0:
        drawn[TWO] = 3
    return drawn


def colors(index: int) -> np.ndarray:
    drawn = np.zeros((SIDE, SIDE, 3), np.uint8)
    drawn[ONE] = (255, 0, 0)
    drawn[TWO] = (255, 255, 0)
    drawn[THREE] = (0, 255, 0)
    return drawn


def void(index: int) -> np.ndarray:
    """0 and 1, and 8 rows of 255."""
    drawn = ONE.astype(np.uint8)
    drawn[:8] = 255
    return drawn


def palette(index: int) -> Image.Image:
    """Index 0 is white, 1 dark red."""
    drawn = Image.fromarray(ONE.astype(np.uint8)).convert("P")
    drawn.putpalette([255, 255, 255, 139, 0, 0])
    return drawn


def inverted(index: int) -> np.ndarray:
    return 255 - binary(index) if index % 3 == 0 else binary(index)


def counts(*discs: np.ndarray, times: int = N) -> list[int]:
    inside = [times * int(each.sum()) for each in discs]
    return [N * SIDE * SIDE - sum(inside), *inside]


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "made"


def refused(root: Path, to: Path, *words: str, **choices: Any) -> None:
    with pytest.raises(InputError) as raised:
        run(root, to, **choices)
    for word in words:
        assert word in str(raised.value), str(raised.value)
    assert not to.exists()
    assert not list(to.parent.glob("*.partial"))


def test_two_levels_are_one_class(tmp_path: Path, to: Path) -> None:
    described, _ = run(write_pairs(tmp_path / "in", binary), to, target="disc")

    assert pixel_counts(to) == counts(ONE)
    assert described.classes == ("disc",)
    assert described.target == "disc"


def test_smoothed_edges_are_one_class(tmp_path: Path, to: Path) -> None:
    import cv2

    def smooth(index: int) -> np.ndarray:
        large = np.repeat(np.repeat(binary(index), 4, 0), 4, 1)
        turned = cv2.GaussianBlur(large, (0, 0), 4)
        return cv2.resize(turned, (SIDE, SIDE), interpolation=cv2.INTER_AREA)

    _, lines = run(write_pairs(tmp_path / "in", smooth), to)

    assert pixel_counts(to)[1] == pytest.approx(N * ONE.sum(), rel=0.02)
    assert any("smoothed edges: above 127.5" in line for line in lines)


def test_ignored_values_of_smoothed_edges_become_background(
    tmp_path: Path, to: Path
) -> None:
    def smooth(index: int) -> np.ndarray:
        drawn = np.zeros((SIDE, SIDE), np.uint8)
        for level, radius in ((60, 17), (120, 16), (200, 15), (255, 14)):
            drawn[disc(30, 30, radius)] = level
        return drawn

    root = write_pairs(tmp_path / "in", smooth)
    n_edge = N * int((smooth(0) == 200).sum())

    run(root, to)
    assert pixel_counts(to)[1] == N * ONE.sum() + n_edge
    run(root, tmp_path / "void", ignore=("200",))
    assert pixel_counts(tmp_path / "void")[1] == N * ONE.sum()


def test_ignored_values_stay_background_where_a_mask_is_turned(
    tmp_path: Path, to: Path
) -> None:
    def drawn(index: int) -> np.ndarray:
        mask = inverted(index)
        mask[TWO] = 7
        return mask

    run(write_pairs(tmp_path / "in", drawn), to, ignore=("7",), polarity="border")

    assert pixel_counts(to) == counts(ONE)


def test_masks_as_jpeg_are_one_class(tmp_path: Path, to: Path) -> None:
    for index in range(N):
        save(tmp_path / f"in/images/{index}.png", noise(index))
        save(tmp_path / f"in/masks/{index}.jpg", binary(index), quality=75)

    run(tmp_path / "in", to)

    assert pixel_counts(to)[1] == pytest.approx(N * ONE.sum(), rel=0.02)


def test_instances_are_refused_and_taken_as_one(tmp_path: Path, to: Path) -> None:
    root = write_pairs(tmp_path / "in", instances)

    refused(root, to, "0 (12 of 12 files", "and 23 more", "--foreground any")
    run(root, to, foreground="any")

    assert pixel_counts(to)[1] == N * int((instances(0) > 0).sum())


def test_classes_are_refused_and_named(tmp_path: Path, to: Path) -> None:
    root = write_pairs(tmp_path / "in", classes)

    refused(root, to, "1 (12 of 12 files", "3 (4 of 12 files", "--classes NAME=VALUE")
    refused(root, to, "without a name: 3 (4 of", "--ignore", classes=("a=1",))
    refused(root, to, "no mask has the class c", classes=("a=1", "b=3", "c=2"))
    described, _ = run(root, to, classes=("small=3", "large=1"))

    assert described.classes == ("small", "large")
    assert pixel_counts(to)[1:] == [4 * TWO.sum(), N * ONE.sum()]


def test_values_that_differ_between_files_are_refused(tmp_path: Path, to: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: ONE.astype(np.uint8) * (1 + i % 2))
    other = write_pairs(
        tmp_path / "levels", lambda i: ONE.astype(np.uint8) * (1 if i % 2 else 255)
    )

    many = write_pairs(
        tmp_path / "many", lambda i: ONE.astype(np.uint8) * (240 + i % 4)
    )

    refused(root, to, "1 (6 of 12 files", "2 (6 of 12 files")
    refused(many, to, "240 (3 of 12 files", "243 (3 of 12 files")
    refused(other, to, "1 (6 of 12 files", "255 (6 of 12 files")
    run(other, to, foreground="any")
    assert pixel_counts(to) == counts(ONE)


def test_colors_are_named_by_exact_value(tmp_path: Path, to: Path) -> None:
    root = write_pairs(tmp_path / "in", colors)

    refused(root, to, "#ff0000", "#ffff00", "#00ff00")
    refused(root, to, "expected a color #RRGGBB", classes=("red=1",))
    run(root, to, classes=("red=#ff0000", "yellow=#FFFF00", "green=00ff00"))

    assert pixel_counts(to) == counts(ONE, TWO, THREE)


def test_a_color_mask_without_color_is_empty(tmp_path: Path, to: Path) -> None:
    root = write_pairs(
        tmp_path / "in", lambda i: colors(i) if i else np.zeros_like(colors(i))
    )
    choices = ("red=#ff0000", "yellow=#ffff00", "green=#00ff00")

    run(root, to, classes=choices, negatives="keep")

    assert pixel_counts(to)[1:] == [11 * each.sum() for each in (ONE, TWO, THREE)]


def test_void_is_refused_and_ignored(tmp_path: Path, to: Path) -> None:
    root = write_pairs(tmp_path / "in", void)

    refused(root, to, "255 (12 of 12 files", "--ignore VALUE")
    _, lines = run(root, to, ignore=("255",))

    assert pixel_counts(to) == counts(ONE)
    assert any(f"{N * 8 * SIDE} pixels" in line for line in lines)


def test_a_thin_void_border_around_small_discs_is_no_smoothed_edge(
    tmp_path: Path, to: Path
) -> None:
    def bordered(index: int) -> np.ndarray:
        drawn = disc(50, 50, 6).astype(np.uint8) * 255
        drawn[disc(50, 50, 4)] = 1
        return drawn

    refused(write_pairs(tmp_path / "in", bordered), to, "255 (12 of 12 files")


@pytest.mark.parametrize("draw", [instances, classes, void])
def test_without_an_import_they_are_refused(
    tmp_path: Path, draw: Callable[[int], np.ndarray]
) -> None:
    root = write_pairs(tmp_path / "in", draw)

    with pytest.raises(InputError, match=r"c00.png: has more than two values, .*prepa"):
        load_directory(root, "both", SIDE, soft_masks=False)
    text = check(root, "both").text()
    assert re.search(r"c00\.png( \(and \d+ more\))?: has more than two values", text)


def test_a_palette_counts_by_index(tmp_path: Path, to: Path) -> None:
    run(write_pairs(tmp_path / "in", palette), to)

    assert pixel_counts(to) == counts(ONE)


def test_a_palette_of_greys_counts_by_grey(tmp_path: Path, to: Path) -> None:
    def drawn(index: int) -> Image.Image:
        image = Image.fromarray(1 - ONE.astype(np.uint8)).convert("P")
        image.putpalette([255, 255, 255, 0, 0, 0])
        return image

    run(write_pairs(tmp_path / "in", drawn), to)

    assert pixel_counts(to) == counts(ONE)


def test_inverted_masks_are_refused_and_turned(tmp_path: Path, to: Path) -> None:
    root = write_pairs(tmp_path / "in", inverted)

    refused(root, to, "4 of 12 masks look inverted (masks/c00.png", "--polarity border")
    run(root, to, polarity="border")
    assert pixel_counts(to) == counts(ONE)

    _, lines = run(root, to.parent / "kept", polarity="keep")
    assert pixel_counts(to.parent / "kept")[0] == 4 * ONE.sum() + 8 * (~ONE).sum()
    assert any("4 of 12 masks cover more than 60 %" in line for line in lines)


def test_large_targets_are_told_and_taken(tmp_path: Path, to: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: (~ONE).astype(np.uint8))

    _, lines = run(root, to)

    assert any("cover more than 60 % of the image" in line for line in lines)
    assert pixel_counts(to) == counts(~ONE)


def test_empty_masks_are_refused_kept_or_dropped(tmp_path: Path, to: Path) -> None:
    root = write_pairs(
        tmp_path / "in", lambda i: binary(i) if i > 2 else np.zeros_like(binary(i))
    )

    refused(root, to, "3 masks are empty (c00, c01, c02)", "--negatives keep")
    kept, _ = run(root, to, negatives="keep")
    dropped, _ = run(root, to.parent / "dropped", negatives="drop")

    assert kept.negatives == ("c00", "c01", "c02")
    assert len(list(masks(to))) == N
    assert len(list(masks(to.parent / "dropped"))) == N - 3
    assert dropped.negatives == ()


def test_only_empty_masks_are_refused(tmp_path: Path, to: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: np.zeros((SIDE, SIDE), np.uint8))

    refused(root, to, "all masks are empty", negatives="drop")


def test_an_image_in_place_of_a_mask_is_refused(tmp_path: Path, to: Path) -> None:
    root = write_pairs(
        tmp_path / "in", lambda i: noise(i).astype(np.uint16) * 257 + noise(i + 1)
    )

    refused(root, to, "masks/c00.png", "which is an image and not a mask", "11 more")


def test_a_mask_of_another_size_is_refused(tmp_path: Path, to: Path) -> None:
    root = write_pairs(tmp_path / "in", binary)
    save(root / "masks/c07.png", binary(0)[:50])

    refused(root, to, "masks/c07.png: is 96 x 50 px, its image is 96 x 96 px")


def test_transparent_masks_and_images_are_refused(tmp_path: Path, to: Path) -> None:
    root = write_pairs(tmp_path / "in", binary)
    clear = np.repeat(binary(0)[..., None], 4, axis=2)
    save(root / "masks/c03.png", clear)
    save(root / "images/c04.png", clear)

    refused(root, to, "masks/c03.png: has transparent pixels", "1 more")


def test_underscores_in_names_of_classes_are_spaces(tmp_path: Path) -> None:
    for index in range(12):
        save(tmp_path / f"in/images/c{index:02d}.png", noise(index))
        for name, mask in (("optic_disc", disc(30, 30, 9)), ("cup", disc(70, 70, 5))):
            save(tmp_path / f"in/masks/{name}/c{index:02d}.png", mask)

    described, _ = run(tmp_path / "in", tmp_path / "out")

    assert described.classes == ("cup", "optic disc")
    assert pixel_counts(tmp_path / "out")[1:] == [
        12 * disc(70, 70, 5).sum(),
        12 * disc(30, 30, 9).sum(),
    ]
