"""The page itself: everything that is shown, put into the template."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tfgansynth.evaluation.tables import METRIC_HEADINGS, PHANTOM_WARNING
from tfgansynth.records.files import REPORT
from tfgansynth.records.runs import MachineFacts, RunRecord, Timings, remark_lines
from tfgansynth.records.tables import target
from tfgansynth.reporting.html.figures import learning_curve
from tfgansynth.reporting.html.results import shown_predictions, shown_tables
from tfgansynth.reporting.html.study import Study, read_study
from tfgansynth.reporting.html.synthetic import assessed_sets, set_pictures
from tfgansynth.reporting.html.training import gan_curves, unet_curves
from tfgansynth.runtime import storage
from tfgansynth.runtime.progress import duration


@dataclasses.dataclass(frozen=True, slots=True)
class ShownMachine:
    """One machine of a run, and the stages that were computed on it."""

    run: str
    facts: Mapping[str, str]
    stages: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ShownTimings:
    """What a run took: in all, and each stage with its longest parts."""

    run: str
    total: str
    stages: tuple[tuple[str, str, str], ...]


def write_report(folder: Path) -> Path:
    """Write the page of a run or a study into its folder.

    Args:
        folder: A run folder of one seed, or the study folder of several.

    Returns:
        The page's path.

    Raises:
        InputError: It is no such folder, or a file is missing or damaged.
    """
    path = folder / REPORT
    storage.write_text(path, render(read_study(folder)))
    return path


def render(study: Study) -> str:
    """Render the page of a study; the same study gives the same text."""
    environment = Environment(
        loader=PackageLoader("tfgansynth.reporting.html", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    comparison, config = study.comparison, study.runs[0].config
    seeds = ", ".join(map(str, comparison.seeds))
    named = list(zip(comparison.runs, study.runs, strict=True))
    return environment.get_template("report.html").render(
        study=study,
        comparison=comparison,
        config=config,
        target=target(config),
        seeds=seeds,
        remarks=remark_lines(comparison.remarks, n_seeds=len(comparison.seeds)),
        phantom_warning=PHANTOM_WARNING,
        headings=METRIC_HEADINGS,
        tables=shown_tables(study),
        curve=study.curve and learning_curve(study.curve, "learning-curve"),
        sets=assessed_sets(study.folds),
        pictures=[set_pictures(fold) for fold in study.folds],
        shown=shown_predictions(study),
        gan_curves=gan_curves(study.folds),
        unet_curves=unet_curves(study),
        settings=list(_flat({**dataclasses.asdict(config), "seed": seeds}, "")),
        machines=[each for name, run in named for each in _machines(name, run)],
        timings=[_timings(name, run.timings) for name, run in named],
    )


def _machines(name: str, run: RunRecord) -> Iterator[ShownMachine]:
    for number, machine in enumerate(run.machines.machines):
        yield ShownMachine(
            name,
            _facts(machine),
            tuple(
                f"{stage}: {attempt.precision}"
                for stage, attempts in run.machines.stages.items()
                for attempt in attempts
                if attempt.machine == number
            ),
        )


def _timings(name: str, timings: Timings) -> ShownTimings:
    stages = [stage for stage in timings if stage.rpartition("/")[0] not in timings]
    return ShownTimings(
        name,
        duration(sum(timings[stage] for stage in stages)),
        tuple(
            (stage, duration(timings[stage]), _longest_parts(timings, stage))
            for stage in stages
        ),
    )


def _longest_parts(timings: Timings, stage: str, most: int = 3) -> str:
    parts = {
        name.removeprefix(f"{stage}/"): seconds
        for name, seconds in timings.items()
        if name.startswith(f"{stage}/") and seconds
    }
    longest = sorted(parts, key=lambda name: -parts[name])[:most]
    return ", ".join(f"{name} {parts[name]:.1f} s" for name in longest)


def _facts(machine: MachineFacts) -> dict[str, str]:
    versions = ", ".join(f"{name} {v}" for name, v in machine.versions.items())
    return {
        "Processor": machine.processor,
        "GPUs": ", ".join(machine.gpus) or "none",
        "Threads": str(machine.threads),
        "Kernels": machine.kernels,
        "bfloat16": ", ".join(machine.bfloat16_units) or "not accelerated",
        "Versions": versions,
        "Commit": machine.commit or "no checkout",
        "Processor features": " ".join(machine.cpu_features),
    }


def _flat(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield all settings by their names on the command line."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            many = isinstance(value, tuple)
            words = " ".join(map(str, value)) if many else str(value)
            yield f"{prefix}{name}".replace("_", "-"), words
