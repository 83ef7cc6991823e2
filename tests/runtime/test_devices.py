import builtins
import dataclasses
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfgansynth.config import Precision
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import devices, machine_facts
from tfgansynth.runtime.kernels import convolution

SIZE = 16


def test_a_signal_waits_until_tensorflow_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Native code that is started takes an interrupt for a fault of its own.
    loaded = []
    own_import = builtins.__import__

    def interrupted(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "keras":
            signal.raise_signal(signal.SIGINT)
        loaded.append(name)
        return own_import(name, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            devices.import_tensorflow_quietly()

    assert "tensorflow" in loaded


def test_without_a_gpu_xla_does_not_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(tf, "function", lambda step, **options: asked.append(options))
    for found in ([], ["GPU:0"]):
        monkeypatch.setattr(devices, "gpus", lambda found=found: found)
        devices.compile_step(lambda: None)
    assert [options["jit_compile"] for options in asked] == [None, True]


def fixed_noise(gan: DCGAN, shape: tuple[int, ...], stream: int) -> Any:
    rng = np.random.default_rng(stream)
    return tf.constant(rng.uniform(0, 1, shape), tf.float32)


def losses(monkeypatch: pytest.MonkeyPatch, *, gpu: bool, preset: str) -> list[Any]:
    """Three GAN steps as a machine with or without a GPU compiles them."""
    for module in (devices, convolution):
        monkeypatch.setattr(module, "gpus", lambda: ["GPU:0"] if gpu else [])
    config = dataclasses.replace(
        PRESETS[preset].gan,
        generator_maps=(8,),
        discriminator_maps=(8,),
        z_dim=5,
        batch=4,
        augment_shift=2,
        augment_cutout=4,
        precision="float32",
    )
    # XLA draws other random numbers from the same seed.
    monkeypatch.setattr(DCGAN, "_uniform", fixed_noise)
    gan = DCGAN(config, size=SIZE, seed=0)
    gan.compile()
    pairs = np.random.default_rng(0).uniform(-1, 1, (4, SIZE, SIZE, 2))
    step = devices.compile_step(gan.train_step)
    real = tf.constant(pairs, tf.float32)
    return [[float(x) for x in step(real).values()] for _ in range(3)]


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "fast"])
def test_a_step_compiled_by_xla_is_the_same_step(
    monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    # On the processor: whether XLA takes the step is decided before a device comes in.
    ours = losses(monkeypatch, gpu=False, preset=preset)
    compiled = losses(monkeypatch, gpu=True, preset=preset)
    np.testing.assert_allclose(compiled, ours, rtol=2e-3, atol=2e-4)


def machine(
    monkeypatch: pytest.MonkeyPatch, *flags: str, tensor_cores: bool = False
) -> None:
    monkeypatch.setattr(devices, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(devices, "_has_tensor_cores", lambda gpus: tensor_cores)


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
    assert devices.resolve_precision("auto") == expected


def test_auto_takes_bfloat16_on_tensor_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, "avx2", tensor_cores=True)
    assert devices.resolve_precision("auto") == "bfloat16"


def test_an_old_gpu_decides_instead_of_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, "amx_bf16")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert devices.resolve_precision("auto") == "float32"


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
    assert devices.explain_precision(named) == line


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [([], False), ([(7, 5)], False), ([(8, 0)], True), ([(7, 5), (9, 0)], True)],
)
def test_tensor_cores_have_a_compute_capability(
    monkeypatch: pytest.MonkeyPatch,
    capabilities: list[tuple[int, int]],
    expected: bool,
) -> None:
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"compute_capability": gpu},
    )

    assert devices._has_tensor_cores(capabilities) is expected


@pytest.mark.parametrize(
    ("found", "present", "visible", "line"),
    [
        (["GPU:0"], True, "0", "on the GPU (A GPU)"),
        ([], False, "0", "on the CPU (A CPU)"),
        (
            [],
            True,
            "0",
            "on the CPU (A CPU; TensorFlow cannot load the libraries of the NVIDIA "
            "GPU: pip install 'tensorflow[and-cuda]')",
        ),
        (
            [],
            True,
            "-1",
            "on the CPU (A CPU; CUDA_VISIBLE_DEVICES hides the NVIDIA GPU)",
        ),
    ],
)
def test_the_device_is_named_and_a_gpu_that_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    found: list[str],
    present: bool,
    visible: str,
    line: str,
) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: found)
    monkeypatch.setattr(devices, "gpu_details", lambda _: [{"device_name": "A GPU"}])
    monkeypatch.setattr(devices, "processor_name", lambda: "A CPU")
    monkeypatch.setattr(devices, "_NVIDIA", (str(tmp_path),) if present else ())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.explain_device() == line
    assert devices.has_unused_gpu() is (present and not found)


@pytest.mark.parametrize("named", ["float32", "bfloat16"])
@pytest.mark.parametrize("flags", [(), ("amx_bf16",)])
def test_a_named_format_is_taken_on_any_machine(
    monkeypatch: pytest.MonkeyPatch, named: Precision, flags: tuple[str, ...]
) -> None:
    machine(monkeypatch, *flags)
    assert devices.resolve_precision(named) == named


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
    assert devices.layer_policy(named) == policy


@pytest.fixture
def fresh_cache() -> Any:
    devices.cpu_flags.cache_clear()
    yield
    devices.cpu_flags.cache_clear()


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
    found = devices.cpu_flags() - {"flags", ":"}
    assert len(found) == flags
    assert ("amx_bf16" in found) is (flags > 0)


@pytest.mark.usefixtures("fresh_cache")
def test_a_system_that_lists_no_flags_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert devices.cpu_flags() == frozenset()


def test_a_description_is_plain_and_complete() -> None:
    found = machine_facts.describe_machine()

    assert json.loads(json.dumps(found)) == found
    assert set(found) == {
        "processor",
        "cpu_features",
        "gpus",
        "has_unused_gpu",
        "bfloat16_units",
        "threads",
        "onednn",
        "kernels",
        "keras",
        "versions",
        "commit",
    }
    assert set(found["versions"]) == {"python", "tensorflow", "keras", "numpy"}
    assert found["keras"] == {
        "backend": "tensorflow",
        "floatx": "float32",
        "epsilon": "1e-07",
        "image_data_format": "channels_last",
        "max_epochs": "None",
        "max_steps_per_epoch": "None",
    }
    assert found["processor"]
    assert 1 <= found["threads"] <= (os.cpu_count() or 1)


def test_the_processor_has_the_name_that_the_system_gives(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz: fast\n")

    assert devices.processor_name(cpuinfo) == "Some CPU @ 2 GHz: fast"
    assert devices.processor_name(tmp_path / "nothing")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_commit_is_that_of_the_checkout_itself(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("old")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "Begin")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()

    assert machine_facts.commit(tmp_path) == commit
    (tmp_path / "file").write_text("new")
    assert machine_facts.commit(tmp_path) == f"{commit}-dirty"

    # Installed somewhere inside another repository.
    inside = tmp_path / "site-packages"
    inside.mkdir()
    assert machine_facts.commit(inside) is None


def test_a_broken_checkout_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")

    assert machine_facts.commit(tmp_path) is None


def test_gpus_are_those_that_are_there_or_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("nvidia10", "nvidia0", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.visible_gpus(tmp_path) == ["0", "2", "10"]
    for named, expected in (("1,GPU-8f", ["1", "GPU-8f"]), ("", []), ("-1", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
        assert devices.visible_gpus(tmp_path) == expected
