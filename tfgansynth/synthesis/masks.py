"""From the generator's grey masks to label maps. Paper: IV-B.

"A threshold, largest component and hole filling filter were applied to the
generated GAN segmentation masks before they were fed into the U-Net." With several
classes, a pixel first goes to the class of its largest grey value; then components are
dropped class by class, and then holes are filled.

Three choices that the paper leaves open, none of them in the authors' published
code: a pixel equal to the threshold belongs to the mask; components are 8-connected;
holes are 4-connected, as they must be beside 8-connected components (else a
diagonal line would both join its two ends and let the background slip through).
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfgansynth.arrays import ByteArray, MaskArray, largest_class

_EIGHT_CONNECTED = ndimage.generate_binary_structure(2, 2)
_FOUR_CONNECTED = ndimage.generate_binary_structure(2, 1)


@dataclasses.dataclass(frozen=True, slots=True)
class ClassRule:
    """What a clean mask keeps of a class.

    Attributes:
        components: At most so many components, the largest ones; None for all.
        least_px: Smaller components, in pixels, are dropped.
        fill_holes: Whether holes become part of the class.
    """

    components: int | None
    least_px: int = 1
    fill_holes: bool = True


def clean_masks(
    grey_masks: ByteArray, rules: Sequence[ClassRule], *, threshold: int
) -> ByteArray:
    """Turn generated masks into clean label maps. Paper: IV-B, with one class.

    A mask without a pixel at the threshold stays empty; the caller drops it.

    Args:
        grey_masks: uint8 (n, H, W, K), [0, 255], a plane for each class. The class with
            the largest value wins a pixel, of equal ones the first.
        rules: One for each of the K classes.
        threshold: The background keeps pixels whose largest value is less, [1, 255].

    Returns:
        uint8 (n, H, W), as `clean_labels` gives them.

    Raises:
        ValueError: The masks are not uint8 or not (n, H, W, K); `threshold` or a rule
            is out of range.
    """
    if grey_masks.dtype != np.uint8:
        raise ValueError(f"expected grey masks of uint8, got {grey_masks.dtype}")
    if grey_masks.ndim != 4 or grey_masks.shape[-1] != len(rules):
        raise ValueError(
            f"expected grey masks (n, H, W, {len(rules)}), got shape {grey_masks.shape}"
        )
    if not 1 <= threshold <= 255:
        raise ValueError(f"expected a threshold in [1, 255], got {threshold}")
    labels = largest_class(grey_masks, grey_masks.max(axis=-1) >= threshold)
    return clean_labels(labels, rules)


def clean_labels(labels: ByteArray, rules: Sequence[ClassRule]) -> ByteArray:
    """Drop components of label maps, then fill holes.

    A hole of a class is what other pixels than its own are not 4-connected to the
    border of the image. Its background becomes part of the class; pixels of other
    classes stay what they are. Background in holes of several classes goes to the class
    with the smallest hole around it, of equal ones to the first.

    Args:
        labels: uint8 (n, H, W): 0 for the background, k for the k-th class.
        rules: One for each class.

    Returns:
        uint8 (n, H, W). To clean them again changes nothing.

    Raises:
        ValueError: A rule is out of range.
    """
    cleaned = np.zeros_like(labels)
    filled = [number for number, rule in enumerate(rules, 1) if rule.fill_holes]
    for clean, given in zip(cleaned, labels, strict=True):
        clean[:] = given
        before = None
        # Where classes nest, a hole can be filled by what joins none of its class.
        while before is None or not np.array_equal(clean, before):
            before = clean.copy()
            for number, rule in enumerate(rules, 1):
                kept = largest_components(before == number, rule)
                clean[(before == number) & ~kept] = 0
            clean += enclosing_class(clean, filled)
    return cleaned


def largest_components(mask: MaskArray, rule: ClassRule) -> MaskArray:
    """Keep the largest 8-connected components of a class.

    Of components equal in size, the one whose first pixel comes first, row by row
    from the top left, is kept. Paper: IV-B ("largest component").

    Args:
        mask: bool (H, W), the pixels of the class.
        rule: How many components are kept, and how large they must be.

    Returns:
        bool (H, W).

    Raises:
        ValueError: No component is to be kept.
    """
    if rule.components is not None and rule.components < 1:
        raise ValueError(f"expected at least 1 component, got {rule.components}")
    # Labels are numbered in the order of each component's first pixel.
    numbers, sizes = components(mask)
    # A stable sort leaves components of equal size in the order of position.
    largest = np.argsort(-sizes, kind="stable")[: rule.components]
    kept = np.zeros(len(sizes) + 1, np.bool_)
    kept[largest + 1] = sizes[largest] >= rule.least_px
    return np.asarray(kept[numbers])


def components(mask: MaskArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Number the 8-connected components of a mask, bool (H, W), from 1.

    Returns:
        int (H, W), 0 for the background; and the size of each component in pixels.
    """
    numbers, count = ndimage.label(mask, structure=_EIGHT_CONNECTED)
    return numbers, np.bincount(numbers.ravel(), minlength=count + 1)[1:]


def enclosing_class(labels: ByteArray, classes: Iterable[int]) -> ByteArray:
    """Return in whose hole each pixel of the background lies.

    The background flows in from the border of the image and stops at the class.
    Paper: IV-B, "based on geodesic morphology" (Soille, chapter 6).

    Args:
        labels: uint8 (H, W).
        classes: The classes whose holes count.

    Returns:
        uint8 (H, W): the class with the smallest hole around the pixel, of equal ones
        the first; 0 where there is none, and for all pixels of a class.
    """
    found, smallest = np.zeros_like(labels), np.full(labels.shape, labels.size)
    for number in classes:
        regions, _ = ndimage.label(labels != number, structure=_FOUR_CONNECTED)
        sizes = np.bincount(regions.ravel())
        for edge in (regions[0], regions[-1], regions[:, 0], regions[:, -1]):
            sizes[edge] = labels.size
        sizes[0] = labels.size
        inner = sizes[regions] < smallest
        found[inner] = number
        smallest[inner] = sizes[regions][inner]
    found[labels > 0] = 0
    return found
