"""What a command would do: its stages, which are done, time and memory expected here.

Expectations rest on stages of the same settings that runs below --out have recorded on
this kind of processor. Where there are none, the dry run says "unknown".
"""

import dataclasses
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgansynth.errors import InputError
from tfgansynth.experiment import superseded
from tfgansynth.experiment.graph import Kind, PlannedStage
from tfgansynth.experiment.studies import Part, Study
from tfgansynth.records.files import ASSESSMENT, PROVENANCE
from tfgansynth.runtime import storage
from tfgansynth.runtime.devices import processor_name
from tfgansynth.runtime.progress import duration
from tfgansynth.synthesis.sampling import MANIFEST

_RECORDS = (PROVENANCE, MANIFEST, ASSESSMENT)
_UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class _Measured:
    """What one finished stage took.

    Attributes:
        seconds: Wall time.
        steps: Mini-batches it trained for; 1 where it is no training of fixed length.
        mib: Largest memory of its process, in MiB; None if not recorded.
    """

    seconds: float
    steps: int
    mib: float | None


def describe(study: Study, out: Path) -> str:
    """Render the plan of a study.

    Args:
        study: Planned, not opened.
        out: Holds the runs that expectations rest on.
    """
    measured = _measurements(out)
    rows, seconds, unknown, memory = [], 0.0, 0, 0.0
    n_done = 0
    for part in study.parts:
        part.experiment.run.check(part.experiment.cases)
        for stage in part.plan.stages:
            if is_sealed(part.experiment.run.root, stage):
                n_done += 1
                rows.append((part.name, stage.name, "done", ""))
                continue
            found = measured.get(_cost(stage.record), ())
            if not found:
                unknown += 1
                rows.append((part.name, stage.name, _UNKNOWN, _UNKNOWN))
                continue
            each = statistics.median(m.seconds / m.steps for m in found)
            expected = each * _steps(stage.record)
            mib = max((m.mib or 0.0 for m in found), default=0.0)
            seconds, memory = seconds + expected, max(memory, mib)
            shown = f"{mib / 1024:.1f} GiB" if mib else _UNKNOWN
            rows.append((part.name, stage.name, f"about {duration(expected)}", shown))
    lines = [f"PLAN: {len(rows)} stages, {n_done} of them done"]
    lines += _table(rows, several=len(study.parts) > 1)
    lines += _changes(study.parts)
    lines.append(_total(seconds, unknown, memory, len(rows) - n_done))
    return "\n".join(lines)


def is_sealed(root: Path, stage: PlannedStage) -> bool:
    """Whether a stage's folder has the record of a finished stage of this identity."""
    path = _record_path(root / stage.name)
    try:
        return path is not None and _read(path).get("identity") == stage.identity
    except InputError:
        return False


def _record_path(folder: Path) -> Path | None:
    return next((folder / n for n in _RECORDS if (folder / n).exists()), None)


def _read(path: Path) -> dict[str, Any]:
    return storage.read_record(path)


def _table(rows: Sequence[tuple[str, ...]], *, several: bool) -> Iterator[str]:
    shown = [row if several else row[1:] for row in rows]
    if not shown:
        return
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  " + "  ".join(cells).rstrip()


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
    if unknown == n_open:
        return f"TIME: {_UNKNOWN}: no run below --out has done such stages here"
    gib = f", at most {memory / 1024:.1f} GiB of memory" if memory else ""
    rest = f", and {unknown} stages of {_UNKNOWN} time" if unknown else ""
    return f"TIME: about {duration(seconds)}{gib}{rest}, {basis}"


def _steps(record: Mapping[str, Any]) -> int:
    """Mini-batches of a training of fixed length; 1 for anything else."""
    if record.get("stage") == Kind.GAN:
        return int(record["gan"]["steps"])
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
            seconds = _read(path)
            machines = _read(root / "machine.json")["machines"]
            peak_path = root / "memory.json"
            peaks = _read(peak_path) if peak_path.exists() else {}
        except InputError:
            continue
        if {machine["processor"] for machine in machines} != {processor}:
            continue
        for name, spent in seconds.items():
            sealed = _record_path(root / name)
            if sealed is None:
                continue
            try:
                record = _read(sealed)
                key = _cost(record)
            except (InputError, KeyError, TypeError):
                continue
            measured = _Measured(spent, _steps(record), peaks.get(name))
            found.setdefault(key, []).append(measured)
    return found
