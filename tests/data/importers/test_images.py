import io
import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tfgansynth.data.importers import decoding, full_decoding
from tfgansynth.data.importers.images import (
    has_two_levels,
    read_grey,
    read_jsrt_raw,
    read_mask,
)
from tfgansynth.errors import InputError

RAMP = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("extension", ["png", "gif", "tif", "tiff", "bmp", "PNG"])
def test_lossless_formats_keep_8_bit_values(tmp_path: Path, extension: str) -> None:
    grey = read_grey(save(tmp_path / f"a.{extension}", RAMP))

    assert grey.dtype == np.float32
    np.testing.assert_array_equal(grey, RAMP)


@pytest.mark.parametrize("extension", ["jpg", "jpeg"])
def test_jpeg_is_close(tmp_path: Path, extension: str) -> None:
    grey = read_grey(save(tmp_path / f"a.{extension}", RAMP, quality=95))

    np.testing.assert_allclose(grey, RAMP, atol=6)


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_16_bit_values_are_divided_by_257(tmp_path: Path, extension: str) -> None:
    deep = np.array([[0, 257, 65535], [128, 4095, 30000]], np.uint16)

    grey = read_grey(save(tmp_path / f"a.{extension}", deep))

    np.testing.assert_allclose(grey, deep / 257, rtol=1e-6)
    assert grey.max() == 255


def test_16_bit_big_endian_tiff(tmp_path: Path) -> None:
    deep = np.array([[0, 257], [65535, 514]], np.uint16)
    path = tmp_path / "a.tif"
    Image.frombytes("I;16B", (2, 2), deep.astype(">u2").tobytes()).save(path)

    np.testing.assert_array_equal(read_grey(path), [[0, 1], [255, 2]])


