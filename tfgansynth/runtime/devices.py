"""The machine: processor, GPUs, number formats, and how TensorFlow is imported.

This module imports TensorFlow inside its functions only.
"""

import contextlib
import functools
import gc
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tfgansynth.config import Precision
from tfgansynth.runtime import signals

_CPU_UNITS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
_TENSOR_CORES = (8, 0)
"""The first compute capability whose tensor cores support bfloat16."""

_NVIDIA = ("/proc/driver/nvidia", "/dev/nvidia0")
"""Where Linux shows a GPU of NVIDIA's whose driver is loaded."""


def import_tensorflow_quietly() -> None:
    """Import TensorFlow without its start-up messages.

    Its native code writes these before any log level applies. It also treats a signal
    during its start as an error of its own, so signals are deferred.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with signals.deferred_signals(), open(os.devnull, "wb") as sink:
        os.dup2(sink.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow as tf
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    tf.get_logger().setLevel("ERROR")


def limit_threads(threads: int) -> None:
    """Let TensorFlow, before its first operation, and OpenCV use so many threads."""
    import cv2
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    cv2.setNumThreads(threads)


def gpus() -> list[Any]:
    """Return the GPUs that TensorFlow sees."""
    import tensorflow as tf

    return list(tf.config.list_physical_devices("GPU"))


def visible_gpus(folder: Path = Path("/dev")) -> list[str]:
    """Return the GPUs that CUDA may use, by number or id, without TensorFlow."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name not in ("", "-1")]
    numbers = (path.name.removeprefix("nvidia") for path in folder.glob("nvidia*"))
    return sorted(filter(str.isdecimal, numbers), key=int)


def has_unused_gpu() -> bool:
    """Whether an NVIDIA GPU is present that TensorFlow does not see."""
    return not gpus() and any(map(os.path.exists, _NVIDIA))


def explain_device() -> str:
    """Say in a few words where TensorFlow computes, and why not on an idle GPU."""
    found = gpus()
    if found:
        return f"on the GPU ({gpu_details(found)[0].get('device_name', 'unnamed')})"
    name = processor_name()
    if not has_unused_gpu():
        return f"on the CPU ({name})"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    reason = (
        "CUDA_VISIBLE_DEVICES hides the NVIDIA GPU"
        if hidden
        else "TensorFlow cannot load the libraries of the NVIDIA GPU: "
        "pip install 'tensorflow[and-cuda]'"
    )
    return f"on the CPU ({name}; {reason})"


def gpu_details(devices: Sequence[Any]) -> list[dict[str, Any]]:
    """What TensorFlow knows of GPUs: `device_name`, `compute_capability` or less."""
    import tensorflow as tf

    return [tf.config.experimental.get_device_details(each) for each in devices]


@contextlib.contextmanager
def networks_released() -> Iterator[None]:
    """Free the networks that the block has made, once nothing else uses them.

    TensorFlow keeps each custom gradient of a compiled function by a name of its own
    for ever, and with it the function's graph and all variables.
    """
    from tensorflow.python.framework import ops

    registered = ops.gradient_registry._registry
    earlier = set(registered)
    try:
        yield
    finally:
        for name in registered.keys() - earlier:
            if name.startswith("CustomGradient-"):
                del registered[name]
        gc.collect()


def compile_step(step: Callable[..., Any]) -> Any:
    """Compile a whole training step to one function.

    On a GPU, XLA fuses it. On a CPU, XLA would take minutes to compile convolutions
    that are slower than those of TensorFlow. As in Keras's own `fit`, Python's control
    flow stays Python's: rewriting it takes a second and changes nothing.
    """
    import tensorflow as tf

    jit_compile = True if gpus() else None
    return tf.function(step, jit_compile=jit_compile, autograph=False)


def cpu_field(name: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return a field of the first processor; empty if the system has none."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return ""
    lines = [line.partition(":") for line in text.splitlines()]
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Return the feature flags of the processor; empty if the system lists none."""
    return frozenset(cpu_field("flags").split())


def bfloat16_units() -> tuple[str, ...]:
    """Return the names of what accelerates bfloat16 where TensorFlow computes."""
    found = gpus()
    if _has_tensor_cores(found):
        return ("tensor cores",)
    # TensorFlow computes on a GPU if there is one, however old it is.
    if found:
        return ()
    return tuple(name for flag, name in _CPU_UNITS.items() if flag in cpu_flags())


def resolve_precision(precision: Precision) -> Precision:
    """Replace `auto` by what the machine accelerates: float32 or bfloat16."""
    if precision != "auto":
        return precision
    return "bfloat16" if bfloat16_units() else "float32"


def explain_precision(precision: Precision) -> str:
    """Say in one line which number format a setting gives on this machine, and why."""
    units = bfloat16_units()
    found = f"{', '.join(units)} found" if units else "nothing for bfloat16 found"
    reason = found if precision == "auto" else f"as configured; {found}"
    if resolve_precision(precision) == "float32":
        return f"float32 throughout ({reason})"
    return f"bfloat16 convolutions ({reason}); weights, moments and losses float32"


def layer_policy(precision: Precision) -> str:
    """Return the Keras dtype policy of a layer; its weights are always float32."""
    wide = resolve_precision(precision) == "float32"
    return "float32" if wide else "mixed_bfloat16"


def uses_onednn() -> bool:
    """Whether TensorFlow computes with oneDNN in this process.

    `import tfgansynth` asks for it, unless TF_ENABLE_ONEDNN_OPTS is set or TensorFlow
    was imported before.
    """
    from tensorflow.python.util import _pywrap_util_port

    return bool(_pywrap_util_port.IsMklEnabled())


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, or at least its architecture."""
    name = cpu_field("model name", cpuinfo)
    return name or platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    # Not all systems have this function.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def memory_bytes(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Return the main memory that this process may use, in bytes.

    A container has a `limit`, where the system tells it: a number or `max`.
    """
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        return min(whole, int(limit.read_text()))
    return whole


def resident_peak(status: Path = Path("/proc/self/status")) -> int:
    """Return the highest resident memory of this process so far, in bytes."""
    # On Linux a child inherits `ru_maxrss`, even through exec: it would be the
    # parent's value if the parent is larger.
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _has_tensor_cores(devices: list[Any]) -> bool:
    return any(
        each.get("compute_capability", (0, 0)) >= _TENSOR_CORES
        for each in gpu_details(devices)
    )
