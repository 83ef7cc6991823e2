"""Every file format gives the right pixels, values and spacing."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.prepare.inputs import SIDE, disc, masks, noise, pixel_counts, run, save
from tests.data.prepare.volumes import dicom, nifti, segmentation, volume
from tfgansynth.data.importers.images import read_grey
from tfgansynth.data.importers.stored import read_stored
from tfgansynth.errors import InputError

RAMP = np.arange(240, dtype=np.uint8).reshape(12, 20)
ONE = disc(40, 60, 12)


def images(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(p)) for p in sorted((folder / "images").iterdir())]


def with_masks(root: Path, mask: np.ndarray | None = None) -> Path:
    """Add a mask to each image that is there."""
    drawn = ONE.astype(np.uint8) * 255 if mask is None else mask
    for path in (root / "images").iterdir():
        save(root / f"masks/{path.name.partition('.')[0]}.png", drawn)
    return root


@pytest.mark.parametrize("extension", ["png", "gif", "tif", "bmp", "pgm", "webp"])
def test_lossless_formats(tmp_path: Path, extension: str) -> None:
    stored = read_stored(
        save(tmp_path / f"a.{extension}", RAMP, **{"lossless": True})
        if extension == "webp"
        else save(tmp_path / f"a.{extension}", RAMP)
    )
    grey = stored.pixels[..., 0] if stored.kind == "color" else stored.pixels

    assert stored.axes == "single"
    np.testing.assert_array_equal(grey, RAMP)


@pytest.mark.parametrize(
    "deep",
    [
        np.array([[0, 257], [65535, 4095]], np.uint16),
        np.array([[0, 70000], [-5, 4095]], np.int32),
        np.array([[0, 0.5], [-5, 1e6]], np.float32),
    ],
    ids=["16", "32", "float"],
)
def test_deep_tiff(tmp_path: Path, deep: np.ndarray) -> None:
    stored = read_stored(save(tmp_path / "a.tif", deep))

    assert stored.pixels.dtype == deep.dtype
    np.testing.assert_array_equal(stored.pixels, deep)


def test_one_bit(tmp_path: Path) -> None:
    Image.fromarray(RAMP > 100).save(tmp_path / "a.tif")

    stored = read_stored(tmp_path / "a.tif")

    np.testing.assert_array_equal(stored.pixels, np.where(RAMP > 100, 255, 0))


@pytest.mark.parametrize("extension", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, extension: str, tag: int) -> None:
    upright = np.zeros((20, 36), np.uint8)
    upright[:6, :10] = 255
    turn = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[tag]
    # Pillow's own transposition by the inverse makes what a camera would store.
    exif = Image.Exif()
    exif[0x112] = turn
    turned = Image.fromarray(upright)
    turned.info["exif"] = exif.tobytes()
    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    stored_form = Image.fromarray(upright)
    if turn in methods:
        stored_form = stored_form.transpose(methods[turn])
    noted = Image.Exif()
    noted[0x112] = tag
    stored_form.save(tmp_path / f"a.{extension}", exif=noted)

    stored = read_stored(tmp_path / f"a.{extension}")

    shown = stored.pixels[..., 0] if stored.kind == "color" else stored.pixels
    assert stored.turned == (tag > 1)
    assert shown.shape == upright.shape
    assert np.abs(shown.astype(int) - upright).mean() < 3


def test_a_turned_image_meets_its_upright_mask(tmp_path: Path) -> None:
    noted = Image.Exif()
    noted[0x112] = 6
    for index in range(3):
        bright = noise(index) // 4 + ONE.astype(np.uint8) * 150
        turned = np.rot90(bright)
        save(tmp_path / f"in/images/{index}.png", turned.copy(), exif=noted)
    _, lines = run(with_masks(tmp_path / "in"), tmp_path / "out")

    for image, mask in zip(images(tmp_path / "out"), masks(tmp_path / "out"),
                           strict=True):  # fmt: skip
        assert image[mask > 0].min() >= 150 > image[mask == 0].max()
    assert any("3 have an orientation (EXIF)" in line for line in lines)


def test_alpha_is_dropped_if_it_is_opaque(tmp_path: Path) -> None:
    color = noise(1, (SIDE, SIDE, 4))
    color[..., 3] = 255
    for index in range(3):
        save(tmp_path / f"in/images/{index}.png", color)
    described, lines = run(with_masks(tmp_path / "in"), tmp_path / "out")

    assert described.channels == 3
    np.testing.assert_array_equal(images(tmp_path / "out")[0], color[..., :3])
    assert any("3 of 3 images are in color" in line for line in lines)


def test_colors_become_grey_where_that_is_stated(tmp_path: Path) -> None:
    color, grey = noise(1, (SIDE, SIDE, 3)), noise(2)
    for index, pixels in enumerate((color, grey, grey)):
        save(tmp_path / f"in/images/{index}.png", pixels)
    with_masks(tmp_path / "in")
    described, lines = run(tmp_path / "in", tmp_path / "out", colors="grey")

    assert described.channels == 1
    first, second, _ = images(tmp_path / "out")
    np.testing.assert_array_equal(first, Image.fromarray(color).convert("L"))
    np.testing.assert_array_equal(second, grey)
    assert any("all are written as grey (luminance)" in line for line in lines)

    # Then one window for all is possible, too.
    run(tmp_path / "in", tmp_path / "wide", colors="grey", window=("0", "510"))
    assert images(tmp_path / "wide")[1].max() <= 65535 // 2 + 1


def test_a_spacing_is_stated_where_the_files_have_none(tmp_path: Path) -> None:
    for index in range(3):
        save(tmp_path / f"in/images/{index}.png", noise(index))
    with_masks(tmp_path / "in")
    described, _ = run(tmp_path / "in", tmp_path / "out", spacing=(0.4, 0.8))

    assert described.spacing_mm == (0.4, 0.8)
    rows = (tmp_path / "out/cases.csv").read_text().splitlines()
    assert all(row.endswith(",0.4,0.8") for row in rows[1:])


def test_a_spacing_other_than_that_of_the_files_is_refused(tmp_path: Path) -> None:
    for name in "abc":
        path = tmp_path / f"in/images/{name}.dcm"
        dicom(path, noise(3).astype(np.uint16), PixelSpacing=["0.4", "0.8"])
    source = with_masks(tmp_path / "in")

    with pytest.raises(InputError, match=r"a\.dcm: has a spacing of 0\.4 and 0\.8 mm"):
        run(source, tmp_path / "out", spacing=(0.8, 0.4))
    assert not (tmp_path / "out").exists()
    run(source, tmp_path / "out", spacing=(0.4, 0.8))


def deep_color(form: str, top: int) -> bytes:
    """Make an image of 4 x 3 px with colors of 16 bits, which Pillow does not write."""
    values = np.linspace(0, top, 36).round().astype(np.uint16).reshape(3, 4, 3)
    if form == "PPM":
        return b"P6 4 3 65535\n" + values.astype(">u2").tobytes()
    if form == "TIFF":
        tags = [(256, 4), (257, 3), (258, 122), (259, 1), (262, 2), (273, 128)]
        tags += [(277, 3), (278, 3), (279, values.nbytes)]
        listed = b"".join(
            struct.pack("<HHII", tag, 3, 3 if tag == 258 else 1, value)
            for tag, value in tags
        )
        header = b"II*\0" + struct.pack("<IH", 8, len(tags))
        return (
            header
            + listed
            + b"\0" * 4
            + struct.pack("<3H", 16, 16, 16)
            + values.tobytes()
        )

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_colors_of_16_bits_are_told_and_refused_if_12_are_used(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / f"in/images/a.{form.lower()}"
    path.parent.mkdir(parents=True)
    path.write_bytes(deep_color(form, 65535))
    root = with_masks(tmp_path / "in", np.eye(3, 4, dtype=np.uint8))

    _, lines = run(root, tmp_path / "out")

    assert any("1 have colors of 16 bits, the upper 8 are read" in s for s in lines)
    shown = read_stored(path).pixels.ravel().astype(float)
    assert np.abs(shown - np.linspace(0, 255, 36)).max() <= 1
    path.write_bytes(deep_color(form, 4095))
    with pytest.raises(InputError, match="almost black, as 12 bits stored in 16 are"):
        run(root, tmp_path / "dark")
    if form != "PPM":
        with pytest.raises(InputError, match="almost black, as 12 bits"):
            read_grey(path)


def test_grey_in_colors_is_written_as_grey(tmp_path: Path) -> None:
    for index in range(3):
        grey = noise(index)[..., None].repeat(3, axis=2)
        save(tmp_path / f"in/images/{index}.png", grey)
    described, _ = run(with_masks(tmp_path / "in"), tmp_path / "out")

    assert described.channels == 1
    np.testing.assert_array_equal(images(tmp_path / "out")[1], noise(1))


def test_12_bits_in_16_use_the_whole_range(tmp_path: Path) -> None:
    for index in range(3):
        deep = noise(index).astype(np.uint16) * 16
        deep[0, :2] = 0, 4080
        save(tmp_path / f"in/images/{index}.png", deep)
    described, lines = run(with_masks(tmp_path / "in"), tmp_path / "out")

    assert described.made["window"] == [0, 4095]
    assert any("values 0 to 4080; window of 12 bits" in line for line in lines)
    made = images(tmp_path / "out")[0]
    assert made.dtype == np.uint16
    assert made.max() == round(4080 / 4095 * 65535)


def test_full_16_bits_stay_as_they_are(tmp_path: Path) -> None:
    deep = noise(0).astype(np.uint16) * 257
    deep[0, 0] = 65535
    save(tmp_path / "in/images/a.tif", deep)
    run(with_masks(tmp_path / "in"), tmp_path / "out")

    np.testing.assert_array_equal(images(tmp_path / "out")[0], deep)


def test_fractions_need_a_window(tmp_path: Path) -> None:
    for index in range(3):
        save(tmp_path / f"in/images/{index}.tif", noise(index).astype(np.float32) / 10)
    root = with_masks(tmp_path / "in")

    with pytest.raises(InputError, match=r"have fractions .*--window LOW HIGH, or "):
        run(root, tmp_path / "out")
    with pytest.raises(InputError, match="expected LOW HIGH"):
        run(root, tmp_path / "out", window=("5", "1"))
    run(root, tmp_path / "out", window=("0", "25.5"))
    _, lines = run(root, tmp_path / "by", window=("percentile",))

    expected = np.rint(noise(2) / 255 * 65535)
    assert np.abs(images(tmp_path / "out")[2] - expected).max() <= 1
    assert any("percentiles 0.5 and 99.5" in line for line in lines)


def test_different_depths_need_a_window(tmp_path: Path) -> None:
    save(tmp_path / "in/images/a.png", noise(0))
    save(tmp_path / "in/images/b.png", noise(0).astype(np.uint16) * 257)

    with pytest.raises(InputError, match=r"8 bits \(images/a.png\), 16 bits"):
        run(with_masks(tmp_path / "in"), tmp_path / "out")


def test_pages_are_slices(tmp_path: Path) -> None:
    pages = [Image.fromarray(noise(k)) for k in range(4)]
    drawn = [Image.fromarray(ONE.astype(np.uint8) * 255 * (k != 2)) for k in range(4)]
    for name in ("a", "b"):
        for part, listed in (("images", pages), ("masks", drawn)):
            path = tmp_path / f"in/{part}/{name}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            listed[0].save(path, save_all=True, append_images=listed[1:])

    _, lines = run(tmp_path / "in", tmp_path / "out")
    run(tmp_path / "in", tmp_path / "all", slices="all", negatives="keep")

    names = [path.stem for path in sorted((tmp_path / "out/images").iterdir())]
    assert names == [f"{c}-{k:03d}" for c in "ab" for k in (1, 2, 4)]
    np.testing.assert_array_equal(images(tmp_path / "out")[1], noise(1))
    assert pixel_counts(tmp_path / "out")[1] == 6 * ONE.sum()
    assert any("left out: 2 slices without target" in line for line in lines)
    assert len(images(tmp_path / "all")) == 8
    assert "a-001,a," in (tmp_path / "out/cases.csv").read_text()


@pytest.mark.parametrize(
    ("fit", "side"), [("pad", SIDE), ("crop", 60), ("stretch", SIDE)]
)
def test_images_become_square(tmp_path: Path, fit: str, side: int) -> None:
    inside = ONE[:60]
    for index in range(3):
        save(tmp_path / f"in/images/{index}.png", noise(index)[:60] // 2 + 100)
    root = with_masks(tmp_path / "in", inside.astype(np.uint8))
    described, lines = run(root, tmp_path / "out", fit=fit)

    image = images(tmp_path / "out")[0]
    assert image.shape == (side, side)
    if fit == "pad":
        np.testing.assert_array_equal(image[18:78], noise(0)[:60] // 2 + 100)
        assert image[:18].max() == image[78:].max() == 0
        assert pixel_counts(tmp_path / "out")[1] == 3 * inside.sum()
    elif fit == "crop":
        assert pixel_counts(tmp_path / "out")[1] == 3 * inside[:, 18:78].sum()
    else:
        share = pixel_counts(tmp_path / "out")[1] / (3 * SIDE * SIDE)
        assert share == pytest.approx(inside.mean(), rel=0.05)
    assert any(f"3 are not square: --fit {fit}" in line for line in lines)
    assert described.made["options"]["fit"] == fit


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Two volumes of 10 x 12 x 8 voxels, right-anterior-superior, with a cuboid."""
    affine = np.diag([0.5, 0.75, 3.0, 1.0])
    for index, name in enumerate("ab"):
        values = np.random.default_rng(index).integers(0, 200, (10, 12, 8))
        cuboid = np.zeros((10, 12, 8), np.uint8)
        cuboid[2:5, 3:7, 4:6] = 1
        nifti(tmp_path / f"in/imagesTr/{name}_0000.nii.gz",
              values.astype(np.uint8) + 50 * cuboid, affine)  # fmt: skip
        nifti(tmp_path / f"in/labelsTr/{name}.nii.gz", cuboid, affine)
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("axis", "shape", "n_slices", "spacing"),
    [
        ("axial", (12, 10), 2, (0.75, 0.5)),
        ("coronal", (8, 10), 4, (3.0, 0.5)),
        ("sagittal", (8, 12), 3, (3.0, 0.75)),
    ],
)
def test_volumes_become_slices(
    volumes: Path,
    axis: str,
    shape: tuple[int, int],
    n_slices: int,
    spacing: tuple[float, float],
) -> None:
    to = volumes.parent / "out"
    with pytest.raises(InputError, match=r"10 x 12 x 8 voxels .*--axis axial, coronal"):
        run(volumes, to)
    described, _ = run(volumes, to, axis=axis)

    assert len(images(to)) == 2 * n_slices
    assert {image.shape for image in images(to)} == {(max(shape), max(shape))}
    assert pixel_counts(to)[1] == 2 * 3 * 4 * 2
    assert described.spacing_mm == pytest.approx(spacing)


