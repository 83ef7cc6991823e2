"""Each usual layout is found from names, and its cases get the right files."""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from tests.data.prepare.inputs import SIDE, disc, noise, pixel_counts, run, save
from tfgansynth.data.prepare.files.layouts import Found, find
from tfgansynth.data.prepare.options import Options
from tfgansynth.errors import InputError


def found(*names: str, **choices: Any) -> Found:
    return find([PurePosixPath(name) for name in names], Options(**choices))


def pairs(of: Found) -> dict[str, tuple[str, ...]]:
    """Case -> image and masks."""
    return {
        files.case: (str(files.image), *(str(mask.path) for mask in files.masks))
        for files in of.files
    }


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/{}.png", "masks/{}.png"),
        ("Image/{}.JPG", "LABEL/{}.png"),
        ("imgs/{}.tif", "gt/{}.gif"),
        ("images/{}.png", "annotations/{}_mask.png"),
        ("data/Images/{}.png", "data/Ground Truth/{}.png"),
        ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"),
        ("images/{}_img.png", "labels/{}_label.png"),
        ("images/image_{}.png", "masks/mask_{}.png"),
        ("{}.png", "{}_mask.png"),
        ("{}.jpg", "{}_segmentation.png"),
        ("{}.nii.gz", "{}_seg.nii.gz"),
        ("{}.dcm", "{}-gt.dcm"),
        ("{}_img.png", "{}_label.png"),
        ("{}/image.png", "{}/mask.png"),
        ("{}/images/x.png", "{}/masks/x.png"),
        ("imagesTr/{}_0000.nii.gz", "labelsTr/{}.nii.gz"),
        ("imagesTr/{}_0000.png", "labelsTr/{}.png"),
        ("images/{}_0000.png", "labels/{}.png"),
        ("{}_ct.nii.gz", "{}_seg.nii.gz"),
        ("images/{}_sat.jpg", "masks/{}_mask.png"),
        ("images/img{}.png", "labels/lbl{}.png"),
        ("CXR_png/{}.png", "masks/{}_mask.png"),
        ("train/images/{}_training.tif", "train/1st_manual/{}_manual1.gif"),
        ("images/{}.png", "segmentation_masks/{}.png"),
        ("images/{}.png", "mask_images/{}.png"),
        ("image/{}.png", "targets/{}.png"),
    ],
)
def test_usual_layouts(image: str, mask: str) -> None:
    ids = ["a1", "a2", "a10"]
    listed = [form.format(each) for each in ids for form in (image, mask)]

    made = found("README.md", *listed)

    assert [next(iter(p)) for p in pairs(made).values()] == [
        image.format(each) for each in ids
    ]
    assert [p[1:] for p in pairs(made).values()] == [(mask.format(e),) for e in ids]
    for each, case in zip(ids, pairs(made), strict=True):
        assert each in case
    assert made.several == ""


def test_different_suffixes_do_not_pair_what_differs() -> None:
    made = found("1_ct.png", "10_ct.png", "1_seg.png", "10_seg.png")

    assert list(pairs(made).values()) == [
        ("1_ct.png", "1_seg.png"),
        ("10_ct.png", "10_seg.png"),
    ]
    assert any("paired by what is not the same in all" in line for line in made.lines)
    with pytest.raises(InputError, match="2 images have no mask"):
        found("1_ct.png", "2_ct.png", "1_seg.png", "3_seg.png")


def test_folders_of_patients() -> None:
    made = found(
        *(
            f"P{p}/{part}/{x}.png"
            for p in range(4)
            for part in ("images", "masks")
            for x in "ab"
        )
    )

    assert [(f.case, f.patient, f.group) for f in made.files[:3]] == [
        ("P0_a", "P0", ""),
        ("P0_b", "P0", ""),
        ("P1_a", "P1", ""),
    ]


def test_few_folders_of_many_images_are_groups() -> None:
    names = [f"{g}/{x}{end}.png" for g in ("ill", "well") for x in range(30)
             for end in ("", "_mask")]  # fmt: skip
    stated = found(*names, nested="patient")

    assert {f.group for f in found(*names).files} == {"ill", "well"}
    assert {f.patient for f in found(*names).files} == {""}
    assert {f.patient for f in stated.files} == {"ill", "well"}
    assert {f.group for f in found(*names, nested="none").files} == {""}


