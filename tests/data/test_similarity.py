import itertools

import imagehash
import numpy as np
import pytest
from PIL import Image

from tfgansynth.arrays import ByteArray
from tfgansynth.data.similarity import (
    HASH_BITS,
    DistinctFilter,
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


def test_wrong_use_is_named() -> None:
    image = smooth_image(1)
    with pytest.raises(ValueError, match="uint8, got float32"):
        perceptual_hash(image.astype(np.float32))
    with pytest.raises(ValueError, match=r"got shape \(128, 128, 1\)"):
        perceptual_hash(image[..., None])
