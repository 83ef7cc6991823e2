"""Time training steps on this machine."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.commands import Options, import_tensorflow_quietly, run_tool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark(Options):
    """Time a training step of the GAN and of the U-Net; no data needed."""

    repeats: int = 5
    """Steps to time, after two that warm up."""


def main(options: Benchmark) -> None:
    """Measure and print."""
    import_tensorflow_quietly()
    from tfgansynth.benchmark import measure, report

    print(report(options.config, measure(options.config, options.repeats)))


if __name__ == "__main__":
    run_tool(Benchmark, main)