def test_parts_of_a_data_set_are_no_patients() -> None:
    made = found(*(
        f"{part}/{kind}/{x}.png"
        for part in ("train", "val") for kind in ("images", "labels") for x in range(3)
    ))  # fmt: skip

    assert len(made.files) == 6
    assert {(f.patient, f.group) for f in made.files} == {("", "")}


def test_one_mask_an_object() -> None:
    nuclei = found(*(
        f"{case}/{name}"
        for case in ("0a", "0b")
        for name in (f"images/{case}.png", f"masks/{case}_1.png", f"masks/{case}_2.png")
    ))  # fmt: skip
    busi = found("benign (1).png", "benign (1)_mask.png", "benign (1)_mask_1.png")

    assert nuclei.several == busi.several == "object"
    assert [len(files.masks) for files in nuclei.files] == [2, 2]
    assert [files.case for files in nuclei.files] == ["0a", "0b"]
    assert len(busi.files[0].masks) == 2
    assert busi.files[0].case == "benign--1"


@pytest.mark.parametrize(
    "mask", ["masks/{}/{x}.png", "masks/{x}_mask_{}.png", "masks/{x}/{}.png"]
)
def test_one_mask_a_class(mask: str) -> None:
    image = "images/{x}/i.png" if mask == "masks/{x}/{}.png" else "images/{x}.png"
    made = found(
        *(image.format(x=x) for x in "ab"),
        *(mask.format(side, x=x) for x in "ab" for side in ("left", "right")),
    )

    assert made.several == "class"
    assert [[m.tag for m in f.masks] for f in made.files] == [["left", "right"]] * 2


def test_dicom_images_with_masks_of_their_own_are_no_series() -> None:
    names = ["a.dcm", "a_seg.dcm", "b.dcm"]
    numbers = [f"p1/{part}/{k}.dcm" for part in ("images", "masks") for k in range(3)]

    with pytest.raises(InputError, match=r"1 images have no mask \(b\.dcm\)"):
        found(*names)
    assert list(pairs(found(*names, unpaired="drop"))) == ["a"]
    assert len(found(*numbers).files) == 3


