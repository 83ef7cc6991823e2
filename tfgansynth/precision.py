"""Which number format the convolutions use on this machine."""

import functools
from pathlib import Path
from typing import Any

from tfgansynth.config import Precision


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Feature flags of the processor; empty where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    lines = [line for line in text.splitlines() if line.startswith("flags")]
    return frozenset(lines[0].split()) if lines else frozenset()


def resolve_precision(precision: Precision) -> Precision:
    """Turn `auto` into what the machine accelerates: float32 or bfloat16."""
    if precision != "auto":
        return precision
    import tensorflow as tf

    accelerated = cpu_flags() & {"amx_bf16", "avx512_bf16"}
    return "bfloat16" if accelerated or _has_tensor_cores(tf) else "float32"


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
