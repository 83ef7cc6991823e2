"""How many pixels a file may have."""

import math
from typing import Any

from numpy.typing import NDArray

from tfgansynth.data.importers import decoding
from tfgansynth.data.importers.decoding import MAX_SIDE_PX, Refusal

MAX_PIXEL_BYTES = 512 << 20
"""Pixels of one file, decoded. A CT of 512 x 512 x 1000 voxels has that many."""

Plain = dict[str, Any]
"""What a file says of its pixels, as JSON holds it."""

Pixels = NDArray[Any]


def require_size(shape: tuple[int, ...], item_bytes: int) -> None:
    """Refuse pixels by their number, before they are decoded.

    Raises:
        Refusal: There are none, or too many.
    """
    if any(side < 1 for side in shape):
        raise Refusal("has no pixels; copy or export it again")
    if max(shape) > MAX_SIDE_PX:
        raise decoding.too_large()
    if math.prod(shape) * item_bytes > MAX_PIXEL_BYTES:
        raise Refusal(
            f"has more than {MAX_PIXEL_BYTES >> 20} MiB of pixels; cut it into parts"
        )
