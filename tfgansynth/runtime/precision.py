"""Which number format the convolutions use on this machine, and why."""

import functools
from pathlib import Path
from typing import Any

from tfgansynth.config import Precision

_CPU_UNITS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}


def cpu_field(name: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What the system says of the first processor; empty if it does not tell."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return ""
    lines = [line.partition(":") for line in text.splitlines()]
    return next((told.strip() for key, _, told in lines if key.strip() == name), "")


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Feature flags of the processor; empty where the system does not tell."""
    return frozenset(cpu_field("flags").split())


def bfloat16_units() -> tuple[str, ...]:
    """Names of what accelerates bfloat16 where TensorFlow will compute."""
    import tensorflow as tf

    if _has_tensor_cores(tf):
        return ("tensor cores",)
    # With a GPU, however old, what the processor could do is of no use.
    if tf.config.list_physical_devices("GPU"):
        return ()
    return tuple(name for flag, name in _CPU_UNITS.items() if flag in cpu_flags())


def resolve_precision(precision: Precision) -> Precision:
    """Turn `auto` into what the machine accelerates: float32 or bfloat16."""
    if precision != "auto":
        return precision
    return "bfloat16" if bfloat16_units() else "float32"


def explain_precision(precision: Precision) -> str:
    """Say in a line what a setting comes to on this machine, and why."""
    units = bfloat16_units()
    found = f"{', '.join(units)} found" if units else "nothing for bfloat16 found"
    reason = found if precision == "auto" else f"as configured; {found}"
    if resolve_precision(precision) == "float32":
        return f"float32 throughout ({reason})"
    return f"bfloat16 convolutions ({reason}); weights, moments and losses float32"


def _has_tensor_cores(tf: Any) -> bool:
    devices = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in devices]
    # Tensor cores take bfloat16 since compute capability 8.0.
    return any(d.get("compute_capability", (0, 0)) >= (8, 0) for d in details)


def layer_policy(precision: Precision) -> str:
    """The Keras dtype policy of a layer: weights stay float32 in any case."""
    return {"float32": "float32", "bfloat16": "mixed_bfloat16"}[
        resolve_precision(precision)
    ]
