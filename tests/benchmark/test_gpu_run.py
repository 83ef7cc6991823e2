"""The script for GPUs: what it measures, and what it does with what it finds."""

import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tfgansynth.benchmark.gpu import run
from tfgansynth.benchmark.gpu.run import JAX, PRODUCT, TORCH, Part, as_text, parts
from tfgansynth.benchmark.results import GAN, UNET
from tfgansynth.benchmark.stepper import Stepper
from tfgansynth.benchmark.worker import Call, WorkerFailure, _in_one_line


def build_fake(part: Part) -> Stepper:
    """Every part takes steps at once, but PyTorch is missing."""
    if part.name != JAX:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    return FakeStepper(lambda: 1.0)


class FakeStepper(Stepper):
    def device_name(self) -> str:
        return "cpu"


@contextlib.contextmanager
def in_this_process(build: Callable[[Part], Stepper], part: Part) -> Iterator[Call]:
    """Stands for `worker`."""
    try:
        stepper = build(part)
    except ModuleNotFoundError as fault:
        raise WorkerFailure(_in_one_line(fault)) from None
    yield lambda method, *arguments: getattr(stepper, method)(*arguments)


def test_the_papers_batches_come_in_both_formats() -> None:
    found = [
        (part.network, part.name, part.config.gan.precision, part.batch)
        for part in parts(quick=False)
        if part.config.preset == "paper"
    ]

    for precision in ("float32", "bfloat16"):
        for name in (JAX, TORCH):
            assert (GAN, name, precision, 128) in found
            assert (UNET, name, precision, 16) in found
    assert [network for network, *_ in found[:2]] == [PRODUCT, PRODUCT]


def test_a_run_writes_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "build", build_fake)
    monkeypatch.setattr(run, "_ROUND_SECONDS", 1e-6)
    monkeypatch.setattr(run, "worker", in_this_process)
    run.main(["--quick", "--out", str(tmp_path / "found.json")])

    found = json.loads((tmp_path / "found.json").read_text())
    assert found["measured_on"] == "a CPU"
    assert len(found["parts"]) == len(list(parts(quick=True)))
    by_jax = [each for each in found["parts"] if each["implementation"] == JAX]
    for each in by_jax:
        assert len(each["seconds"]) == 5
        if each["network"] == GAN:
            assert each["fold_seconds"] == pytest.approx(
                100 / each["steps_per_second"], rel=1e-9
            )
    others = [each for each in found["parts"] if each["implementation"] != JAX]
    assert {each["failure"] for each in others} == {"torch is not installed"}
    assert "PyTorch: torch is not installed" in capsys.readouterr().out


def test_what_was_measured_stays_when_the_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measure = run.measure
    in_time = iter([True])

    def slow(part: Part) -> dict[str, Any]:
        if not next(in_time, False):
            signal.raise_signal(signal.SIGALRM)
        return measure(part)

    monkeypatch.setattr(run, "build", build_fake)
    monkeypatch.setattr(run, "_ROUND_SECONDS", 1e-6)
    monkeypatch.setattr(run, "worker", in_this_process)
    monkeypatch.setattr(run, "measure", slow)
    run.main(["--quick", "--seconds", "60", "--out", str(tmp_path / "found.json")])

    found = json.loads((tmp_path / "found.json").read_text())
    assert [each["network"] for each in found["parts"]] == [PRODUCT]
    assert "--seconds 60 are over" in capsys.readouterr().out
    assert signal.alarm(0) == 0


def test_shares_are_of_the_same_formats_product() -> None:
    def part(network: str, precision: str, seconds: float) -> dict[str, Any]:
        return {
            "network": network,
            "preset": "paper",
            "implementation": JAX,
            "precision": precision,
            "batch": 128,
            "multiply_adds": 10**12,
            "seconds": [seconds],
            "steps_per_second": 1 / seconds,
            "gflops": 2000 / seconds,
            "compile_seconds": 61.0,
            "device": "GPU",
            "device_name": "NVIDIA X",
        }

    results: dict[str, Any] = {
        "processor": "P",
        "parts": [
            part(PRODUCT, "float32", 0.1),
            part(PRODUCT, "bfloat16", 0.01),
            {**part(GAN, "bfloat16", 0.02), "fold_seconds": 240.0},
            part(UNET, "float32", 0.4),
        ],
    }
    run.summarize(results)

    assert [each["share_of_peak"] for each in results["parts"]] == [1, 1, 0.5, 0.25]
    assert results["measured_on"] == "NVIDIA X"
    text = as_text(results)
    assert " 50%  1 min 01 s  4 min 00 s" in text
    assert "measured on NVIDIA X (P)" in text
    assert "float32 20000, bfloat16 200000" in text
