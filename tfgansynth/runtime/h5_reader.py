"""Turns an HDF5 file of weights into an `.npz`, as a program that may crash.

Reads standard input, writes standard output. Only what Keras writes is taken: groups
and plain arrays of numbers, each as long in the file as in memory. HDF5 could also
lead to other files, unpack a few bytes to gigabytes, or call plug-ins.
"""

import io
import sys
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tfgansynth.runtime.isolation import limit_memory

_MOST_OBJECTS = 10_000
_MOST_LEVELS = 16
_REFUSED = 3
"""Exit code for a file that HDF5 cannot read, or that is more than plain arrays."""


def read_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Read all arrays by path.

    Raises:
        ValueError: The file holds other things than plain arrays in groups.
        Exception: HDF5's own, for what is damaged.
    """
    arrays: dict[str, NDArray[Any]] = {}
    n_bytes = 0
    with h5py.File(io.BytesIO(content), "r") as file:
        groups = [("", file)]
        n_objects = 0
        while groups:
            path, group = groups.pop()
            for name in group:
                n_objects += 1
                inner = f"{path}/{name}".lstrip("/")
                # Two hard links can make a circle.
                if n_objects > _MOST_OBJECTS or inner.count("/") > _MOST_LEVELS:
                    raise ValueError("too many objects")
                link = group.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    raise ValueError(f"{inner} is a link to elsewhere")
                member = group[name]
                if isinstance(member, h5py.Group):
                    groups.append((inner, member))
                    continue
                arrays[inner] = _plain_array(inner, member)
                n_bytes += arrays[inner].nbytes
                # Many names can stand for one place in the file.
                if n_bytes > len(content):
                    raise ValueError("more numbers than the file is long")
    return arrays


def _plain_array(path: str, dataset: Any) -> NDArray[Any]:
    plain = (
        isinstance(dataset, h5py.Dataset)
        and dataset.shape is not None
        and dataset.dtype.kind in "fiu"
        and dataset.chunks is None
        and not dataset.external
        and not dataset.is_virtual
        and dataset.id.get_storage_size() == dataset.nbytes
    )
    if not plain:
        raise ValueError(f"{path} is no plain array of numbers")
    return np.asarray(dataset[()])


def main() -> None:
    """Do what the module says."""
    limit_memory()
    try:
        arrays = read_arrays(sys.stdin.buffer.read())
        np.savez(sys.stdout.buffer, allow_pickle=False, **arrays)
    except Exception:  # h5py raises many kinds
        sys.exit(_REFUSED)


if __name__ == "__main__":
    main()
