"""Do two generated images look almost the same? Perceptual hashes, and pixels.

Paper: IV-B, "The resulting GAN images were checked for similarity by using a
perceptual image hash, which removes images that are almost identical in a batch of
samples." The paper names neither the hash nor its tolerance. Here it is ImageHash's
`phash` with 64 bits: the signs of an image's lowest 8 x 8 cosine frequencies relative
to their median. In textured images these frequencies are weak, and noise decides their
signs: two images that the eye cannot tell apart differ in many bits. So pixels are
compared too. `copies` has the measures for images of a data set.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Self

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tfgansynth.arrays import ByteArray, luminance

_HASH_SIDE = 8
HASH_BITS = _HASH_SIDE**2
"""Bits of a hash, which is the largest distance between two: 64."""
PIXEL_CORRELATION = 0.995
"""Correlation from which the pixels of two images count as almost identical."""
_PIXELS = 4096
"""Pixels at random places by which larger images are compared. Means over areas would
lose fine texture."""
_BLACK = 8
"""Grey value up to which a pixel counts as black."""
_NO_CONTRAST = 1e-3
"""Rounding of sums of squares: less is no contrast."""
_BLOCK = 512

_Floats = NDArray[np.float64]


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


@dataclasses.dataclass(frozen=True, slots=True)
class _Sampled:
    """Pixels of images at some places, black ones as 0, and their sums.

    Attributes:
        pixels: (n, channels, places).
        black: 1 where all channels are black, (n, places).
        sums: Of each channel, (n, channels).
        squares: Of the squares of all channels, (n,).
    """

    pixels: _Floats
    black: _Floats
    sums: _Floats
    squares: _Floats

    @classmethod
    def of(cls, images: ByteArray) -> Self:
        """Sample images, uint8 (n, H, W[, 3])."""
        count, height, width = images.shape[:3]
        n_pixels = height * width
        chosen = images.reshape(count, n_pixels, -1)[:, _places(n_pixels)]
        pixels: _Floats = chosen.transpose(0, 2, 1).astype(np.float64)
        black = np.asarray((pixels <= _BLACK).all(axis=1))
        pixels *= ~black[:, None]
        squares = np.asarray(np.square(pixels).sum(axis=(1, 2)))
        sums = np.asarray(pixels.sum(axis=2))
        return cls(pixels, black.astype(np.float64), sums, squares)

    def first(self, count: int) -> Self:
        """The first images."""
        fields = dataclasses.fields(self)
        return type(self)(*(getattr(self, field.name)[:count] for field in fields))

    def put(self, place: int, image: Self) -> None:
        """Put the first of other images into a place."""
        for field in dataclasses.fields(self):
            getattr(self, field.name)[place] = getattr(image, field.name)[0]

    def enlarged(self) -> Self:
        """The same with as many places again."""
        fields = dataclasses.fields(self)
        parts = (getattr(self, field.name) for field in fields)
        return type(self)(*(np.concatenate([part, part]) for part in parts))


def _correlations(some: _Sampled, others: _Sampled) -> _Floats:
    """Correlate images with others where they are not black in both: (n, m).

    A black margin that all images share would make all of them alike. Each channel of
    images in color has its own mean, or all images of one stain would be alike.
    Without contrast the correlation is 0.
    """
    places = some.pixels.shape[2]
    n = np.maximum(places - some.black @ others.black.T, 1)
    flat = (each.pixels.reshape(len(each.pixels), -1) for each in (some, others))
    one, other = flat
    together = one @ other.T - some.sums @ others.sums.T / n
    spreads = some.squares[:, None] - (some.sums**2).sum(axis=1)[:, None] / n
    spreads = spreads * (others.squares - (others.sums**2).sum(axis=1) / n)
    found: _Floats = np.zeros(together.shape)
    has_contrast = spreads > _NO_CONTRAST
    np.divide(together, np.sqrt(np.abs(spreads)), out=found, where=has_contrast)
    return found


class DistinctFilter:
    """Keeps an image only if no image kept before it is a near-duplicate.

    Paper: IV-B.
    """

    def __init__(self, max_distance: int, *, by_pixels: bool = False) -> None:
        """Start without any image.

        Args:
            max_distance: Images whose hashes differ in at most this number of bits
                are near-duplicates, [0, 64].
            by_pixels: Whether images whose pixels are almost identical are
                near-duplicates too, whatever their hashes.
        """
        self._max_distance = max_distance
        self._by_pixels = by_pixels
        self._kept: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._sampled: _Sampled | None = None

    def add(self, image: ByteArray) -> str | None:
        """Keep an image if it is no near-duplicate of a kept one.

        Args:
            image: uint8 (H, W[, 3]), [0, 255].

        Returns:
            Its hash if the image was kept.

        Raises:
            ValueError: The image is not uint8 or not (H, W).
        """
        text = perceptual_hash(image)
        value = np.uint64(int(text, 16))
        if np.any(np.bitwise_count(self._kept ^ value) <= self._max_distance):
            return None
        if self._by_pixels and self._is_alike(_Sampled.of(image[None])):
            return None
        self._kept = np.append(self._kept, value)
        return text

    def _is_alike(self, image: _Sampled) -> bool:
        """Compare pixels with those of all kept images; keep them if they differ."""
        n_kept = len(self._kept)
        if self._sampled is None:
            self._sampled = image
        elif (
            _correlations(image, self._sampled.first(n_kept)) >= PIXEL_CORRELATION
        ).any():
            return True
        if n_kept == len(self._sampled.pixels):
            self._sampled = self._sampled.enlarged()
        self._sampled.put(n_kept, image)
        return False


def count_alike(images: ByteArray) -> int:
    """Count the images whose pixels are almost identical to those of an earlier one.

    Args:
        images: uint8 (n, H, W[, 3]).
    """
    return len(np.unique(_alike_pairs(images)[0]))


def diversity(images: ByteArray) -> float:
    """Return the mean distance of two images, in bits of their perceptual hashes.

    It is 0 for two whose pixels are almost identical, whatever their hashes.

    Args:
        images: uint8 (n, H, W[, 3]).
    """
    hashes = [perceptual_hash(image) for image in images]
    values = np.array([int(text, 16) for text in hashes], dtype=np.uint64)
    later, earlier = _alike_pairs(images)
    n_hidden = int(np.bitwise_count(values[later] ^ values[earlier]).sum())
    n_pairs = len(values) * (len(values) - 1) // 2
    return mean_pairwise_distance(hashes) - n_hidden / max(n_pairs, 1)


def _alike_pairs(images: ByteArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the pairs with almost the same pixels: the later's index, the earlier's."""
    pairs = []
    whole = _Sampled.of(images)
    for start in range(0, len(images), _BLOCK):
        block = _Sampled.of(images[start : start + _BLOCK])
        alike = _correlations(block, whole.first(start + _BLOCK)) >= PIXEL_CORRELATION
        later, earlier = np.nonzero(np.tril(alike, start - 1))
        pairs.append((later + start, earlier))
    later, earlier = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return later, earlier


@functools.cache
def _places(n_pixels: int) -> NDArray[np.intp]:
    """The pixels by which images of so many are compared: all, or some at random."""
    places = np.arange(n_pixels)
    if n_pixels > _PIXELS:
        places = np.random.default_rng(0).choice(places, _PIXELS, replace=False)
    return np.sort(places)
