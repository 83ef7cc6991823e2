"""One run of the steps under JAX and PyTorch, within minutes, as a table and JSON.

Each part runs in a process of its own, one after the other, and the file is written
after each: what was measured stays, whatever ends the run.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from tfgansynth import keras_classes
from tfgansynth.benchmark import flops
from tfgansynth.benchmark.results import GAN, UNET
from tfgansynth.benchmark.stepper import Stepper
from tfgansynth.benchmark.worker import Call, WorkerFailure, worker
from tfgansynth.config import Config
from tfgansynth.presets import PRESETS, at_size
from tfgansynth.runtime import storage
from tfgansynth.runtime.devices import processor_name
from tfgansynth.runtime.progress import aligned, duration

JAX, TORCH, COMPILED = "tfgansynth on JAX", "PyTorch", "PyTorch, torch.compile"
PRODUCT = "matrix product"
FORMATS = ("float32", "bfloat16")
_PACKAGES = ("keras", "jax", "torch", "numpy")
_ROUNDS = 5
_ROUND_SECONDS = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One network, or the matrix product, in one implementation and number format."""

    network: str
    name: str
    config: Config
    side: int = 0
    """Of the matrix."""

    @property
    def batch(self) -> int:
        """Pairs a step."""
        return self.config.unet.batch if self.network == UNET else self.config.gan.batch

    @property
    def multiply_adds(self) -> int:
        """Of one step."""
        if self.network == PRODUCT:
            return self.side**3
        count = flops.gan_step if self.network == GAN else flops.unet_step
        return count(self.config)


