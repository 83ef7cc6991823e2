"""What `prepare-data` reads gives pixels, or one line, within a time limit."""

import random
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.damage import hostile_image
from tests.fuzz.reading import read_or_refuse
from tests.fuzz.volumes import KINDS, bomb, hostile_file
from tfgansynth.data.importers.stored import read_stored


def is_read(path: Path, content: bytes, seed: str) -> bool:
    """Read, and check what is promised."""
    path.write_bytes(content)
    stored, _ = read_or_refuse(read_stored, path, seed)
    if stored is None:
        return False
    n_axes = {"single": 2, "pages": 3, "volume": 3}[stored.axes]
    assert stored.pixels.ndim == n_axes + (stored.kind == "color"), f"seed {seed}"
    assert stored.pixels.size, f"seed {seed}"
    assert stored.pixels.dtype in (np.uint8, np.uint16, np.int32, np.float32)
    assert np.isfinite(stored.pixels).all(), f"seed {seed}"
    return True


@pytest.mark.parametrize("kind", [*KINDS, "PNG", "JPEG", "GIF", "TIFF", "BMP"])
def test_damaged_files(
    kind: str, fuzz_inputs: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    n_read = 0
    for index in range(fuzz_inputs):
        seed = f"{kind}-{index}"
        make = hostile_file if kind in KINDS else hostile_image
        content = make(kind, random.Random(seed))
        n_read += is_read(tmp_path / "hostile", content, seed)
    assert capfd.readouterr() == ("", ""), "a library wrote past Python"
    assert 0.02 < n_read / fuzz_inputs < 0.95


def test_what_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    assert not is_read(tmp_path / "hostile", bomb(), "bomb")
