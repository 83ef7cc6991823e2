"""The results that a folder shows: all that its runs have, and never less."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tfgansynth.config import Config
from tfgansynth.data.dataset import Identity
from tfgansynth.evaluation.other_figures import (
    FIGURES,
    CaseFigures,
    figures_to_csv,
    measure_figures,
)
from tfgansynth.evaluation.predictions import PREDICTIONS, Predictions, read_predictions
from tfgansynth.records import converter, files
from tfgansynth.records.comparisons import Comparison, make_comparison
from tfgansynth.records.curves import LearningCurve, MissingPoint, make_curve
from tfgansynth.records.reading.remarks import remarks_behind
from tfgansynth.records.reading.run import read_run
from tfgansynth.records.regimes import is_on_curve
from tfgansynth.records.runs import FinishedUNet, Remark, RunRecord, StudyPlan
from tfgansynth.records.tables import Table, make_table
from tfgansynth.reporting.comparisons import (
    comparison_to_markdown,
    other_figures_to_markdown,
)
from tfgansynth.reporting.curves import curve_to_markdown, write_plot
from tfgansynth.reporting.tables import table_to_csv, table_to_markdown
from tfgansynth.runtime import storage


def write_outputs(
    roots: Sequence[Path], folder: Path, grown: Path | None = None
) -> tuple[Table | None, Comparison | None]:
    """Write the tables of some runs, and what they show together.

    Args:
        roots: The run folders, each of a seed; all of one data set and one
            configuration but for the seed.
        folder: Takes `comparison.json` and `comparison.md` of all of them.
        grown: The run that has more than before, which takes its own; without it the
            last.

    Returns:
        The table of that run; None while it has none of the paper's regimes. And the
        comparison of all runs; None while no U-Net is finished.

    Raises:
        InputError: A file of a run is missing, altered or damaged.
    """
    stored = [read_run(root) for root in roots]
    runs = [with_other_figures(run) for run in stored]
    tables = [table_of(run) for run in runs]
    index = roots.index(grown or roots[-1])
    comparison = None
    for run, table in zip(runs, tables, strict=True):
        if table:
            converter.write(run.root / files.TABLE, table)
            storage.write_text(run.root / files.TABLE_SHEET, table_to_csv(table))
            storage.write_text(run.root / files.TABLE_TEXT, table_to_markdown(table))
    shown_by = {
        run.root: [run]
        for old, run in zip(stored, runs, strict=True)
        # A run that has other figures now shows them.
        if run is runs[index] or (old != run and (run.root / files.COMPARISON).exists())
    }
    for place, shown in {**shown_by, folder: runs}.items():
        comparison = comparison_of(shown, plans_of(place))
        if comparison:
            place.mkdir(exist_ok=True)
            write_comparison(place, comparison)
    return tables[index], comparison


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write a comparison as JSON and as Markdown; remove a page of other results."""
    path = folder / files.COMPARISON
    before = path.read_bytes() if path.exists() else b""
    converter.write(path, comparison)
    if path.read_bytes() != before:
        (folder / files.REPORT).unlink(missing_ok=True)
    text = comparison_to_markdown(comparison)
    storage.write_text(folder / files.COMPARISON_TEXT, text)
    if other := other_figures_to_markdown(comparison):
        storage.write_text(folder / files.OTHER_FIGURES, other)
    else:
        (folder / files.OTHER_FIGURES).unlink(missing_ok=True)


def with_other_figures(run: RunRecord) -> RunRecord:
    """Make the other figures of the U-Nets of a run that have none, and write them.

    Raises:
        InputError: Predictions are missing, altered or damaged.
    """
    unets = tuple(each if each.figures else _with_figures(each) for each in run.unets)
    return dataclasses.replace(run, unets=unets)


def measure_again(
    found: Predictions, config: Config, dataset: Identity
) -> tuple[CaseFigures, ...]:
    """Measure the predictions of a U-Net by the settings of its run."""
    tolerance, lungs = config.evaluation.surface_tolerance, dataset.lungs(config.lungs)
    return measure_figures(found, tolerance, dataset.classes, lungs)


def _with_figures(unet: FinishedUNet) -> FinishedUNet:
    folder, config = unet.folder, unet.config
    assert folder is not None, "merged results have no predictions"
    predictions = read_predictions(folder / PREDICTIONS)
    figures = measure_again(predictions, config, unet.dataset)
    counts = unet.fold, unet.regime.n_real, unet.regime.n_synthetic
    text = figures_to_csv(figures, *counts, config.evaluation.surface_tolerance)
    storage.write_text(folder / FIGURES, text)
    return dataclasses.replace(unet, figures=figures)


