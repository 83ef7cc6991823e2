import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgansynth.arrays import resize_area, resize_bilinear
from tfgansynth.data.loading import load_directory
from tfgansynth.errors import InputError


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
    left = load_directory(data, "left", 16, soft_masks=False).cases[0].mask

    assert left.any()
    assert not left[:, :8].any()


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
