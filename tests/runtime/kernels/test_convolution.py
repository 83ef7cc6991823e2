import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.runtime.devices import bfloat16_units, cpu_flags
from tfgansynth.runtime.kernels import convolution, library

Array = NDArray[np.float32]
ROOT = Path(__file__).resolve().parents[3]
TOLERANCES = {"float32": 1e-5, "bfloat16": 2e-2}


@dataclasses.dataclass(frozen=True)
class Case:
    """A convolution of the networks, smaller: n images of side `side`."""

    side: int
    in_maps: int
    out_maps: int
    kernel: int
    stride: int
    images: int = 3


CASES = [
    Case(64, 16, 64, 5, 2),  # one image fills more than a panel
    Case(16, 32, 128, 5, 2),  # two images a panel, the last panel half full
    Case(8, 64, 64, 5, 2, images=7),  # whole images, many to a panel
    Case(128, 16, 64, 3, 1, images=1),  # the U-Net's: neighbors overlap
    Case(32, 48, 64, 3, 1),
    Case(16, 64, 64, 2, 2),  # its up-convolutions
    Case(8, 192, 64, 3, 1),  # more shares than threads
    Case(16, 2, 24, 5, 2),  # shapes that the kernel does not take
    Case(16, 24, 8, 3, 1),
]


