"""Every image reader gives pixels in range, or one line, within a time limit."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.damage import hostile_image
from tests.fuzz.reading import read_or_refuse
from tfgansynth.data.importers.images import read_grey, read_jsrt_raw, read_mask

Reader = Callable[[Path], np.ndarray]


def refusal(read: Reader, path: Path, seed: str) -> str | None:
    """Read, check what is promised, and return the refusal if there is one."""
    pixels, message = read_or_refuse(read, path, seed)
    if pixels is None:
        return message
    assert pixels.ndim == 2, f"seed {seed}"
    assert pixels.dtype == (bool if read is read_mask else np.float32), f"seed {seed}"
    # False for NaN, too.
    assert ((pixels >= 0) & (pixels <= 255)).all(), f"seed {seed}"
    return None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP"])
def test_damaged_images(
    kind: str, fuzz_inputs: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "hostile.png"
    n_read = 0
    for index in range(fuzz_inputs):
        seed = f"{kind}-{index}"
        path.write_bytes(hostile_image(kind, random.Random(seed)))
        read: Reader = read_mask if index % 10 == 0 else read_grey
        n_read += refusal(read, path, seed) is None
    assert capfd.readouterr() == ("", ""), "a library wrote past Python"
    # Damage that every reader, or none, notices at once would test nothing.
    assert 0.05 < n_read / fuzz_inputs < 0.95


def hostile_raw(rng: random.Random) -> bytes:
    """Make a raw JSRT file: of a wrong length, or of wrong values."""
    if rng.random() < 0.8:
        near = rng.choice([0, 2048, 8192, 2048 * 1024])
        return bytes(max(1, near + rng.randrange(-9, 10)))
    values = np.random.default_rng(rng.randrange(2**32)).integers(
        0, rng.choice([256, 4096, 5000, 65535]), (64, 2048), np.uint16
    )
    content = np.tile(values, (32, 1)).astype(rng.choice(["<u2", ">u2"])).tobytes()
    return content + bytes(rng.randrange(3)) if rng.random() < 0.3 else content


def test_damaged_raw_files(fuzz_inputs: int, tmp_path: Path) -> None:
    path = tmp_path / "JPCLN001.IMG"
    n_read = 0
    for index in range(fuzz_inputs):
        seed = f"IMG-{index}"
        path.write_bytes(hostile_raw(random.Random(seed)))
        n_read += refusal(read_jsrt_raw, path, seed) is None
    assert 0.02 < n_read / fuzz_inputs < 0.95
