"""Merging the results of several machines: each fold's numbers, and no images."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfgansynth.config_checks import differences
from tfgansynth.errors import InputError, name_few
from tfgansynth.evaluation.case_rows import cases_to_csv, read_cases
from tfgansynth.evaluation.other_figures import (
    FIGURES,
    CaseFigures,
    figures_to_csv,
    read_figures,
)
from tfgansynth.experiment.run_folder import HOLDER, LOCK, Run, locked_folder
from tfgansynth.records import converter, files
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.comparisons import Comparison, make_comparison
from tfgansynth.records.converter import to_json
from tfgansynth.records.reading import read_epochs, remarks_behind
from tfgansynth.records.regimes import assessment_name, set_names
from tfgansynth.records.runs import (
    FinishedUNet,
    FoldResults,
    MergedFold,
    MergedUNet,
    RunRecord,
    Settings,
    StudyPlan,
)
from tfgansynth.reporting import grids
from tfgansynth.reporting.assessments import assessment_cells
from tfgansynth.reporting.comparisons import comparison_to_markdown
from tfgansynth.reporting.other_figures import other_figures_to_markdown
from tfgansynth.reporting.outputs import plans_of, write_comparison
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.verify import verified_runs
from tfgansynth.runtime import storage
from tfgansynth.segmentation.history import history_to_csv
from tfgansynth.synthesis.sampling import MANIFEST

SETS_TEXT = "sets.md"
"""What assessments found, a line for each synthetic set."""

_HISTORY, _FIGURES = "-history.csv", f"-{FIGURES}"
"""What the names of a U-Net's history and other figures end with, beside its cases."""

_FOLDS = f"*/fold-*/{files.MERGED_FOLD}"


def merge(roots: Sequence[Path], to: Path) -> tuple[list[FoldResults], Comparison]:
    """Add the results of runs to merged results, and compare all that these hold.

    Every number of a run is made again before. A fold counts once: its regimes may
    come one after the other, but never a second time with other results, nor from two
    generators.

    Args:
        roots: Folders of runs or studies; none to compare again what is there.
        to: Folder of the merged results.

    Returns:
        All folds, by seed and number, and what they show together.

    Raises:
        InputError: A run is not what its predictions give, differs from the others in
            more than its seed, or has results of a fold that has others; the merged
            results were altered; or another process merges into them. Nothing is
            written then.
    """
    new = [
        fold
        for root in roots
        for run in verified_runs(root)
        for fold in _fold_results(run, plans_of(root))
    ]
    if not new and not is_merged(to):
        raise InputError(f"{to}: holds no results yet: name runs to take them from")
    to.mkdir(parents=True, exist_ok=True)
    with locked_folder(to):
        folds = {fold.place: fold for fold in read_merged(to)}
        for fold in new:
            held = folds.get(fold.place)
            folds[fold.place] = _joined(held, fold, to) if held else fold
        ordered = sorted(folds.values(), key=lambda fold: fold.order)
        comparison = _compare(ordered, to)
        for fold in ordered:
            _write(fold, to / fold.place)
        write_comparison(to, comparison)
        if sets := sets_to_markdown(ordered):
            storage.write_text(to / SETS_TEXT, sets)
    return ordered, comparison


def verify_merged(root: Path, rounding: float = 0.0) -> Differences:
    """Make what merged results show again from the metrics of their folds.

    That these follow from predictions was checked when they were merged, and cannot be
    checked again without them. Numbers whose relative difference is at most `rounding`
    are equal.

    Raises:
        InputError: A fold was altered, or differs from the others in more than its
            seed.
    """
    root = root.resolve()
    found = Differences(root, rounding)
    folds = read_merged(root)
    comparison = _compare(folds, root)
    with found.reading(path := root / files.COMPARISON):
        found.compare(path, "", storage.read_record(path), to_json(comparison))
    with found.reading(path := root / files.COMPARISON_TEXT):
        found.compare_text(path, comparison_to_markdown(comparison))
    if other := other_figures_to_markdown(comparison):
        with found.reading(path := root / files.OTHER_FIGURES):
            found.compare_text(path, other)
    if sets := sets_to_markdown(folds):
        with found.reading(path := root / SETS_TEXT):
            found.compare_text(path, sets)
    _name_foreign(root, folds, found)
    return found