def test_slices_are_shown_as_radiologists_look_at_them(tmp_path: Path) -> None:
    """The patient's right is on the left of the picture, the front above."""
    values = np.zeros((8, 8, 2), np.uint8)
    values[7, 7, 1] = 200  # Right, anterior, superior.
    values[0, 0, 0] = 100
    mask = (values > 0).astype(np.uint8)
    nifti(tmp_path / "in/images/a.nii", values, np.diag([1.0, 1.0, 1.0, 1.0]))
    nifti(tmp_path / "in/masks/a.nii", mask, np.eye(4))

    run(tmp_path / "in", tmp_path / "out", axis="axial")

    first, second = images(tmp_path / "out")
    # x grows to the right, which is mirrored; y to the front, which is turned.
    assert second[0, 0] == 200
    assert first[7, 7] == 100


def test_a_mask_that_lies_elsewhere_is_refused(volumes: Path) -> None:
    cuboid = np.zeros((10, 12, 8), np.uint8)
    cuboid[1] = 1
    nifti(volumes / "labelsTr/a.nii.gz", cuboid, np.eye(4))

    with pytest.raises(InputError, match="does not lie where its image does"):
        run(volumes, volumes.parent / "out", axis="axial")


def test_dicom_with_slope_window_and_spacing(tmp_path: Path) -> None:
    raw = noise(3).astype(np.uint16) * 10
    for name in "abc":
        dicom(
            tmp_path / f"in/images/{name}.dcm",
            raw,
            RescaleSlope="2",
            RescaleIntercept="-1000",
            WindowCenter="500.5",
            WindowWidth="1001",
            PixelSpacing=["0.4", "0.8"],
            PatientID="secret-1" if name != "c" else "secret-2",
        )
    described, lines = run(with_masks(tmp_path / "in"), tmp_path / "out")

    assert described.made["window"] == [0, 1000]
    assert described.spacing_mm == (0.4, 0.8)
    expected = np.clip((raw * 2.0 - 1000) / 1000, 0, 1) * 65535
    assert np.abs(images(tmp_path / "out")[0] - expected).max() <= 1
    table = (tmp_path / "out/cases.csv").read_text()
    assert "secret" not in table
    assert [line.split(",")[1] for line in table.splitlines()] == [
        "patient", "patient-001", "patient-001", "patient-002"
    ]  # fmt: skip
    assert "2 patients" in lines