def table_of(run: RunRecord) -> Table | None:
    """Make the table of a run; None while it has none of the paper's regimes."""
    unets = [
        unet
        for unet in run.regime_unets
        if unet.regime.schedule == "paper" and unet.regime.kind == "plain"
    ]
    if not unets:
        return None
    numbers = sorted({unet.fold for unet in run.regime_unets})
    return make_table(
        run.config,
        unets[0].dataset,
        {number: len(run.fold(number).test) for number in numbers},
        unets,
        remarks_behind(run, unets),
    )


def plans_of(folder: Path) -> list[StudyPlan]:
    """Read what was declared for the results of a folder; empty if nothing was.

    Raises:
        InputError: The plan was altered, or is of another form.
    """
    path = folder / files.PLAN
    return [converter.read(path, StudyPlan)] if path.exists() else []


def comparison_of(
    runs: Sequence[RunRecord], plans: Sequence[StudyPlan]
) -> Comparison | None:
    """Compare all regimes of some runs; None while no U-Net is finished."""
    unets = [unet for run in runs for unet in run.regime_unets]
    if not unets:
        return None
    remarks = [
        remark for run in runs for remark in remarks_behind(run, run.regime_unets)
    ]
    return make_comparison(unets, remarks, plans=plans)


def curve_name(generator_of: int | None) -> str:
    """Stem of a curve's files."""
    return f"{files.CURVE}-generator-of-{generator_of}" if generator_of else files.CURVE


def write_curve(
    folder: Path,
    generator_of: int | None,
    missing: Sequence[MissingPoint] = (),
    *,
    plot: bool = True,
) -> LearningCurve | None:
    """Write the learning curve of the runs below a folder.

    Args:
        folder: The curve's.
        generator_of: Cases that the one generator of all was trained on; None where
            each number of cases has a generator of its own.
        missing: Points that could not be made. Those that the folder's curve already
            misses stay until they are made.
        plot: Whether to draw it too.

    Returns:
        The curve; None while no U-Net is finished.

    Raises:
        InputError: A file of a run is missing, altered or damaged.
    """
    path = folder / f"{curve_name(generator_of)}.json"
    if path.exists():
        missing = [*converter.read(path, LearningCurve).missing, *missing]
    runs = read_curve_runs(folder, read_run)
    curve = curve_of_runs(runs, generator_of, missing, plans_of(folder))
    if curve:
        write_curve_record(curve, folder)
        if plot:
            write_plot(curve, folder, path.stem)
    return curve


def write_curve_record(curve: LearningCurve, folder: Path) -> None:
    """Write a learning curve as JSON and as Markdown."""
    stem = curve_name(curve.generator_of)
    converter.write(folder / f"{stem}.json", curve)
    storage.write_text(folder / f"{stem}.md", curve_to_markdown(curve))


def read_curve_runs(
    folder: Path, read: Callable[[Path, str], RunRecord]
) -> list[RunRecord]:
    """Read the runs below a curve's folder, each by its own folder and name."""
    roots = sorted(path.parent for path in folder.glob(f"*/*/{files.SPLITS}"))
    return [read(root, root.relative_to(folder).as_posix()) for root in roots]


def curve_of_runs(
    runs: Sequence[RunRecord],
    generator_of: int | None,
    missing: Sequence[MissingPoint],
    plans: Sequence[StudyPlan],
) -> LearningCurve | None:
    """Make the learning curve of some runs; see `write_curve`."""
    unets: list[FinishedUNet] = []
    remarks: list[Remark] = []
    for run in runs:
        own = curve_unets(run.unets, generator_of)
        unets += own
        remarks += remarks_behind(run, own)
    return curve_of(unets, generator_of, missing, remarks, plans)


def curve_unets(
    unets: Iterable[FinishedUNet], generator_of: int | None
) -> list[FinishedUNet]:
    """Choose the U-Nets that a learning curve shows; see `write_curve`."""
    return [
        unet
        for unet in unets
        if is_on_curve(unet.regime, unet.config)
        and (generator_of or unet.regime.n_real) == unet.config.data.n_reduced
    ]


def curve_of(
    unets: Sequence[FinishedUNet],
    generator_of: int | None,
    missing: Iterable[MissingPoint],
    remarks: Iterable[Remark],
    plans: Iterable[StudyPlan],
) -> LearningCurve | None:
    """Make a learning curve of its U-Nets, without what is not missing any more."""
    made = {(u.regime.n_real, u.seed, u.fold, u.regime.name) for u in unets}
    left = [
        each
        for each in dict.fromkeys(missing)
        if (each.n_real, each.seed, each.fold, each.regime) not in made
    ]
    return make_curve(unets, generator_of, left, remarks, plans) if unets else None
