import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tfgansynth.arrays import ByteArray, FloatArray, Labels, MaskArray
from tfgansynth.config import SynthesisConfig
from tfgansynth.data.dataset import Case
from tfgansynth.data.similarity import perceptual_hash
from tfgansynth.errors import InputError
from tfgansynth.runtime import storage
from tfgansynth.synthesis.failures import EmptyMasksError, ModeCollapseError
from tfgansynth.synthesis.masks import ClassRule
from tfgansynth.synthesis.sampling import (
    SyntheticSet,
    as_in_training,
    draw_set,
    draw_z,
    pair_name,
    read_set,
    write_set,
)

SIDE = 32
Z_DIM = 6
CONFIG = SynthesisConfig(count=5, batch=4, max_draws=4)
RULE, RULES = [ClassRule(1)], [ClassRule(2)]


def smooth_image(seed: int) -> ByteArray:
    """A random image of low frequencies: other seeds give other hashes."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE)), dtype=np.uint8)


def grey_mask(seed: int) -> ByteArray:
    """Two blobs that are kept and a speck that it drops."""
    grey = np.full((SIDE, SIDE), 20, np.uint8)
    top = 4 + seed % 8
    grey[top : top + 16, 3:12] = 200
    grey[top : top + 14, 18:28] = 160
    grey[0, 0] = 255
    return grey


def seed_of(z: FloatArray) -> int:
    return int(z.view(np.uint32)[0]) % 1_000_003


def sampler(z: FloatArray) -> tuple[ByteArray, ByteArray]:
    """A generator all of whose images differ."""
    seeds = [seed_of(row) for row in z]
    masks = np.stack([*map(grey_mask, seeds)])
    return np.stack([*map(smooth_image, seeds)]), masks[..., None]


class Scripted:
    """A generator that shows image number `images[k]` as the k-th it is asked for.

    A negative number gives the image of its absolute value an empty mask.
    """

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers
        self.batches: list[FloatArray] = []

    def __call__(self, z: FloatArray) -> tuple[ByteArray, ByteArray]:
        done = sum(map(len, self.batches))
        self.batches.append(z)
        part = self.numbers[done : done + len(z)]
        assert len(part) == len(z), "asked for more than the script has"
        images = np.stack([smooth_image(abs(number)) for number in part])
        masks = np.stack([grey_mask(abs(number)) for number in part])
        masks[np.array(part) < 0] = 149
        return images, masks[..., None]


def draw(
    source: Any = sampler,
    *,
    z_seed: int = 0,
    components: int = 2,
    config: SynthesisConfig = CONFIG,
) -> SyntheticSet:
    rules = [ClassRule(components)]
    return draw_set(source, config, z_dim=Z_DIM, z_seed=z_seed, rules=rules)


def test_noise_is_uniform_and_each_batch_a_stream_of_its_own() -> None:
    z = draw_z(3, 0, 500, 40)
    assert z.shape == (500, 40)
    assert z.dtype == np.float32
    assert -1 <= z.min() < -0.999
    assert 0.999 < z.max() <= 1
    # Variance of the uniform distribution on [-1, 1]: 1/3.
    assert z.var() == pytest.approx(1 / 3, abs=0.01)
    np.testing.assert_array_equal(draw_z(3, 0, 500, 40), z)
    assert not np.array_equal(draw_z(3, 1, 500, 40), z)
    assert not np.array_equal(draw_z(4, 0, 500, 40), z)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
def test_as_many_pairs_come_as_asked_for(count: int) -> None:
    found = draw(config=dataclasses.replace(CONFIG, count=count))
    assert found.images.shape == (count, SIDE, SIDE)
    assert found.images.dtype == np.uint8
    assert found.masks.shape == (count, SIDE, SIDE)
    assert found.masks.dtype == np.uint8
    assert len(found.draws) == found.n_drawn == count
    assert (found.n_similar, found.n_empty) == (0, 0)
    # Batches of 4, always drawn whole: their moments normalize the maps.
    assert [(d.batch, d.index) for d in found.draws] == [
        divmod(k, 4) for k in range(count)
    ]


def test_image_and_mask_are_deformed_as_one_and_before_they_are_filtered() -> None:
    seen: list[ByteArray] = []

    def turn(
        images: ByteArray, masks: Labels, rng: np.random.Generator
    ) -> tuple[ByteArray, Labels]:
        times = int(rng.integers(1, 4))
        return np.rot90(images, times, (1, 2)), np.rot90(masks, times, (1, 2))

    def agrees(images: ByteArray, masks: Labels) -> MaskArray:
        seen.append(images)
        return np.ones(len(images), np.bool_)

    plain = draw()
    found = draw_set(
        sampler,
        CONFIG,
        z_dim=Z_DIM,
        z_seed=0,
        rules=RULES,
        augment=turn,
        agrees=agrees,
    )
    for index in range(5):
        turned = [
            times
            for times in (1, 2, 3)
            if np.array_equal(np.rot90(plain.images[index], times), found.images[index])
        ]
        assert len(turned) == 1
        np.testing.assert_array_equal(
            np.rot90(plain.masks[index], turned[0]), found.masks[index]
        )
    np.testing.assert_array_equal(np.concatenate(seen)[:5], found.images)


def test_generator_is_always_asked_for_whole_batches() -> None:
    source = Scripted(list(range(1, 9)))
    draw(source)
    assert [z.shape for z in source.batches] == [(4, Z_DIM), (4, Z_DIM)]
    for number, z in enumerate(source.batches):
        np.testing.assert_array_equal(z, draw_z(0, number, 4, Z_DIM))


def test_near_duplicates_and_empty_masks_are_dropped_and_counted() -> None:
    script = [1, 1, 2, -3, 4, 2, -5, 1, 3, 6, 7, 8]
    found = draw(Scripted(script))
    kept = [1, 2, 4, 3, 6]
    np.testing.assert_array_equal(found.images, [smooth_image(k) for k in kept])
    places = [script.index(k) for k in kept]
    assert [(d.batch, d.index) for d in found.draws] == [divmod(k, 4) for k in places]
    assert [d.perceptual_hash for d in found.draws] == [
        perceptual_hash(smooth_image(k)) for k in kept
    ]
    assert (found.n_drawn, found.n_similar, found.n_empty) == (10, 3, 2)


def test_image_dropped_for_its_mask_does_not_count_as_seen() -> None:
    found = draw(Scripted([-1, 1, 2, 3]), config=dataclasses.replace(CONFIG, count=3))
    np.testing.assert_array_equal(found.images, [smooth_image(k) for k in (1, 2, 3)])


def test_images_are_told_apart_by_the_distance_asked_for() -> None:
    source = [*range(1, 21)]
    config = dataclasses.replace(CONFIG, count=3, hash_distance=64)
    with pytest.raises(InputError, match="only 1 of 12 generated"):
        draw(Scripted(source), config=config)
    found = draw(Scripted(source), config=dataclasses.replace(config, hash_distance=0))
    assert found.n_similar == 0


@pytest.mark.parametrize("components", [1, 2])
def test_masks_are_cleaned(components: int) -> None:
    found = draw(Scripted([8, 16, 24, 32, 40, 1, 2, 3]), components=components)
    clean = np.zeros((SIDE, SIDE), np.bool_)
    clean[4:20, 3:12] = True
    if components == 2:
        clean[4:18, 18:28] = True
    for mask in found.masks:
        np.testing.assert_array_equal(mask, clean)


def test_threshold_of_the_configuration_applies() -> None:
    config = dataclasses.replace(CONFIG, mask_threshold=161)
    assert not draw(config=config).masks[:, :, 18:28].any()
    assert draw().masks[:, :, 18:28].any()


def test_collapse_is_an_error_that_counts_the_distinct_pairs() -> None:
    with pytest.raises(InputError) as collapse:
        draw(Scripted([1, 2, 1, 2, -1, 3, 3, 3, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]))
    message = str(collapse.value)
    assert message.startswith("mode collapse: only 3 of 20 generated pairs were disti")
    assert "16 almost identical, 1 with an empty mask" in message
    assert "5 were asked for" in message
    assert "\n" not in message


def test_collapse_is_found_after_so_many_draws_and_not_before() -> None:
    # The fifth one comes last among 4 * 5 draws.
    found = draw(Scripted([1, 2, 3, 4] * 4 + [4, 4, 4, 5]))
    assert found.n_drawn == 20
    source = Scripted([1, 2, 3, 4] * 5 + [5, 5, 5, 5])
    with pytest.raises(InputError, match="only 4 of 20"):
        draw(source)
    assert len(source.batches) == 5


def textured(z: FloatArray) -> tuple[ByteArray, ByteArray]:
    """A collapsed generator: one image of fine lines, and noise of 1/30 of it."""
    images = np.zeros((len(z), SIDE, SIDE))
    images[:, ::4], images[:, :, ::4] = 150, 150
    for image, row in zip(images, z, strict=True):
        image += np.random.default_rng(seed_of(row)).normal(50, 2, image.shape)
    masks = np.stack([grey_mask(0)] * len(z))
    return np.rint(images).astype(np.uint8), masks[..., None]


def test_collapse_of_textured_images_is_found_by_their_pixels() -> None:
    """Noise decides the hash of a texture."""
    config = dataclasses.replace(CONFIG, count=30, batch=30, hash_distance=2)
    found = draw(textured, config=config)
    assert np.min(np.corrcoef(found.images.reshape(30, -1))) > 0.998
    assert (found.n_drawn, found.n_similar, found.n_alike) == (30, 0, 29)
    config = dataclasses.replace(config, near_duplicates="pixels", max_draws=2)
    with pytest.raises(ModeCollapseError, match=r"only 1 of 60 .*\(59 almost ident"):
        draw(textured, config=config)
    assert draw(config=config).n_similar == 0


def test_what_the_hash_alone_has_kept_is_counted(tmp_path: Path) -> None:
    write_set(draw(textured), {}, tmp_path / "set")
    manifest = storage.read_record(tmp_path / "set/manifest.json")
    assert manifest["dropped_as_almost_identical"] == 0
    assert manifest["kept_by_hash_alone"] == 4


def discs(grey: int, z: FloatArray) -> tuple[ByteArray, ByteArray]:
    """Sparse masks: a disc of 2 % of the area, `grey` in its middle, less outside."""
    y, x = np.mgrid[:SIDE, :SIDE]
    images, masks = sampler(z)
    for mask, row in zip(masks, z, strict=True):
        top, left = np.random.default_rng(seed_of(row)).integers(4, 28, 2)
        squares = (y - top) ** 2 + (x - left) ** 2
        mask[..., 0] = np.where(squares <= 6, grey, np.where(squares <= 25, 10, 1))
    return images, masks


def test_masks_that_stay_grey_name_the_threshold_and_the_area() -> None:
    source = functools.partial(discs, 97)
    with pytest.raises(EmptyMasksError) as empty:
        draw_set(source, CONFIG, z_dim=Z_DIM, z_seed=0, rules=RULE, real_area=0.02)
    assert str(empty.value) == (
        "empty masks: nothing is left of 20 of 20 generated masks at "
        "--synthesis.mask-threshold 150 and after cleaning: their largest value is 97, "
        "and 0.00% of their pixels reach the threshold, while the target covers 2.00% "
        "of the training masks: lower the threshold, or train the GAN longer; at 97 "
        "they would cover as much"
    )
    lower = dataclasses.replace(CONFIG, mask_threshold=97)
    found = draw(source, config=lower, components=1)
    np.testing.assert_allclose((found.masks > 0).mean(axis=(1, 2)), 21 / 1024)
    # Where nobody knows the real area.
    with pytest.raises(EmptyMasksError, match=r"threshold: lower .* longer$"):
        draw(source)


def test_most_masks_are_empty_before_the_images_are_called_alike() -> None:
    script = [1, *[-2] * 10, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    with pytest.raises(EmptyMasksError, match="nothing is left of 10 of 20 generated"):
        draw(Scripted(script))
    script[1] = 1
    with pytest.raises(ModeCollapseError, match="10 almost identical, 9 with an empty"):
        draw(Scripted(script))


def test_no_threshold_helps_masks_without_grey() -> None:
    """Those of a pseudo-label ensemble are black or white."""

    def black(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        images, masks = sampler(z)
        return images, np.zeros_like(masks)

    with pytest.raises(EmptyMasksError, match=r"largest value is 0.*: train the GAN l"):
        draw_set(black, CONFIG, z_dim=Z_DIM, z_seed=0, rules=RULE, real_area=0.1)


@pytest.mark.parametrize(("n_negatives", "most"), [(0, 0), (1, 2), (2, 4), (3, 5)])
def test_as_large_a_share_may_be_empty_as_of_the_training_cases(
    n_negatives: int, most: int
) -> None:
    full, empty = np.ones((2, 4, 4, 1), np.float32) * [[[[1]]], [[[0]]]]
    cases = [
        Case(str(number), full[..., 0], empty if number < n_negatives else full)
        for number in range(3)
    ]
    found = as_in_training(cases, 5)
    area = pytest.approx(1 - n_negatives / 3)
    assert found == {"real_area": area, "most_empty": most}


def test_no_more_empty_pairs_are_kept_than_training_cases_have() -> None:
    script = [-1, -2, 3, -4, 5, -6, 7, 8, 9]
    found = draw_set(
        Scripted(script), CONFIG, z_dim=Z_DIM, z_seed=0, rules=RULES, most_empty=1
    )
    np.testing.assert_array_equal(
        found.images, [smooth_image(k) for k in (1, 3, 5, 7, 8)]
    )
    assert (found.n_drawn, found.n_empty, found.n_kept_empty) == (8, 3, 1)


def test_counts_of_a_set_do_not_stay_in_a_part_of_it(tmp_path: Path) -> None:
    found = draw_set(
        Scripted([*range(1, 9)]), CONFIG, z_dim=Z_DIM, z_seed=0, rules=RULES
    )
    of_all = {"kept_by_hash_alone": 1, "kept_with_an_empty_mask": 2}
    write_set(found, of_all, tmp_path / "set")
    assert not of_all.keys() & storage.read_record(tmp_path / "set/manifest.json")


def test_pairs_without_target_are_kept_where_training_cases_have_none(
    tmp_path: Path,
) -> None:
    script = [1, 1, 2, -3, 4, 2, -3, -5, 6, 7, 8, 9]
    found = draw_set(
        Scripted(script), CONFIG, z_dim=Z_DIM, z_seed=0, rules=RULES, most_empty=2
    )
    np.testing.assert_array_equal(
        found.images, [smooth_image(k) for k in (1, 2, 3, 4, 5)]
    )
    assert [mask.any() for mask in found.masks] == [True, True, False, True, False]
    assert (found.n_drawn, found.n_similar, found.n_empty) == (8, 3, 0)
    assert found.n_kept_empty == 2
    write_set(found, {}, tmp_path / "set")
    manifest = storage.read_record(tmp_path / "set/manifest.json")
    assert manifest["dropped_for_an_empty_mask"] == 0
    assert manifest["kept_with_an_empty_mask"] == 2
    _, masks = read_set(tmp_path / "set")
    np.testing.assert_array_equal(masks, found.masks)


def test_set_without_any_target_is_refused_even_with_negatives() -> None:
    with pytest.raises(EmptyMasksError, match="nothing is left of 5 of 5 generated"):
        draw_set(
            Scripted([-number for number in range(1, 21)]),
            CONFIG,
            z_dim=Z_DIM,
            z_seed=0,
            rules=RULES,
            most_empty=5,
        )


def same(a: SyntheticSet, b: SyntheticSet) -> bool:
    return (
        np.array_equal(a.images, b.images)
        and np.array_equal(a.masks, b.masks)
        and a.draws == b.draws
    )


def test_seed_of_the_noise_determines_the_set() -> None:
    assert same(draw(z_seed=3), draw(z_seed=3))
    assert not np.array_equal(draw(z_seed=3).images, draw(z_seed=4).images)


def test_larger_set_starts_with_the_smaller_one() -> None:
    large = draw(config=dataclasses.replace(CONFIG, count=9))
    np.testing.assert_array_equal(large.images[:5], draw().images)


@pytest.mark.parametrize("count", [0, -1])
def test_set_of_nothing_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"at least 1 pair, got {count}"):
        draw(config=dataclasses.replace(CONFIG, count=count))


def test_names_sort_in_the_order_of_drawing() -> None:
    names = [pair_name(index) for index in (0, 8, 9, 99, 12344)]
    assert names[0] == "synthetic-00001"
    assert names[-1] == "synthetic-12345"
    assert names == sorted(names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "fold-1" / "synthetic"
    write_set(draw(), {"fold": 1, "preset": "smoke"}, path)
    return path


def test_set_is_read_back_as_it_was_written(folder: Path) -> None:
    images, masks = read_set(folder)
    assert images.dtype == np.float32
    assert masks.dtype == np.uint8
    np.testing.assert_array_equal(images, draw().images)
    np.testing.assert_array_equal(masks, draw().masks)


def test_set_folder_holds_what_it_should(folder: Path) -> None:
    names = [f"synthetic-{number:05d}.png" for number in range(1, 6)]
    assert sorted(path.name for path in folder.iterdir()) == [
        "contact_sheet.png",
        "images",
        "manifest.json",
        "masks",
    ]
    for kind in ("images", "masks"):
        assert sorted(path.name for path in (folder / kind).iterdir()) == names
    with Image.open(folder / "masks" / names[0]) as mask:
        assert mask.mode == "L"
        assert set(np.asarray(mask).ravel()) == {0, 255}
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert sheet.mode == "RGB"


def test_contact_sheet_of_a_large_set_can_still_be_viewed(tmp_path: Path) -> None:
    few, sizes = draw(), {}
    for count in (105, 120, 121, 1000):
        many = dataclasses.replace(
            few,
            images=np.resize(few.images, (count, *few.images.shape[1:])),
            masks=np.resize(few.masks, (count, *few.masks.shape[1:])),
            draws=few.draws[:1],  # files of one pair, which is quick
        )
        write_set(many, {}, tmp_path / f"{count}")
        with Image.open(tmp_path / f"{count}" / "contact_sheet.png") as sheet:
            sizes[count] = sheet.size
    assert sizes[105][1] < sizes[120][1]
    assert sizes[120] == sizes[121] == sizes[1000]


def test_manifest_tells_where_every_pair_came_from(tmp_path: Path) -> None:
    script = [1, 1, 2, -3, 4, 2, -5, 1, 3, 6, 7, 8]
    found = draw(Scripted(script))
    write_set(found, {"fold": 1, "dataset": {"is_phantom": True}}, tmp_path / "set")
    manifest = storage.read_record(tmp_path / "set/manifest.json")
    assert list(manifest) == [
        "fold",
        "dataset",
        "drawn",
        "dropped_as_almost_identical",
        "dropped_for_an_empty_mask",
        "pairs",
    ]
    assert manifest["dataset"] == {"is_phantom": True}
    assert manifest["drawn"] == 10
    assert manifest["dropped_as_almost_identical"] == 3
    assert manifest["dropped_for_an_empty_mask"] == 2
    for entry, place in zip(manifest["pairs"], found.draws, strict=True):
        assert entry["batch"] == place.batch
        assert entry["index"] == place.index
        assert entry["perceptual_hash"] == place.perceptual_hash
        for kind in ("image", "mask"):
            path = tmp_path / "set" / f"{kind}s" / entry["name"]
            assert entry[f"{kind}_sha256"] == storage.hash_file(path)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_altered_file_is_named(folder: Path, kind: str) -> None:
    path = folder / kind / "synthetic-00003.png"
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[0, 0] ^= 1
    storage.write_png(path, pixels)
    with pytest.raises(InputError, match=f"{kind}/synthetic-00003.png: was altered"):
        read_set(folder)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_missing_or_damaged_file_is_named(folder: Path, kind: str) -> None:
    path = folder / kind / "synthetic-00002.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=f"{kind}/synthetic-00002.png: was altered"):
        read_set(folder)
    path.unlink()
    with pytest.raises(InputError, match=rf"{kind}/synthetic-00002\.png: .*No such"):
        read_set(folder)


def test_altered_manifest_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"fold": 1', '"fold": 2'))
    with pytest.raises(InputError, match=r"manifest\.json: was altered"):
        read_set(folder)
    with pytest.raises(InputError, match=r"manifest\.json: was altered"):
        storage.read_record(folder / "manifest.json")


def test_manifest_is_read_back(folder: Path) -> None:
    assert storage.read_record(folder / "manifest.json")["fold"] == 1


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"pairs": None},
        {"pairs": []},
        {"pairs": "synthetic-00001.png"},
        {"pairs": [3]},
        {"pairs": [["name", "synthetic-00001.png"]]},
        {"pairs": [{"name": 1}]},
        {"pairs": [{"name": "synthetic-00002.png"}]},
        {"pairs": [{"name": "../masks/synthetic-00001.png"}]},
        {"pairs": [{"name": "/etc/passwd"}]},
        {"pairs": [{"name": "synthetic-00001.png"}], "dataset": "phantoms"},
        {"pairs": [{"name": "synthetic-00001.png"}], "dataset": {"classes": 2}},
    ],
)
def test_manifest_of_another_form_is_refused(
    folder: Path, content: dict[str, Any]
) -> None:
    storage.write_record(folder / "manifest.json", content)
    with pytest.raises(InputError, match=r"manifest\.json: is not a manifest"):
        read_set(folder)


def test_manifest_without_hashes_is_refused(folder: Path) -> None:
    storage.write_record(
        folder / "manifest.json", {"pairs": [{"name": "synthetic-00001.png"}]}
    )
    with pytest.raises(InputError, match=r"synthetic-00001\.png: was altered"):
        read_set(folder)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_links_out_of_the_set_are_refused(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    path = folder / kind / "synthetic-00003.png"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(InputError, match=rf"{kind}/synthetic-00003\.png: .*a link"):
        read_set(folder)
    path.unlink()
    elsewhere.rename(path)
    path.parent.rename(elsewhere)
    path.parent.symlink_to(elsewhere)
    with pytest.raises(InputError, match=rf"{kind}/synthetic-00001\.png: .*a link"):
        read_set(folder)


def test_pairs_of_different_sizes_are_refused(folder: Path) -> None:
    path = folder / "masks" / "synthetic-00002.png"
    storage.write_png(path, np.full((SIDE, SIDE + 2), 255, np.uint8))
    manifest = storage.read_record(folder / "manifest.json")
    manifest["pairs"][1]["mask_sha256"] = storage.hash_file(path)
    storage.write_record(folder / "manifest.json", manifest)
    with pytest.raises(InputError, match=r"synthetic: .* differ in size"):
        read_set(folder)


def test_missing_manifest_is_named(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"manifest\.json: cannot be read"):
        read_set(folder)


@pytest.mark.parametrize("file", ["synthetic-00004.png", "manifest.json"])
def test_crash_while_writing_leaves_no_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    write_bytes = storage.write_bytes

    def crash(path: Path, content: bytes) -> None:
        if path.name == file:
            raise OSError(28, "No space left on device")
        write_bytes(path, content)

    folder = tmp_path / "synthetic"
    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_bytes", crash)
        with pytest.raises(OSError, match="No space"):
            write_set(draw(), {}, folder)
    assert not folder.exists()
    write_set(draw(), {}, folder)
    assert len(read_set(folder)[0]) == 5


def test_only_agreeing_pairs_are_taken_and_others_do_not_stand_in_their_way() -> None:
    asked: list[int] = []

    def agrees(images: ByteArray, masks: Labels) -> MaskArray:
        asked.append(len(images))
        # Disagree: the first image, and of the second batch the last.
        return np.asarray(np.arange(4) != (0 if len(asked) == 1 else 3))

    config = dataclasses.replace(CONFIG, count=4)
    # The first does not agree, the same image does when it comes again.
    source = Scripted([1, 2, -3, 4, 1, 2, 5, 6])
    found = draw_set(source, config, z_dim=Z_DIM, z_seed=0, rules=RULES, agrees=agrees)
    assert asked == [4, 4]
    assert [(d.batch, d.index) for d in found.draws] == [(0, 1), (0, 3), (1, 0), (1, 2)]
    assert (found.n_drawn, found.n_disagreeing) == (7, 1)
    assert (found.n_similar, found.n_empty) == (1, 1)


def test_too_few_that_agree_end_the_drawing() -> None:
    def agrees(images: ByteArray, masks: Labels) -> MaskArray:
        return np.zeros(len(images), np.bool_)

    config = dataclasses.replace(CONFIG, min_agreement=0.9)
    with pytest.raises(InputError, match=r"only 0 of 20 .* \(20 disagree, 0 almost"):
        draw_set(sampler, config, z_dim=Z_DIM, z_seed=0, rules=RULES, agrees=agrees)


def test_a_set_of_several_classes_in_color_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = dataclasses.replace(
        draw(),
        images=rng.integers(0, 256, (5, SIDE, SIDE, 3), np.uint8),
        masks=rng.integers(0, 3, (5, SIDE, SIDE), np.uint8),
    )
    dataset = {"classes": ["nerve", "vessel"], "channels": 3}
    write_set(found, {"dataset": dataset}, tmp_path / "set")
    images, masks = read_set(tmp_path / "set")
    np.testing.assert_array_equal(images, found.images)
    np.testing.assert_array_equal(masks, found.masks)
    assert images.dtype == np.float32
    assert masks.dtype == np.uint8
