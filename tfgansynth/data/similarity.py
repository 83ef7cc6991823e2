"""Perceptual hashes: do two generated images look almost the same?

Paper: IV-B, "The resulting GAN images were checked for similarity by using a
perceptual image hash, which removes images that are almost identical in a batch of
samples." The paper names neither the hash nor its tolerance. Here it is ImageHash's
`phash` with 64 bits: the signs of an image's lowest 8 x 8 cosine frequencies relative
to their median. `copies` has the measures for images of a data set.
"""

from collections.abc import Sequence

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tfgansynth.arrays import ByteArray, luminance

_HASH_SIDE = 8
HASH_BITS = _HASH_SIDE**2
"""Bits of a hash, which is the largest distance between two: 64."""


def perceptual_hash(image: ByteArray) -> str:
    """Hash an image so that images that look alike have hashes that differ little.

    Args:
        image: uint8 (H, W) or, of whose luminance the hash is, (H, W, 3). Hash the
            image of a pair, not its mask.

    Returns:
        64 bits as 16 hexadecimal digits.

    Raises:
        ValueError: The image is not uint8 or not (H, W).
    """
    if image.dtype != np.uint8:
        raise ValueError(f"expected an image of uint8, got {image.dtype}")
    grey = luminance(image)
    if grey.ndim != 2 or grey.size == 0:
        raise ValueError(f"expected an image (H, W), got shape {image.shape}")
    return str(imagehash.phash(Image.fromarray(grey), hash_size=_HASH_SIDE))


def mean_pairwise_distance(hashes: Sequence[str]) -> float:
    """Return the mean Hamming distance over all pairs of hashes, in bits.

    This measures diversity: 0 for copies of one image, about 32 for images that have
    nothing in common. It is 0 for fewer than two hashes, which have no pair.
    """
    n_hashes = len(hashes)
    if n_hashes < 2:
        return 0.0
    values = np.array([int(text, 16) for text in hashes], dtype=np.uint64)
    bits = np.unpackbits(values.view(np.uint8)).reshape(n_hashes, HASH_BITS)
    n_set = bits.sum(axis=0, dtype=np.int64)
    # A bit that is set in k of n hashes differs in k (n - k) of the pairs.
    n_differing = int((n_set * (n_hashes - n_set)).sum())
    return n_differing / (n_hashes * (n_hashes - 1) / 2)


class DistinctFilter:
    """Keeps an image only if no image kept before it is a near-duplicate.

    Paper: IV-B.
    """

    def __init__(self, max_distance: int) -> None:
        """Start without any image.

        Args:
            max_distance: Images whose hashes differ in at most this number of bits
                are near-duplicates, [0, 64].
        """
        self._max_distance = max_distance
        self._kept: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)

    def add(self, image: ByteArray) -> str | None:
        """Keep an image if it is farther than `max_distance` from every kept one.

        Args:
            image: uint8 (H, W), [0, 255].

        Returns:
            Its hash if the image was kept.

        Raises:
            ValueError: The image is not uint8 or not (H, W).
        """
        text = perceptual_hash(image)
        value = np.uint64(int(text, 16))
        if np.any(np.bitwise_count(self._kept ^ value) <= self._max_distance):
            return None
        self._kept = np.append(self._kept, value)
        return text
