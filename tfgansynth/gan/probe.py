"""Loads a SavedModel and draws from it once, as a program that may crash."""

import sys
from pathlib import Path

import numpy as np

from tfgansynth.runtime.isolation import limit_memory

_REFUSED = 3
"""Exit code for what is no generator, or runs out of memory."""


def main() -> None:
    """Do what the module says to the folder that the command line names."""
    limit_memory()
    from tfgansynth.errors import InputError
    from tfgansynth.gan.exported import load_saved_model

    try:
        sample, z_dim = load_saved_model(Path(sys.argv[1]))
        sample(np.zeros((2, z_dim), np.float32))
    except (InputError, MemoryError):
        sys.exit(_REFUSED)


if __name__ == "__main__":
    main()
