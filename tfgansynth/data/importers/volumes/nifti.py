"""NIfTI volumes, packed or not."""

import gzip
import io
import zlib
from typing import Any

import numpy as np

from tfgansynth.data.importers import decoding
from tfgansynth.data.importers.decoding import Refusal
from tfgansynth.data.importers.volumes.limits import (
    MAX_PIXEL_BYTES,
    Pixels,
    Plain,
    require_size,
)
from tfgansynth.data.importers.volumes.placing import spacing, to_lps


def unpacked(content: bytes) -> bytes | None:
    """Return the bytes of a NIfTI file, unpacked; None if it is none.

    Raises:
        Refusal: It is packed and no NIfTI file, or unpacks to too much.
    """
    if content[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                most = MAX_PIXEL_BYTES + (1 << 20)
                content = packed.read(most + 1)
        except (OSError, EOFError, zlib.error):
            raise Refusal(decoding.DAMAGED) from None
        if len(content) > most:
            raise Refusal(
                f"unpacks to more than {MAX_PIXEL_BYTES >> 20} MiB; cut it into parts"
            )
        if not _is_nifti(content):
            raise Refusal("is packed (gzip), but no NIfTI volume")
    return content if _is_nifti(content) else None


def _is_nifti(content: bytes) -> bool:
    return content[344:348] == b"n+1\0" or content[4:8] == b"n+2\0"


def decode(content: bytes) -> tuple[Plain, Pixels]:
    """Decode the bytes of `unpacked`; see `full_decoding.decode`."""
    import nibabel

    reader = (
        nibabel.Nifti1Image if content[344:348] == b"n+1\0" else nibabel.Nifti2Image
    )
    image: Any = reader.from_bytes(content)
    shape = image.shape
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        raise Refusal(
            f"has {len(shape)} dimensions; keep one volume of 3 dimensions a file"
        )
    require_size(shape, max(image.get_data_dtype().itemsize, 4))
    slope, intercept = image.header.get_slope_inter()
    stored = np.asanyarray(image.dataobj.get_unscaled()).reshape((*shape, 1)[:3])
    if (slope, intercept) not in ((None, None), (1.0, 0.0)):
        stored = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    pixels, affine = to_lps(stored, image.affine)
    if not np.isfinite(affine).all():
        raise Refusal(decoding.DAMAGED)
    return {
        "kind": "grey",
        "axes": "volume",
        "spacing": spacing(affine),
        "affine": affine.ravel().tolist(),
    }, pixels
