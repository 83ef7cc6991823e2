"""How a study was made: configuration, machines, versions and times, in words."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from tfgansynth.reporting.html.study import RunRecords, Study
from tfgansynth.runtime.progress import duration


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """One machine, and the stages that were computed on it, with their formats."""

    facts: Mapping[str, str]
    stages: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """What a run took: in all, and each stage with its longest parts."""

    run: str
    total: str
    stages: tuple[tuple[str, str, str], ...]


def settings(study: Study) -> list[tuple[str, str]]:
    """List all settings by their names on the command line; seeds of all runs."""
    config = {**study.runs[0].config, "seed": seeds(study)}
    return list(_flat(config, ""))


def seeds(study: Study) -> str:
    """`0, 1`."""
    return ", ".join(str(run.config["seed"]) for run in study.runs)


def machines(run: RunRecords) -> list[Machine]:
    """List the machines a run was computed on."""
    return [
        Machine(
            _facts(machine),
            tuple(
                f"{stage}: {entry['precision']}"
                for stage, entries in run.machine["stages"].items()
                for entry in entries
                if entry["machine"] == number
            ),
        )
        for number, machine in enumerate(run.machine["machines"])
    ]


def timing(run: RunRecords) -> Timing:
    """Say what a run took."""
    stages = [
        name for name in run.timings if name.rpartition("/")[0] not in run.timings
    ]
    return Timing(
        run.name,
        duration(sum(run.timings[stage] for stage in stages)),
        tuple(
            (stage, duration(run.timings[stage]), _longest_parts(run.timings, stage))
            for stage in stages
        ),
    )


def _longest_parts(timings: Mapping[str, float], stage: str, most: int = 3) -> str:
    parts = {
        name.removeprefix(f"{stage}/"): seconds
        for name, seconds in timings.items()
        if name.startswith(f"{stage}/") and seconds
    }
    longest = sorted(parts, key=lambda name: -parts[name])[:most]
    return ", ".join(f"{name} {parts[name]:.1f} s" for name in longest)


def _facts(machine: Mapping[str, Any]) -> dict[str, str]:
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items())
    return {
        "Processor": str(machine["processor"]),
        "GPUs": ", ".join(machine["gpus"]) or "none",
        "Threads": str(machine["threads"]),
        "Kernels": str(machine["kernels"]),
        "bfloat16": ", ".join(machine["bfloat16_units"]) or "not accelerated",
        "Versions": versions,
        "Commit": str(machine["commit"] or "no checkout"),
        "Processor features": " ".join(machine["cpu_features"]),
    }


def _flat(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            words = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{prefix}{name}".replace("_", "-"), words