def test_dicom_with_bright_zero_is_inverted(tmp_path: Path) -> None:
    raw = noise(3).astype(np.uint16) * 16
    dicom(tmp_path / "in/images/a.dcm", raw, BitsStored=12,
          PhotometricInterpretation="MONOCHROME1")  # fmt: skip
    run(with_masks(tmp_path / "in"), tmp_path / "out")

    expected = (1 - raw / 4095) * 65535
    assert np.abs(images(tmp_path / "out")[0] - expected).max() <= 1


def test_different_dicom_windows_need_one(tmp_path: Path) -> None:
    for name, center in (("a", "40"), ("b", "400")):
        dicom(tmp_path / f"in/images/{name}.dcm", noise(1), WindowCenter=center,
              WindowWidth="100")  # fmt: skip

    with pytest.raises(
        InputError, match=r"have different windows, .*--window LOW HIGH"
    ):
        run(with_masks(tmp_path / "in"), tmp_path / "out")


def test_signed_dicom_without_window_needs_one(tmp_path: Path) -> None:
    values = noise(1).astype(np.int16) - 100
    root = tmp_path / "in"
    dicom(root / "images/a.dcm", values)

    with pytest.raises(InputError, match="signed or 32-bit values"):
        run(with_masks(root), tmp_path / "out")
    run(root, tmp_path / "out", window=("-100", "155"))
    assert np.abs(images(tmp_path / "out")[0] - noise(1) * 257.0).max() <= 1


