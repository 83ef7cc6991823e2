import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgansynth.data.checks.examining import find_cases
from tfgansynth.data.checks.report import Report, check
from tfgansynth.errors import InputError


def lungs_mask(side: int) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    rows = slice(side // 4, 3 * side // 4)
    mask[rows, side // 8 : 3 * side // 8] = 255
    mask[rows, 5 * side // 8 : 7 * side // 8] = 255
    return mask


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three sound cases in the folder layout."""
    for seed, stem in enumerate(["a", "b", "c"]):
        save(tmp_path / f"data/images/{stem}.png", noise(seed, 32, 32))
        save(tmp_path / f"data/masks/{stem}.png", lungs_mask(32))
    return tmp_path / "data"


@pytest.fixture
def jsrt_data(tmp_path: Path) -> Path:
    """Two sound cases in the JSRT layout, the images converted to PNG."""
    for seed, stem in enumerate(["JPCLN001", "JPCNN001"]):
        save(tmp_path / f"data/{stem}.png", noise(seed, 64, 64))
        right, left = lungs_mask(32), lungs_mask(32)
        right[:, 16:] = left[:, :16] = 0
        save(tmp_path / f"data/fold1/masks/left lung/{stem}.gif", left)
        save(tmp_path / f"data/fold1/masks/right lung/{stem}.gif", right)
    return tmp_path / "data"


def found(report: Report) -> list[str]:
    return [
        f"{fault.path.relative_to(report.root)}: {fault.problem}"
        for fault in report.faults
    ]


def test_sound_data(data: Path) -> None:
    report = check(data, "both")

    assert report.layout == "folder"
    assert report.n_cases == 3
    assert report.image_sizes == {(32, 32): 3}
    assert report.mask_areas == (25.0, 25.0, 25.0)
    assert report.faults == ()
    assert report.notes == ()
    assert report.text() == (
        f"{data}: 3 cases in the folder layout, target not named (--target NAME)\n"
        "  images: 32 x 32 px (3), values 0 to 255 of 0 to 255\n"
        "  masks:  32 x 32 px (3)\n"
        "  class 1, target: in 3 of 3 masks, 25.0 to 25.0 % of the image, median "
        "25.0 %\n"
        "NOT READY: no faults, but 3 cases are too few for this split: 12 are the "
        "least, add 9 (of phantoms, by --data.phantoms): a fold would have 1 test, 1 "
        "validation and 1 training cases"
    )
    assert not report.is_ready


def test_sound_jsrt_data(jsrt_data: Path) -> None:
    report = check(jsrt_data, "both")

    assert (report.layout, report.n_cases, report.faults) == ("jsrt", 2, ())
    assert report.image_sizes == {(64, 64): 2}
    assert report.mask_sizes == {(32, 32): 2}
    assert "2 cases in the jsrt layout, lungs: both\n" in report.text()
    assert check(jsrt_data, "left").mask_areas == (12.5, 12.5)


def test_jsrt_below_images_and_labels(jsrt_data: Path) -> None:
    (jsrt_data / "images").mkdir()
    for path in jsrt_data.glob("*.png"):
        path.rename(jsrt_data / "images" / path.name)
    (jsrt_data / "fold1/masks").rename(jsrt_data / "masks")

    report = check(jsrt_data, "both")

    assert (report.layout, report.n_cases, report.faults) == ("jsrt", 2, ())


def test_missing_folder(tmp_path: Path) -> None:
    report = check(tmp_path / "nowhere", "both")

    assert report.layout is None
    assert found(report) == [".: no such folder"]
    assert report.text() == (
        f"{tmp_path}/nowhere: no data set\n"
        f"1 fault:\n  {tmp_path}/nowhere: no such folder\n"
        "NOT READY: 1 fault: correct it and check again"
    )


def test_not_a_folder(data: Path) -> None:
    report = check(data / "images/a.png", "both")

    assert found(report) == [".: is not a folder"]


def test_neither_layout_names_both(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"images/NAME\.png .*JPCLN001\.IMG"):
        find_cases(tmp_path)


def test_no_cases(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()

    assert "has no cases" in check(tmp_path, "both").text()


def test_every_fault_is_collected(data: Path) -> None:
    (data / "masks/a.png").write_bytes(b"no image")
    (data / "images/b.png").write_bytes(b"")
    save(data / "masks/b.png", np.zeros((32, 32), np.uint8))
    save(data / "masks/d.png", lungs_mask(32))

    report = check(data, "both")

    assert found(report) == [
        "masks/d.png: has no image (images/d.*)",
        "masks/a.png: is not a PNG, JPEG, GIF, TIFF or BMP image",
        "images/b.png: is empty (0 bytes); copy or export it again",
        "masks/b.png: is an empty mask",
    ]
    assert "4 faults:\n  masks/d.png: has no image" in report.text()


def test_sizes_that_differ(data: Path) -> None:
    save(data / "masks/b.png", lungs_mask(16))

    assert found(check(data, "both")) == [
        "masks/b.png: is 16 x 16 px, its image b.png is 32 x 32 px; "
        "make them the same size"
    ]


def test_jsrt_masks_differ_by_a_whole_factor_only(jsrt_data: Path) -> None:
    for side in ("left lung", "right lung"):
        save(jsrt_data / f"fold1/masks/{side}/JPCLN001.gif", lungs_mask(24))

    (fault,) = found(check(jsrt_data, "both"))

    assert fault.startswith("fold1/masks/left lung/JPCLN001.gif: is 24 x 24 px")


def test_images_must_be_square(data: Path) -> None:
    save(data / "images/a.png", noise(9, 32, 40))
    save(data / "masks/a.png", np.pad(lungs_mask(32), ((0, 0), (4, 4))))

    (fault,) = found(check(data, "both"))

    assert fault.startswith("images/a.png: is 40 x 32 px, images must be square")


def test_full_mask_and_constant_image(data: Path) -> None:
    save(data / "masks/a.png", np.full((32, 32), 255, np.uint8))
    save(data / "images/b.png", np.full((32, 32), 7, np.uint8))

    assert found(check(data, "both")) == [
        "masks/a.png: is a mask that covers the whole image",
        "images/b.png: has the same value in every pixel",
    ]


def test_duplicate_image_names_both_files(data: Path) -> None:
    shutil.copy(data / "images/a.png", data / "images/c.png")

    assert found(check(data, "both")) == [
        "images/c.png: is the same image as a.png; remove one (or use "
        "--allow-duplicates)"
    ]


def test_an_altered_copy_names_both_files(data: Path) -> None:
    image = np.asarray(Image.open(data / "images/a.png"))
    save(data / "images/c.png", image[:, ::-1] // 2)

    assert found(check(data, "both")) == [
        "images/c.png: is nearly the same image (similarity 1.00, mirrored) as a.png; "
        "remove one (run_table refuses them across its split without "
        "--allow-duplicates)"
    ]


def test_allowed_duplicates_are_notes(data: Path) -> None:
    image = np.asarray(Image.open(data / "images/a.png"))
    save(data / "images/b.png", image)
    save(data / "images/c.png", image // 2)

    report = check(data, "both", allow_duplicates=True)

    assert report.faults == ()
    assert [note.path.name for note in report.notes] == ["b.png", "c.png"]
    assert "same image as a.png" in report.notes[0].problem
    assert "nearly the same image" in report.notes[1].problem


def test_duplicates_are_found_by_pixels_not_by_bytes(data: Path) -> None:
    with Image.open(data / "images/a.png") as image:
        image.save(data / "images/c.bmp")
    (data / "images/c.png").unlink()

    assert "is the same image as a.png" in found(check(data, "both"))[0]


def test_missing_lung_is_a_fault_only_where_it_is_wanted(data: Path) -> None:
    mask = lungs_mask(32)
    mask[:, 16:] = 0
    save(data / "masks/a.png", mask)

    assert found(check(data, "right", target="lungs")) == []
    assert found(check(data, "left", target="lungs")) == [
        "masks/a.png: is an empty mask (no left lung in it)"
    ]
    both = check(data, "both", target="lungs")
    assert both.faults == ()
    assert [str(note) for note in both.notes] == [
        f"{data}/masks/a.png: is a single region: check whether the lungs touch or one "
        "is missing"
    ]
    assert "1 note:\n  masks/a.png: is a single region" in both.text()


@pytest.mark.parametrize("target", ["", "nerve", "left lung"])
def test_one_region_is_odd_in_lungs_only(data: Path, target: str) -> None:
    mask = lungs_mask(32)
    mask[:, 16:] = 0
    save(data / "masks/a.png", mask)

    assert check(data, "both", target=target).notes == ()


def test_the_target_is_named(data: Path) -> None:
    words = {
        "nerve": "target: nerve",
        "left lung": "target: left lung",
        "lungs": "lungs: both",
    }
    for target, expected in words.items():
        text = check(data, "both", target=target).text()
        assert text.splitlines()[0].endswith(f"in the folder layout, {expected}")
    with pytest.raises(InputError, match=r"^--lungs left: the masks of .*: leave it"):
        check(data, "left")


def test_few_grey_levels_are_a_note(data: Path) -> None:
    twelve_bits = noise(5, 32, 32).astype(np.uint16) * 16
    save(data / "images/a.png", twelve_bits)

    (note,) = check(data, "both").notes

    assert note.path == data / "images/a.png"
    assert "uses 16 of 255 grey levels" in note.problem


def test_other_files_are_a_note(data: Path) -> None:
    (data / "images/scan.dcm").write_bytes(b"x")

    report = check(data, "both")

    assert report.faults == ()
    assert "1 note:\n  images/scan.dcm: is not an image file; ignored" in report.text()


def test_links_that_leave_are_not_followed(data: Path, tmp_path: Path) -> None:
    shutil.move(data / "images/a.png", tmp_path / "a.png")
    (data / "images/a.png").symlink_to(tmp_path / "a.png")

    report = check(data, "both")

    assert report.n_cases == 2
    assert found(report)[0].startswith("images/a.png: is a link that leaves")


def test_sizes_are_counted(data: Path) -> None:
    save(data / "images/a.png", noise(9, 64, 64))
    save(data / "masks/a.png", lungs_mask(64))

    assert "images: 32 x 32 px (2), 64 x 64 px (1)" in check(data, "both").text()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Sixty sound cases."""
    for seed in range(60):
        save(tmp_path / f"many/images/case{seed:03d}.png", noise(seed, 32, 32))
        save(tmp_path / f"many/masks/case{seed:03d}.png", lungs_mask(32))
    return tmp_path / "many"


def last_lines(data: Path, count: int) -> list[str]:
    return check(data, "both").text().splitlines()[-count:]


def test_enough_cases_are_ready_and_name_the_next_command(many: Path) -> None:
    assert last_lines(many, 3) == [
        "  split: 60 cases in 3 folds, each with 20 test, 10 validation (the paper's: "
        "20) and 30 training cases",
        "  with --reduced: 30 of a fold's 30 training cases or more",
        f"READY: no faults; next: tfgansynth run-table --preset fast --data {many} "
        "--dry-run",
    ]
    for number in range(30, 60):
        (many / f"images/case{number:03d}.png").unlink()
        (many / f"masks/case{number:03d}.png").unlink()
    assert last_lines(many, 2)[0] == (
        "  with --reduced: a fold has only 16 training cases, it takes 30"
    )


def test_patients_and_groups_are_counted(many: Path) -> None:
    rows = [f"case{n:03d},p{n // 2},{'ab'[n % 4 // 2]}" for n in range(60)]
    (many / "cases.csv").write_text("\n".join(["case,patient,group", *rows]))
    assert last_lines(many, 3)[0].startswith(
        "  split: 60 cases of 30 patients, none in two parts, by 2 groups in 3 folds"
    )


def test_equal_faults_are_one_line(many: Path) -> None:
    for number in range(5):
        save(many / f"masks/case{number:03d}.png", np.zeros((32, 32), np.uint8))
    for number in range(10, 13):
        save(many / f"masks/case{number:03d}.png", lungs_mask(16))
    report = check(many, "both")
    assert report.text().splitlines()[-6:-1] == [
        "8 faults in 4 lines (--each-file names all):",
        "  masks/case000.png (and 4 more): is an empty mask",
        *(
            f"  masks/case0{number}.png: is 16 x 16 px, its image case0{number}.png is "
            "32 x 32 px; make them the same size"
            for number in (10, 11, 12)
        ),
    ]
    listed = report.text(each_file=True)
    assert "8 faults:\n" in listed
    assert listed.count("is an empty mask") == 5


def test_sizes_that_differ_by_file_are_equal_faults(many: Path) -> None:
    for number in range(4):
        save(many / f"masks/case{number:03d}.png", lungs_mask(8 * (1 + number % 3)))
    assert last_lines(many, 2)[0] == (
        "  masks/case000.png (and 3 more): is 8 x 8 px, its image case000.png is 32 x "
        "32 px; make them the same size"
    )


def move_masks(data: Path, name: str) -> None:
    """Give all masks but two another place or name."""
    for path in sorted((data / "masks").iterdir())[2:]:
        target = data / "masks" / name.format(path.stem)
        target.parent.mkdir(exist_ok=True)
        path.rename(target)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "{}_mask.png",
            "names of 58 masks are NAME_mask where those of their images are NAME: "
            "give both the same",
        ),
        (
            "seg-{}.png",
            "names of 58 masks are seg-NAME where those of their images are NAME: give "
            "both the same",
        ),
        (
            "lesion/{}.png",
            "58 of them are deeper, in masks/lesion/: move them to masks/",
        ),
        (
            "{}.nii.gz",
            "masks/ has 58 files NAME.nii.gz, which training does not read: tfgansynth "
            "prepare-data may",
        ),
    ],
)
def test_why_many_images_have_no_mask(many: Path, name: str, reason: str) -> None:
    move_masks(many, name)
    report = check(many, "both")
    assert report.reasons == (reason,)
    assert report.text().splitlines()[-2] == f"Likely reason: {reason}"


def test_names_of_images_may_be_the_longer_ones(many: Path) -> None:
    for path in sorted((many / "images").iterdir())[2:]:
        path.rename(path.with_stem(f"{path.stem}_img"))
    (reason,) = check(many, "both").reasons
    assert reason.startswith(
        "names of 58 images are NAME_img where those of their mask"
    )


def test_few_missing_masks_have_no_reason(many: Path) -> None:
    for path in sorted((many / "masks").iterdir())[:3]:
        path.rename(path.with_stem(f"{path.stem}_mask"))
    assert check(many, "both").reasons == ()