def _name_foreign(root: Path, folds: Sequence[FoldResults], found: Differences) -> None:
    """Name files of no fold, or in the place of another; and networks left out."""
    texts = files.COMPARISON, files.COMPARISON_TEXT, files.OTHER_FIGURES, SETS_TEXT
    own = {root / name for name in (*texts, LOCK, HOLDER)}
    for fold in folds:
        folder, unets = root / fold.place, {unet.stage for unet in fold.unets}
        own.add(folder / files.MERGED_FOLD)
        own |= {
            folder / f"{unet.regime.folder_name}{ending}"
            for unet in fold.unets
            for ending in (
                ".csv",
                *([_HISTORY] if unet.epochs else []),
                *([_FIGURES] if unet.figures else []),
            )
        }
        for stage in fold.record.seconds:
            if "/unet-" in stage and stage.count("/") == 1 and stage not in unets:
                place = f"{fold.unets[0].run}/{stage}"
                found.notes.append(
                    f"{place}: was trained, and is not among the results"
                )
    for path in sorted(root.rglob("*")):
        is_ours = path in own or path.name.startswith(".")
        if path.is_file() and not is_ours:
            found.fault(path, "is no file of these results: move it elsewhere")


def is_merged(root: Path) -> bool:
    """Whether a folder has the numbers of folds, and not the folds themselves."""
    return any(root.glob(_FOLDS))


def sets_to_markdown(folds: Sequence[FoldResults]) -> str:
    """Render what assessments found of the folds' sets; empty if there are none."""
    rows: list[dict[str, str]] = []
    for record in (fold.record for fold in folds):
        members = record.config.synthesis.pseudo_label_members
        spent = files.set_seconds(record.seconds, record.fold, members)
        rows += [
            {
                "seed": str(record.config.seed),
                "set": found.synthetic_set.folder,
                "pairs": str(found.synthetic_set.n),
                "made in": f"{spent / 60:.0f} min",
                **assessment_cells(found),
            }
            for found in record.assessments.values()
        ]
    if not rows:
        return ""
    return f"{grids.to_markdown(list(rows[0]), [list(row.values()) for row in rows])}\n"


def _compare(folds: Sequence[FoldResults], to: Path) -> Comparison:
    """Compare each pair of regimes over all folds, which may differ in their seeds."""
    first, *others = folds
    for fold in others:
        found = list(differences(_common(fold), _common(first)))
        if found:
            raise InputError(
                f"{to}: {fold.place} and {first.place} cannot be merged "
                f"({name_few(found, '; ')}): only the seed and the fold may differ"
            )
    unets = [unet for fold in folds for unet in fold.unets]
    remarks = [remark for fold in folds for remark in fold.record.remarks]
    plans = [plan for fold in folds for plan in fold.record.plans]
    return make_comparison(unets, remarks, plans=plans)


def read_merged(folder: Path) -> list[FoldResults]:
    """Read all folds of merged results, by seed and number; none where there are none.

    Raises:
        InputError: A file is missing, was altered, is of another version, or lies
            elsewhere than its record says; or the folder has links.
    """
    storage.require_own_files(folder)
    folds = []
    for path in sorted(folder.glob(_FOLDS)):
        folds.append(fold := _read(path))
        if path.parent != folder / fold.place:
            raise InputError(f"{path}: is of {fold.place}: move its folder there")
    return sorted(folds, key=lambda fold: fold.order)


def _fold_results(run: RunRecord, plans: Sequence[StudyPlan]) -> Iterator[FoldResults]:
    """Divide the results of a run by folds; plans are those of its study."""
    config = run.config
    for number in sorted({unet.fold for unet in run.regime_unets}):
        unets = [unet for unet in run.regime_unets if unet.fold == number]
        folder = run.fold_folder(number)
        used = {
            attempt.machine
            for stage, attempts in run.machines.stages.items()
            for attempt in attempts
            if stage.startswith(f"{folder.name}/")
        }
        # A run folder may have been renamed.
        name = Run.folder_name(unets[0].dataset.name, config)
        sets, assessments = {}, {}
        for kind, set_folder in set_names().items():
            if (path := folder / set_folder / MANIFEST).exists():
                sets[kind] = storage.hash_file(path)
            if (path := folder / assessment_name(kind) / files.ASSESSMENT).exists():
                assessments[kind] = converter.read(path, Assessment)
        record = MergedFold(
            dataset=unets[0].dataset,
            networks=run.settings.networks,
            config=config,
            fold=number,
            sets=sets,
            assessments=assessments,
            remarks=remarks_behind(run, unets),
            machines=tuple(run.machines.machines[index] for index in sorted(used)),
            tried=tuple(sorted(run.tried)),
            table=run.table.only({*run.fold(number).test}),
            seconds={
                stage: spent
                for stage, spent in run.timings.items()
                if stage.startswith(f"{folder.name}/")
            },
            plans=tuple(plans),
        )
        renamed = (dataclasses.replace(unet, run=name) for unet in unets)
        yield FoldResults(record, tuple(renamed))