@pytest.fixture(params=["ours", "tensorflow"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to a filter gradient: with our kernels and without."""
    if request.param == "ours":
        if library.load()[0] is None:
            pytest.skip(library.load()[1])
    else:
        monkeypatch.setattr(library, "load", lambda: (None, "switched off"))
    return str(request.param)


def random(*shape: int, seed: int) -> Array:
    # A mean far from 0 would show a pixel that is counted twice or not at all.
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 2, shape).astype(np.float32)


def relative_error(value: Any, reference: Any) -> float:
    value = np.asarray(tf.cast(value, tf.float64))
    reference = np.asarray(tf.cast(reference, tf.float64))
    assert value.shape == reference.shape
    return float(np.abs(value - reference).max() / np.abs(reference).max())


def output_and_gradients(
    function: Callable[[Any, Any], Any], maps: Any, kernel: Any, errors: Any
) -> list[Any]:
    @tf.function
    def run() -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch([maps, kernel])
            output = function(maps, kernel)
            loss = tf.reduce_sum(tf.cast(output * errors, tf.float32))
        return [output, *tape.gradient(loss, [maps, kernel])]

    return list(run())


def compare(
    ours: Callable[[Any, Any], Any],
    keras_function: Callable[[Any, Any], Any],
    arrays: list[Array],
    dtype: str,
) -> None:
    if dtype == "bfloat16" and not bfloat16_units():
        # `auto` takes float32 there, and TensorFlow rounds every partial sum.
        pytest.skip("nothing here accelerates bfloat16")
    tensors = [tf.cast(array, dtype) for array in arrays]
    # Keras in float32, of the numbers as rounded.
    references = output_and_gradients(
        keras_function, *(tf.cast(x, "float32") for x in tensors)
    )
    values = output_and_gradients(ours, *tensors)
    assert len(values) == 3
    for value, reference in zip(values, references, strict=True):
        assert value.dtype == dtype
        assert relative_error(value, reference) < TOLERANCES[dtype]


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution_equals_keras_with_all_gradients(case: Case, dtype: str) -> None:
    small = case.side // case.stride
    arrays = [
        random(case.images, case.side, case.side, case.in_maps, seed=0),
        random(case.kernel, case.kernel, case.in_maps, case.out_maps, seed=1),
        random(case.images, small, small, case.out_maps, seed=2),
    ]
    compare(
        lambda x, k: convolution.convolution(x, k, stride=case.stride),
        lambda x, k: keras.ops.conv(x, k, strides=case.stride, padding="same"),
        arrays,
        dtype,
    )


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "case",
    [
        *(case for case in CASES if case.stride == 2),
        Case(32, 2, 64, 5, 2),  # to two maps: depth-to-space
        Case(16, 4, 32, 5, 2, images=1),
    ],
    ids=str,
)
def test_transposed_convolution_equals_keras_with_all_gradients(
    case: Case, dtype: str
) -> None:
    small = case.side // case.stride
    arrays = [
        random(case.images, small, small, case.out_maps, seed=0),
        random(case.kernel, case.kernel, case.in_maps, case.out_maps, seed=1),
        random(case.images, case.side, case.side, case.in_maps, seed=2),
    ]
    compare(
        lambda x, k: convolution.transposed_convolution(x, k, stride=case.stride),
        lambda x, k: keras.ops.conv_transpose(
            x, k, strides=case.stride, padding="same"
        ),
        arrays,
        dtype,
    )


def test_few_maps_use_depth_to_space_and_many_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = []
    original = convolution._by_depth_to_space

    def note(maps: Any, kernel: Any) -> Any:
        counts.append(kernel.shape[2])
        return original(maps, kernel)

    monkeypatch.setattr(convolution, "_by_depth_to_space", note)
    for out_maps in (2, 4, 8):
        kernel = tf.zeros((5, 5, out_maps, 16))
        convolution.transposed_convolution(tf.zeros((1, 4, 4, 16)), kernel, stride=2)
    assert counts == [2, 4]


def filter_gradient(maps: Array, errors: Array, kernel: int, stride: int) -> Any:
    kernels, why_not = library.load()
    if kernels is None:
        pytest.skip(why_not)
    return kernels.tfgansynth_filter_gradient(
        maps=maps, errors=errors, kernel=kernel, stride=stride
    )


@pytest.mark.parametrize(
    ("maps", "errors"),
    [
        ((1, 8, 8, 8), (1, 4, 4, 64)),  # input maps not in sixteens
        ((1, 8, 8, 16), (1, 4, 4, 32)),  # output maps not in 64s
        ((1, 8, 8, 16), (2, 4, 4, 64)),  # not as many images
        ((1, 8, 8, 16), (1, 8, 8, 64)),  # the side that stride 1 would give
        ((1, 8, 16), (1, 4, 4, 64)),  # an axis is missing
    ],
)
def test_kernel_refuses_shapes_it_was_not_made_for(
    maps: tuple[int, ...], errors: tuple[int, ...]
) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected"):
        filter_gradient(
            np.ones(maps, np.float32), np.ones(errors, np.float32), kernel=5, stride=2
        )


def test_kernel_takes_an_odd_side_in_float32() -> None:
    maps, errors = random(2, 9, 9, 16, seed=0), random(2, 5, 5, 64, seed=1)
    reference = tf.raw_ops.Conv2DBackpropFilter(
        input=maps,
        filter_sizes=[5, 5, 16, 64],
        out_backprop=errors,
        strides=[1, 2, 2, 1],
        padding="SAME",
    )
    value = filter_gradient(maps, errors, kernel=5, stride=2)
    assert relative_error(value, reference) < 1e-5


PRINT_ERROR = """
import sys
import numpy as np
from tfgansynth.runtime import devices
flags = devices.cpu_flags()
devices.cpu_flags = lambda: {name for name in flags if name not in sys.argv[2:]}
from tests.runtime.kernels import test_convolution as tests
from tfgansynth.runtime.kernels import library
assert sys.argv[1] in library.load()[1], library.load()[1]
print(max(map(tests.error_of_the_kernel, tests.CASES[:7])))
"""


def error_of_the_kernel(case: Case) -> float:
    """The kernel's error beside TensorFlow's operation, relative, in float32."""
    side = case.side // case.stride
    maps = random(case.images, case.side, case.side, case.in_maps, seed=0)
    errors = random(case.images, side, side, case.out_maps, seed=1)
    reference = tf.raw_ops.Conv2DBackpropFilter(
        input=maps,
        filter_sizes=[case.kernel, case.kernel, case.in_maps, case.out_maps],
        out_backprop=errors,
        strides=[1, case.stride, case.stride, 1],
        padding="SAME",
    )
    value = filter_gradient(maps, errors, case.kernel, case.stride)
    return relative_error(value, reference)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("instructions", "missing"),
    [
        ("AVX-512", ["avx512_bf16"]),
        ("AVX2", ["avx512_bf16", "avx512f", "avx512bw"]),
    ],
)
def test_the_kernel_of_lesser_processors_computes_the_same(
    instructions: str, missing: list[str]
) -> None:
    if not cpu_flags() >= library._INSTRUCTIONS[instructions]:
        pytest.skip(f"the processor lacks {instructions}")
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler found")
    # A process takes one library only.
    done = subprocess.run(
        [sys.executable, "-c", PRINT_ERROR, f"for {instructions}", *missing],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert float(done.stdout) < 1e-5


PRINT_HASH = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from tests.runtime.kernels.test_convolution import gradient_of_noise
print(gradient_of_noise())
"""


def gradient_of_noise() -> str:
    """A hash of what the kernel gives for the same maps and errors each time."""
    maps, errors = random(3, 16, 16, 64, seed=0), random(3, 8, 8, 64, seed=1)
    kernels, _ = library.load()
    gradient = kernels.tfgansynth_filter_gradient(
        maps=maps, errors=errors, kernel=5, stride=2
    )
    return hashlib.sha256(gradient.numpy().tobytes()).hexdigest()


@pytest.mark.slow
def test_result_does_not_depend_on_the_number_of_threads() -> None:
    if library.load()[0] is None:
        pytest.skip(library.load()[1])
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two processor cores")
    # This process has a thread for each core.
    one_thread = subprocess.run(
        [sys.executable, "-c", PRINT_HASH],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert one_thread.stdout.strip() == gradient_of_noise()
