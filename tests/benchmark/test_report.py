import dataclasses
import json

import pytest

from tfgansynth.benchmark.report import as_dict, as_text
from tfgansynth.benchmark.results import (
    GAN,
    GPU,
    UNET,
    Benchmark,
    BenchmarkPair,
    Machine,
    NetworkResult,
    Timing,
)
from tfgansynth.config import Precision
from tfgansynth.presets import PRESETS

MACHINE = Machine(
    processor="Some CPU",
    cores=2,
    features={"AVX2": True, "AVX-512 bfloat16": True, "AMX bfloat16": False},
    gpus=(),
    memory_bytes=24 * 2**30,
    accelerated="bfloat16",
    onednn=True,
    kernels="ours, compiled by c++",
    versions={"python": "3.11.7", "keras": "3.15.1", "torch": None},
)


def timing(name: str, precision: Precision, *seconds: float) -> Timing:
    return Timing(
        name=name,
        precision=precision,
        seconds=seconds,
        device="CPU",
        peak_bytes=3 * 2**30,
    )


FOUND = Benchmark(
    config=PRESETS["fast"],
    repeats=3,
    machine=MACHINE,
    peaks={"bfloat16": {"product": 400.0, "conv": 250.0}},
    networks=(
        NetworkResult(
            network=GAN,
            batch=32,
            multiply_adds=150 * 10**9,
            ours=timing("tfgansynth", "bfloat16", 2.0, 1.5, 0.5),
            pairs=(
                BenchmarkPair(
                    peer=timing("plain Keras", "float32", 3.0, 4.0, 8.0),
                    our_seconds=(1.0, 1.0, 4.0),
                ),
                BenchmarkPair(
                    peer=Timing(
                        name="PyTorch",
                        precision="float32",
                        failure="torch is not installed",
                    )
                ),
            ),
        ),
        NetworkResult(
            network=UNET,
            batch=16,
            multiply_adds=10**9,
            ours=timing("tfgansynth", "bfloat16", 0.02, 0.02, 0.02),
            pairs=(),
        ),
    ),
)


def test_text_says_everything() -> None:
    peers_head = (
        "GAN step of other implementations, batch 32, in alternation with ours in "
        "bfloat16; ratio: theirs over ours, median of rounds"
    )
    assert as_text(FOUND).splitlines() == [
        "Machine",
        "  processor  Some CPU, 2 cores",
        "  features   AVX2, AVX-512 bfloat16 (not AMX bfloat16)",
        "  GPU        none that TensorFlow sees",
        "  memory     24.0 GiB",
        "  oneDNN     on",
        "  kernels    ours, compiled by c++",
        "  versions   python 3.11.7, keras 3.15.1",
        "",
        "Measured peak in bfloat16, GFLOP/s; the best one counts",
        "  product  400",
        "  conv     250",
        "",
        "One training step, median of 3 rounds",
        "  network  on   format    batch  s a step  steps/s  GFLOP/s  of peak  "
        "peak memory",
        "  GAN      CPU  bfloat16     32      1.50    0.667      200      50%  "
        "    3.0 GiB",
        "  U-Net    CPU  bfloat16     16     0.020     50.0      100      25%  "
        "    3.0 GiB",
        "GAN in bfloat16: --gan.precision auto, and there is AVX-512 bfloat16",
        "U-Net in bfloat16: --unet.precision auto, and there is AVX-512 bfloat16",
        "A fold's GAN of 2000 steps takes about 50 min 00 s here.",
        "",
        peers_head,
        "  peer         on   format   s a step  ours  ratio    from - to  peak memory",
        "  plain Keras  CPU  float32      4.00  1.00   3.00  2.00 - 4.00      3.0 GiB",
        "  PyTorch, float32: torch is not installed",
    ]


def test_json_holds_everything_and_the_configuration() -> None:
    content = json.loads(json.dumps(as_dict(FOUND), allow_nan=False))

    assert content["config"]["gan"]["batch"] == 32
    assert content["machine"]["processor"] == "Some CPU"
    assert content["machine"]["versions"]["torch"] is None
    assert content["peaks"]["bfloat16"]["gflops"] == 400
    assert content["fold_gan_seconds"] == 3000
    gan = content["networks"]["GAN"]
    assert gan["gflops"] == 200
    assert gan["share_of_peak"] == 0.5
    assert gan["ours"]["seconds"] == [2.0, 1.5, 0.5]
    assert gan["ours"]["median_seconds"] == 1.5
    keras, torch = gan["peers"]
    assert keras["ratios"] == [3, 4, 2]
    assert keras["median_ratio"] == 3
    assert torch["failure"] == "torch is not installed"
    assert torch["median_seconds"] is torch["median_ratio"] is None
    assert content["networks"]["U-Net"]["peers"] == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"gpus": (GPU(name="Some GPU", compute_capability="9.0"),)},
            "  GPU        Some GPU, compute capability 9.0",
        ),
        ({"features": {}}, "  features   not listed by the system"),
        ({"features": {"AVX2": False}}, "  features   none (not AVX2)"),
        ({"cores": 1}, "  processor  Some CPU, 1 core"),
    ],
)
def test_machines_differ(changes: dict[str, object], line: str) -> None:
    machine = dataclasses.replace(MACHINE, **changes)  # type: ignore[arg-type]

    text = as_text(dataclasses.replace(FOUND, machine=machine))

    assert line in text.splitlines()


def in_float32(result: NetworkResult) -> NetworkResult:
    return dataclasses.replace(result, ours=timing("tfgansynth", "float32", 1.0))


@pytest.mark.parametrize(
    ("preset", "line"),
    [
        ("paper", "GAN in float32: --gan.precision float32"),
        (
            "fast",
            "GAN in float32: --gan.precision auto, and nothing here accelerates "
            "bfloat16",
        ),
    ],
)
def test_the_format_has_its_reason(preset: str, line: str) -> None:
    found = dataclasses.replace(
        FOUND,
        config=PRESETS[preset],
        machine=dataclasses.replace(MACHINE, accelerated="float32"),
        peaks={"float32": {"product": 100.0}},
        networks=tuple(map(in_float32, FOUND.networks)),
    )

    assert line in as_text(found).splitlines()


def test_a_gpu_can_be_the_reason() -> None:
    machine = dataclasses.replace(
        MACHINE,
        features={"AVX2": True, "AVX-512 bfloat16": False},
        gpus=(GPU(name="Some GPU", compute_capability="9.0"),),
    )

    text = as_text(dataclasses.replace(FOUND, machine=machine))

    assert "GAN in bfloat16: --gan.precision auto, and there is Some GPU" in text