def _joined(held: FoldResults, new: FoldResults, to: Path) -> FoldResults:
    """Add the regimes of a fold that came later to those that came before."""
    ours, theirs = held.record, new.record
    found = list(differences(_common(held), _common(new)))
    unets = {unet.regime: unet for unet in held.unets}
    for unet in new.unets:
        same = unets.setdefault(unet.regime, unet)
        if (same.cases, same.validation) != (unet.cases, unet.validation):
            found.append(f"{unet.regime.label}: other results")
        # Earlier versions have kept neither histories nor other figures.
        epochs, figures = (same.epochs or unet.epochs), (same.figures or unet.figures)
        if unet.epochs and unet.epochs != epochs:
            found.append(f"{unet.regime.label}: another training")
        if unet.figures and unet.figures != figures:
            found.append(f"{unet.regime.label}: other figures")
        unets[unet.regime] = dataclasses.replace(same, epochs=epochs, figures=figures)
    for kind, name in set_names().items():
        pairs = (
            (name, ours.sets, theirs.sets),
            (assessment_name(kind), ours.assessments, theirs.assessments),
        )
        found += [
            f"{what}: another one"
            for what, first, second in pairs
            if kind in first and kind in second and first[kind] != second[kind]
        ]
    if found:
        raise InputError(
            f"{to / held.place}: has other results of this fold ({name_few(found)}): a "
            "fold counts once; merge a second try of it elsewhere, by another --to"
        )
    record = dataclasses.replace(
        ours,
        sets={**ours.sets, **theirs.sets},
        assessments={**ours.assessments, **theirs.assessments},
        remarks=tuple(dict.fromkeys((*ours.remarks, *theirs.remarks))),
        machines=(
            *ours.machines,
            *(each for each in theirs.machines if each not in ours.machines),
        ),
        seconds={**ours.seconds, **theirs.seconds},
        plans=tuple(dict.fromkeys((*ours.plans, *theirs.plans))),
        tried=tuple(sorted({*ours.tried, *theirs.tried})),
    )
    ordered = sorted(unets.values(), key=lambda unet: unet.regime.order)
    return FoldResults(record, tuple(ordered))


def _common(fold: FoldResults) -> dict[str, Any]:
    """What must be the same in all folds."""
    record = fold.record
    parts = {"dataset": to_json(record.dataset), "networks": dict(record.networks)}
    return {**parts, **to_json(record.config), "seed": None}


def _write(fold: FoldResults, folder: Path) -> None:
    """Write the metrics, then the record that has their hashes."""
    entries = []
    for unet in fold.unets:
        path = folder / f"{unet.regime.folder_name}.csv"
        counts = unet.regime.n_real, unet.regime.n_synthetic
        storage.write_text(path, cases_to_csv(unet.cases, unet.fold, *counts))
        digest = storage.hash_file(path)
        history = folder / f"{unet.regime.folder_name}{_HISTORY}"
        if unet.epochs:
            storage.write_text(history, history_to_csv(unet.epochs))
        beside = folder / f"{unet.regime.folder_name}{_FIGURES}"
        if unet.figures:
            tolerance = unet.config.evaluation.surface_tolerance
            text = figures_to_csv(unet.figures, unet.fold, *counts, tolerance)
            storage.write_text(beside, text)
        entry = MergedUNet(
            regime=unet.regime,
            cases_sha256=digest,
            validation=unet.validation,
            history_sha256=storage.hash_file(history) if unet.epochs else None,
            figures_sha256=storage.hash_file(beside) if unet.figures else None,
        )
        entries.append(entry)
    record = dataclasses.replace(fold.record, unets=tuple(entries))
    converter.write(folder / files.MERGED_FOLD, record)


def _read(path: Path) -> FoldResults:
    record = converter.read(path, MergedFold)
    if not record.unets:
        raise InputError(f"{path}: has no U-Nets: remove its folder")
    name = Run.folder_name(record.dataset.name, record.config)
    unets = []
    for entry in record.unets:
        cases = path.with_name(f"{entry.regime.folder_name}.csv")
        storage.require_files(cases.parent, {cases.name: entry.cases_sha256})
        history = path.with_name(f"{entry.regime.folder_name}{_HISTORY}")
        if entry.history_sha256:
            storage.require_files(history.parent, {history.name: entry.history_sha256})
        counts = entry.regime.n_real, entry.regime.n_synthetic
        figures: tuple[CaseFigures, ...] = ()
        if entry.figures_sha256:
            beside = path.with_name(f"{entry.regime.folder_name}{_FIGURES}")
            storage.require_files(beside.parent, {beside.name: entry.figures_sha256})
            tolerance = record.config.evaluation.surface_tolerance
            figures = read_figures(beside, record.fold, *counts, tolerance)
        unets.append(
            FinishedUNet(
                run=name,
                settings=Settings(networks=record.networks, config=record.config),
                dataset=record.dataset,
                fold=record.fold,
                regime=entry.regime,
                cases=tuple(read_cases(cases, record.fold, *counts)),
                validation=entry.validation,
                epochs=tuple(read_epochs(history)) if entry.history_sha256 else (),
                tried=frozenset(record.tried),
                table=record.table,
                figures=figures,
            )
        )
    return FoldResults(record, tuple(unets))
