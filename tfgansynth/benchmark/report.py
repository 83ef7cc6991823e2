"""The results of a benchmark as text and as JSON."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tfgansynth.benchmark.results import (
    PART,
    Benchmark,
    BenchmarkPair,
    Machine,
    NetworkResult,
    Timing,
)
from tfgansynth.config import Precision
from tfgansynth.errors import counted
from tfgansynth.runtime.progress import aligned, duration

Row = Sequence[str]


def as_text(benchmark: Benchmark) -> str:
    """Render everything as aligned plain text."""
    blocks = [
        ["Machine", *_table(_machine_rows(benchmark.machine), texts=2)],
        *(_peak_lines(*peak) for peak in benchmark.peaks.items()),
        _step_lines(benchmark),
    ]
    blocks += [_pair_lines(result) for result in benchmark.networks if result.pairs]
    return "\n\n".join("\n".join(block) for block in blocks)


def as_dict(benchmark: Benchmark) -> dict[str, Any]:
    """Convert everything, the configuration too, to plain values for JSON."""
    return {
        "config": dataclasses.asdict(benchmark.config),
        "machine": dataclasses.asdict(benchmark.machine),
        "peaks": {
            precision: {"gflops": max(rates.values()), "rates": dict(rates)}
            for precision, rates in benchmark.peaks.items()
        },
        "repeats": benchmark.repeats,
        "networks": {
            result.network: _network_dict(benchmark, result)
            for result in benchmark.networks
        },
        "fold_gan_seconds": _fold_seconds(benchmark),
    }


def _network_dict(benchmark: Benchmark, result: NetworkResult) -> dict[str, Any]:
    return {
        "batch": result.batch,
        "multiply_adds": result.multiply_adds,
        "gflops": result.gflops,
        "share_of_peak": benchmark.share_of_peak(result),
        "ours": _timing_dict(result.ours),
        "peers": [
            {
                **_timing_dict(pair.peer),
                "our_seconds": pair.our_seconds,
                "ratios": pair.ratios,
                "median_ratio": statistics.median(pair.ratios) if pair.ratios else None,
            }
            for pair in result.pairs
        ],
    }


def _timing_dict(timing: Timing) -> dict[str, Any]:
    median = timing.median_seconds if timing.seconds else None
    return {**dataclasses.asdict(timing), "median_seconds": median}


def _machine_rows(machine: Machine) -> list[Row]:
    found = [name for name, there in machine.features.items() if there]
    missing = [name for name, there in machine.features.items() if not there]
    features = ", ".join(found) or ("none" if missing else "not listed by the system")
    if missing:
        features += f" (not {', '.join(missing)})"
    gpus = [
        f"{gpu.name}, compute capability {gpu.compute_capability or 'unknown'}"
        for gpu in machine.gpus
    ]
    versions = [
        f"{package} {version}"
        for package, version in machine.versions.items()
        if version
    ]
    return [
        ("processor", f"{machine.processor}, {counted(machine.cores, 'core')}"),
        ("features", features),
        ("GPU", "; ".join(gpus) or "none that TensorFlow sees"),
        ("memory", _gib(machine.memory_bytes)),
        ("oneDNN", "on" if machine.onednn else "off"),
        ("kernels", machine.kernels),
        ("versions", ", ".join(versions)),
    ]


def _peak_lines(precision: Precision, rates: Mapping[str, float]) -> list[str]:
    rows = [(name, f"{rate:.0f}") for name, rate in rates.items()]
    head = f"Measured peak in {precision}, GFLOP/s; the best one counts"
    return [head, *_table(rows, texts=1)]


def _step_lines(benchmark: Benchmark) -> list[str]:
    head = (
        *("network", "on", "format", "batch", "s a step", "steps/s", "GFLOP/s"),
        *("of peak", "peak memory"),
    )
    rows = [head, *(_step_row(benchmark, result) for result in benchmark.networks)]
    gan = benchmark.config.gan
    return [
        f"One training step, median of {counted(benchmark.repeats, 'round')}",
        *_table(rows, texts=3),
        *(_format_line(benchmark, result) for result in benchmark.networks),
        f"A fold's GAN of {gan.steps} steps takes about "
        f"{duration(_fold_seconds(benchmark))} here.",
    ]


def _format_line(benchmark: Benchmark, result: NetworkResult) -> str:
    """Say which number format is used, and why."""
    part = PART[result.network]
    asked = getattr(benchmark.config, part).precision
    line = f"{result.network} in {result.ours.precision}: --{part}.precision {asked}"
    return line if asked != "auto" else f"{line}, {_acceleration(benchmark.machine)}"


def _acceleration(machine: Machine) -> str:
    """Say what `auto` depends on."""
    if machine.accelerated != "bfloat16":
        return "and nothing here accelerates bfloat16"
    instructions = [
        name for name, there in machine.features.items() if there and "bfloat16" in name
    ]
    by = instructions or [gpu.name for gpu in machine.gpus]
    return f"and there is {' and '.join(by)}"


def _step_row(benchmark: Benchmark, result: NetworkResult) -> Row:
    seconds = result.ours.median_seconds
    return (
        result.network,
        result.ours.device,
        result.ours.precision,
        str(result.batch),
        _digits(seconds),
        _digits(1 / seconds),
        f"{result.gflops:.0f}",
        f"{benchmark.share_of_peak(result):.0%}",
        _gib(result.ours.peak_bytes),
    )


def _pair_lines(result: NetworkResult) -> list[str]:
    head = (
        *("peer", "on", "format", "s a step", "ours", "ratio", "from - to"),
        "peak memory",
    )
    rows = [head, *(_pair_row(pair) for pair in result.pairs if pair.ratios)]
    failures = [
        f"  {pair.peer.name}, {pair.peer.precision}: {pair.peer.failure}"
        for pair in result.pairs
        if pair.peer.failure
    ]
    return [
        f"{result.network} step of other implementations, batch {result.batch}, in "
        f"alternation with ours in {result.ours.precision}; ratio: theirs over ours, "
        "median of rounds",
        *(_table(rows, texts=3) if len(rows) > 1 else []),
        *failures,
    ]


def _pair_row(pair: BenchmarkPair) -> Row:
    peer, ratios = pair.peer, pair.ratios
    return (
        peer.name,
        peer.device,
        peer.precision,
        _digits(peer.median_seconds),
        _digits(statistics.median(pair.our_seconds)),
        f"{statistics.median(ratios):.2f}",
        f"{min(ratios):.2f} - {max(ratios):.2f}",
        _gib(peer.peak_bytes),
    )


def _fold_seconds(benchmark: Benchmark) -> float:
    return benchmark.networks[0].ours.median_seconds * benchmark.config.gan.steps


def _table(rows: Sequence[Row], texts: int) -> list[str]:
    return [f"  {line}" for line in aligned(rows, n_text_columns=texts)]


def _digits(number: float) -> str:
    """Three significant digits, without an exponent."""
    for digits in (3, 2, 1):
        if abs(number) < 10 ** (4 - digits) / 10:
            return f"{number:.{digits}f}"
    return f"{number:.0f}"


def _gib(amount: int) -> str:
    return f"{amount / 2**30:.1f} GiB"
