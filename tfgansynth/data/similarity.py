"""How alike two images look: perceptual hashes, and what correlations are made of.

Three questions need three measures:

- Do two *generated images* look almost the same? The perceptual hash answers, here.
  Paper: IV-B, "The resulting GAN images were checked for similarity by using a
  perceptual image hash, which removes images that are almost identical in a batch of
  samples." The paper names neither the hash nor its tolerance. Here it is ImageHash's
  `phash` with 64 bits: the signs of an image's lowest 8 x 8 cosine frequencies
  relative to their median.
- Are two *files of a data set* copies of one picture, perhaps resized, turned or
  mirrored? `data.duplicates` registers the two images and correlates their details.
  It needs a yes or no, for few candidates.
- How near is a *generated pair* to each training case? `assessment.neighbors`
  correlates at all small shifts. It needs a distance for every pair, which must be
  comparable between real and generated images, so nothing is fitted.

The last two share the steps here: images of at most `SIDE` pixels are band-passed, the
local contrast is evened out, and unit vectors are multiplied.
"""

from collections.abc import Callable, Sequence

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tfgansynth.arrays import ByteArray, FloatArray

SIDE = 64
"""Images are correlated at this side in pixels, at most."""

Blur = Callable[[FloatArray, float], FloatArray]
"""Blurs planes by a Gaussian of a standard deviation in pixels."""

_HASH_SIDE = 8
HASH_BITS = _HASH_SIDE**2
"""Bits of a hash, which is the largest distance between two: 64."""

_HEX_DIGITS = HASH_BITS // 4


def band_pass(
    planes: FloatArray, blur: Blur, *, fine: float, coarse: float, window: float
) -> tuple[FloatArray, FloatArray]:
    """Keep the details between two scales, and measure their local power.

    Args:
        planes: float32 (..., H, W).
        blur: A Gaussian blur.
        fine: Details smaller than this standard deviation are removed.
        coarse: Details larger than this standard deviation are removed.
        window: Standard deviation of the neighborhood in which power is measured.

    Returns:
        The details and their local mean square, float32 (..., H, W) each.
    """
    details = blur(planes, fine) - blur(planes, coarse)
    return details, blur(details * details, window)


def unit_vectors(planes: FloatArray, *, least: float = 0.0) -> FloatArray:
    """Flatten planes to vectors of mean 0 and length 1, whose products correlate.

    Args:
        planes: float32 (n, h, w).
        least: A vector of this length or less is not scaled up: it has no details.

    Returns:
        float32 (n, h * w).
    """
    vectors = planes.reshape(len(planes), -1)
    vectors = np.asarray(vectors - vectors.mean(axis=1, keepdims=True))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > least)
    return np.asarray(vectors, np.float32)


def perceptual_hash(image: ByteArray) -> str:
    """Hash an image so that images that look alike have hashes that differ little.

    Args:
        image: uint8 (H, W), [0, 255]. Hash the image of a pair, not its mask.

    Returns:
        64 bits as 16 hexadecimal digits.

    Raises:
        ValueError: The image is not uint8 or not (H, W).
    """
    if image.dtype != np.uint8:
        raise ValueError(f"expected an image of uint8, got {image.dtype}")
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f"expected an image (H, W), got shape {image.shape}")
    return str(imagehash.phash(Image.fromarray(image), hash_size=_HASH_SIDE))


def mean_pairwise_distance(hashes: Sequence[str]) -> float:
    """Return the mean Hamming distance over all pairs of hashes, in bits.

    This measures diversity: 0 for copies of one image, about 32 for images that have
    nothing in common. It is 0 for fewer than two hashes, which have no pair.

    Raises:
        ValueError: One of them is not a hash of 16 hexadecimal digits.
    """
    n_hashes = len(hashes)
    if n_hashes < 2:
        return 0.0
    values = np.array([_to_int(text) for text in hashes], dtype=np.uint64)
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

        Raises:
            ValueError: `max_distance` is out of range.
        """
        if not 0 <= max_distance <= HASH_BITS:
            raise ValueError(
                f"expected a max_distance in [0, {HASH_BITS}] bits, got {max_distance}"
            )
        self._max_distance = max_distance
        self._hashes: list[str] = []
        self._values: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)

    @property
    def hashes(self) -> list[str]:
        """The hashes of the kept images, in order (a copy)."""
        return list(self._hashes)

    def add(self, image: ByteArray) -> bool:
        """Keep an image if it is farther than `max_distance` from every kept one.

        Args:
            image: uint8 (H, W), [0, 255].

        Returns:
            Whether the image was kept.

        Raises:
            ValueError: The image is not uint8 or not (H, W).
        """
        text = perceptual_hash(image)
        value = np.uint64(_to_int(text))
        distances = np.bitwise_count(self._values ^ value)
        if np.any(distances <= self._max_distance):
            return False
        self._hashes.append(text)
        self._values = np.append(self._values, value)
        return True


def _to_int(text: str) -> int:
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if value < 0 or len(text) != _HEX_DIGITS:
        raise ValueError(
            f"expected a hash of {_HEX_DIGITS} hexadecimal digits, got {text!r}"
        )
    return value
