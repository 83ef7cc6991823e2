"""Reading all that is finished in a run folder."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tfgansynth.data.splits import Fold
from tfgansynth.errors import InputError, name_few
from tfgansynth.evaluation.case_rows import CaseRow, read_cases
from tfgansynth.evaluation.learning import ValidationDice
from tfgansynth.evaluation.other_figures import FIGURES, CaseFigures, read_figures
from tfgansynth.evaluation.predictions import CASES
from tfgansynth.records import converter
from tfgansynth.records.comparisons import Comparison
from tfgansynth.records.files import (
    CASE_LIST,
    COMPARISON,
    CONFIG,
    DEVELOPMENT,
    HISTORY,
    MACHINES,
    MERGED_FOLD,
    MODEL,
    PROVENANCE,
    PSEUDO_LABELS,
    SPLITS,
    TIMINGS,
    TRIED,
    VALIDATION,
)
from tfgansynth.records.provenance import UNetProvenance
from tfgansynth.records.reading.remarks import remarks_of
from tfgansynth.records.reading.trainings import read_epochs
from tfgansynth.records.runs import (
    CaseList,
    FinishedUNet,
    MachineLog,
    RunRecord,
    Settings,
    Split,
    Tried,
)
from tfgansynth.runtime import storage

_REGIME = "regime"
"""Part of the provenance of a regime's U-Net, and of no other stage's."""


def read_run(root: Path, name: str = "") -> RunRecord:
    """Read all that is finished in a run folder.

    Args:
        root: The run folder.
        name: What records call the run; without, as its folder.

    Raises:
        InputError: It is no run folder, or a file is missing, altered or damaged.
    """
    name = name or root.resolve().name
    run = read_identity(root)
    unets = [_read_unet(run, folder, name) for folder in unet_folders(root)]
    return complete(run, unets)


def read_identity(root: Path) -> RunRecord:
    """Read what a run folder says of itself, without its results.

    Raises:
        InputError: It is no run folder, has links, or a file was altered.
    """
    storage.require_own_files(root)
    machines, timings = root / MACHINES, root / TIMINGS
    case_list = converter.read(root / CASE_LIST, CaseList)
    settings = converter.read(root / CONFIG, Settings)
    folds = converter.read(root / SPLITS, Split).folds
    return RunRecord(
        root=root,
        settings=settings,
        cases=case_list.cases,
        table=case_list.table,
        unlabelled=case_list.unlabelled,
        folds=folds,
        tried=_tried(root, folds, settings),
        machines=(
            converter.read(machines, MachineLog) if machines.exists() else MachineLog()
        ),
        timings=converter.read(timings, dict[str, float]) if timings.exists() else {},
    )


def _tried(root: Path, folds: Sequence[Fold], settings: Settings) -> frozenset[str]:
    """Find the cases of a run on which settings were tried.

    Earlier versions did so in the run itself, on what a reduced fold leaves out.
    """
    path = root / TRIED
    trials = converter.read(path, Tried).trials if path.exists() else {}
    left_out = (
        {*fold.training} - {*fold.training_ids(reduced=settings.config.reduced)}
        for fold in folds
        if any((root / f"fold-{fold.number}").glob(f"{DEVELOPMENT}/*/{PROVENANCE}"))
    )
    return frozenset().union(*trials.values(), *left_out)


def find_run(folder: Path) -> Path:
    """Find the run that a path names: its folder, or one that has it alone.

    The runs of a study lie beside its folder, as its comparison names them.

    Raises:
        InputError: There is none, or there are several.
    """
    if any(folder.glob(f"*/fold-*/{MERGED_FOLD}")):
        raise InputError(
            f"{folder}: has merged numbers, no networks and sets: name the folder of "
            "one of the runs"
        )
    comparison = folder / COMPARISON
    if comparison.exists() and not (folder / CASE_LIST).exists():
        names = converter.read(comparison, Comparison).runs
        return _only(folder, [folder.parent / name for name in names])
    root = find_folder(folder, CASE_LIST)
    if not (root / CASE_LIST).exists():
        raise InputError(
            f"{folder}: is no run folder, as it has no {CASE_LIST}: name the one that "
            "run-table or train-gan names"
        )
    return root


def find_folder(folder: Path, *names: str) -> Path:
    """Find the folder that has one of some files: this one, or the only one in it.

    Returns:
        It; the folder itself if there is none.

    Raises:
        InputError: There is no such folder, or there are several in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    for depth in ("", "*/", "*/*/"):
        paths = itertools.chain(*(folder.glob(f"{depth}{name}") for name in names))
        if found := sorted({path.parent for path in paths}):
            return _only(folder, found)
    return folder


