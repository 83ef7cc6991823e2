import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgansynth.data.dataset import RawCase
from tfgansynth.data.importers import jsrt, sources
from tfgansynth.data.importers.sources import Source, read_image, read_lungs
from tfgansynth.data.lungs import Lungs
from tfgansynth.errors import InputError


def read(source: Source, lungs: Lungs) -> RawCase:
    return RawCase(
        source.case_id, read_image(source).pixels, read_lungs(source, lungs).labels
    )


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def save_mask(path: Path, columns: slice) -> None:
    mask = np.zeros((1024, 1024), np.uint8)
    mask[200:800, columns] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One case as its owners distribute it."""
    values = np.zeros((2048, 2048), ">u2")
    values[:, :1024] = 4095
    (tmp_path / "All247images").mkdir()
    values.tofile(tmp_path / "All247images/JPCLN001.IMG")
    masks = tmp_path / "scratch/fold1/masks"
    save_mask(masks / "right lung/JPCLN001.gif", slice(100, 400))
    save_mask(masks / "left lung/JPCLN001.gif", slice(600, 900))
    save_mask(masks / "heart/JPCLN001.gif", slice(400, 600))
    return tmp_path


def test_reads_raw_images_and_organ_masks(tree: Path) -> None:
    scan = jsrt.scan(tree)
    (source,) = scan.sources

    case = read(source, "both")

    assert scan.layout == "jsrt"
    assert scan.faults == ()
    assert case.case_id == "JPCLN001"
    assert case.image.shape == (2048, 2048)
    assert (case.image[0, 0], case.image[0, -1]) == (0, 255)
    assert case.mask.shape == (1024, 1024)
    assert case.mask.sum() == 2 * 600 * 300
    assert not case.mask[:, 450:550].any()


def test_organ_folders_give_each_lung(tree: Path) -> None:
    (source,) = jsrt.scan(tree).sources

    assert read(source, "left").mask[300, 700]
    assert not read(source, "left").mask[:, :512].any()
    assert read(source, "right").mask[300, 200]
    assert not read(source, "right").mask[:, 512:].any()


@pytest.mark.parametrize(
    "name", ["left lung", "left_lung", "leftlung", "left-lung", "Left Lung", "LEFTLUNG"]
)
def test_names_of_organ_folders(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "JPCLN001.IMG", f"fold2/{name}/JPCLN001.gif")

    (source,) = jsrt.scan(tmp_path).sources

    assert source.mask_paths == {"left": tmp_path / f"fold2/{name}/JPCLN001.gif"}


def test_both_folds_and_both_kinds_of_names(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "a/jpcnn002.png",
        "a/JPCLN001.img",
        "fold1/left lung/JPCLN001.gif",
        "fold1/right lung/JPCLN001.gif",
        "fold2/left lung/JPCNN002.gif",
        "fold2/right lung/JPCNN002.gif",
        "fold2/left clavicle/JPCNN002.gif",
        "fold2/Heart/JPCNN002.gif",
        "fold2/landmarks/JPCNN002.pfs",
        "a/.JPCLN003.IMG",
        "__MACOSX/.hidden/JPCLN004.IMG",
        "a/JPCLN0011.IMG",
        "readme.png",
    )

    scan = jsrt.scan(tmp_path)

    assert scan.faults == ()
    assert [source.case_id for source in scan.sources] == ["JPCLN001", "JPCNN002"]
    assert all(list(s.mask_paths) == ["left", "right"] for s in scan.sources)


def test_missing_partners(tmp_path: Path) -> None:
    touch(tmp_path, "a/JPCLN001.IMG", "left lung/JPCLN002.gif", "heart/JPCLN001.gif")

    scan = jsrt.scan(tmp_path)

    assert [str(fault) for fault in scan.faults] == [
        f"{tmp_path}/a/JPCLN001.IMG: has no mask in a folder 'left lung' or "
        "'right lung'",
        f"{tmp_path}/left lung/JPCLN002.gif: has no image (JPCLN002.IMG)",
    ]


def test_one_lung_is_enough_for_that_lung(tree: Path) -> None:
    (tree / "scratch/fold1/masks/right lung/JPCLN001.gif").unlink()
    (source,) = jsrt.scan(tree).sources

    assert read(source, "left").mask.any()
    for lungs in ("both", "right"):
        with pytest.raises(InputError, match=r"JPCLN001\.IMG: has no right lung mask"):
            read(source, lungs)


def test_masks_of_different_sizes(tree: Path) -> None:
    right = tree / "scratch/fold1/masks/right lung/JPCLN001.gif"
    Image.new("L", (512, 512), 255).save(right)
    (source,) = jsrt.scan(tree).sources

    with pytest.raises(InputError, match=r"JPCLN001\.gif: differs in size"):
        read(source, "both")


def test_the_same_image_twice(tmp_path: Path) -> None:
    touch(tmp_path, "a/JPCLN001.IMG", "b/JPCLN001.png", "left lung/JPCLN001.gif")

    (fault,) = jsrt.scan(tmp_path).faults

    assert fault.path == tmp_path / "b/JPCLN001.png"
    assert f"has the same name as {tmp_path}/a/JPCLN001.IMG" in fault.problem


def test_links(tmp_path: Path) -> None:
    outside = touch(tmp_path, "outside/JPCLN001.IMG") / "outside"
    root = tmp_path / "data"
    touch(root, "left lung/JPCLN001.gif")
    (root / "images").symlink_to(outside)
    (root / "JPCLN001.IMG").symlink_to(outside / "JPCLN001.IMG")

    problems = [str(fault) for fault in jsrt.scan(root).faults]

    assert f"{root}/JPCLN001.IMG: is a link that leaves" in problems[0]
    assert f"{root}/images: is a link to a folder" in problems[1]


def test_folders_linked_in_a_cycle(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b").symlink_to("..")
    touch(tmp_path, "a/JPCLN001.IMG", "left lung/JPCLN001.gif")

    (fault,) = jsrt.scan(tmp_path).faults

    assert str(fault).startswith(f"{tmp_path}/a/b: is a link to a folder")


def test_folders_deeper_than_python_recurses(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 1100)
    for part in (*reversed(deep.parents), deep):
        part.mkdir(exist_ok=True)
    image, mask = deep / "JPCLN001.png", deep / "left lung/JPCLN001.png"
    touch(deep, image.name, "left lung/JPCLN001.png")
    touch(tmp_path, "stays.txt")

    try:
        (source,) = jsrt.scan(tmp_path).sources
        assert (source.image_path, source.mask_path) == (image, mask)
    finally:
        # pytest's own way to remove a folder recurses.
        image.unlink()
        mask.unlink()
        os.removedirs(mask.parent)


def test_more_files_than_a_data_set_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/b.txt", "c/d.txt", "JPCLN001.IMG")
    monkeypatch.setattr(sources, "MAX_FILES", 4)

    with pytest.raises(
        InputError, match="has more than 4 files; name the folder of the data set"
    ):
        jsrt.scan(tmp_path)


def test_names_have_ascii_digits(tmp_path: Path) -> None:
    assert not jsrt.has_jsrt_names(touch(tmp_path, "JPCLN\uff10\uff10\uff11.IMG"))


def test_names_are_found_at_any_depth(tmp_path: Path) -> None:
    assert not jsrt.has_jsrt_names(touch(tmp_path, "a/b/photo.png"))
    assert jsrt.has_jsrt_names(touch(tmp_path, "a/b/c/JPCNN093.IMG"))
    assert not jsrt.has_organ_folder(tmp_path / "nowhere")
