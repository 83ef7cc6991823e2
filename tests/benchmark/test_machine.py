from typing import Any

import pytest

from tests.clock import Clock
from tfgansynth.benchmark import machine
from tfgansynth.benchmark.machine import Probe, _best_rate


def test_features_follow_from_the_processors_flags(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        machine, "cpu_flags", lambda: frozenset({"avx2", "avx512f", "sse2"})
    )

    found = Probe().describe()

    assert found.features == {
        "AVX2": True,
        "AVX-512": True,
        "AVX-512 bfloat16": False,
        "AMX bfloat16": False,
    }
    assert found.cores >= 1
    assert found.memory_bytes > 2**28
    assert found.versions["keras"]


def test_a_system_that_lists_no_flags_has_no_features(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "cpu_flags", frozenset)

    assert Probe().describe().features == {}


def test_gpus_have_name_and_compute_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    details: dict[str, dict[str, Any]] = {
        "a": {"device_name": "Some GPU", "compute_capability": (9, 0)},
        "b": {},
    }
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [*details])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)

    first, second = machine._gpus()

    assert (first.name, first.compute_capability) == ("Some GPU", "9.0")
    assert (second.name, second.compute_capability) == ("unnamed", "")


def test_a_package_that_is_missing_has_no_version() -> None:
    assert machine._version("no-such-package") is None


def test_the_rate_is_that_of_the_fastest_round(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import tensorflow as tf

    clock = Clock("perf_counter")
    monkeypatch.setattr(machine, "time", clock)
    # The first one warms up; rounds end after a quarter of a second.
    seconds = iter([9.0, 0.5, 0.25, 1.0])

    def compute() -> Any:
        clock.now += next(seconds)
        return tf.constant(np.zeros((2, 2), np.float32))

    assert _best_rate(compute, 10**9) == pytest.approx(2 / 0.25)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_peak_measures_each_kind(
    monkeypatch: pytest.MonkeyPatch, precision: Any
) -> None:
    monkeypatch.setattr(machine, "_MATRIX_SIDE", 64)
    monkeypatch.setattr(machine, "_CONVOLUTIONS", ((2, 8, 4, 6, 5, 2),))
    monkeypatch.setattr(machine, "_ROUND_SECONDS", 0.0)

    rates = Probe().peak(precision)

    assert list(rates) == [
        "matrix product of TensorFlow with oneDNN",
        *(["matrix product of NumPy"] if precision == "float32" else []),
        "convolution 5 x 5, stride 2, 4 to 6 maps of 8 x 8, batch 2",
    ]
    assert min(rates.values()) > 0


def test_the_peak_counts_what_a_convolution_multiplies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = {}

    def note(compute: Any, multiply_adds: int) -> float:
        counted[tuple(compute().shape)] = multiply_adds
        return 1.0

    monkeypatch.setattr(machine, "_best_rate", note)
    monkeypatch.setattr(machine, "_MATRIX_SIDE", 16)
    monkeypatch.setattr(
        machine, "_CONVOLUTIONS", ((2, 8, 4, 6, 5, 2), (1, 8, 2, 3, 3, 1))
    )

    Probe().peak("float32")

    # Both products have the same shape.
    assert counted == {
        (16, 16): 16**3,
        (2, 4, 4, 6): 2 * 16 * 6 * 25 * 4,
        (1, 8, 8, 3): 64 * 3 * 9 * 2,
    }
