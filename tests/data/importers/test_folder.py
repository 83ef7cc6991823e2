import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgansynth.data.dataset import RawCase
from tfgansynth.data.importers import folder, sources
from tfgansynth.data.importers.sources import Source, read_image, read_lungs
from tfgansynth.data.lungs import Lungs
from tfgansynth.errors import InputError


def read(source: Source, lungs: Lungs) -> RawCase:
    return RawCase(
        source.case_id, read_image(source).pixels, read_lungs(source, lungs).labels
    )


def touch(root: Path, *names: str) -> Path:
    """Make files of which only the names matter."""
    for part in ("images", "masks"):
        (root / part).mkdir(exist_ok=True)
    for name in names:
        (root / name).write_bytes(b"x")
    return root


def faults(root: Path) -> list[str]:
    return [
        f"{fault.path.relative_to(root)}: {fault.problem}"
        for fault in folder.scan(root).faults
    ]


def test_pairs_by_stem_whatever_the_extensions(tmp_path: Path) -> None:
    touch(tmp_path, "images/b.PNG", "images/a.jpg", "masks/a.gif", "masks/b.TiFF")

    scan = folder.scan(tmp_path)

    assert scan.layout == "folder"
    assert scan.faults == ()
    assert [source.case_id for source in scan.sources] == ["a", "b"]
    assert scan.sources[0].image_path == tmp_path / "images/a.jpg"
    assert scan.sources[0].mask_paths == {"both": tmp_path / "masks/a.gif"}
    assert scan.sources[0].mask_path == tmp_path / "masks/a.gif"


def test_hidden_files_are_ignored_and_others_reported(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "masks/a.png")
    touch(tmp_path, "images/.DS_Store", "masks/._a.png", "images/notes.txt")

    scan = folder.scan(tmp_path)

    assert scan.faults == ()
    assert len(scan.sources) == 1
    assert scan.ignored == (tmp_path / "images/notes.txt",)


def test_missing_partners(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/b.png", "masks/b.png", "masks/c.png")

    assert faults(tmp_path) == [
        "images/a.png: has no mask (masks/a.*)",
        "masks/c.png: has no image (images/c.*)",
    ]


def test_partners_that_differ_in_letter_case(tmp_path: Path) -> None:
    touch(tmp_path, "images/Case1.png", "masks/case1.png")

    assert faults(tmp_path) == [
        "images/Case1.png: has no mask: masks/case1.png differs in letter case; "
        "rename it",
        "masks/case1.png: has no image: images/Case1.png differs in letter case; "
        "rename it",
    ]


def test_same_stem_twice(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "images/a.png", "masks/a.png")

    assert faults(tmp_path) == [
        "images/a.png: has the same name as a.jpg; rename or remove one"
    ]
    assert folder.scan(tmp_path).sources[0].image_path.name == "a.jpg"


def test_stems_that_differ_in_letter_case_only(tmp_path: Path) -> None:
    touch(tmp_path, "images/A.png", "images/a.png", "masks/A.png", "masks/a.png")

    assert faults(tmp_path) == [
        "images/a.png: has the same name as A.png; rename or remove one",
        "masks/a.png: has the same name as A.png; rename or remove one",
    ]


def test_stems_that_differ_in_normal_form_only(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "ä") for form in ("NFC", "NFD"))
    touch(tmp_path, f"images/{composed}.png", f"images/{decomposed}.png")
    touch(tmp_path, f"masks/{composed}.png")

    (fault,) = folder.scan(tmp_path).faults

    assert "has the same name as" in fault.problem


def test_partners_may_differ_in_normal_form(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "ä") for form in ("NFC", "NFD"))
    touch(tmp_path, f"images/{decomposed}.png", f"masks/{composed}.png")

    scan = folder.scan(tmp_path)

    assert scan.faults == ()
    assert scan.sources[0].case_id == composed


@pytest.mark.parametrize("stem", ["a b", "a.b", "A-1_2", "ä"])
def test_safe_names(tmp_path: Path, stem: str) -> None:
    touch(tmp_path, f"images/{stem}.png", f"masks/{stem}.png")

    assert faults(tmp_path) == []


