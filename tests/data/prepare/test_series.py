"""A series of DICOM slices becomes one volume, with its mask on the right slices."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.prepare.inputs import disc, masks, noise, pixel_counts, run, save
from tests.data.prepare.volumes import dicom, nifti, segmentation
from tfgansynth.errors import InputError

N_SLICES = 6
SIDE = 32
ROW, COLUMN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
DISCS = [disc(10, 20, 2 + k, SIDE) for k in range(N_SLICES)]
"""Of slice k, from the feet."""


def pixels(k: int) -> np.ndarray:
    return noise(k, (SIDE, SIDE)) // 2 + 120 * DISCS[k].astype(np.uint8)


def number(folder: Path) -> int:
    """Tell folders apart where letters cannot."""
    return sum(map(ord, folder.name))


def write_series(folder: Path, *, side: int = SIDE, **tags: Any) -> list[str]:
    """Write slices 3 mm apart in an order unlike that of their names; return ids."""
    ids = []
    for k in range(N_SLICES):
        uid = f"1.2.{number(folder)}.{k}"
        ids.append(uid)
        values = {
            "SOPInstanceUID": uid,
            "SeriesInstanceUID": f"1.9.{number(folder)}",
            "PatientID": folder.name,
            "ImagePositionPatient": [-20.0, -30.0, 100 + 3.0 * k],
            "ImageOrientationPatient": [*ROW, *COLUMN],
            "PixelSpacing": ["0.5", "0.8"],
        }
        name = f"{(k * 5 + 2) % 7}.dcm"
        dicom(folder / name, pixels(k).astype(np.uint8), **{**values, **tags})
    return ids


def file_of(k: int) -> str:
    return f"{(k * 5 + 2) % 7}.dcm"


def images(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(p)) for p in sorted((folder / "images").iterdir())]


def expect_right_slices(made: Path, n_cases: int = 1) -> None:
    """Each slice in order, each disc on its own slice."""
    shown, drawn = images(made), list(masks(made))
    assert len(shown) == len(drawn) == n_cases * N_SLICES
    for index in range(n_cases * N_SLICES):
        k = index % N_SLICES
        np.testing.assert_array_equal(shown[index], pixels(k))
        np.testing.assert_array_equal(drawn[index], DISCS[k])


def test_a_dicom_seg_over_the_series_is_laid_on_its_images(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for name in ("p1", "p2"):
        ids = write_series(root / "images" / name)
        # From head to feet, unlike the images.
        order = [4, 5, 3, 2, 0, 1]
        segmentation(
            root / f"masks/{name}.dcm",
            [(1, DISCS[k]) for k in order],
            [ids[k] for k in order],
        )

    described, lines = run(root, tmp_path / "out")

    expect_right_slices(tmp_path / "out", 2)
    assert described.spacing_mm == (0.5, 0.8)
    assert described.classes == ("organ 1",)
    assert "12 DICOM images in 2 folders: the slices of 2 volumes" in lines
    table = (tmp_path / "out/cases.csv").read_text().splitlines()
    assert table[1] == "p1-001,patient-001,images/p1,0.5,0.8"
    assert table[7] == "p2-001,patient-002,images/p2,0.5,0.8"


def test_slices_without_a_segment_are_empty(tmp_path: Path) -> None:
    root = tmp_path / "in"
    ids = write_series(root / "images/p1")
    segmentation(
        root / "masks/p1.dcm",
        [(1, DISCS[4]), (2, DISCS[1]), (2, DISCS[4] & False)],
        [ids[4], ids[1], ids[4]],
    )

    described, lines = run(root, tmp_path / "out")

    assert [p.stem for p in sorted((tmp_path / "out/masks").iterdir())] == [
        "p1-002",
        "p1-005",
    ]
    assert pixel_counts(tmp_path / "out")[1:] == [DISCS[4].sum(), DISCS[1].sum()]
    assert described.classes == ("organ 1", "organ 2")
    assert any("left out: 4 slices without target" in line for line in lines)


def mask_volume() -> tuple[np.ndarray, np.ndarray]:
    """As dcm2niix writes it: rows from the back, mm to the right and front."""
    stacked = np.stack([each.T for each in DISCS], axis=2).astype(np.uint8)
    affine = np.diag([-0.8, 0.5, 3.0, 1.0])
    affine[:3, 3] = 20, 30 - 0.5 * (SIDE - 1), 100
    return stacked[:, ::-1], affine


@pytest.mark.parametrize(
    ("series", "mask"),
    [
        ("images/p1", "masks/p1.nii.gz"),
        ("images/p1", "masks/p1/liver.nii.gz"),
        ("images/p1", "masks/p1_seg.nii"),
        ("p1/images", "p1/masks/1.nii.gz"),
        ("p1", "p1/mask.nii.gz"),
        ("p1/CT", "p1/seg.nii.gz"),
        ("p1", "p1_mask.nii.gz"),
        ("images", "masks/any.nii.gz"),
    ],
)
def test_a_nifti_mask_of_the_series(tmp_path: Path, series: str, mask: str) -> None:
    write_series(tmp_path / "in" / series)
    nifti(tmp_path / "in" / mask, *mask_volume())

    run(tmp_path / "in", tmp_path / "out")

    expect_right_slices(tmp_path / "out")


def test_a_series_can_be_cut_otherwise(tmp_path: Path) -> None:
    write_series(tmp_path / "in/images/p1")
    nifti(tmp_path / "in/masks/p1.nii.gz", *mask_volume())

    described, _ = run(tmp_path / "in", tmp_path / "out", axis="coronal")

    assert pixel_counts(tmp_path / "out")[1] == sum(each.sum() for each in DISCS)
    assert described.spacing_mm == pytest.approx((3, 0.8))
    # Head above: the largest disc is that of the last slice.
    middle = next(p for p in sorted((tmp_path / "out/masks").iterdir())
                  if p.stem == "p1-011")  # fmt: skip
    rows = np.flatnonzero(np.asarray(Image.open(middle)).any(axis=1))
    widths = np.asarray(Image.open(middle)).sum(axis=1)[rows].tolist()
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == N_SLICES


def test_a_sagittal_series_is_cut_as_it_was_taken(tmp_path: Path) -> None:
    """Rows to the back, columns to the feet, slices from the left to the right."""
    folder = tmp_path / "in/images/p1"
    ids = []
    for k in range(N_SLICES):
        ids.append(f"1.2.3.{k}")
        dicom(
            folder / file_of(k),
            pixels(k).astype(np.uint8),
            SOPInstanceUID=ids[k],
            SeriesInstanceUID="1.9",
            ImagePositionPatient=[50 - 4.0 * k, -30.0, 100.0],
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
            PixelSpacing=["0.5", "0.8"],
        )
    segmentation(tmp_path / "in/masks/p1.dcm", list(zip([1] * N_SLICES, DISCS,
                 strict=True)), ids)  # fmt: skip

    described, _ = run(tmp_path / "in", tmp_path / "out")

    shown, drawn = images(tmp_path / "out"), list(masks(tmp_path / "out"))
    for index in range(N_SLICES):
        # Volumes count to the left, these slices to the right.
        k = N_SLICES - 1 - index
        np.testing.assert_array_equal(shown[index], pixels(k))
        np.testing.assert_array_equal(drawn[index], DISCS[k])
    assert described.spacing_mm == pytest.approx((0.5, 0.8))


def test_each_slice_with_its_own_mask_stays_a_case(tmp_path: Path) -> None:
    write_series(tmp_path / "in/images/p1")
    for k in range(N_SLICES):
        path = tmp_path / f"in/masks/p1/{file_of(k).removesuffix('.dcm')}.png"
        save(path, DISCS[k].astype(np.uint8))

    run(tmp_path / "in", tmp_path / "out")

    assert pixel_counts(tmp_path / "out")[1] == sum(each.sum() for each in DISCS)
    for image, mask in zip(images(tmp_path / "out"), masks(tmp_path / "out"),
                           strict=True):  # fmt: skip
        assert image[mask > 0].min() >= 120


def change(path: Path, k: int, **tags: Any) -> None:
    """Write slice k again with other tags."""
    values = {
        "SOPInstanceUID": f"1.2.3.{k}",
        "SeriesInstanceUID": f"1.9.{number(path)}",
        "PatientID": path.name,
        "ImagePositionPatient": [-20.0, -30.0, 100 + 3.0 * k],
        "ImageOrientationPatient": [*ROW, *COLUMN],
        "PixelSpacing": ["0.5", "0.8"],
    }
    dicom(path / file_of(k), pixels(k).astype(np.uint8), **{**values, **tags})


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"ImagePositionPatient": [-20.0, -30.0, 110.5]}, "the distances differ"),
        ({"ImagePositionPatient": [-15.0, -30.0, 109.0]}, "the distances differ"),
        ({"ImagePositionPatient": [-20.0, -30.0, 112.0]}, "lies where 1.dcm does"),
        ({"ImagePositionPatient": None}, "does not say where it lies"),
        ({"SeriesInstanceUID": "1.1"}, "has another series than"),
        ({"PatientID": "somebody"}, "has another patient than"),
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "another direction than"),
        ({"PixelSpacing": ["0.5", "0.9"]}, "has another spacing than"),
    ],
)
def test_slices_that_do_not_belong_together_are_refused(
    tmp_path: Path, tags: dict[str, Any], words: str
) -> None:
    write_series(tmp_path / "in/images/p1")
    nifti(tmp_path / "in/masks/p1.nii.gz", *mask_volume())
    change(tmp_path / "in/images/p1", 3, **tags)

    with pytest.raises(InputError, match=words) as raised:
        run(tmp_path / "in", tmp_path / "out")
    assert str(raised.value).isprintable()
    assert ".dcm: " in str(raised.value)


def test_a_missing_slice_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "in/images/p1")
    nifti(tmp_path / "in/masks/p1.nii.gz", *mask_volume())
    (tmp_path / "in/images/p1" / file_of(2)).unlink()

    with pytest.raises(
        InputError,
        match=rf"{file_of(3)}: is 6 mm from {file_of(1)}, other slices 3 mm: 1 slice "
        "is missing between them",
    ):
        run(tmp_path / "in", tmp_path / "out")


def test_segments_of_other_images_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "in"
    ids = write_series(root / "images/p1")
    drawn = [(1, DISCS[k]) for k in range(2)]

    segmentation(root / "masks/p1.dcm", drawn, [ids[0], "1.9.9"])
    with pytest.raises(InputError, match=r"has a segment at 1\.9\.9, where the series"):
        run(root, tmp_path / "out")
    segmentation(root / "masks/p1.dcm", drawn)
    with pytest.raises(InputError, match="where the series has no image"):
        run(root, tmp_path / "out")


def test_slices_with_different_windows_need_one(tmp_path: Path) -> None:
    write_series(tmp_path / "in/images/p1", WindowCenter="100", WindowWidth="200")
    nifti(tmp_path / "in/masks/p1.nii.gz", *mask_volume())
    change(tmp_path / "in/images/p1", 3, WindowCenter="50", WindowWidth="200")

    with pytest.raises(InputError, match="have different windows"):
        run(tmp_path / "in", tmp_path / "out")
    run(tmp_path / "in", tmp_path / "out", window=("0", "255"))
    expect_right_slices(tmp_path / "out")


def test_a_tilted_series_is_no_problem(tmp_path: Path) -> None:
    """With the gantry tilted, slices shift in their plane by equal steps."""
    folder = tmp_path / "in/images/p1"
    ids = write_series(folder)
    for k in range(N_SLICES):
        position = [-20.0, -30.0 + 0.7 * k, 100 + 3.0 * k]
        change(folder, k, SOPInstanceUID=ids[k], ImagePositionPatient=position)
    drawn = [(1, each) for each in DISCS]
    segmentation(tmp_path / "in/masks/p1.dcm", drawn, ids)

    run(tmp_path / "in", tmp_path / "out")

    expect_right_slices(tmp_path / "out")
