from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tfgansynth.config import Precision
from tfgansynth.runtime import precision


def machine(
    monkeypatch: pytest.MonkeyPatch, *flags: str, tensor_cores: bool = False
) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(precision, "_has_tensor_cores", lambda tf: tensor_cores)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), "float32"),
        (("sse4_2", "avx2", "avx512f", "amx_int8"), "float32"),
        (("avx2", "amx_bf16"), "bfloat16"),
        (("avx2", "avx512_bf16"), "bfloat16"),
        (("amx_bf16", "avx512_bf16"), "bfloat16"),
    ],
)
def test_auto_takes_what_the_processor_accelerates(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], expected: str
) -> None:
    machine(monkeypatch, *flags)
    assert precision.resolve_precision("auto") == expected


def test_auto_takes_bfloat16_on_tensor_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, "avx2", tensor_cores=True)
    assert precision.resolve_precision("auto") == "bfloat16"


def test_an_old_gpu_is_not_helped_by_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, "amx_bf16")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert precision.resolve_precision("auto") == "float32"


@pytest.mark.parametrize(
    ("named", "flags", "line"),
    [
        (
            "auto",
            ("amx_bf16", "avx512_bf16"),
            "bfloat16 convolutions (AMX, AVX512-BF16 found); "
            "weights, moments and losses float32",
        ),
        ("auto", (), "float32 throughout (nothing for bfloat16 found)"),
        ("float32", ("amx_bf16",), "float32 throughout (as configured; AMX found)"),
        (
            "bfloat16",
            (),
            "bfloat16 convolutions (as configured; nothing for bfloat16 found); "
            "weights, moments and losses float32",
        ),
    ],
)
def test_the_choice_is_explained(
    monkeypatch: pytest.MonkeyPatch,
    named: Precision,
    flags: tuple[str, ...],
    line: str,
) -> None:
    machine(monkeypatch, *flags)
    assert precision.explain_precision(named) == line


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [([], False), ([(7, 5)], False), ([(8, 0)], True), ([(7, 5), (9, 0)], True)],
)
def test_tensor_cores_are_told_by_compute_capability(
    capabilities: list[tuple[int, int]], expected: bool
) -> None:
    class TensorFlow:
        class config:
            @staticmethod
            def list_physical_devices(kind: str) -> list[tuple[int, int]]:
                assert kind == "GPU"
                return capabilities

            class experimental:
                @staticmethod
                def get_device_details(gpu: tuple[int, int]) -> dict[str, Any]:
                    return {"compute_capability": gpu}

    assert precision._has_tensor_cores(TensorFlow) is expected


@pytest.mark.parametrize("named", ["float32", "bfloat16"])
@pytest.mark.parametrize("flags", [(), ("amx_bf16",)])
def test_a_named_format_is_taken_on_any_machine(
    monkeypatch: pytest.MonkeyPatch, named: Precision, flags: tuple[str, ...]
) -> None:
    machine(monkeypatch, *flags)
    assert precision.resolve_precision(named) == named


@pytest.mark.parametrize(
    ("named", "flags", "policy"),
    [
        ("float32", ("amx_bf16",), "float32"),
        ("bfloat16", (), "mixed_bfloat16"),
        ("auto", (), "float32"),
        ("auto", ("amx_bf16",), "mixed_bfloat16"),
    ],
)
def test_layers_keep_float32_weights_under_either_policy(
    monkeypatch: pytest.MonkeyPatch,
    named: Precision,
    flags: tuple[str, ...],
    policy: str,
) -> None:
    machine(monkeypatch, *flags)
    assert precision.layer_policy(named) == policy


@pytest.fixture
def fresh_cache() -> Any:
    precision.cpu_flags.cache_clear()
    yield
    precision.cpu_flags.cache_clear()


@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16\n\nflags\t: fpu\n", 3),
        ("processor\t: 0\nBogoMIPS\t: 50.00\n", 0),
    ],
)
def test_flags_are_those_of_the_first_processor(
    monkeypatch: pytest.MonkeyPatch, text: str, flags: int
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    found = precision.cpu_flags() - {"flags", ":"}
    assert len(found) == flags
    assert ("amx_bf16" in found) is (flags > 0)


@pytest.mark.usefixtures("fresh_cache")
def test_a_system_that_tells_no_flags_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert precision.cpu_flags() == frozenset()