def main(arguments: Sequence[str]) -> None:
    """Measure, print a table and write the results."""
    parser = argparse.ArgumentParser(
        description="Time training steps under JAX, and under PyTorch if it is there."
    )
    parser.add_argument("--quick", action="store_true", help="tiny networks, to try it")
    parser.add_argument("--seconds", type=int, default=290, help="the most it takes")
    parser.add_argument("--out", type=Path, default=Path("benchmark-gpu.json"))
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {
        "processor": processor_name(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "parts": [],
    }
    try:
        with _limit(options.seconds):
            for part in parts(quick=options.quick):
                label = f"{part.network}, {part.name}, {part.config.gan.precision}"
                print(label, flush=True)
                results["parts"].append(measure(part))
                summarize(results)
                storage.write_text(options.out, json.dumps(results, indent=2) + "\n")
    except TimeoutError:
        print(f"--seconds {options.seconds} are over: the rest is not measured")
    print(as_text(results))
    print(f"written to {options.out}")


def parts(*, quick: bool) -> Iterator[Part]:
    """Yield what is measured, the most important first."""
    paper = _tiny() if quick else PRESETS["paper"]
    side = 512 if quick else 8192
    for precision in FORMATS:
        config = _with_precision(paper, precision)
        yield Part(network=PRODUCT, name=JAX, config=config, side=side)
    for name in (JAX, TORCH):
        for network in (GAN, UNET):
            for precision in FORMATS:
                config = _with_precision(paper, precision)
                yield Part(network=network, name=name, config=config)
    for precision in FORMATS:
        fast = _with_precision(PRESETS["fast"], precision)
        if not quick:
            yield Part(network=GAN, name=JAX, config=fast)
    for network in (GAN, UNET):
        config = _with_precision(paper, "bfloat16")
        yield Part(network=network, name=COMPILED, config=config)


def build(part: Part) -> Stepper:
    """Build a part's stepper, in a worker.

    Raises:
        ModuleNotFoundError: Its library is not installed.
    """
    function = "unet" if part.network == UNET else "gan"
    if part.name == JAX:
        keras_classes.use_backend("jax")
        from tfgansynth.benchmark.gpu import jax_steps

        if part.network == PRODUCT:
            return jax_steps.product(part.config, part.side)
        made: Stepper = getattr(jax_steps, function)(part.config)
        return made
    from tfgansynth.benchmark import torch_peer

    made = getattr(torch_peer, function)(part.config, compiled=part.name == COMPILED)
    return made


def measure(part: Part) -> dict[str, Any]:
    """Measure one part: plain values for JSON, a `failure` if there are no times."""
    found: dict[str, Any] = {
        "network": part.network,
        "implementation": part.name,
        "preset": part.config.preset,
        "precision": part.config.gan.precision,
        "batch": part.batch,
        "steps_of_a_fold": part.config.gan.steps if part.network == GAN else None,
        "multiply_adds": part.multiply_adds,
    }
    try:
        start = time.perf_counter()
        with worker(build, part) as call:
            found["start_seconds"] = time.perf_counter() - start
            found["compile_seconds"] = call("run", 1)
            found["seconds"] = _rounds(call)
            found["device"] = call("device")
            found["device_name"] = call("device_name") if part.name == JAX else None
            found["peak_bytes"] = call("peak_bytes")
    except WorkerFailure as fault:
        return {**found, "failure": str(fault)}
    median = statistics.median(found["seconds"])
    found["steps_per_second"] = 1 / median
    found["gflops"] = 2 * part.multiply_adds / min(found["seconds"]) / 1e9
    if part.network == GAN:
        found["fold_seconds"] = median * part.config.gan.steps
    return found


def summarize(results: dict[str, Any]) -> None:
    """Add where it was measured, the peaks, and each part's share of them."""
    done = [each for each in results["parts"] if "failure" not in each]
    products = [each for each in done if each["network"] == PRODUCT]
    results["peaks_gflops"] = {each["precision"]: each["gflops"] for each in products}
    on_gpu = [
        each["device_name"] or "a GPU" for each in done if each["device"] == "GPU"
    ]
    results["measured_on"] = on_gpu[0] if on_gpu else "a CPU"
    for each in done:
        peak = results["peaks_gflops"].get(each["precision"])
        median = statistics.median(each["seconds"])
        rate = 2 * each["multiply_adds"] / median / 1e9
        each["share_of_peak"] = rate / peak if peak else None


def as_text(results: dict[str, Any]) -> str:
    """Render the results as an aligned table."""
    head = ("network", "preset", "implementation", "format", "batch", "steps/s")
    rows = [(*head, "of peak", "compile", "a fold")]
    failures = []
    for each in results["parts"]:
        if "failure" in each:
            failures.append(f"{each['implementation']}: {each['failure']}")
            continue
        fold = each.get("fold_seconds")
        share = each["share_of_peak"]
        rows.append(
            (
                *(each[name] for name in ("network", "preset", "implementation")),
                each["precision"],
                "" if each["network"] == PRODUCT else str(each["batch"]),
                f"{each['steps_per_second']:.3g}",
                f"{share:.0%}" if share else "",
                duration(each["compile_seconds"]),
                duration(fold) if fold else "",
            )
        )
    peaks = ", ".join(
        f"{name} {rate:.0f}" for name, rate in results.get("peaks_gflops", {}).items()
    )
    return "\n".join(
        [
            *aligned(rows, n_text_columns=4),
            *dict.fromkeys(failures),
            f"measured on {results.get('measured_on')} ({results['processor']}); "
            f"matrix product, GFLOP/s: {peaks}",
        ]
    )


def _tiny() -> Config:
    """Shrink the networks of `smoke` to a few maps at 16 px."""
    smoke = at_size(PRESETS["smoke"], 16)
    return dataclasses.replace(
        smoke,
        gan=dataclasses.replace(
            smoke.gan, generator_maps=(8, 8), discriminator_maps=(8, 8), batch=4
        ),
        unet=dataclasses.replace(smoke.unet, depth=2, maps=4, batch=4),
    )


def _with_precision(config: Config, precision: Any) -> Config:
    return dataclasses.replace(
        config,
        gan=dataclasses.replace(config.gan, precision=precision),
        unet=dataclasses.replace(config.unet, precision=precision),
    )


def _rounds(call: Call) -> list[float]:
    steps = max(1, math.ceil(_ROUND_SECONDS / call("run", 1)))
    return [call("run", steps) for _ in range(_ROUNDS)]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@contextlib.contextmanager
def _limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the block after some seconds."""

    def stop(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
