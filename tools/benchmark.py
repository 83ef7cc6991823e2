"""Time training steps on this machine, also beside plain Keras and PyTorch."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import Options, run_tool
from tfgansynth.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark(Options):
    """Time a training step of the GAN and of the U-Net; no data needed.

    Says what hardware it found, how much of its measured peak the networks reach,
    and how long a fold will take.
    """

    repeats: int = 5
    """Rounds to time, after a warm-up; their median counts."""
    peer: bool = False
    """Also time the same networks in plain Keras and, where it is installed,
    PyTorch, in turn with ours."""
    json: Path | None = None
    """File that takes all of it as JSON, the configuration included."""


def main(options: Benchmark) -> None:
    """Measure and print."""
    from tfgansynth.benchmark.measurement import measure
    from tfgansynth.benchmark.report import as_dict, as_text
    from tfgansynth.runtime.storage import write_json

    if options.json and options.json.is_dir():
        raise InputError(f"--json {options.json}: expected a file, found a folder")
    found = measure(
        options.config,
        repeats=options.repeats,
        with_peers=options.peer,
        say=lambda line: print(f"measuring {line}"),
    )
    print(f"\n{as_text(found)}")
    if options.json:
        try:
            write_json(options.json, as_dict(found))
        except OSError as fault:
            raise InputError(f"--json {options.json}: {fault}") from fault


if __name__ == "__main__":
    run_tool(Benchmark, main)