def test_jsrt_takes_the_lungs() -> None:
    names = [
        "All247/JPCLN001.IMG",
        "scr/fold1/masks/left lung/JPCLN001.gif",
        "scr/fold1/masks/right lung/JPCLN001.gif",
        "scr/fold1/masks/heart/JPCLN001.gif",
    ]
    made = found(*names)
    heart = found(*names, classes=("cor=heart",))

    assert made.is_jsrt
    assert [mask.tag for mask in made.files[0].masks] == ["left lung", "right lung"]
    assert any("organs left out: heart" in line for line in made.lines)
    assert [mask.tag for mask in heart.files[0].masks] == ["heart"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.png", "b.png"], "found no masks among 2 image files"),
        (["masks/a.png"], "found no images among 1 image files"),
        (["a.txt"], "found no images and no masks among 0"),
        ([], "found no images and no masks among 0"),
        (["images/a.png", "images/a.jpg", "masks/a.png"], "is of the same case as"),
        (["images/a.png", "images/b.png", "masks/a.png", "masks/c.png"],
         "1 images have no mask (images/b.png) and 1 masks no image (masks/c.png)"),
        (["imagesTr/a_0000.png", "imagesTr/a_0001.png", "labelsTr/a.png"],
         "several channels"),
        (["x/a_b.png", "x/a_b_mask.png", "x/a/b.png", "x/a/b_mask.png"], "same name"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_is_refused(names: list[str], words: str) -> None:
    with pytest.raises(InputError) as raised:
        found(*names)

    assert words in str(raised.value)
    assert str(raised.value).isprintable()


def test_what_has_no_partner_is_left_out_on_request() -> None:
    made = found("images/a.png", "images/b.png", "masks/a.png", unpaired="drop")

    assert list(pairs(made)) == ["a"]
    assert any("left out: 1 images have no mask" in line for line in made.lines)


LEFT, RIGHT = disc(40, 70, 12), disc(40, 25, 9)


def test_objects_become_one_class(tmp_path: Path) -> None:
    for case in ("u", "v", "w"):
        root = tmp_path / f"in/{case}"
        save(root / f"images/{case}.png", noise(ord(case)))
        save(root / f"masks/{case}_1.png", LEFT.astype(np.uint8) * 255)
        save(root / f"masks/{case}_2.png", RIGHT.astype(np.uint8) * 255)

    described, lines = run(tmp_path / "in", tmp_path / "out", target="nuclei")

    assert described.classes == ("nuclei",)
    assert pixel_counts(tmp_path / "out")[1:] == [3 * (LEFT | RIGHT).sum()]
    assert any("one for each object" in line for line in lines)


@pytest.fixture
def sides(tmp_path: Path) -> Path:
    for case in ("u", "v", "w"):
        save(tmp_path / f"in/images/{case}.png", noise(ord(case)))
        for name, inside in (("left", LEFT), ("right", RIGHT)):
            save(tmp_path / f"in/masks/{name}/{case}.png", inside.astype(np.uint8))
    return tmp_path / "in"


def test_classes_of_masks_are_named_after_folders(sides: Path, tmp_path: Path) -> None:
    described, _ = run(sides, tmp_path / "two")
    swapped, _ = run(sides, tmp_path / "named", classes=("r=right", "l=left"))
    joint, _ = run(sides, tmp_path / "joint", classes=("lung=left,right",))
    only, _ = run(sides, tmp_path / "only", classes=("l=left",))
    anything, _ = run(sides, tmp_path / "any", foreground="any", target="lungs")

    assert described.classes == ("left", "right")
    assert pixel_counts(tmp_path / "two")[1:] == [3 * LEFT.sum(), 3 * RIGHT.sum()]
    assert swapped.classes == ("r", "l")
    assert pixel_counts(tmp_path / "named")[1:] == [3 * RIGHT.sum(), 3 * LEFT.sum()]
    assert joint.classes == ("lung",)
    both = 3 * (LEFT | RIGHT).sum()
    assert pixel_counts(tmp_path / "joint")[1:] == [both]
    assert pixel_counts(tmp_path / "only")[1:] == [3 * LEFT.sum()]
    assert only.classes == ("l",)
    assert pixel_counts(tmp_path / "any")[1:] == [both]
    assert anything.classes == ("lungs",)


def test_classes_that_overlap_are_refused(sides: Path, tmp_path: Path) -> None:
    save(sides / "masks/right/u.png", LEFT.astype(np.uint8))

    with pytest.raises(InputError, match=f"overlap in {LEFT.sum()} px"):
        run(sides, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_jsrt_gives_two_lungs_at_the_size_of_the_image(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for number in (1, 2, 3):
        raw = np.full((2048, 2048), 4000 - number, ">u2")
        raw[:200] = 0
        root.mkdir(exist_ok=True)
        (root / f"JPCLN00{number}.IMG").write_bytes(raw.tobytes())
        for name, inside in (("left lung", LEFT), ("right lung", RIGHT)):
            large = np.zeros((1024, 1024), np.uint8)
            large[:SIDE, :SIDE] = inside * 255
            save(root / f"masks/{name}/JPCLN00{number}.gif", large)

    described, lines = run(root, tmp_path / "out")

    assert described.classes == ("left lung", "right lung")
    assert described.target == "lungs"
    # A mask of half the size has four pixels for each of its own.
    assert pixel_counts(tmp_path / "out")[1:] == [12 * LEFT.sum(), 12 * RIGHT.sum()]
    assert any("window of 12 bits" in line for line in lines)


def table(root: Path, text: str) -> Path:
    for name in ("one", "two", "three"):
        save(root / f"scans/{name}.png", noise(len(name)))
        save(root / f"drawn/{name}.png", LEFT.astype(np.uint8) * 255)
    (root / "list.csv").write_text(text)
    return root / "list.csv"


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_table_names_files_and_more(tmp_path: Path, between: str) -> None:
    text = "image,mask,patient,age\n" + "".join(
        f"scans/{n}.png,drawn/{n}.png,P{i},{50 + i}\n"
        for i, n in enumerate(["two", "one", "three"])
    )

    run(table(tmp_path / "in", text.replace(",", between)), tmp_path / "out")

    assert (tmp_path / "out/cases.csv").read_text().splitlines() == [
        "case,patient,image,age",
        "two,P0,scans/two.png,50",
        "one,P1,scans/one.png,51",
        "three,P2,scans/three.png,52",
    ]
    assert pixel_counts(tmp_path / "out")[1:] == [3 * LEFT.sum()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is an empty table"),
        ("a,b\n1,2\n", "needs columns named image and mask"),
        ("image,mask\n", "has 0 rows"),
        ("image,mask\nscans/one.png\n", "row 2 has 1 fields, the header 2"),
        ("image,mask\nscans/no.png,drawn/one.png\n", "scans/no.png"),
        ("image,mask\n../one.png,drawn/one.png\n", "is not a file below"),
        ("image,mask\n,drawn/one.png\n", "an empty field is not a file below"),
        ("image,image,mask\na,b,c\n", "two columns of the same name"),
        ('image,mask\n"a,b\n', "cannot be read as a CSV"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        run(table(tmp_path / "in", text), tmp_path / "out")


def test_patients_from_names(sides: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="finds no patient in the case w"):
        run(sides, tmp_path / "out", patient_pattern="[uv]")
    with pytest.raises(InputError, match="is no regular expression"):
        run(sides, tmp_path / "out", patient_pattern="(")
    run(sides, tmp_path / "out", patient_pattern=".")

    assert "u,u,images/u.png" in (tmp_path / "out/cases.csv").read_text()


def test_labels_of_nnunet_name_the_classes(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for name in ("a", "b", "c"):
        save(root / f"imagesTr/{name}_0000.png", noise(ord(name)))
        drawn = LEFT.astype(np.uint8) + 2 * RIGHT.astype(np.uint8)
        save(root / f"labelsTr/{name}.png", drawn)
    (root / "dataset.json").write_text(
        '{"labels": {"background": 0, "left": 1, "right": 2}}'
    )

    described, _ = run(root, tmp_path / "out")

    assert described.classes == ("left", "right")
    assert pixel_counts(tmp_path / "out")[1:] == [3 * LEFT.sum(), 3 * RIGHT.sum()]
    (root / "dataset.json").write_text(
        '{"labels": {"0": "background", "1": "left", "2": "right", "3": "other"}}'
    )
    more, _ = run(root, tmp_path / "more")
    assert more.classes == ("left", "right", "other")
    (root / "dataset.json").write_text('{"labels": {"a": "b"}}')
    with pytest.raises(InputError, match="state them with --classes"):
        run(root, tmp_path / "other")


def nnunet(root: Path, labels: str) -> Path:
    """Two classes, and value 3 where nobody has labelled."""
    for name in ("a", "b", "c"):
        save(root / f"imagesTr/{name}_0000.png", noise(ord(name)))
        drawn = LEFT.astype(np.uint8) + 2 * RIGHT.astype(np.uint8)
        drawn[:4] = 3
        save(root / f"labelsTr/{name}.png", drawn)
    (root / "dataset.json").write_text(labels)
    return root


def test_regions_of_nnunet_are_refused_with_the_choices(tmp_path: Path) -> None:
    root = nnunet(
        tmp_path / "in",
        '{"labels": {"background": 0, "whole organ": [1, 2], "core": [2], "x": 3}}',
    )

    with pytest.raises(
        InputError,
        match=r"dataset.json: whole organ, core are regions .* --classes "
        r"'whole organ=1,2' with --ignore VALUE .*--foreground any",
    ):
        run(root, tmp_path / "out")
    described, _ = run(
        root, tmp_path / "whole", classes=("whole organ=1,2",), ignore=("3",)
    )
    assert described.classes == ("whole organ",)
    assert pixel_counts(tmp_path / "whole")[1:] == [3 * (LEFT | RIGHT).sum()]
    run(root, tmp_path / "any", foreground="any")
    assert pixel_counts(tmp_path / "any")[1] == 3 * (
        LEFT.sum() + RIGHT.sum() + 4 * SIDE
    )


def test_what_nnunet_ignores_becomes_background(tmp_path: Path) -> None:
    """It was a class of its own."""
    labels = '{"labels": {"background": 0, "left": 1, "right": 2, "ignore": 3}}'

    described, lines = run(nnunet(tmp_path / "in", labels), tmp_path / "out")

    assert described.classes == ("left", "right")
    assert pixel_counts(tmp_path / "out")[1:] == [3 * LEFT.sum(), 3 * RIGHT.sum()]
    assert any(f"{3 * 4 * SIDE} pixels" in line for line in lines)


def test_a_data_set_is_imported_again_with_its_names_and_patients(
    sides: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(sides, first)
    (first / "cases.csv").write_text("case,patient,age\nu,P1,50\nw,P2,60\n")

    described, lines = run(first, second)

    assert described.classes == ("left", "right")
    assert pixel_counts(second) == pixel_counts(first)
    assert (second / "cases.csv").read_text().splitlines() == [
        "case,patient,image,age",
        "u,P1,images/u.png,50",
        "v,,images/v.png,",
        "w,P2,images/w.png,60",
    ]
    assert "cases.csv: has 2 of 3 cases" in lines
    (first / "cases.csv").write_text("name\nu\n")
    with pytest.raises(InputError, match="needs a column named case"):
        run(first, tmp_path / "third")
