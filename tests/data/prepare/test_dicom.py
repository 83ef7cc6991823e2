"""What DICOM files say of segments, patients and frames is kept, or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.prepare.inputs import disc, masks, noise, pixel_counts, run, save
from tests.data.prepare.volumes import at, dicom, segmentation
from tfgansynth.errors import InputError

ONE = disc(40, 60, 12)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({1: "spleen", 2: "liver"}, "1 is spleen, in files before spleen is 2"),
        ({1: "spleen"}, "1 is spleen, in files before spleen is 2"),
        ({1: "kidney"}, "1 is kidney, in files before liver"),
    ],
)
def test_numbers_of_segments_that_differ_between_files_are_refused(
    tmp_path: Path, labels: dict[int, str], words: str
) -> None:
    root, other = tmp_path / "in", disc(20, 20, 9)
    for name, named in (("a", {1: "liver", 2: "spleen"}), ("b", labels)):
        dicom(root / f"images/{name}.dcm", noise(ord(name)))
        drawn = [(number, (ONE, other)[number - 1]) for number in named]
        segmentation(root / f"masks/{name}.dcm", drawn, labels=named)

    with pytest.raises(InputError, match=rf"b\.dcm: the segment {words}: number"):
        run(root, tmp_path / "out")
    if len(labels) == 2:
        described, _ = run(root, tmp_path / "out", classes=("one=1", "two=2"))
        assert described.classes == ("one", "two")
        assert pixel_counts(tmp_path / "out")[1:] == [2 * ONE.sum(), 2 * other.sum()]


def test_dicom_patients_go_before_folders_that_nobody_stated(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for visit in ("v1", "v2", "v3"):
        for view in "ab":
            path = root / f"images/{visit}/{visit}{view}.dcm"
            dicom(path, noise(3), PatientID="secret-2" if visit == "v3" else "secret-1")
            save(root / f"masks/{visit}/{visit}{view}.png", ONE.astype(np.uint8))

    def patients(name: str, **choices: str) -> list[str]:
        run(root, tmp_path / name, **choices)
        rows = (tmp_path / name / "cases.csv").read_text().splitlines()[1:]
        return [row.split(",")[1] for row in rows]

    visits = ["v1", "v1", "v2", "v2", "v3", "v3"]
    assert patients("guessed") == ["patient-001"] * 4 + ["patient-002"] * 2
    assert patients("nested", nested="patient") == visits
    assert patients("named", patient_pattern="v.") == visits
    (root / "cases.csv").write_text("case,patient\nv1a,w\n")
    assert patients("table") == ["w"] + ["patient-001"] * 3 + ["patient-002"] * 2


FRAMES = [disc(40, 40, 5 + k) for k in range(4)]
HEIGHTS = [10.0, 7.0, 4.0, 1.0]


def frames(root: Path, **tags: Any) -> Path:
    """Write an image of four frames."""
    shown = np.stack([noise(k) for k in range(len(FRAMES))])
    dicom(root / "images/a.dcm", shown, NumberOfFrames=len(FRAMES), **tags)
    return root


def sizes(folder: Path) -> list[int]:
    return [int(each.sum()) for each in masks(folder)]


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.4"])
@pytest.mark.parametrize("order", [[2, 0, 3, 1], [3, 1]])
def test_segments_are_laid_on_the_frames_that_they_name(
    tmp_path: Path, order: list[int], uid: str
) -> None:
    root = frames(tmp_path / "in")
    segmentation(
        root / "masks/a.dcm",
        [(1, FRAMES[k]) for k in order],
        [uid] * len(order),
        frames_of=[k + 1 for k in order],
    )

    if uid != "1.2.3":
        with pytest.raises(InputError, match=r"has a segment at 1\.2\.4 frame"):
            run(root, tmp_path / "out")
        return
    run(root, tmp_path / "out")
    assert sizes(tmp_path / "out") == [FRAMES[k].sum() for k in sorted(order)]
    kept = sorted((tmp_path / "out/images").iterdir())
    for path, k in zip(kept, sorted(order), strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), noise(k))


@pytest.mark.parametrize("uids", [None, ["1.2.3"] * 4])
def test_segments_are_laid_on_frames_by_position(
    tmp_path: Path, uids: list[str] | None
) -> None:
    root, order = tmp_path / "in", [2, 0, 3, 1]
    frames(root, PerFrameFunctionalGroupsSequence=[at(z) for z in HEIGHTS])
    drawn, heights = [(1, FRAMES[k]) for k in order], [HEIGHTS[k] for k in order]
    segmentation(root / "masks/a.dcm", drawn, uids, heights=heights)

    run(root, tmp_path / "out")

    assert sizes(tmp_path / "out") == [each.sum() for each in FRAMES]


def test_segments_that_name_no_frame_are_refused(tmp_path: Path) -> None:
    root = frames(tmp_path / "in")
    drawn = [(1, each) for each in FRAMES]

    for uids in (None, ["1.2.3"] * len(drawn)):
        segmentation(root / "masks/a.dcm", drawn, uids)
        with pytest.raises(InputError, match="export it with ReferencedFrameNumber"):
            run(root, tmp_path / "out")
