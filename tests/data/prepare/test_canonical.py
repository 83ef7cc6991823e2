"""The canonical data set is complete, and the loader reads it right."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.prepare.inputs import (
    SIDE,
    N,
    disc,
    noise,
    pixel_counts,
    run,
    save,
    write_pairs,
)
from tfgansynth.cli.main import main
from tfgansynth.data.checks.report import check
from tfgansynth.data.importers.canonical import read_description
from tfgansynth.data.loading import load_directory, with_patients
from tfgansynth.errors import InputError
from tfgansynth.runtime import signals
from tfgansynth.runtime.storage import hash_file

PARTS = ("images", "masks")
ONE, TWO = disc(30, 30, 14), disc(64, 64, 10)


def two_classes(index: int) -> np.ndarray:
    return ONE.astype(np.uint8) + 2 * TWO.astype(np.uint8)


def test_the_data_set_is_complete(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in", two_classes)
    described, lines = run(root, tmp_path / "out", classes=("a=1", "b=2"), target="t")

    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("images", "masks", "dataset.json", "cases.csv", "contact-sheet.png")
    }
    again = read_description(tmp_path / "out")
    assert again is not None
    assert json.dumps(again.record()) == json.dumps(described.record())
    assert described.target == "t"
    assert described.made["source"] == "in"
    assert described.made["understood"] == lines
    assert f"class 2, b: in 12 of 12 cases, {N * TWO.sum()} px" in lines[-1]
    assert set(described.files) == {
        *("cases.csv", "contact-sheet.png"),
        *(f"{part}/c{k:02d}.png" for part in ("images", "masks") for k in range(N)),
    }
    for name, digest in described.files.items():
        assert hash_file(tmp_path / "out" / name) == digest
    with (tmp_path / "out/cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[3] == {"case": "c03", "image": "images/c03.png"}
    sheet = np.asarray(Image.open(tmp_path / "out/contact-sheet.png"))
    assert sheet.shape == (3 * 284 + 4, 4 * 260 + 4, 3)


def test_the_same_source_gives_the_same_files(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: ONE)

    assert run(root, tmp_path / "a")[0] == run(root, tmp_path / "b")[0]


def test_a_data_set_of_one_class_is_loaded(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: ONE.astype(np.uint8) * 7)
    run(root, tmp_path / "out")

    dataset = load_directory(tmp_path / "out", "both", SIDE, soft_masks=False)

    assert len(dataset.cases) == N
    assert {int(case.mask.sum()) for case in dataset.cases} == {int(ONE.sum())}
    np.testing.assert_array_equal(dataset.cases[2].image, noise(2))


def test_12_bits_are_loaded_over_the_whole_range(tmp_path: Path) -> None:
    root = write_pairs(
        tmp_path / "in", lambda i: ONE, lambda i: noise(i).astype(np.uint16) * 16
    )
    run(root, tmp_path / "out")

    dataset = load_directory(tmp_path / "out", "both", SIDE, soft_masks=False)

    assert dataset.cases[0].image.max() == pytest.approx(4080 / 4095 * 255, abs=0.01)


def test_several_classes_in_color_are_loaded(tmp_path: Path) -> None:
    root = write_pairs(
        tmp_path / "in", two_classes, lambda i: noise(i, (SIDE, SIDE, 3))
    )
    described, _ = run(root, tmp_path / "out", classes=("a=1", "b=2"))
    dataset = load_directory(tmp_path / "out", "both", SIDE, soft_masks=False)

    assert described.channels == dataset.channels == 3
    assert dataset.classes == ("a", "b")
    for index, case in enumerate(dataset.cases):
        assert case.image.shape == (SIDE, SIDE, 3)
        assert case.coverage.shape == (SIDE, SIDE, 2)
        np.testing.assert_array_equal(case.labels, two_classes(index))
    half = load_directory(tmp_path / "out", "both", SIDE // 2, soft_masks=False)
    for small, case in zip(half.cases, dataset.cases, strict=True):
        for index in (1, 2):
            whole = np.count_nonzero(case.labels == index) / 4
            assert np.count_nonzero(small.labels == index) == pytest.approx(
                whole, rel=0.2
            )
    assert check(tmp_path / "out", "both").faults == ()


def test_classes_may_cover_the_whole_image(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: 1 + ONE.astype(np.uint8))
    run(root, tmp_path / "out", classes=("out=1", "in=2"))
    report = check(tmp_path / "out", "both")

    assert report.faults == ()
    assert "inverted?" not in report.text()


def test_another_class_in_a_mask_is_refused(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in", two_classes)
    run(root, tmp_path / "out", classes=("a=1", "b=2"))
    change_with_hash(tmp_path / "out", two_classes(1) + 1)

    with pytest.raises(InputError, match=r"c04\.png: has other values than the cla"):
        load_directory(tmp_path / "out", "both", SIDE, soft_masks=False)


def test_negatives_are_counted_and_loaded(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: ONE if i > 1 else ONE & False)
    run(root, tmp_path / "out", negatives="keep")

    report = check(tmp_path / "out", "both")
    dataset = load_directory(tmp_path / "out", "both", SIDE, soft_masks=False)
    cases = dataset.cases

    assert dataset.table.negatives == ("c00", "c01")
    named = with_patients(dataset, r"c(\d)").table
    assert (named.negatives, named.patients["c11"]) == (("c00", "c01"), "c10")
    assert report.faults == ()
    assert (
        "masks: has 2 negatives, with an empty mask on purpose (c00, c01)"
        in report.text()
    )
    assert [int(case.mask.sum()) for case in cases] == [0, 0, *[int(ONE.sum())] * 10]


def altered(to: Path, change: Callable[[Path], object]) -> tuple[str, str]:
    """Change a data set; return what check-data and loading say."""
    change(to)
    with pytest.raises(InputError) as raised:
        load_directory(to, "both", SIDE, soft_masks=False)
    return check(to, "both").text(), str(raised.value)


def unlisted_negative(to: Path) -> None:
    """Make a mask empty, with its hash."""
    change_with_hash(to, np.zeros((SIDE, SIDE), np.uint8))


def change_with_hash(to: Path, mask: np.ndarray) -> None:
    """Change a mask, and its hash with it."""
    save(to / "masks/c04.png", mask)
    described = json.loads((to / "dataset.json").read_text())
    described["files"]["masks/c04.png"] = hash_file(to / "masks/c04.png")
    (to / "dataset.json").write_text(json.dumps(described))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda to: save(to / "masks/c03.png", TWO.astype(np.uint8)),
            "masks/c03.png: was changed since dataset.json; undo that",
        ),
        (
            lambda to: (to / "images/c02.png").write_bytes(b"text"),
            "images/c02.png: was changed since dataset.json",
        ),
        (
            lambda to: [(to / f"{part}/c01.png").unlink() for part in PARTS],
            "images/c01.png: is missing, dataset.json has it",
        ),
        (
            lambda to: [
                shutil.copy(to / f"{part}/c01.png", to / f"{part}/new.png")
                for part in PARTS
            ],
            "images/new.png: is not in dataset.json",
        ),
        (
            lambda to: (to / "cases.csv").write_text("case,patient\nc00,P1\n"),
            "cases.csv: was changed since dataset.json",
        ),
        (
            lambda to: (to / "cases.csv").unlink(),
            "cases.csv: is missing, dataset.json has it",
        ),
        (unlisted_negative, "masks/c04.png: is an empty mask"),
    ],
)
def test_changed_missing_and_extra_files_are_named(
    tmp_path: Path, change: Callable[[Path], object], words: str
) -> None:
    run(write_pairs(tmp_path / "in", lambda i: ONE), tmp_path / "out")

    report, line = altered(tmp_path / "out", change)

    assert words in report
    assert words in line


def test_a_lost_mask_is_not_called_a_lost_image(tmp_path: Path) -> None:
    run(write_pairs(tmp_path / "in", lambda i: ONE), tmp_path / "out")

    report, _ = altered(tmp_path / "out", lambda to: (to / "masks/c05.png").unlink())

    assert "images/c05.png: has no mask" in report
    assert "masks/c05.png: is missing" in report
    assert "images/c05.png: is missing" not in report


def test_a_lost_contact_sheet_is_no_fault(tmp_path: Path) -> None:
    run(write_pairs(tmp_path / "in", lambda i: ONE), tmp_path / "out")
    (tmp_path / "out/contact-sheet.png").unlink()
    (tmp_path / "out/notes.txt").write_text("mine")

    assert check(tmp_path / "out", "both").faults == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "has version 2"),
        ({"classes": {"background": 0, "a": 2}}, "was altered"),
        ({"classes": 3}, "was altered"),
        ({"channels": 2}, "was altered"),
        ({"target": None}, "was altered"),
        ({"spacing_mm": [1]}, "was altered"),
        ({"files": {"images/c00.png": 1}}, "was altered"),
        ({"files": {"../../etc/passwd": ""}}, "was altered"),
    ],
)
def test_an_altered_description_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    run(write_pairs(tmp_path / "in", lambda i: ONE), tmp_path / "out")
    path = tmp_path / "out/dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(InputError, match=words):
        load_directory(tmp_path / "out", "both", SIDE, soft_masks=False)


def test_another_layout_is_answered_with_the_command(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / f"in/{name}.png", noise(0))
        save(tmp_path / f"in/{name}_mask.png", ONE)

    with pytest.raises(InputError, match=r"tfgansynth prepare-data \S+/in \S+/in-prep"):
        load_directory(tmp_path / "in", "both", SIDE, soft_masks=False)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/{}.webp", "masks/{}.png"),
        ("images/{}.png", "masks/{}_mask.png"),
        ("images/{}.png", "masks/disc/{}.png"),
        ("images/{0}/{0}.png", "masks/{0}/{0}.png"),
    ],
)
def test_folders_without_pairs_are_answered_with_the_command(
    tmp_path: Path, image: str, mask: str
) -> None:
    """They were answered with every file that has no partner."""
    for name in "ab":
        save(tmp_path / "in" / image.format(name), noise(ord(name)))
        save(tmp_path / "in" / mask.format(name), ONE)

    with pytest.raises(InputError, match=r"\(2 images\); import it: tfgansynth prep"):
        load_directory(tmp_path / "in", "both", SIDE, soft_masks=False)
    run(tmp_path / "in", tmp_path / "out")
    assert pixel_counts(tmp_path / "out")[1] == 2 * ONE.sum()


def test_the_command(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "install_handlers", lambda: None)
    monkeypatch.setattr(signals, "ignore_signals", lambda: None)
    root = write_pairs(tmp_path / "in", two_classes)
    arguments = ["prepare-data", str(root), str(tmp_path / "out")]

    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.err.startswith("error: the masks have more than two values")
    assert len(said.err.splitlines()) == 1
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--classes", "a=1", "b=2"])
    assert ended.value.code == 0
    assert "WRITTEN: " in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--classes", "a=1", "b=2"])
    assert ended.value.code == 2
    assert "exists already; name a new folder" in capsys.readouterr().err


def test_places_that_cannot_be_are_refused(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: ONE)

    with pytest.raises(InputError, match="lies in the source"):
        run(root, root / "out")
    with pytest.raises(InputError, match="no such file or folder"):
        run(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(InputError, match="neither a folder nor a CSV"):
        run(root / "images/c00.png", tmp_path / "out")
    (root / "images/c01.png").unlink()
    (root / "images/c01.png").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="is a link that leaves the data folder"):
        run(root, tmp_path / "out")


def test_a_data_set_without_any_target_is_refused(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "in", lambda i: ONE & False)

    with pytest.raises(InputError, match="all masks are empty: nothing to learn"):
        run(root, tmp_path / "out", negatives="keep")


def test_check_and_loading_say_the_same_of_a_mask_that_vanishes(tmp_path: Path) -> None:
    dot = disc(30, 30, 1)
    root = write_pairs(tmp_path / "in", lambda i: ONE if i else dot)
    run(root, tmp_path / "out")

    for size in (SIDE, 16):
        report = check(tmp_path / "out", "both", size=size)
        assert len(report.faults) == (size == 16)
    assert "c00.png: is a mask so small that it vanishes at 16 x 16 px" in report.text()
    with pytest.raises(InputError, match=r"c00\.png: is a mask so small"):
        load_directory(tmp_path / "out", "both", 16, soft_masks=False)
