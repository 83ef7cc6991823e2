"""Describe the machine of a stage: processor, GPUs, threads, versions, commit."""

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from tfgansynth.runtime.devices import bfloat16_units, cpu_field, cpu_flags, gpus
from tfgansynth.runtime.kernels import library

_PACKAGES = ("tensorflow", "keras", "numpy")


@functools.cache
def describe_machine() -> dict[str, Any]:
    """Describe this machine and this program as plain values for JSON.

    Returns:
        `processor`, `cpu_features`, `gpus`, `bfloat16_units`, `threads`, `kernels`,
        `versions`, and `commit` of this program, None if it is not a git checkout.
    """
    import tensorflow as tf

    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus()]
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return {
        "processor": processor_name(),
        "cpu_features": sorted(cpu_flags()),
        "gpus": [detail.get("device_name", "unnamed") for detail in details],
        "bfloat16_units": list(bfloat16_units()),
        "threads": _threads(tf),
        "kernels": library.load()[1],
        "versions": {"python": platform.python_version(), **versions},
        "commit": _commit(Path(__file__).resolve().parents[2]),
    }


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, or at least its architecture."""
    told = cpu_field("model name", cpuinfo)
    return told or platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    # Not all systems have this function.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _threads(tf: Any) -> int:
    """Return the threads of one operation: as set, else one for each usable core."""
    chosen = int(tf.config.threading.get_intra_op_parallelism_threads())
    if chosen:
        return chosen
    return usable_cores()


def _commit(checkout: Path) -> str | None:
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