def test_1_bit_is_black_and_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(RAMP > 100).save(path)

    np.testing.assert_array_equal(read_grey(path), np.where(RAMP > 100, 255, 0))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_in_color_modes_keeps_its_values(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(RAMP).convert(mode).save(path)

    np.testing.assert_array_equal(read_grey(path), RAMP)


def test_color_becomes_luminance(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (3, 2), (0, 255, 0)).save(path)

    np.testing.assert_allclose(read_grey(path), 0.587 * 255, atol=1)


def test_palette_with_transparency_is_read_without_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = Image.fromarray(RAMP).convert("P")
    image.save(path, transparency=bytes([0, 128, 255]))

    np.testing.assert_array_equal(read_grey(path), RAMP)


def test_content_decides_the_format_not_the_extension(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    save(tmp_path / "a.png", RAMP).rename(path)

    np.testing.assert_array_equal(read_grey(path), RAMP)


@pytest.mark.parametrize(("dtype", "kind"), [(np.float32, "F"), (np.int32, "I")])
def test_32_bit_pixels_are_refused(tmp_path: Path, dtype: type, kind: str) -> None:
    path = save(tmp_path / "a.tif", RAMP.astype(dtype))

    with pytest.raises(InputError, match=rf"a\.tif: has pixels of mode '{kind}'"):
        read_grey(path)


def test_pixels_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    odd = np.full((4, 4), np.nan, np.float32)
    odd[0] = np.inf

    with pytest.raises(InputError, match="has pixels of mode 'F'"):
        read_grey(save(tmp_path / "a.tif", odd))


def test_an_unsupported_image_is_still_called_an_image(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", RAMP)
    content = bytearray(path.read_bytes())
    bits_per_sample = content.index(struct.pack("<HH", 258, 3))
    content[bits_per_sample + 8] = 64
    path.write_bytes(content)

    with pytest.raises(InputError, match="has an unsupported pixel format; save it as"):
        read_grey(path)


def test_cmyk_becomes_luminance(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.new("CMYK", (3, 2), (0, 0, 0, 155)).save(path)

    np.testing.assert_allclose(read_grey(path), 100, atol=1)


@pytest.mark.parametrize("extension", ["gif", "png", "tif"])
def test_several_images_in_one_file_are_refused(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    frames = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP)]
    frames[0].save(path, save_all=True, append_images=frames[1:])

    with pytest.raises(InputError, match="has several images"):
        read_grey(path)


def huge_png(width: int, height: int) -> bytes:
    """A few bytes that announce a large image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8193, 1), (1, 8193), (60_000, 60_000)])
def test_large_images_are_refused_before_decoding(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(huge_png(*size))

    with pytest.raises(InputError, match=r"a\.png: is larger than 8192 x 8192 px"):
        read_grey(path)


def test_the_largest_size_gives_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(huge_png(8192, 8192))

    with pytest.raises(InputError, match="is damaged or cut short"):
        read_grey(path)


def no_pixels(kind: str) -> bytes:
    """A file that announces an image of no width."""
    if kind == "PNG":
        return huge_png(0, 9)
    content = bytearray(encoded(kind))
    at = {"GIF": 6, "BMP": 18}[kind]
    content[at : at + 2] = bytes(2)
    if kind == "GIF":
        frame = content.index(b",", 13 + 3 * 256)
        content[frame + 5 : frame + 7] = bytes(2)
    return bytes(content)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
def test_an_image_without_pixels_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(no_pixels(kind))

    with pytest.raises(InputError, match=r"a\.png: (is damaged|has no pixels)"):
        read_grey(path)


def test_large_files_are_refused_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate((256 << 20) + 1)

    with pytest.raises(InputError, match=r"a\.png: is larger than 256 MiB"):
        read_grey(path)


def test_a_device_is_refused() -> None:
    with pytest.raises(InputError, match="/dev/zero: is not a regular file"):
        read_grey(Path("/dev/zero"))


def test_a_named_pipe_in_place_of_a_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "a.png")
    monkeypatch.setattr(os.path, "isfile", lambda path: True)

    with pytest.raises(InputError, match="is not a regular file"):
        read_grey(tmp_path / "a.png")


def test_a_file_that_vanishes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ask in ("exists", "isfile"):
        monkeypatch.setattr(os.path, ask, lambda path: True)

    with pytest.raises(InputError, match=r"a\.png: cannot be read: No such file"):
        read_grey(tmp_path / "a.png")


def test_missing_empty_folder_and_pipe(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")

    with pytest.raises(InputError, match=r"no\.png: does not exist"):
        read_grey(tmp_path / "no.png")
    with pytest.raises(InputError, match=r"empty\.png: is empty"):
        read_grey(tmp_path / "empty.png")
    with pytest.raises(InputError, match="is a folder"):
        read_grey(tmp_path)
    with pytest.raises(InputError, match="is not a regular file"):
        read_grey(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="does not exist"):
        read_grey(tmp_path / ("x" * 5000))
    with pytest.raises(InputError, match="does not exist"):
        read_grey(tmp_path / "null\0byte")


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="root may read every file"
)
def test_unreadable_file(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RAMP)
    path.chmod(0)

    with pytest.raises(InputError, match=r"a\.png: cannot be read"):
        read_grey(path)


def test_message_stays_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_grey(tmp_path / "two\nlines.png")

    assert "\n" not in str(caught.value)
    assert r"two\nlines.png" in str(caught.value)


def encoded(extension: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    Image.fromarray(noise).save(buffer, extension, **options)
    return buffer.getvalue()


VALID = [
    encoded("PNG"),
    encoded("JPEG"),
    encoded("GIF"),
    encoded("BMP"),
    encoded("TIFF"),
    encoded("TIFF", compression="tiff_lzw"),
]


def random_bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(1, 2000))


def random_after_signature(rng: random.Random) -> bytes:
    return rng.choice(VALID)[: rng.randrange(2, 40)] + random_bytes(rng)


def cut_short(rng: random.Random) -> bytes:
    data = rng.choice(VALID)
    return data[: rng.randrange(1, len(data))]


def flipped(rng: random.Random) -> bytes:
    data = bytearray(rng.choice(VALID))
    for _ in range(rng.randrange(1, 20)):
        # Half of the damage to the header, where it hurts.
        end = rng.choice([len(data), 200])
        data[rng.randrange(end)] = rng.randrange(256)
    return bytes(data)


@pytest.mark.parametrize(
    "damage", [random_bytes, random_after_signature, cut_short, flipped]
)
@pytest.mark.parametrize("read", [read_grey, read_mask])
def test_damaged_files_raise_nothing_but_input_error(
    tmp_path: Path,
    damage: Callable[[random.Random], bytes],
    read: Callable[[Path], np.ndarray],
) -> None:
    rng = random.Random(damage.__name__)
    path = tmp_path / "damaged.png"
    for _ in range(200):
        path.write_bytes(damage(rng))
        try:
            assert read(path).ndim == 2
        except InputError as error:
            message = str(error)
            assert message.startswith(f"{path}: ")
            assert "\n" not in message


@pytest.mark.parametrize("data", VALID, ids=["png", "jpg", "gif", "bmp", "tif", "lzw"])
def test_half_a_file_is_never_read_as_an_image(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "half.png"
    path.write_bytes(data[: len(data) // 2])

    with pytest.raises(InputError, match=r"half\.png: is"):
        read_grey(path)


@pytest.mark.parametrize("decode", [decoding.decode, full_decoding.decode])
@pytest.mark.parametrize("what", ["pixels", "check sum"])
def test_a_damaged_png_is_refused(what: str, decode: Callable[[bytes], object]) -> None:
    """Its pixels are loaded when its orientation is asked for, and may not be kept."""
    content = bytearray(encoded("PNG"))
    begin = content.index(b"IDAT")
    (length,) = struct.unpack(">I", content[begin - 4 : begin])
    end = begin + 4 + length
    if what == "pixels":
        content[begin + length // 2] ^= 1
        content[end : end + 4] = struct.pack(">I", zlib.crc32(content[begin:end]))
    else:
        content[end] ^= 1

    with pytest.raises(decoding.Refusal, match=decoding.DAMAGED):
        decode(bytes(content))


@pytest.mark.parametrize("inside", [1, 2, 128, 255])
def test_mask_threshold_follows_the_maximum(tmp_path: Path, inside: int) -> None:
    drawn = np.zeros((6, 6), bool)
    drawn[2:4, 1:5] = True

    mask = read_mask(save(tmp_path / "m.png", (drawn * inside).astype(np.uint8)))

    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, drawn)


def test_mask_is_cut_at_half_its_maximum(tmp_path: Path) -> None:
    levels = np.array([[0, 1, 99, 100, 101, 200]], np.uint8)

    mask = read_mask(save(tmp_path / "m.png", levels))

    np.testing.assert_array_equal(mask, [[False, False, False, True, True, True]])


def test_uniform_masks_are_returned(tmp_path: Path) -> None:
    black = np.zeros((4, 4), np.uint8)

    assert not read_mask(save(tmp_path / "black.png", black)).any()
    assert read_mask(save(tmp_path / "white.png", black + 255)).all()


def test_jsrt_raw_is_inverted_and_scaled(tmp_path: Path) -> None:
    values = np.zeros((2048, 2048), ">u2")
    values[0, :4] = [0, 4095, 819, 5000]
    path = tmp_path / "JPCLN001.IMG"
    values.tofile(path)

    image = read_jsrt_raw(path)

    assert image.dtype == np.float32
    assert image.shape == (2048, 2048)
    np.testing.assert_allclose(image[0, :4], [255, 0, 204, 0], rtol=1e-6)
    assert image.max() <= 255


@pytest.mark.parametrize("n_bytes", [1, 2048 * 2048 * 2 - 1, 2048 * 2048 * 2 + 1])
def test_jsrt_raw_of_another_length_is_refused(tmp_path: Path, n_bytes: int) -> None:
    path = tmp_path / "JPCLN001.IMG"
    path.write_bytes(bytes(n_bytes))

    with pytest.raises(InputError, match=rf"has {n_bytes} bytes.*8388608"):
        read_jsrt_raw(path)


def test_jsrt_raw_in_the_wrong_byte_order_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "JPCLN001.IMG"
    np.full((2048, 2048), 0x01F0, "<u2").tofile(path)

    with pytest.raises(InputError, match="big-endian"):
        read_jsrt_raw(path)


def test_jsrt_raw_missing_and_empty(tmp_path: Path) -> None:
    path = tmp_path / "JPCLN001.IMG"
    with pytest.raises(InputError, match="does not exist"):
        read_jsrt_raw(path)
    path.touch()
    with pytest.raises(InputError, match="is empty"):
        read_jsrt_raw(path)


def edged(kind: str) -> np.ndarray:
    """A disc and a line with the edges of a kind."""
    y, x = np.mgrid[:128, :128]
    drawn = ((y - 50) ** 2 + (x - 60) ** 2 < 30**2) | (x % 50 < 2)
    mask = drawn.astype(np.uint8) * 255
    name, _, number = kind.partition(" ")
    if name == "jpeg":
        buffer = io.BytesIO()
        Image.fromarray(mask).save(buffer, "JPEG", quality=int(number))
        return np.asarray(Image.open(buffer))
    if name == "larger":
        side = 128 * int(number)
        larger = Image.fromarray(mask).resize((side, side), Image.Resampling.BICUBIC)
        return np.asarray(larger)
    return np.asarray(Image.fromarray(mask).filter(ImageFilter.GaussianBlur(3)))


@pytest.mark.parametrize(
    "kind", ["jpeg 5", "jpeg 30", "jpeg 75", "jpeg 100", "larger 3", "larger 8", "blur"]
)
def test_smoothed_edges_and_artifacts_are_no_classes(kind: str) -> None:
    assert has_two_levels(edged(kind))


def test_an_image_has_more_than_two_levels() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)

    assert not has_two_levels(noise)
