"""The folds of merged results on disk: their records, and the numbers beside them."""

import dataclasses
from pathlib import Path

from tfgansynth.config import Config
from tfgansynth.data.dataset import Identity
from tfgansynth.errors import InputError
from tfgansynth.evaluation.case_rows import cases_to_csv, read_cases
from tfgansynth.evaluation.other_figures import (
    FIGURES,
    CaseFigures,
    figures_to_csv,
    read_figures,
)
from tfgansynth.experiment.run_folder import Run
from tfgansynth.records import converter, files
from tfgansynth.records.reading.trainings import read_epochs
from tfgansynth.records.results.merged import FoldResults, MergedFold, MergedUNet
from tfgansynth.records.runs import FinishedUNet, Settings
from tfgansynth.runtime import storage
from tfgansynth.segmentation.history import history_to_csv

_HISTORY, _FIGURES = "-history.csv", f"-{FIGURES}"
"""What the names of a U-Net's history and other figures end with, beside its cases."""

_FOLD = f"fold-*/{files.MERGED_FOLD}"


def is_merged(root: Path) -> bool:
    """Whether a folder has the numbers of folds, and not the folds themselves."""
    return any(_fold_files(root))


def _fold_files(root: Path) -> list[Path]:
    """The folds of runs, or of the runs of curves, which lie one folder deeper."""
    return sorted([*root.glob(f"*/{_FOLD}"), *root.glob(f"*/*/{_FOLD}")])


def read_merged(folder: Path) -> list[FoldResults]:
    """Read all folds of merged results, by seed and number; none where there are none.

    Raises:
        InputError: A file is missing, was altered, is of another version, or lies
            elsewhere than its record says; or the folder has links.
    """
    storage.require_own_files(folder)
    folds = []
    for path in _fold_files(folder):
        folds.append(fold := _read(path, is_curve=path.parents[2] != folder))
        if path.parent != folder / fold.place:
            raise InputError(f"{path}: is of {fold.place}: move its folder there")
    return sorted(folds, key=lambda fold: (fold.order, fold.place))


def own_files(fold: FoldResults, folder: Path) -> set[Path]:
    """Name the files that `write_fold` writes into a folder."""
    return {folder / files.MERGED_FOLD} | {
        folder / f"{unet.regime.folder_name}{ending}"
        for unet in fold.unets
        for ending in (
            ".csv",
            *([_HISTORY] if unet.epochs else []),
            *([_FIGURES] if unet.figures else []),
        )
    }


def run_name(dataset: Identity, config: Config, *, is_curve: bool) -> str:
    """Name a run as its folder, which of a curve's runs is one deeper."""
    name = Run.folder_name(dataset.name, config)
    if not is_curve:
        return name
    return f"{files.curve_count_name(config.data.n_reduced)}/{name}"


def write_fold(fold: FoldResults, folder: Path) -> None:
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


def _read(path: Path, *, is_curve: bool) -> FoldResults:
    record = converter.read(path, MergedFold)
    if not record.unets:
        raise InputError(f"{path}: has no U-Nets: remove its folder")
    name = run_name(record.dataset, record.config, is_curve=is_curve)
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
