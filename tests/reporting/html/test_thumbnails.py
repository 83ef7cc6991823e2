"""Pictures come out as they went in, and outlines lie on the edge of their masks."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgansynth import pictures
from tfgansynth.arrays import ByteArray
from tfgansynth.errors import InputError
from tfgansynth.reporting.html.thumbnails import (
    mask_thumbnail,
    outline_path,
    sample_thumbnails,
    thumbnail,
)
from tfgansynth.runtime import storage

SIZE = 16


def decoded(src: str) -> ByteArray:
    head, _, body = src.partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as image:
        return np.asarray(image.convert("RGB" if image.mode == "P" else image.mode))


def areas(path: str) -> list[float]:
    """The areas of a path's polygons."""
    found = []
    for polygon in re.findall(r"M([^Z]+)Z", path):
        points = [complex(*map(float, p.split())) for p in polygon.split("L")]
        following = [*points[1:], points[0]]
        pairs = zip(points, following, strict=True)
        found.append(abs(sum((a.conjugate() * b).imag for a, b in pairs)) / 2)
    return found


def test_pixels_come_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE), np.uint8)

    made = thumbnail(pixels, alt="noise")

    np.testing.assert_array_equal(decoded(made.src), pixels)
    assert (made.side, made.alt, made.truth, made.prediction) == (SIZE, "noise", "", "")


def test_a_mask_is_black_and_white() -> None:
    mask = np.eye(SIZE, dtype=np.uint8)

    np.testing.assert_array_equal(decoded(mask_thumbnail(mask, alt="").src), 255 * mask)


def test_an_outline_encloses_its_mask() -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[2:6, 3:10] = True
    mask[10:16, 0:4] = True

    first, second = areas(outline_path(mask))

    # The corners of each are cut off by half a pixel's triangle.
    assert first == pytest.approx(4 * 7 - 4 / 8, abs=0.01)
    assert second == pytest.approx(6 * 4 - 4 / 8, abs=0.01)
    numbers = [float(number) for number in re.findall(r"[\d.]+", outline_path(mask))]
    assert min(numbers) == 0
    assert max(numbers) == SIZE


def test_an_empty_mask_has_no_outline() -> None:
    assert outline_path(np.zeros((SIZE, SIZE), np.uint8)) == ""


def test_samples_are_cut_out_of_their_sheet(tmp_path: Path) -> None:
    images = np.arange(16, dtype=np.uint8).repeat(SIZE * SIZE).reshape(-1, SIZE, SIZE)
    images *= 12
    masks = np.zeros(images.shape, np.uint8)
    masks[1, 4:8, 4:8] = 1
    sheet = pictures.pairs_sheet(images, masks, columns=8)
    storage.write_png(tmp_path / "step-000020.png", sheet)

    made = sample_thumbnails(tmp_path / "step-000020.png", SIZE, 6)

    assert [int(decoded(each.src)[0, 0, 0]) for each in made] == [0, 12, 24, 36, 48, 60]
    np.testing.assert_array_equal(
        decoded(made[1].src), pictures.outline(images[1], masks[1])
    )
    assert made[1].alt == "Sample 2 of the generator at step-000020, outlined"


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_another_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "step-000020.png"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InputError, match=r"step-000020.png: cannot be read"):
        sample_thumbnails(path, SIZE, 6)


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    storage.write_png(tmp_path / "step-000020.png", np.zeros((9, 9, 3), np.uint8))

    with pytest.raises(InputError, match=r"step-000020.png: .*9 px wide"):
        sample_thumbnails(tmp_path / "step-000020.png", SIZE, 6)
