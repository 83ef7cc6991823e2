"""A data folder with one of everything that someone may put there."""

import io
import os
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.fuzz.damage import many_scans
from tfgansynth.errors import printable


def make_hostile_folder(root: Path) -> list[str]:
    """Fill a folder in the folder layout with what cannot be used.

    Returns:
        The files of which a fault must be told, as they are shown, sorted.
    """
    images, masks = root / "images", root / "masks"
    for folder in (images, masks):
        folder.mkdir(parents=True)
    contents = {**hostile_contents(), **hostile_names()}
    for name, content in contents.items():
        (images / name).write_bytes(content)
        (masks / name).with_suffix(".png").write_bytes(encoded(MASK))
    (images / "closed.png").chmod(0)
    for name, target in LINKS.items():
        (images / name).symlink_to(target)
    (root.parent / "outside.png").write_bytes(encoded(noise(0)))
    os.mkfifo(images / "pipe.png")
    os.mknod(images / "socket.png", stat.S_IFSOCK | 0o600)
    (images / "folder.png").mkdir()
    # Of two names that are one on some systems the first may stay.
    told = {path.name for path in images.iterdir()} - {"Case.png", "e\u0301.png"}
    wrong = [*(f"images/{name}" for name in told), "masks/case.png", "masks/\u00e9.png"]
    return sorted(map(printable, wrong))


MASK = np.zeros((32, 32), np.uint8)
MASK[8:24, 4:12] = MASK[8:24, 20:28] = 255

LINKS = {
    "outside.png": "../../outside.png",
    "device.png": "/dev/zero",
    "nothing.png": "nowhere",
    "circle.png": "circle.png",
    "up.png": "..",
}


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32), np.uint8)


def encoded(array: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def hostile_names() -> dict[str, bytes]:
    """Make sound images of names that are not."""
    names = ("two\nlines", "red\x1b[31m", "no\udcfftext", "a:b", "$(id)")
    twins = ("Case", "case", "\u00e9", "e\u0301")
    return {f"{name}.png": encoded(noise(k)) for k, name in enumerate(names + twins)}


def hostile_contents() -> dict[str, bytes]:
    """Make images of sound names that cannot be used."""
    grey = noise(99)
    more: dict[str, Any] = {
        "save_all": True,
        "append_images": [Image.fromarray(255 - grey)],
    }
    png, lzw = encoded(grey), encoded(grey, "TIFF", compression="tiff_lzw")
    (directory,) = struct.unpack_from("<I", lzw, 4)
    return {
        "empty.png": b"",
        "closed.png": b"x",
        "html.png": b"<html>404</html>",
        "random.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "short1.png": png[: len(png) // 2],
        "short2.gif": encoded(grey, "GIF")[:300],
        "short3.jpg": encoded(grey, "JPEG")[:400],
        "large.png": png[:16] + struct.pack(">II", 60_000, 60_000) + png[24:],
        "scans.jpg": many_scans(),
        "noisy.tif": lzw[:8] + b"\xff" * (directory - 8) + lzw[directory:],
        "nan.tif": encoded(np.full((32, 32), np.nan, np.float32), "TIFF"),
        "deep.tif": encoded(grey.astype(np.int32), "TIFF"),
        "pages.tif": encoded(grey, "TIFF", **more),
        "moving1.png": encoded(grey, **more),
        "moving2.gif": encoded(grey, "GIF", **more),
    }
