import itertools

import imagehash
import numpy as np
import pytest
from PIL import Image

from tfgansynth.arrays import ByteArray
from tfgansynth.data import similarity
from tfgansynth.data.loading import load_phantoms
from tfgansynth.data.similarity import (
    HASH_BITS,
    DistinctFilter,
    count_alike,
    diversity,
    mean_pairwise_distance,
    perceptual_hash,
)


def smooth_image(seed: int) -> ByteArray:
    """A random image of low frequencies, as different seeds hash differently."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((128, 128)), dtype=np.uint8)


def nudged(image: ByteArray) -> ByteArray:
    """The same image with a speck: nothing that the eye would call another."""
    copy = image.copy()
    copy[60:64, 60:64] = 255 - copy[60:64, 60:64]
    return copy


def test_hash_is_the_phash_of_64_bits() -> None:
    image = smooth_image(0)
    text = perceptual_hash(image)
    assert HASH_BITS == 64
    assert len(text) == 16
    expected = imagehash.phash(Image.fromarray(image), hash_size=8)
    assert imagehash.hex_to_hash(text) == expected


def test_hash_of_a_known_image_does_not_change() -> None:
    # Pinned: hashes are written into manifests and must stay comparable.
    coarse = (np.arange(64).reshape(8, 8) * 89 + 41) % 251
    image = np.kron(coarse, np.ones((16, 16))).astype(np.uint8)
    assert perceptual_hash(image) == "83d603a907d6fca9"


def test_alike_images_are_nearer_than_different_ones() -> None:
    image = smooth_image(1)
    near = hamming(perceptual_hash(image), perceptual_hash(nudged(image)))
    brighter = (image // 2 + 60).astype(np.uint8)
    rescaled = hamming(perceptual_hash(image), perceptual_hash(brighter))
    far = hamming(perceptual_hash(image), perceptual_hash(smooth_image(2)))
    assert max(near, rescaled) <= 4
    assert far >= 16


def hamming(first: str, second: str) -> int:
    return int(imagehash.hex_to_hash(first) - imagehash.hex_to_hash(second))


def test_filter_keeps_the_first_of_near_duplicates() -> None:
    first, second = smooth_image(1), smooth_image(2)
    distinct = DistinctFilter(max_distance=4)
    kept = [
        distinct.add(image)
        for image in (first, first, nudged(first), second, nudged(second), first)
    ]
    hashes = perceptual_hash(first), perceptual_hash(second)
    assert kept == [hashes[0], None, None, hashes[1], None, None]


def test_filter_keeps_at_more_than_the_distance_and_drops_at_the_distance() -> None:
    first, second = smooth_image(1), smooth_image(2)
    distance = hamming(perceptual_hash(first), perceptual_hash(second))
    drops, keeps = DistinctFilter(distance), DistinctFilter(distance - 1)
    assert drops.add(first)
    assert not drops.add(second)
    assert keeps.add(first)
    assert keeps.add(second)


def test_filter_at_zero_drops_only_equal_hashes() -> None:
    images = [smooth_image(seed) for seed in (1, 2, 1, 3, 2)]
    distinct = DistinctFilter(0)
    kept = [bool(distinct.add(image)) for image in images]
    assert kept == [True, True, False, True, False]


def test_filter_agrees_with_a_plain_loop() -> None:
    images = [smooth_image(seed) for seed in range(40)]
    max_distance = 26
    kept: list[str] = []
    for text in map(perceptual_hash, images):
        if all(hamming(text, other) > max_distance for other in kept):
            kept.append(text)
    distinct = DistinctFilter(max_distance)
    assert [text for text in map(distinct.add, images) if text] == kept
    assert 1 < len(kept) < len(images)


def test_dropped_images_do_not_block_others() -> None:
    # b is near a and is dropped; c is near b but not near a, so it is kept.
    steps = np.linspace(0, 1, 60)
    first, last = (smooth_image(seed).astype(float) for seed in (1, 2))
    path = [((1 - t) * first + t * last).astype(np.uint8) for t in steps]
    hashes = [perceptual_hash(image) for image in path]
    max_distance = 6
    gaps = [hamming(a, b) for a, b in itertools.pairwise(hashes)]
    assert max(gaps) <= max_distance < hamming(hashes[0], hashes[-1])
    distinct = DistinctFilter(max_distance)
    kept = [bool(distinct.add(image)) for image in path]
    assert sum(kept) > 1
    assert not kept[1]


def test_mean_pairwise_distance_by_hand() -> None:
    zero, one, three = "0" * 16, "0" * 15 + "1", "0" * 15 + "7"
    assert mean_pairwise_distance([zero, three]) == 3
    # 0-1: 1 bit, 0-7: 3 bits, 1-7: 2 bits.
    assert mean_pairwise_distance([zero, one, three]) == 2
    assert mean_pairwise_distance([zero, "f" * 16]) == 64
    assert mean_pairwise_distance([one, one, one]) == 0


def test_mean_pairwise_distance_is_the_mean_over_all_pairs() -> None:
    hashes = [perceptual_hash(smooth_image(seed)) for seed in range(12)]
    pairs = [hamming(a, b) for a, b in itertools.combinations(hashes, 2)]
    assert mean_pairwise_distance(hashes) == pytest.approx(np.mean(pairs), rel=1e-12)


@pytest.mark.parametrize("hashes", [[], ["f" * 16]])
def test_without_a_pair_there_is_no_diversity(hashes: list[str]) -> None:
    assert mean_pairwise_distance(hashes) == 0


def grid(count: int, correlation: float = 0.999, size: int = 128) -> ByteArray:
    """Images of one grid of lines, two of which have this correlation by noise."""
    rows, columns = np.indices((size, size)) % 8
    texture = ((rows == 0) | (columns == 0)).astype(float)
    texture = (texture - texture.mean()) / texture.std()
    noise = np.random.default_rng(0).normal(size=(count, size, size))
    pixels = 100 + 50 * (texture + np.sqrt(1 / correlation - 1) * noise)
    grey: ByteArray = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return grey


def kept_of(images: ByteArray, *, by_pixels: bool) -> int:
    distinct = DistinctFilter(2, by_pixels=by_pixels)
    return sum(distinct.add(image) is not None for image in images)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_textured_images_are_told_alike_by_their_pixels(size: int) -> None:
    """The hash of a texture is that of its noise."""
    images = grid(30, size=size)
    pairs = np.asarray(np.corrcoef(images.reshape(30, -1)))[np.triu_indices(30, 1)]
    assert 0.9985 < pairs.min() < pairs.max() < 0.9995
    assert kept_of(images, by_pixels=False) == 30
    assert kept_of(images, by_pixels=True) == 1
    assert count_alike(images) == 29


@pytest.mark.parametrize(("correlation", "kept"), [(0.99, 10), (0.998, 1)])
def test_images_are_almost_identical_from_a_correlation_on(
    correlation: float, kept: int
) -> None:
    assert kept_of(grid(10, correlation), by_pixels=True) == kept
    assert count_alike(grid(10, correlation)) == 10 - kept


@pytest.mark.parametrize("size", [64, 128])
def test_pixels_tell_different_images_apart(size: int) -> None:
    cases = load_phantoms(60, 0, "both", size, soft_masks=False).cases
    images = np.stack([np.rint(case.image).astype(np.uint8) for case in cases])
    noise = np.random.default_rng(0).integers(0, 256, (9, size, size), np.uint8)
    smooth = np.stack([smooth_image(seed) for seed in range(40)])
    for each in (images, noise, smooth):
        assert kept_of(each, by_pixels=True) == len(each)
        assert count_alike(each) == 0


def test_images_of_one_stain_are_not_alike() -> None:
    """Their channels differ, and most in their means."""
    cells = np.random.default_rng(0).integers(0, 20, (5, 64, 64, 1), np.uint8)
    stained = np.array([200, 120, 180], np.uint8) + cells
    assert np.min(np.corrcoef(stained.reshape(5, -1))) > 0.95
    assert count_alike(stained) == 0
    assert count_alike(stained[[0, 1, 0, 0]]) == 2


def test_images_are_counted_once_in_blocks_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = np.stack([smooth_image(seed) for seed in range(4)])
    images = np.concatenate([grid(3), others, grid(3), others[:2]])
    for block in (1, 2, 5, 12, 100):
        monkeypatch.setattr(similarity, "_BLOCK", block)
        assert count_alike(images) == 2 + 3 + 2
    assert count_alike(np.full((3, 64, 64), 7, np.uint8)) == 0  # no contrast


def test_diversity_is_the_mean_distance_of_hashes_in_bits() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 32, 32), np.uint8)

    assert diversity(np.stack([noise[0]] * 4)) == 0
    # The signs of noise agree in half of 64 bits.
    assert 28 < diversity(noise) < 36
    assert diversity(noise) == mean_pairwise_distance([*map(perceptual_hash, noise)])
    assert diversity(noise[:1]) == 0


def test_textured_images_that_are_almost_identical_have_no_diversity() -> None:
    images = grid(16)
    assert mean_pairwise_distance([*map(perceptual_hash, images)]) > 16
    assert diversity(images) == 0
    # Of three pairs, two have different images.
    other = smooth_image(0)
    far = [hamming(perceptual_hash(each), perceptual_hash(other)) for each in images]
    found = diversity(np.stack([*images[:2], other]))
    assert found == pytest.approx((far[0] + far[1]) / 3)


def test_wrong_use_is_named() -> None:
    image = smooth_image(1)
    with pytest.raises(ValueError, match="uint8, got float32"):
        perceptual_hash(image.astype(np.float32))
    with pytest.raises(ValueError, match=r"got shape \(128, 128, 1\)"):
        perceptual_hash(image[..., None])


@pytest.mark.parametrize("stddev", [4, 8, 16])
def test_a_black_margin_makes_no_images_alike(stddev: float) -> None:
    rng = np.random.default_rng(0)
    images = np.zeros((10, 128, 128), np.uint8)
    inside = 210 + rng.normal(0, stddev, (10, 80, 128))
    images[:, 24:104] = np.clip(inside, 0, 255)
    # What a generator makes of black.
    images[:, :24] = rng.integers(0, 5, (10, 24, 128))

    assert count_alike(images) == 0
    noisy = np.clip(images + rng.normal(0, 0.2, images.shape), 0, 255).astype(np.uint8)
    assert count_alike(np.concatenate([images, noisy])) == (10 if stddev > 4 else 0)
    distinct = DistinctFilter(0, by_pixels=True)
    assert all(distinct.add(image) for image in images)
    assert distinct.add(images[3]) is None
