"""What a record says of the machine and the program."""

import functools
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from tfgansynth.keras_classes import SETTINGS
from tfgansynth.runtime.devices import (
    bfloat16_units,
    cpu_flags,
    gpu_details,
    gpus,
    has_unused_gpu,
    processor_name,
    usable_cores,
    uses_onednn,
)

_PACKAGES = ("tensorflow", "keras", "numpy")
_CHECKOUT = Path(__file__).resolve().parents[2]


@functools.cache
def describe_machine() -> dict[str, Any]:
    """Describe this machine and this program as plain values for JSON.

    Returns:
        `processor`, `cpu_features`, `gpus`, `has_unused_gpu`, `bfloat16_units`,
        `threads`, `onednn`, `kernels`, `keras` (its backend and settings), `versions`,
        and `commit` of this program, None if it is not a git checkout.
    """
    import keras
    import tensorflow as tf

    from tfgansynth.runtime.kernels import library

    return {
        "processor": processor_name(),
        "cpu_features": sorted(cpu_flags()),
        "gpus": [each.get("device_name", "unnamed") for each in gpu_details(gpus())],
        "has_unused_gpu": has_unused_gpu(),
        "bfloat16_units": list(bfloat16_units()),
        "threads": _threads(tf),
        "onednn": uses_onednn(),
        "kernels": library.load()[1],
        "keras": {
            name: str(getattr(keras.config, name)()) for name in ("backend", *SETTINGS)
        },
        "versions": versions(),
        "commit": commit(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that numbers depend on."""
    found = {name: metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **found}


def _threads(tf: Any) -> int:
    """Return the threads of one operation: as set, else one for each usable core."""
    chosen = int(tf.config.threading.get_intra_op_parallelism_threads())
    return chosen or usable_cores()


def commit(checkout: Path = _CHECKOUT) -> str | None:
    """Return the commit that is checked out, with `-dirty` if files differ."""
    # Without this check, git would describe a repository around this one.
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    command += ["--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
