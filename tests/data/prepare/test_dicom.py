"""What DICOM files say of segments, patients and frames is kept, or refused."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.prepare.inputs import disc, noise, pixel_counts, run, save
from tests.data.prepare.volumes import dicom, segmentation
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
