"""What many tests would do again and again: done once in a process.

Both are functions of their arguments alone. Their own tests call the originals.
"""

import functools
import hashlib
from collections.abc import Mapping

import pytest

from tfgansynth.arrays import FloatArray
from tfgansynth.data import loading
from tfgansynth.data.checks import report
from tfgansynth.data.copies.duplicates import DuplicatePair, find_duplicates
from tfgansynth.data.dataset import RawCase
from tfgansynth.data.lungs import Lungs
from tfgansynth.data.phantoms.phantom import SIDE, make_phantom
from tfgansynth.experiment import experiment_data

_found: dict[object, tuple[DuplicatePair, ...]] = {}


@functools.cache
def _phantom(index: int, seed: int, lungs: Lungs, size: int) -> RawCase:
    case = make_phantom(index, seed, lungs, size)
    for array in (case.image, case.mask):
        array.flags.writeable = False  # no test changes what others get
    return case


def phantoms(
    count: int = 247, *, seed: int, lungs: Lungs = "both", size: int = SIDE
) -> tuple[RawCase, ...]:
    """Stand for `make_phantoms`."""
    return tuple(_phantom(index, seed, lungs, size) for index in range(count))


def duplicates(images: Mapping[str, FloatArray]) -> tuple[DuplicatePair, ...]:
    """Stand for `find_duplicates`."""
    key = tuple(
        (name, image.shape, image.dtype.str, hashlib.sha256(image.tobytes()).digest())
        for name, image in images.items()
    )
    if key not in _found:
        _found[key] = find_duplicates(images)
    return _found[key]


def install(patch: pytest.MonkeyPatch) -> None:
    """Let the product use them."""
    patch.setattr(loading, "make_phantoms", phantoms)
    for module in (experiment_data, report):
        patch.setattr(module, "find_duplicates", duplicates)
