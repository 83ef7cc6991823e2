"""Pictures for people, from arrays: grids, outlines, captions."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, Labels

Color = tuple[int, int, int]

TRUTH: Color = (64, 220, 120)
"""Outline of a mask that belongs to the image, as RGB."""
CLASS_COLORS: tuple[Color, ...] = (
    TRUTH,
    (255, 92, 92),
    (90, 160, 255),
    (255, 200, 60),
    (220, 120, 255),
    (80, 230, 230),
)
"""Outlines of the classes of a mask that belongs to the image."""
PREDICTION: Color = (255, 92, 92)
"""Outline of a prediction, as RGB."""
SHEET_CASES = 12
"""Cases on a contact sheet of a data set."""
_SHEET_COLUMNS = 4
_TILE_PX = 256
_PAPER_WHITE: Color = (245, 245, 245)
_INK: Color = (30, 30, 30)


def outline(
    image: ByteArray,
    labels: Labels | NDArray[np.bool_],
    color: Color | None = None,
    scale: int = 2,
) -> ByteArray:
    """Draw the contours of a label map's classes on an enlarged image.

    Args:
        image: uint8 (H, W) or (H, W, 3), or (H', W', 3) already enlarged by `scale`.
        labels: uint8 (H, W), or bool of one class.
        color: RGB of all contours; None for one of `CLASS_COLORS` a class.
        scale: Enlargement, so that the line hides only a little of the image.

    Returns:
        uint8 (H * scale, W * scale, 3).
    """
    sides = tuple(scale * side for side in labels.shape)
    is_large = image.ndim == 3 and image.shape[:2] == sides
    canvas = image.copy() if is_large else enlarge(image, scale)
    large = cv2.resize(
        labels.astype(np.uint8), sides[::-1], interpolation=cv2.INTER_NEAREST
    )
    for index in range(1, int(large.max(initial=0)) + 1):
        inside = np.asarray(large == index, np.uint8)
        contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, contours, -1, color or class_color(index), 1)
    return canvas


def class_color(index: int) -> Color:
    """Color of the outline of a class, from 1."""
    return CLASS_COLORS[(index - 1) % len(CLASS_COLORS)]


def enlarge(image: ByteArray, scale: int) -> ByteArray:
    """Enlarge a uint8 (H, W[, 3]) image to RGB (H * scale, W * scale, 3)."""
    size = (image.shape[1] * scale, image.shape[0] * scale)
    large = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return large if large.ndim == 3 else np.repeat(large[..., None], 3, axis=2)


def grid(pictures: Sequence[ByteArray], columns: int, gap: int = 4) -> ByteArray:
    """Arrange equal uint8 (h, w, 3) pictures in rows on a light background."""
    rows = -(-len(pictures) // columns)
    height, width, _ = pictures[0].shape
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, 3)
    canvas = np.full(shape, _PAPER_WHITE, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return canvas


def caption(picture: ByteArray, text: str) -> ByteArray:
    """Put one line of text above a uint8 (h, w, 3) picture; it shrinks to fit.

    The font has ASCII only; a `?` stands for anything else.
    """
    # OpenCV crashes on a name that is no text.
    text = text.encode("ascii", "replace").decode()
    font, base = cv2.FONT_HERSHEY_SIMPLEX, 0.5
    (width, _), _ = cv2.getTextSize(text, font, base, 1)
    size = base * min(1.0, (picture.shape[1] - 8) / max(width, 1))
    bar = np.full((24, picture.shape[1], 3), _PAPER_WHITE, np.uint8)
    cv2.putText(bar, text, (4, 16), font, size, _INK, 1, cv2.LINE_AA)
    return np.concatenate([bar, picture])


def pairs_sheet(images: ByteArray, masks: Labels, *, columns: int = 8) -> ByteArray:
    """Show pairs: rows of images alternate with rows of the same images outlined.

    Args:
        images: uint8 (n, H, W[, 3]).
        masks: uint8 (n, H, W), class indices.
        columns: Pairs side by side.

    Returns:
        uint8 (h, w, 3).
    """
    rows = []
    for start in range(0, len(images), columns):
        part = slice(start, start + columns)
        plain = [enlarge(image, 2) for image in images[part]]
        drawn = [
            outline(image, mask)
            for image, mask in zip(images[part], masks[part], strict=True)
        ]
        blank = [np.full_like(plain[0], 255)] * (columns - len(plain))
        rows.append(grid([*plain, *blank, *drawn, *blank], columns))
    return np.concatenate(rows)


def case_tile(
    case: str, image: ByteArray, labels: Labels | NDArray[np.bool_]
) -> ByteArray:
    """Draw a case small, the outlines of its classes on it and its name above.

    Args:
        case: Its name.
        image: uint8 (H, W) or (H, W, 3).
        labels: (h, w), class indices, or bool of one class.

    Returns:
        uint8 (h, 256, 3).
    """
    size = (_TILE_PX, _TILE_PX)
    shown = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    canvas = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_AREA), np.uint8)
    indices = np.asarray(labels, np.uint8)
    small = cv2.resize(indices, size, interpolation=cv2.INTER_NEAREST)
    drawn = outline(canvas, np.asarray(small, np.uint8), scale=1)
    return caption(drawn, case)


def contact_sheet(tiles: Sequence[ByteArray]) -> ByteArray:
    """Arrange the tiles of cases: uint8 (h, w, 3)."""
    return grid(tiles, min(_SHEET_COLUMNS, len(tiles)))
