"""The page itself: everything that is shown, put into the template."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tfgansynth.errors import counted
from tfgansynth.evaluation.tables import PHANTOM_WARNING, headings
from tfgansynth.records.files import REPORT
from tfgansynth.records.runs import RunRecord, Timings, remark_lines
from tfgansynth.reporting.comparisons import figure_notes, figure_rows
from tfgansynth.reporting.curves import curve_rows, partings
from tfgansynth.reporting.grids import span
from tfgansynth.reporting.html.conclusions import answers, tone
from tfgansynth.reporting.html.figures import agreement, learning_curve, nearest
from tfgansynth.reporting.html.results import (
    mean,
    mean_sd,
    shown_predictions,
    shown_tables,
)
from tfgansynth.reporting.html.study import Study, read_study
from tfgansynth.reporting.html.synthetic import (
    close_thumbnails,
    early_and_last,
    fidelity_plots,
    image_and_mask,
    outlined,
)
from tfgansynth.reporting.html.training import gan_curves, unet_curves
from tfgansynth.runtime import storage
from tfgansynth.runtime.progress import duration


def write_report(folder: Path) -> Path:
    """Write the page of a run, or of a study of several, into its folder.

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
    environment.filters |= {
        "counted": counted,
        "mean": mean,
        "mean_sd": mean_sd,
        "span": span,
        "tone": tone,
    }
    environment.globals |= {
        "agreement_plot": agreement,
        "close_thumbnails": close_thumbnails,
        "early_and_last": early_and_last,
        "fidelity_plots": fidelity_plots,
        "formats": _formats,
        "image_and_mask": image_and_mask,
        "nearest_plot": nearest,
        "outlined": outlined,
        "phantom_warning": PHANTOM_WARNING,
    }
    comparison, config = study.comparison, study.runs[0].config
    other = comparison.other_figures
    seeds = ", ".join(map(str, comparison.seeds))
    sets = [
        drawn
        for fold in study.folds
        for drawn in (fold.synthetic, fold.filtered)
        if drawn and drawn.assessment
    ]
    named = list(zip(comparison.runs, study.runs, strict=True))
    return environment.get_template("report.html").render(
        study=study,
        comparison=comparison,
        headings=headings(comparison.dataset.spacing_mm),
        config=config,
        target=comparison.dataset.target_words(config.lungs),
        seeds=seeds,
        remarks=remark_lines(comparison.remarks, n_seeds=len(comparison.seeds)),
        answers=answers(
            comparison, [each.assessment.record for each in sets if each.assessment]
        ),
        tables=shown_tables(study),
        shown_rows=[row for table in comparison.tables for row in table.rows],
        other_figures=other and figure_rows(comparison, other),
        other_notes=other and figure_notes(comparison, other),
        curve=study.curve and learning_curve(study.curve, "learning-curve"),
        curve_table=study.curve and curve_rows(study.curve),
        partings=study.curve and partings(study.curve),
        sets=sets,
        shown=shown_predictions(study),
        gan_curves=gan_curves(study.folds),
        unet_curves=unet_curves(study),
        settings=list(_flat(_settings(study, seeds), "")),
        named=named,
        timings=[_timings(name, run.timings) for name, run in named],
    )


def _settings(study: Study, seeds: str) -> dict[str, Any]:
    """All settings; the target as the data say, lungs only where it is lungs."""
    dataset = study.comparison.dataset
    settings = dataclasses.asdict(study.runs[0].config)
    if not dataset.is_lungs:
        del settings["lungs"]
    return {**settings, "seed": seeds, "target": dataset.target}


def _formats(run: RunRecord, machine: int) -> str:
    """The stages that were computed on a machine of a run, with number formats."""
    return "; ".join(
        f"{stage}: {attempt.precision}"
        for stage, attempts in run.machines.stages.items()
        for attempt in attempts
        if attempt.machine == machine
    )


def _timings(name: str, timings: Timings) -> tuple[str, str, list[tuple[str, ...]]]:
    """A run, what it took in all, and each stage with its longest parts."""
    stages = [stage for stage in timings if stage.rpartition("/")[0] not in timings]
    rows: list[tuple[str, ...]] = [
        (stage, duration(timings[stage]), _longest_parts(timings, stage))
        for stage in stages
    ]
    return name, duration(sum(timings[stage] for stage in stages)), rows


def _longest_parts(timings: Timings, stage: str) -> str:
    parts = {
        name.removeprefix(f"{stage}/"): seconds
        for name, seconds in timings.items()
        if name.startswith(f"{stage}/") and seconds
    }
    longest = sorted(parts, key=lambda name: -parts[name])[:3]
    return ", ".join(f"{name} {parts[name]:.1f} s" for name in longest)


def _flat(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield all settings by their names on the command line."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            many = isinstance(value, tuple)
            words = " ".join(map(str, value)) if many else str(value)
            yield f"{prefix}{name}".replace("_", "-"), words
