import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgansynth.arrays import resize_area, resize_bilinear
from tfgansynth.data.checks.report import check
from tfgansynth.data.dataset import CaseTable
from tfgansynth.data.importers.canonical import Description
from tfgansynth.data.loading import load_directory, load_phantoms, with_patients
from tfgansynth.data.lungs import Lungs
from tfgansynth.errors import InputError
from tfgansynth.runtime import storage


def lungs_mask(side: int) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    rows = slice(side // 4, 3 * side // 4)
    mask[rows, side // 8 : 3 * side // 8 + 1] = 255
    mask[rows, 5 * side // 8 : 7 * side // 8] = 255
    return mask


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def noise(seed: int, side: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "My Data_2"
    for seed, stem in enumerate(["b", "B2", "a"]):
        save(root / f"images/{stem}.png", noise(seed, 48))
        save(root / f"masks/{stem}.png", lungs_mask(48))
    return root


def test_cases_are_sorted_and_have_the_requested_size(data: Path) -> None:
    dataset = load_directory(data, "both", 16, soft_masks=False)

    assert dataset.name == "my-data-2"
    assert not dataset.identity.is_phantom
    assert dataset.case_ids == ("B2", "a", "b")
    case = dataset.cases[2]
    assert case.image.shape == (16, 16)
    assert case.coverage.shape == (16, 16, 1)
    assert case.image.dtype == case.coverage.dtype == np.float32
    np.testing.assert_array_equal(case.image, resize_area(noise(0, 48), 16))
    covered = resize_area(lungs_mask(48) > 0, 16)
    np.testing.assert_array_equal(case.coverage[..., 0], covered)
    assert 0 < case.coverage[8, 6] < 1


def test_soft_masks_are_bilinear(data: Path) -> None:
    dataset = load_directory(data, "both", 20, soft_masks=True)

    np.testing.assert_allclose(
        dataset.cases[0].coverage[..., 0],
        resize_bilinear(lungs_mask(48) > 0, 20),
        atol=1e-6,
    )


def test_values_stay_in_range(data: Path) -> None:
    save(data / "images/a.png", np.where(noise(2, 48) > 20, 255, 0).astype(np.uint8))

    for size in (7, 13, 48, 100):
        for case in load_directory(data, "both", size, soft_masks=False).cases:
            assert 0 <= case.image.min() <= case.image.max() <= 255
            assert 0 <= case.coverage.min() <= case.coverage.max() <= 1


def test_one_lung(data: Path) -> None:
    dataset = load_directory(data, "left", 16, soft_masks=False, target="lungs")
    left = dataset.cases[0].mask

    assert left.any()
    assert not left[:, :8].any()


def test_the_target_of_a_folder_is_as_stated_or_described(data: Path) -> None:
    def target(stated: str = "", lungs: Lungs = "both") -> str:
        dataset = load_directory(data, lungs, 16, soft_masks=False, target=stated)
        assert dataset.identity.target == dataset.target
        return dataset.target

    for path in (data / "masks").iterdir():
        save(path, (lungs_mask(48) > 0).astype(np.uint8))
    assert target() == "target"
    assert target("optic disc") == "optic disc"
    files = storage.hash_folder(data)
    described = Description("nerve", ("nerve",), 1, None, (), {}, files)
    path = data / "dataset.json"
    path.write_text(json.dumps(described.record()))
    assert target() == "nerve"
    assert target("optic disc") == "optic disc"
    with pytest.raises(
        InputError, match=r"^--lungs left: .* show another target \(nerve\): leave it"
    ):
        target(lungs="left")
    assert target("lungs", "left") == "lungs"
    described = dataclasses.replace(described, target="<b>|x", classes=("x",))
    path.write_text(json.dumps(described.record()))
    with pytest.raises(
        InputError, match=r"dataset.json: has the target <b>\|x, expected letters"
    ):
        target()
    assert target("nerve") == "nerve"


def test_lungs_are_no_other_target(data: Path) -> None:
    for path in (data / "images").iterdir():
        (data / "left lung").mkdir(exist_ok=True)
        (data / "right lung").mkdir(exist_ok=True)
        index = {"a.png": 1, "b.png": 2, "B2.png": 3}[path.name]
        path.rename(data / f"JPCLN{index:03d}.png")
        for side in ("left", "right"):
            mask = data / f"{side} lung/JPCLN{index:03d}.png"
            mask.write_bytes((data / "masks" / path.name).read_bytes())
    shutil.rmtree(data / "images")
    shutil.rmtree(data / "masks")

    for stated in ("", "lungs"):
        jsrt = load_directory(data, "left", 16, soft_masks=False, target=stated)
        assert (jsrt.layout, jsrt.target) == ("jsrt", "lungs")
        phantoms = load_phantoms(1, 0, "left", 16, soft_masks=False, target=stated)
        assert phantoms.target == "lungs"
    with pytest.raises(InputError, match=r"^--target heart: .* has the lung masks of"):
        load_directory(data, "both", 16, soft_masks=False, target="heart")
    with pytest.raises(InputError, match=r"^--target heart: the built-in phantoms "):
        load_phantoms(1, 0, "both", 16, soft_masks=False, target="heart")


def test_jsrt_layout(tmp_path: Path) -> None:
    values = np.arange(2048 * 2048, dtype=">u2").reshape(2048, 2048) % 4096
    values.astype(">u2").tofile(tmp_path / "JPCLN001.IMG")
    for side, half in (("right", slice(0, 512)), ("left", slice(512, 1024))):
        mask = np.zeros((1024, 1024), np.uint8)
        mask[:, half] = lungs_mask(1024)[:, half]
        save(tmp_path / f"fold2/masks/{side} lung/JPCLN001.gif", mask)

    dataset = load_directory(tmp_path, "both", 128, soft_masks=False)

    assert dataset.case_ids == ("JPCLN001",)
    np.testing.assert_allclose(
        dataset.cases[0].coverage[..., 0], resize_area(lungs_mask(1024) > 0, 128)
    )


def test_refuses_faults_of_the_scan_and_counts_them(data: Path) -> None:
    (data / "masks/a.png").unlink()
    (data / "masks/b.png").unlink()

    with pytest.raises(InputError) as caught:
        load_directory(data, "both", 16, soft_masks=False)

    assert str(caught.value) == (
        f"{data}/images/a.png: has no mask (masks/a.*) "
        f"(and 1 more; check-data {data} lists all)"
    )


def test_a_single_fault_of_the_scan_is_the_whole_message(data: Path) -> None:
    (data / "masks/a.png").unlink()

    with pytest.raises(InputError, match=r"has no mask \(masks/a\.\*\)$"):
        load_directory(data, "both", 16, soft_masks=False)


def test_refuses_the_first_fault_of_a_case(data: Path) -> None:
    save(data / "masks/a.png", np.zeros((48, 48), np.uint8))

    with pytest.raises(InputError, match=r"a\.png: is an empty mask \(check-dat"):
        load_directory(data, "both", 16, soft_masks=False)


def test_refuses_duplicates(data: Path) -> None:
    save(data / "images/b.png", noise(2, 48))

    with pytest.raises(InputError, match=r"b\.png: is the same image as a\.png"):
        load_directory(data, "both", 16, soft_masks=False)


def test_loads_duplicates_if_allowed(data: Path) -> None:
    save(data / "images/b.png", noise(2, 48))

    dataset = load_directory(data, "both", 16, soft_masks=False, allow_duplicates=True)

    assert dataset.case_ids == ("B2", "a", "b")
    np.testing.assert_array_equal(dataset.cases[1].image, dataset.cases[2].image)


def test_refuses_images_that_are_not_square(data: Path) -> None:
    save(data / "images/a.png", noise(7, 48)[:40])
    save(data / "masks/a.png", lungs_mask(48)[:40])

    with pytest.raises(InputError, match=r"a\.png: is 48 x 40 px, .* must be square"):
        load_directory(data, "both", 16, soft_masks=False)


def test_refuses_a_mask_that_vanishes(data: Path) -> None:
    speck = np.zeros((48, 48), np.uint8)
    speck[4, 4] = 255
    save(data / "masks/a.png", speck)

    with pytest.raises(InputError, match=r"a\.png: .* vanishes at 8 x 8 px"):
        load_directory(data, "both", 8, soft_masks=False)


def test_refuses_a_folder_in_no_layout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data set in a known layout"):
        load_directory(tmp_path, "both", 16, soft_masks=False)


def test_name_of_a_folder_without_letters(data: Path) -> None:
    renamed = data.rename(data.parent / "___")

    assert load_directory(renamed, "both", 16, soft_masks=False).name == "data"


def test_needs_no_tensorflow() -> None:
    code = (
        "import sys, tfgansynth.data.loading; "
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras')))"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


TABLE = """case,Patient ID,group,age
a,ann,north,7
b,bob,,8
B2,bob,south,9
gone,eve,north,1
"""


def test_patients_and_groups_are_read(data: Path) -> None:
    bare = load_directory(data, "both", 16, soft_masks=False)
    assert bare.table == CaseTable()
    (data / "cases.csv").write_text(TABLE)
    dataset = load_directory(data, "both", 16, soft_masks=False)
    assert dataset.table.patients == {"b": "B2"}
    assert dataset.table.groups == {"a": "north", "B2": "south"}
    # It is other data: another column changes nothing, another patient does.
    assert dataset.identity.sha256 != bare.identity.sha256
    (data / "cases.csv").write_text(TABLE.replace(",7", ",70"))
    same = load_directory(data, "both", 16, soft_masks=False)
    assert same.identity == dataset.identity
    (data / "cases.csv").write_text(TABLE.replace("ann", "bob"))
    other = load_directory(data, "both", 16, soft_masks=False)
    assert other.identity.sha256 != dataset.identity.sha256
    (data / "cases.csv").write_text("name,age\nx,1\n")
    none = load_directory(data, "both", 16, soft_masks=False)
    assert none.identity == bare.identity


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TABLE.replace("B2", "B3"), "has no row for B2: add it, or remove"),
        (TABLE + "a,ann,north,7\n", "row 6: the case a has a row already"),
        (TABLE.replace("case", "name"), "needs a column named case"),
        (TABLE + "c,1\n", "row 6 has 2 fields, the header 4"),
        ("", "is an empty table"),
        ("case,patient\n", "has 0 rows"),
        ("case,patient,patient\n", "has two columns of the same name"),
        ('case,patient\na,"', "cannot be read as a CSV"),
        ("case,patient\na,\udcff", "cannot be read as a CSV"),
    ],
)
def test_a_faulty_table_of_cases_is_named(data: Path, text: str, words: str) -> None:
    (data / "cases.csv").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=rf"cases\.csv: {words}"):
        load_directory(data, "both", 16, soft_masks=False)
    (fault,) = check(data, "both").faults
    assert fault.path == data / "cases.csv"
    assert fault.problem.startswith(words)


def test_a_table_elsewhere_is_not_followed(data: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text(TABLE)
    for target, words in {
        "elsewhere.csv": "is a link that leaves the data folder",
        "nowhere.csv": "is a link to nothing",
    }.items():
        (data / "cases.csv").symlink_to(tmp_path / target)
        with pytest.raises(InputError, match=rf"cases\.csv: {words}"):
            load_directory(data, "both", 16, soft_masks=False)
        (data / "cases.csv").unlink()


def test_patients_are_found_in_names(tmp_path: Path) -> None:
    for seed, stem in enumerate(["p1-a", "p1-b", "p2-b", "p2-c"]):
        save(tmp_path / f"images/{stem}.png", noise(seed, 48))
        save(tmp_path / f"masks/{stem}.png", lungs_mask(48))
    (tmp_path / "cases.csv").write_text(
        "case,patient,group\np1-a,x,n\np1-b,y,n\np2-b,y,s\np2-c,z,s\n"
    )
    dataset = load_directory(tmp_path, "both", 16, soft_masks=False)
    assert dataset.table.patients == {"p2-b": "p1-b"}
    # The first group, or all of the match; in place of the column.
    for pattern in ("^(p[0-9])-.", "p[0-9]"):
        found = with_patients(dataset, pattern).table
        assert found.patients == {"p1-b": "p1-a", "p2-c": "p2-b"}
        assert found.groups == dataset.table.groups
    for pattern, words in {
        "p1": "finds no patient in the case p2-b",
        "x": "finds no patient in the case p1-a",
        "$": "finds no patient in the case p1-a",
        "p1|p2(x)?": "finds no patient in the case p1-a",
        "(": "is no regular expression",
    }.items():
        with pytest.raises(InputError, match="^--patient-pattern .*: " + words):
            with_patients(dataset, pattern)


def test_unlabelled_images_are_read_as_images_are(data: Path) -> None:
    before = load_directory(data, "both", 16, soft_masks=False)
    assert before.unlabelled == ()
    assert "n_unlabelled" not in before.identity.record()
    save(data / "unlabelled/z.png", noise(7, 48))
    save(data / "unlabelled/C.png", noise(8, 40).astype(np.uint16) * 257)
    turned = Image.fromarray(noise(9, 48))
    turned.getexif()[0x112] = 6
    turned.save(data / "unlabelled/turned.tif", exif=turned.getexif())

    dataset = load_directory(data, "both", 16, soft_masks=False)

    assert dataset.case_ids == before.case_ids
    expected = {"C": noise(8, 40), "turned": np.rot90(noise(9, 48), 3)}
    expected["z"] = noise(7, 48)
    assert [each.case_id for each in dataset.unlabelled] == [*expected]
    for each, pixels in zip(dataset.unlabelled, expected.values(), strict=True):
        assert each.image.dtype == np.float32
        np.testing.assert_allclose(each.image, resize_area(pixels, 16), atol=1e-4)
    assert dataset.identity.n_cases == 3
    assert dataset.identity.n_unlabelled == 3
    assert dataset.identity.sha256 != before.identity.sha256
    report = check(data, "both")
    assert "3 cases and 3 unlabelled images in the folder layout" in report.text()
    assert not report.faults
    # An image that is another one makes another data set, whatever its name.
    save(data / "unlabelled/z.png", noise(6, 48))
    changed = load_directory(data, "both", 16, soft_masks=False)
    assert changed.identity.sha256 != dataset.identity.sha256


@pytest.mark.parametrize(
    ("name", "pixels", "fault"),
    [
        ("A.jpg", noise(7, 48), r"has the same name as images/a\.png; rename it"),
        ("x.png", noise(7, 48)[:40], "images must be square"),
        ("x.png", np.full((48, 48), 9, np.uint8), "the same value in every pixel"),
        # Beside images of 8 bits nothing would show that most levels are lost.
        ("x.png", noise(7, 48).astype(np.uint16) * 16, "with 12 bits in 16"),
        ("x.png", noise(0, 48), r"is the same image as b\.png"),
        ("a?.png", noise(7, 48), "rename it with letters"),
    ],
)
def test_faults_of_unlabelled_images(
    data: Path, name: str, pixels: np.ndarray, fault: str
) -> None:
    save(data / "unlabelled" / name, pixels)

    (found,) = check(data, "both").faults
    assert found.path == data / "unlabelled" / name
    assert re.search(fault, found.problem)
    if "same image" not in fault:
        with pytest.raises(InputError, match=f"unlabelled.*{fault}"):
            load_directory(data, "both", 16, soft_masks=False)


def test_patients_of_unlabelled_images_change_no_name(data: Path) -> None:
    save(data / "unlabelled/A0.png", noise(7, 48))
    save(data / "unlabelled/A1.png", noise(8, 48))
    table = data / "cases.csv"
    table.write_text("case,patient\nb,1\nB2,2\na,1\nA0,1\nA1,3\n")

    dataset = load_directory(data, "both", 16, soft_masks=False)

    # `A0` comes first by name, but has no mask.
    assert dataset.table.patients == {"b": "a", "A0": "a"}
    assert with_patients(dataset, "^.").table.patients == {"A1": "A0"}
    table.write_text("case,patient\nb,1\nB2,2\na,1\nA0,1\n")
    with pytest.raises(InputError, match="has no row for A1"):
        load_directory(data, "both", 16, soft_masks=False)
    table.write_text("case,group\nb,1\nB2,2\na,1\n")
    assert load_directory(data, "both", 16, soft_masks=False).table.groups