def test_dicom_segments_are_classes(tmp_path: Path) -> None:
    other = disc(20, 20, 9)
    for name in "ab":
        dicom(tmp_path / f"in/images/{name}.dcm", noise(ord(name)))
        segmentation(tmp_path / f"in/masks/{name}.dcm", [(1, ONE), (2, other)])
    described, _ = run(tmp_path / "in", tmp_path / "out")

    assert described.classes == ("organ 1", "organ 2")
    assert pixel_counts(tmp_path / "out")[1:] == [2 * ONE.sum(), 2 * other.sum()]


def test_dicom_with_a_nifti_mask(tmp_path: Path) -> None:
    dicom(tmp_path / "in/images/a.dcm", noise(0))
    # Toward the left and the back, as the rows and columns of an axial DICOM image.
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    nifti(tmp_path / "in/masks/a.nii.gz", ONE.T.astype(np.uint8)[..., None], affine)
    run(tmp_path / "in", tmp_path / "out")

    np.testing.assert_array_equal(next(masks(tmp_path / "out")), ONE)


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    def refused(name: str, content: bytes, words: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=words) as raised:
            read_stored(tmp_path / name)
        assert str(raised.value).isprintable()

    frames = [Image.fromarray(noise(k)) for k in range(2)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    refused("a.gif", buffer.getvalue(), "is an animation")
    refused("a.png", b"text", "is not an image")
    whole = dicom(tmp_path / "b.dcm", noise(0)).read_bytes()
    refused("c.dcm", whole[:-500], "is damaged")
    refused("d.dcm", whole.replace(b"MONOCHROME2", b"MONOCHROMEX"), "MONOCHROMEX")
    four = volume(np.zeros((4, 4, 4, 2), np.uint8), np.eye(4))
    refused("a.nii", four.to_bytes(), "has 4 dimensions")
    odd = volume(np.full((4, 4, 4), np.nan, np.float32), np.eye(4))
    refused("b.nii", odd.to_bytes(), "pixels that are not numbers")
    import gzip

    refused("c.nii.gz", gzip.compress(b"text"), "no NIfTI volume")
    wide = bytearray(four.to_bytes())
    wide[42:44] = (30000).to_bytes(2, "little")
    refused("d.nii", bytes(wide), "has 4 dimensions|larger than 8192")
