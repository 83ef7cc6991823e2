"""The hardware of this machine and its peak arithmetic rate. Runs in a worker."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from typing import Any

from tfgansynth.benchmark.results import GPU, Machine
from tfgansynth.config import Precision
from tfgansynth.runtime.devices import (
    cpu_flags,
    gpu_details,
    gpus,
    memory_bytes,
    processor_name,
    resolve_precision,
    usable_cores,
    uses_onednn,
)

_FEATURES = {
    "AVX2": "avx2",
    "AVX-512": "avx512f",
    "AVX-512 bfloat16": "avx512_bf16",
    "AMX bfloat16": "amx_bf16",
}
"""Instructions that make convolutions faster, and the CPU flag of each."""

_PACKAGES = ("tensorflow", "keras", "numpy", "torch")

_MATRIX_SIDE = 4096
_CONVOLUTIONS = (
    # Batch, side of the input, input maps, output maps, side of the kernel, stride.
    # The GAN and the U-Net spend most of their time on these.
    (32, 32, 128, 256, 5, 2),
    (16, 128, 64, 64, 3, 1),
)
_ROUNDS = 3
_ROUND_SECONDS = 0.25


class Probe:
    """Describes and measures the machine.

    Args:
        onednn: Whether TensorFlow, which must not be imported yet, computes with oneDNN
            in this process; None: as it does in a training.
    """

    def __init__(self, onednn: bool | None = None) -> None:
        if onednn is not None:
            os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int(onednn))

    def describe(self) -> Machine:
        """Describe hardware and software."""
        # It imports TensorFlow, which the parent process does not need.
        from tfgansynth.runtime.kernels import library

        flags = cpu_flags()
        return Machine(
            processor=processor_name(),
            cores=usable_cores(),
            features={name: flag in flags for name, flag in _FEATURES.items() if flags},
            gpus=tuple(_gpus()),
            memory_bytes=memory_bytes(),
            accelerated=resolve_precision("auto"),
            onednn=uses_onednn(),
            kernels=library.load()[1],
            versions={
                "python": platform.python_version(),
                **{package: _version(package) for package in _PACKAGES},
            },
        )

    def peak(self, precision: Precision) -> dict[str, float]:
        """Measure large matrix products and convolutions like those of the networks.

        In float32 or bfloat16. The best of a few rounds each, because this is an upper
        limit; the networks' times are medians.

        Returns:
            GFLOP/s by kind of computation.
        """
        rates = self.product(precision)
        if precision == "float32":
            array = _noise((_MATRIX_SIDE, _MATRIX_SIDE), precision).numpy()
            rates["matrix product of NumPy"] = _best_rate(
                lambda: array @ array, _MATRIX_SIDE**3
            )
        for numbers in _CONVOLUTIONS:
            batch, side, maps_in, maps_out, kernel, stride = numbers
            name = (
                f"convolution {kernel} x {kernel}, stride {stride}, {maps_in} to "
                f"{maps_out} maps of {side} x {side}, batch {batch}"
            )
            rates[name] = _convolution_rate(precision, numbers)
        return rates

    def product(self, precision: Precision) -> dict[str, float]:
        """Measure a large matrix product of TensorFlow: GFLOP/s, by its name."""
        import tensorflow as tf

        matrix = _noise((_MATRIX_SIDE, _MATRIX_SIDE), precision)
        rate = _best_rate(lambda: tf.matmul(matrix, matrix), _MATRIX_SIDE**3)
        library = "oneDNN" if uses_onednn() else "Eigen"
        return {f"matrix product of TensorFlow with {library}": rate}


def _gpus() -> list[GPU]:
    found = []
    for details in gpu_details(gpus()):
        capability = ".".join(map(str, details.get("compute_capability", ())))
        name = details.get("device_name", "unnamed")
        found.append(GPU(name=name, compute_capability=capability))
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _convolution_rate(precision: Precision, numbers: tuple[int, ...]) -> float:
    import tensorflow as tf

    batch, side, maps_in, maps_out, kernel, stride = numbers
    maps = _noise((batch, side, side, maps_in), precision)
    kernels = _noise((kernel, kernel, maps_in, maps_out), precision)
    outputs = batch * (side // stride) ** 2 * maps_out
    return _best_rate(
        lambda: tf.nn.conv2d(maps, kernels, stride, "SAME"),
        outputs * kernel**2 * maps_in,
    )


def _noise(shape: tuple[int, ...], precision: Precision) -> Any:
    import tensorflow as tf

    return tf.cast(tf.random.stateless_normal(shape, seed=(0, 0)), precision)


def _best_rate(compute: Callable[[], Any], multiply_adds: int) -> float:
    """GFLOP/s of the fastest round."""
    _wait(compute())
    best = 0.0
    for _ in range(_ROUNDS):
        count = 0
        start = time.perf_counter()
        while not count or time.perf_counter() - start < _ROUND_SECONDS:
            result = compute()
            count += 1
        # A GPU computes asynchronously and in order: wait for the last result.
        _wait(result)
        seconds = (time.perf_counter() - start) / count
        best = max(best, 2 * multiply_adds / seconds / 1e9)
    return best


def _wait(result: Any) -> None:
    float(result[(0,) * len(result.shape)])
