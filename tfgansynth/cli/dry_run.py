"""What a command would do: its stages, which are done, time and memory expected here.

Expectations rest on the best that is there: stages of the same settings that runs below
--out have recorded on this kind of processor; else a few timed training steps; where
all steps together are quickly done, on counted operations. Memory that no run has
recorded is that of the networks' shapes.
"""

import dataclasses
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgansynth.benchmark import flops
from tfgansynth.benchmark.measurement import BriefTiming, measure_briefly
from tfgansynth.benchmark.results import GAN, UNET
from tfgansynth.config import Config, UNetConfig
from tfgansynth.config_checks import settings_from
from tfgansynth.errors import InputError
from tfgansynth.experiment import superseded
from tfgansynth.experiment.study import Part, Study
from tfgansynth.planning.graph import Kind, PlannedStage
from tfgansynth.planning.schedule import Expected
from tfgansynth.presets import PRESETS, at_size
from tfgansynth.runtime import storage
from tfgansynth.runtime.devices import memory_bytes, processor_name
from tfgansynth.runtime.progress import aligned, duration
from tfgansynth.segmentation.history import most_epochs, steps_per_epoch

_DONE, _UNKNOWN = "done", "unknown"
_SLOW_SECONDS = 12 * 3600
"""Training of a GAN after which a faster preset is named."""
_FEW_MULTIPLY_ADDS = 0.5e12
"""Of all steps together that are counted and not timed: at most a minute."""
_SLOWEST_RATE = 10e9
"""Multiply-adds a second of the smallest networks; larger ones reach ten times it."""
_COUNTED_START_UP = 4.0
"""Seconds until a network's first step is done, where none is timed."""

# Of stages on 2 cores of an AMD EPYC, beside start-up and steps.
_SET_SECONDS, _ASSESSMENT_SECONDS, _END_SECONDS, _EPOCH_SECONDS = 3.0, 5.0, 1.5, 0.03
_GAN_RECORDS = 1.06
_VALIDATION_STEP = 0.5
"""Time of a validated mini-batch over that of a trained one."""

_Measured = tuple[float, float]
"""Of one finished stage: seconds a step (see `_steps`), and the largest memory of its
process in MiB, 0 if not recorded."""
_Timings = Mapping[str, BriefTiming]
"""By network."""


_Rows = list[tuple[Part, PlannedStage, Expected | None]]
"""Each stage, and what is expected of it; None if it is done."""


def describe(study: Study, out: Path, workers: int = 1) -> str:
    """Render the plan of a study; expectations rest on the runs below `out`."""
    for part in study.parts:
        part.experiment.run.check(part.experiment.cases)
    stages, basis = _expect(study, out)
    rows = [
        (part.name, stage.name, *(_cells(found) if found else (_DONE, "")))
        for part, stage, found in stages
    ]
    lines = [_counts(stages)]
    if rows:
        table = rows if len(study.parts) > 1 else [row[1:] for row in rows]
        lines += [f"  {line}" for line in aligned(table, n_text_columns=len(table[0]))]
    changes = _changes(study.parts)
    return "\n".join([*lines, *changes, *_totals(stages, basis, workers)])


def expect(study: Study, out: Path, workers: int = 1) -> tuple[Study, str]:
    """Expect time and memory of the stages of a study that are not done.

    Returns:
        The study with what is expected, and in at most four lines how many stages it
        has and what they are expected to take.
    """
    stages, basis = _expect(study, out)
    parts = [
        dataclasses.replace(
            part,
            expected={
                stage.name: found
                for each, stage, found in stages
                if each is part and found
            },
        )
        for part in study.parts
    ]
    lines = [_counts(stages), *_totals(stages, basis, workers)]
    return dataclasses.replace(study, parts=tuple(parts)), "\n".join(lines)


def _cells(expected: Expected) -> tuple[str, str]:
    """Time and memory for people."""
    if expected.seconds is None:
        return _UNKNOWN, _gib(expected.mib)
    if expected.latest > expected.seconds:
        shown = f"{duration(expected.seconds)} to {duration(expected.latest)}"
    else:
        shown = f"about {duration(expected.seconds)}"
    return shown, _gib(expected.mib)


def _counts(stages: _Rows) -> str:
    n_done = sum(found is None for *_, found in stages)
    return f"Plan: {len(stages)} stages, {n_done} of them done"


def _expect(study: Study, out: Path) -> tuple[_Rows, str]:
    """Expect something of each stage, and say what it rests on beside earlier runs."""
    recorded = _measurements(out)
    to_do = [
        (part, stage)
        for part in study.parts
        for stage in part.plan.stages
        if not is_sealed(part.experiment.run.root, stage)
    ]
    new = [stage.record for _, stage in to_do if _cost(stage.record) not in recorded]
    timings, basis = _timings(study.parts[0].experiment.config, new)
    rows: _Rows = []
    for part in study.parts:
        for stage in part.plan.stages:
            record, expected = stage.record, None
            if (part, stage) in to_do:
                steps, like = _steps(record), _cost(record)
                mib, latest = part.expected_mib(stage), 0.0
                seconds: float | None = None
                if found := recorded.get(like):
                    each = statistics.median(spent for spent, _ in found)
                    seconds = latest = each * steps
                    mib = max(own for _, own in found)
                elif timings is not None:
                    seconds, latest = _span(record, timings)
                is_recorded = like in recorded
                expected = Expected(seconds, latest, mib, is_recorded, like, steps)
            rows.append((part, stage, expected))
    return rows, basis


