"""What a command would do: its stages, which are done, time and memory expected here.

Expectations rest on stages of the same settings that runs below --out have recorded on
this kind of processor. Where there are none, the time is "unknown", and the memory is
that of the networks' shapes.
"""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgansynth.config_checks import expected_mib
from tfgansynth.errors import InputError
from tfgansynth.experiment import superseded
from tfgansynth.experiment.experiment_data import Part, Study
from tfgansynth.experiment.graph import Kind, PlannedStage
from tfgansynth.runtime import storage
from tfgansynth.runtime.devices import processor_name
from tfgansynth.runtime.progress import aligned, duration

_DONE, _UNKNOWN = "done", "unknown"


_Measured = tuple[float, float]
"""Of one finished stage: seconds a step (see `_steps`), and the largest memory of its
process in MiB, 0 if not recorded."""


def describe(study: Study, out: Path) -> str:
    """Render the plan of a study; expectations rest on the runs below `out`."""
    for part in study.parts:
        part.experiment.run.check(part.experiment.cases)
    rows, total = _expect(study, out)
    n_done = sum(row[2] == _DONE for row in rows)
    lines = [f"PLAN: {len(rows)} stages, {n_done} of them done"]
    if rows:
        table = rows if len(study.parts) > 1 else [row[1:] for row in rows]
        lines += [f"  {line}" for line in aligned(table, n_text_columns=len(table[0]))]
    return "\n".join([*lines, *_changes(study.parts), total])


def expectation(study: Study, out: Path) -> str:
    """Say in one line what time and memory a study is expected to take here."""
    return _expect(study, out)[1]


def _expect(study: Study, out: Path) -> tuple[list[tuple[str, ...]], str]:
    """A row for each stage (run, stage, time, memory), and all of them in a line."""
    measured = _measurements(out)
    rows: list[tuple[str, ...]] = []
    seconds, unknown, memory = 0.0, 0, 0.0
    n_done = 0
    for part in study.parts:
        shapes = expected_mib(part.experiment.config, len(part.experiment.cases.cases))
        for stage in part.plan.stages:
            if is_sealed(part.experiment.run.root, stage):
                n_done += 1
                rows.append((part.name, stage.name, _DONE, ""))
                continue
            found = measured.get(_cost(stage.record), ())
            if not found:
                unknown += 1
                mib = shapes.get("unet" if "unet" in stage.record else stage.kind, 0.0)
                memory = max(memory, mib)
                rows.append((part.name, stage.name, _UNKNOWN, _gib(mib)))
                continue
            each = statistics.median(seconds_a_step for seconds_a_step, _ in found)
            expected = each * _steps(stage.record)
            mib = max(mib for _, mib in found)
            seconds, memory = seconds + expected, max(memory, mib)
            shown = f"about {duration(expected)}"
            rows.append((part.name, stage.name, shown, _gib(mib)))
    return rows, _total(seconds, unknown, memory, len(rows) - n_done)


def _gib(mib: float) -> str:
    return f"{mib / 1024:.1f} GiB" if mib else _UNKNOWN


def is_sealed(root: Path, stage: PlannedStage) -> bool:
    """Whether a stage's folder has the record of a finished stage of this identity."""
    try:
        record = superseded.sealed_record(root / stage.name)
    except InputError:
        return False
    return record is not None and record.get("identity") == stage.identity


def _changes(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        experiment = part.experiment
        found = superseded.changes(experiment.run, experiment.splits)
        if found.settings:
            yield (
                f"SETTINGS: {experiment.run.root} holds results of other settings "
                f"({'; '.join(found.settings)}): {len(found.stages)} of its stages "
                "would be kept aside"
            )


def _total(seconds: float, unknown: int, memory: float, n_open: int) -> str:
    if not n_open:
        return "TIME: nothing is left to do"
    basis = "as runs below --out took on this kind of processor"
    gib = f", at most {_gib(memory)} of memory" if memory else ""
    if unknown == n_open:
        return f"TIME: {_UNKNOWN}: no run below --out has done such stages here{gib}"
    rest = f", and {unknown} stages of {_UNKNOWN} time" if unknown else ""
    return f"TIME: about {duration(seconds)}{gib}{rest}, {basis}"


def _steps(record: Mapping[str, Any]) -> int:
    """Mini-batches of a training of fixed length; 1 for anything else."""
    if record.get("stage") == Kind.GAN:
        return int(record["gan"]["steps"]) or 1
    return int(record.get("unet", {}).get("fixed_steps") or 1)


def _cost(record: Mapping[str, Any]) -> str:
    """What decides how long a step takes, or a stage that has no steps."""
    if "memorization" in record:
        return _key(Kind.ASSESSMENT, record["n_training"])
    size = record["data"]["size"]
    kind = record["stage"]
    if kind == Kind.GAN:
        numbers = {**record["gan"], "steps": None}
        return _key(kind, size, numbers)
    if "unet" in record:
        unet = record["unet"]
        counts = record.get("regime") or {"n_real": len(record["training_cases"])}
        if unet["fixed_steps"]:
            counts = None
        return _key("unet", size, {**unet, "fixed_steps": None}, counts)
    if kind == Kind.SET:
        return _key(kind, size, record["synthesis"], record["z_dim"])
    return _key(kind, len(record["training_cases"]))


def _key(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True)


def _measurements(out: Path) -> dict[str, list[_Measured]]:
    """Collect what finished stages took on this kind of processor."""
    processor = processor_name()
    found: dict[str, list[_Measured]] = {}
    for path in sorted(out.rglob("timings.json")):
        root = path.parent
        if superseded.FOLDER in root.parts:
            continue
        try:
            seconds = storage.read_record(path)
            machines = storage.read_record(root / "machine.json")["machines"]
            peak_path = root / "memory.json"
            peaks = storage.read_record(peak_path) if peak_path.exists() else {}
        except InputError:
            continue
        if {machine["processor"] for machine in machines} != {processor}:
            continue
        for name, spent in seconds.items():
            try:
                record = superseded.sealed_record(root / name)
                if record is None:
                    continue
                key = _cost(record)
            except (InputError, KeyError, TypeError):
                continue
            measured = spent / _steps(record), peaks.get(name, 0.0)
            found.setdefault(key, []).append(measured)
    return found
