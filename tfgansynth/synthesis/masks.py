"""From the generator's grey mask to a binary one. Paper: IV-B.

"A threshold, largest component and hole filling filter were applied to the
generated GAN segmentation masks before they were fed into the U-Net."

Three choices that the paper leaves open, none of them in the authors' published
code: a pixel equal to the threshold belongs to the mask; components are 8-connected;
holes are 4-connected, as they must be beside 8-connected components (else a
diagonal line would both join its two ends and let the background slip through).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfgansynth.arrays import ByteArray, MaskArray

_EIGHT_CONNECTED = ndimage.generate_binary_structure(2, 2)
_FOUR_CONNECTED = ndimage.generate_binary_structure(2, 1)


def clean_mask(grey_mask: ByteArray, *, threshold: int, components: int) -> MaskArray:
    """Threshold a generated mask, keep its largest components, fill their holes.

    A mask without a pixel at the threshold stays empty; the caller drops it.
    Paper: IV-B.

    Args:
        grey_mask: uint8 (H, W), [0, 255].
        threshold: Pixels of at least this value belong to the mask, [1, 255].
        components: How many of the largest components to keep, >= 1.

    Returns:
        bool (H, W). It has at most `components` components; fewer where there
        were fewer, or where one that was kept lay in the hole of another.

    Raises:
        ValueError: The mask is not uint8 or not (H, W); `threshold` or
            `components` is out of range.
    """
    if grey_mask.dtype != np.uint8:
        raise ValueError(f"expected a grey mask of uint8, got {grey_mask.dtype}")
    if grey_mask.ndim != 2 or grey_mask.size == 0:
        raise ValueError(f"expected a grey mask (H, W), got shape {grey_mask.shape}")
    if not 1 <= threshold <= 255:
        raise ValueError(f"expected a threshold in [1, 255], got {threshold}")
    return fill_holes(largest_components(grey_mask >= threshold, components))


def clean_masks(
    grey_masks: ByteArray, *, threshold: int, components: int
) -> NDArray[np.bool_]:
    """Clean generated masks, uint8 (n, H, W), each by `clean_mask`: bool (n, H, W).

    Raises:
        ValueError: The stack is not (n, H, W); or as for `clean_mask`.
    """
    if grey_masks.ndim != 3:
        raise ValueError(f"expected grey masks (n, H, W), got shape {grey_masks.shape}")
    cleaned = np.zeros(grey_masks.shape, dtype=np.bool_)
    for clean, grey in zip(cleaned, grey_masks, strict=True):
        clean[:] = clean_mask(grey, threshold=threshold, components=components)
    return cleaned


def largest_components(mask: MaskArray, components: int) -> MaskArray:
    """Keep the largest 8-connected components of a mask.

    Of components equal in size, the one whose first pixel comes first, row by row
    from the top left, is kept. Paper: IV-B ("largest component").

    Args:
        mask: bool (H, W).
        components: How many to keep, >= 1; all, where there are fewer.

    Returns:
        bool (H, W).

    Raises:
        ValueError: `components` is less than 1.
    """
    if components < 1:
        raise ValueError(f"expected at least 1 component to keep, got {components}")
    # Labels are numbered in the order of each component's first pixel, and 0 is
    # the background.
    labels, n_labels = ndimage.label(mask, structure=_EIGHT_CONNECTED)
    sizes = np.bincount(labels.ravel(), minlength=n_labels + 1)[1:]
    # A stable sort leaves components of equal size in the order of position.
    by_size = np.argsort(-sizes, kind="stable") + 1
    return np.isin(labels, by_size[:components])


def fill_holes(mask: MaskArray) -> MaskArray:
    """Fill the holes of a mask: background not 4-connected to the image border.

    The background flows in from the border by geodesic dilation and stops at the mask.
    Paper: IV-B, "based on geodesic morphology" (Soille, chapter 6).

    Args:
        mask: bool (H, W).

    Returns:
        bool (H, W).
    """
    return np.asarray(ndimage.binary_fill_holes(mask, structure=_FOUR_CONNECTED))