def _timings(
    config: Config, new: Sequence[Mapping[str, Any]]
) -> tuple[_Timings | None, str]:
    """Time a step of the networks that are to be trained, and say how."""
    counts = {GAN: flops.gan_step(config), UNET: flops.unet_step(config)}
    trained = {_network(record) for record in new} - {None}
    networks = [name for name in counts if name in trained]
    work = sum(
        counts[network] * _length(record)[0]
        for record in new
        if (network := _network(record))
    )
    if work < _FEW_MULTIPLY_ADDS:
        by_count = {
            name: BriefTiming(start_up=_COUNTED_START_UP, seconds=n / _SLOWEST_RATE)
            for name, n in counts.items()
        }
        return by_count, "by counted operations"
    try:
        found = measure_briefly(config, networks)
    except InputError as fault:
        return None, str(fault)
    steps = ", ".join(f"{name} {_short(each.seconds)}" for name, each in found.items())
    return found, f"by steps timed now ({steps})"


def _short(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def _network(record: Mapping[str, Any]) -> str | None:
    """The network that a stage trains, if it trains one."""
    if _is_ensemble(record):
        return None
    return GAN if "gan" in record else UNET if "unet" in record else None


def _is_ensemble(record: Mapping[str, Any]) -> bool:
    """Whether a stage evaluates an ensemble, and trains nothing."""
    return (record.get("regime") or {}).get("baseline") == "ensemble"


def _length(record: Mapping[str, Any]) -> tuple[int, int, int]:
    """Steps of a training at its earliest and at its latest end; steps of an epoch."""
    if "gan" in record:
        steps = int(record["gan"]["steps"])
        return steps, steps, 1
    unet = settings_from(UNetConfig, record["unet"])
    regime = record.get("regime")
    n_pairs = (
        regime["n_real"] + regime["n_synthetic"]
        if regime
        else len(record["training_cases"])
    )
    epoch, most = steps_per_epoch(unet, n_pairs), most_epochs(unet, n_pairs)
    least = most
    if not unet.fixed_steps:
        least = min(most, max(unet.stop_window + 1, -(-unet.min_steps // epoch)))
    return least * epoch, most * epoch, epoch


def _span(record: Mapping[str, Any], timings: _Timings) -> tuple[float, float]:
    """Seconds that a stage takes at least and at most."""
    network = _network(record)
    if network is None:
        fixed = _ASSESSMENT_SECONDS if "memorization" in record else _SET_SECONDS
        return fixed, fixed
    timing = timings[network]
    if network == GAN:
        seconds = timing.start_up + _length(record)[0] * timing.seconds * _GAN_RECORDS
        return seconds, seconds
    *ends, epoch = _length(record)
    batches = len(record["validation_cases"]) / record["unet"]["batch"]
    each = epoch * timing.seconds + batches * _VALIDATION_STEP * timing.seconds
    first, last = (
        timing.start_up + _END_SECONDS + steps / epoch * (each + _EPOCH_SECONDS)
        for steps in ends
    )
    return first, last


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
                f"Settings: {experiment.run.root} holds results of other settings "
                f"({'; '.join(found.settings)}): {len(found.stages)} of its stages "
                "would be kept aside"
            )


def _totals(stages: _Rows, basis: str, workers: int) -> Iterator[str]:
    """Say what all stages take together, and what a person should know of that."""
    found = [expected for *_, expected in stages if expected]
    if not found:
        yield "Time: nothing is left to do"
        return
    workers = min(workers, len(found))
    mib = workers * max(each.mib for each in found)
    gib = f"; at most {_gib(mib)} of memory" if mib else ""
    known = [each for each in found if each.seconds is not None]
    seconds = sum(each.seconds or 0.0 for each in known)
    latest = sum(each.latest for each in known)
    shown = f"about {duration(seconds)}" if known else _UNKNOWN
    if latest > seconds:
        shown += f", at most {duration(latest)} where U-Nets do not end early"
    if known and (n_unknown := len(found) - len(known)):
        shown += f" and {n_unknown} stages of {_UNKNOWN} time"
    if workers > 1:
        shown += f"; less as {workers} stages run at a time"
    is_recorded = [each.is_recorded for each in found]
    runs = "as runs below --out took on this kind of processor"
    parts = [runs] if any(is_recorded) else []
    parts += [basis] if not all(is_recorded) else []
    yield f"Time: {shown}{gib}; {' and '.join(parts)}"
    if mib * 2**20 > memory_bytes():
        yield (
            f"Memory: {_gib(mib)} are more than this machine has "
            f"({_gib(memory_bytes() / 2**20)}): lower --gan.batch, --unet.batch or "
            "--data.size"
        )
    yield from _slow(stages)


def _slow(stages: _Rows) -> Iterator[str]:
    """Name a faster preset where a GAN takes very long."""
    for part, stage, expected in stages:
        if stage.kind != Kind.GAN or expected is None or expected.seconds is None:
            continue
        config, seconds = part.experiment.config, expected.seconds
        fast = at_size(PRESETS["fast"], config.data.size)
        work, less = (flops.gan_step(each) * each.gan.steps for each in (config, fast))
        if seconds < _SLOW_SECONDS or 2 * less > work:
            return
        yield (
            f"Slow: one GAN of {config.gan.steps} steps takes about "
            f"{duration(seconds)} here: use --preset fast (about "
            f"{duration(seconds * less / work)}, less at --data.size 64), or a GPU"
        )
        return


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
    if _is_ensemble(record):
        return _key("ensemble", size, record["unet"])
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