@pytest.mark.parametrize("stem", ["a:b", "a\nb", "a*", "$x", " a", "a ", "a."])
def test_unsafe_names_are_refused(tmp_path: Path, stem: str) -> None:
    touch(tmp_path, f"images/{stem}.png", f"masks/{stem}.png")

    (fault,) = folder.scan(tmp_path).faults

    assert "rename it" in fault.problem
    assert "\n" not in str(fault)


def test_messages_about_odd_names_stay_on_one_line(tmp_path: Path) -> None:
    touch(tmp_path, "images/\n.png", "images/\n.jpg", "images/\udcff\n.png")
    touch(tmp_path, "masks/A\x1b.png", "images/a\x1b.png")

    messages = [str(fault) for fault in folder.scan(tmp_path).faults]

    assert len(messages) == 5
    assert all(message.isprintable() for message in messages)
    assert r"has no mask: masks/A\x1b.png differs in letter case" in messages[2]


def test_folders_linked_in_a_cycle(tmp_path: Path) -> None:
    touch(tmp_path, "masks/a.png")
    (tmp_path / "images/a.png").symlink_to("b.png")
    (tmp_path / "images/b.png").symlink_to("a.png")
    (tmp_path / "images/c.png").symlink_to("..")

    found = faults(tmp_path)

    assert found[0].startswith("images/a.png: is a link to nothing")
    assert found[1].startswith("images/b.png: is a link to nothing")
    assert found[2].startswith("images/c.png: is not a regular file")


def test_a_folder_of_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, *(f"images/{index}.png" for index in range(4)))
    monkeypatch.setattr(sources, "MAX_FILES", 3)

    with pytest.raises(InputError, match="images: has more than 3 files; name"):
        folder.scan(tmp_path)


def test_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"x")
    root = tmp_path / "data"
    root.mkdir()
    touch(root, "masks/a.png", "masks/b.png", "masks/c.png", "images/c.png")
    (root / "images/a.png").symlink_to(outside)
    (root / "images/b.png").symlink_to(root / "nowhere.png")
    (root / "images/d.png").symlink_to(root / "images/c.png")

    found = faults(root)

    assert found[0] == (
        "images/a.png: is a link that leaves the data folder; put the file itself here"
    )
    assert found[1].startswith("images/b.png: is a link to nothing")
    assert found[2] == "images/d.png: has no mask (masks/d.*)"
    assert [source.case_id for source in folder.scan(root).sources] == ["c"]


def test_linked_folder_is_one_fault(tmp_path: Path) -> None:
    elsewhere = touch(tmp_path, "images/a.png") / "images"
    root = tmp_path / "data"
    (root / "masks").mkdir(parents=True)
    (root / "images").symlink_to(elsewhere)

    assert faults(root) == ["images: is a link that leaves the data folder"]


def test_a_linked_root_is_not_a_fault(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    touch(real, "images/a.png", "masks/a.png")
    (tmp_path / "link").symlink_to(real)

    assert faults(tmp_path / "link") == []


def test_folder_named_like_an_image(tmp_path: Path) -> None:
    touch(tmp_path, "masks/a.png")
    (tmp_path / "images/a.png").mkdir()

    assert (
        faults(tmp_path)[0]
        == "images/a.png: is not a regular file, or is not accessible"
    )


def test_read_splits_the_mask(tmp_path: Path) -> None:
    touch(tmp_path)
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 5:15] = 255
    mask[10:30, 25:35] = 255
    Image.fromarray(np.arange(1600, dtype=np.uint8).reshape(40, 40)).save(
        tmp_path / "images/a.png"
    )
    Image.fromarray(mask).save(tmp_path / "masks/a.png")
    (source,) = folder.scan(tmp_path).sources

    both, left = read(source, "both"), read(source, "left")

    assert both.case_id == "a"
    assert both.image.dtype == np.float32
    assert both.mask.sum() == 400
    assert left.mask.sum() == 200
    assert left.mask[:, 20:].sum() == 200


def test_read_names_the_damaged_file(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "masks/a.png")
    (source,) = folder.scan(tmp_path).sources

    with pytest.raises(InputError, match=r"images/a\.png: is not a PNG"):
        read(source, "both")