def _only(folder: Path, found: Sequence[Path]) -> Path:
    if len(found) > 1:
        names = name_few([str(path) for path in found], most=12)
        raise InputError(f"{folder}: has {len(found)} of them: name one: {names}")
    return found[0]


def unet_folders(root: Path) -> Iterator[Path]:
    """Yield the folder of each finished U-Net of a run's regimes.

    Raises:
        InputError: A record of provenance was altered.
    """
    for path in sorted(root.glob(f"fold-*/*/{PROVENANCE}")):
        if _REGIME in storage.read_json(path):
            yield path.parent


def _read_unet(run: RunRecord, folder: Path, name: str) -> FinishedUNet:
    provenance = converter.read(folder / PROVENANCE, UNetProvenance)
    fold, regime = provenance.fold, provenance.regime
    is_trained = regime.baseline != "ensemble"
    names = CASES, *([HISTORY] if is_trained else [])
    hashes = {name: provenance.files.get(name, "") for name in names}
    storage.require_files(folder, hashes)
    counts = fold, regime.n_real, regime.n_synthetic
    cases = tuple(read_cases(folder / CASES, *counts))
    return FinishedUNet(
        run=name,
        settings=run.settings,
        dataset=provenance.dataset,
        fold=fold,
        regime=regime,
        cases=cases,
        figures=_read_figures(run, folder / FIGURES, counts, cases),
        validation=read_validation(folder, provenance.files),
        folder=folder,
        epochs=tuple(read_epochs(folder / HISTORY)) if is_trained else (),
        duplicates=provenance.duplicates,
        tried=run.tried,
        table=run.table,
    )


def _read_figures(
    run: RunRecord, path: Path, counts: tuple[int, int, int], cases: Sequence[CaseRow]
) -> tuple[CaseFigures, ...]:
    """Read the other figures of a U-Net; empty where they are to be made again.

    That is where there are none, or they are those of other settings or predictions.
    They follow from the predictions, so no hash of the training is on them.
    """
    tolerance = run.config.evaluation.surface_tolerance
    try:
        found = read_figures(path, *counts, tolerance)
    except InputError:
        return ()
    expected = [(row.case_id, row.metrics.dice) for row in cases]
    whole = [(row.case_id, next(iter(row.structures.values())).dice) for row in found]
    return found if whole == expected else ()


def pseudo_label_hashes(root: Path, stages: Iterable[str]) -> dict[str, str]:
    """Hash the models of the pseudo-label ensemble among some stages of a run."""
    return model_hashes(root, [s for s in stages if f"/{PSEUDO_LABELS}/" in s])


def model_hashes(root: Path, stages: Iterable[str]) -> dict[str, str]:
    """Hash the models of some stages of a run, by their folders below their fold's."""
    return {
        name.partition("/")[2]: storage.hash_file(root / name / MODEL)
        for name in stages
    }


def read_validation(folder: Path, files: Mapping[str, str]) -> ValidationDice | None:
    """Read whether a U-Net has learned; None where an earlier version has trained it.

    Args:
        folder: The U-Net's.
        files: Hashes of its files, as its provenance has them.

    Raises:
        InputError: The file is missing, altered or damaged.
    """
    if VALIDATION not in files:
        return None
    storage.require_files(folder, {VALIDATION: files[VALIDATION]})
    return converter.read(folder / VALIDATION, ValidationDice)


def complete(run: RunRecord, unets: list[FinishedUNet]) -> RunRecord:
    """Add finished U-Nets to a run, and the remarks on what is behind them."""
    unets.sort(key=lambda unet: (unet.fold, unet.regime.order, unet.regime.label))
    remarks = dict.fromkeys(each for unet in unets for each in remarks_of(run, unet))
    return dataclasses.replace(run, unets=tuple(unets), remarks=tuple(remarks))
