"""What DICOM files say of segments, patients and frames is kept, or refused."""

from pathlib import Path

import pytest

from tests.data.prepare.inputs import disc, noise, pixel_counts, run
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
