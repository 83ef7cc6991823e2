"""Reading all that is finished in a run folder."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tfgansynth.data.copies.duplicates import Crossing
from tfgansynth.data.dataset import Identity
from tfgansynth.data.splits import Fold, few_training_cases
from tfgansynth.errors import InputError, name_few
from tfgansynth.evaluation.case_rows import CaseRow, read_cases
from tfgansynth.evaluation.learning import ValidationDice
from tfgansynth.evaluation.other_figures import FIGURES, CaseFigures, read_figures
from tfgansynth.evaluation.predictions import CASES
from tfgansynth.gan import health
from tfgansynth.gan.health import PREFIX, History
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
    gan_stage,
)
from tfgansynth.records.provenance import UNetProvenance
from tfgansynth.records.runs import (
    DATA,
    CaseList,
    FinishedUNet,
    MachineLog,
    Remark,
    RunRecord,
    Settings,
    Split,
    Tried,
)
from tfgansynth.runtime import checkpoints, storage, weights
from tfgansynth.segmentation import history

_MOST_CSV_BYTES = 16 << 20
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
    remarks = dict.fromkeys(each for unet in unets for each in _remarks(run, unet))
    return dataclasses.replace(run, unets=tuple(unets), remarks=tuple(remarks))


def remarks_behind(run: RunRecord, unets: Iterable[FinishedUNet]) -> tuple[Remark, ...]:
    """Return those of a run's remarks that are behind some of its U-Nets."""
    stages = {DATA}
    for unet in unets:
        stages |= {unet.stage, gan_stage(unet.fold)}
    return tuple(remark for remark in run.remarks if remark.stage in stages)


def data_remarks(
    dataset: Identity, duplicates: Iterable[Crossing]
) -> tuple[Remark, ...]:
    """Say what resizing has changed, and which duplicates across the split exist."""
    resizing = dataset.resizing.sentences if dataset.resizing else ()
    found = [("resizing", text) for text in resizing]
    if pairs := list(dict.fromkeys(str(crossing.pair) for crossing in duplicates)):
        text = (
            f"{len(pairs)} duplicates across the split were allowed "
            f"(--allow-duplicates): {name_few(pairs)}"
        )
        found.append(("duplicates", text))
    return tuple(
        Remark(seed=None, fold=None, stage=DATA, kind=kind, text=text)
        for kind, text in found
    )


def learning_remarks(unet: FinishedUNet) -> tuple[Remark, ...]:
    """Say of a U-Net that it has not learned."""
    if unet.has_learned:
        return ()
    return (
        Remark(
            seed=unet.seed,
            fold=unet.fold,
            stage=unet.stage,
            kind="not_learned",
            text=f"{unet.regime.label}: has not learned: {unet.validation}",
        ),
    )


def split_remarks(folds: Sequence[Fold], *, reduced: bool) -> tuple[Remark, ...]:
    """Say if folds have few training cases."""
    text = few_training_cases(folds, reduced=reduced)
    if text is None:
        return ()
    return (Remark(seed=None, fold=None, stage=DATA, kind="few_cases", text=text),)


def gan_remarks(run: RunRecord, fold: int) -> tuple[Remark, ...]:
    """Name the problems in the training of a fold's GAN."""
    found = read_gan_history(run.root / gan_stage(fold))
    if found is None:
        return ()
    n_cases = len(run.training_ids(fold)) + len(run.unlabelled_ids(fold))
    return tuple(
        Remark(
            seed=run.config.seed,
            fold=fold,
            stage=gan_stage(fold),
            kind=kind,
            text=f"GAN of {n_cases} cases: {text}",
        )
        for kind, text in health.faults(found, run.config.gan).items()
    )


def read_gan_history(folder: Path) -> History | None:
    """Read what a GAN's training came to; None where it has left no checkpoint.

    From the newest checkpoint, which carries a hash, unlike the CSV file.

    Raises:
        InputError: It is damaged.
    """
    checkpoint_folder = folder / "checkpoints"
    step = checkpoints.newest_step(checkpoint_folder)
    if not step:
        return None
    path = checkpoints.path_of(checkpoint_folder, step)
    return _history_of(path, path.stat().st_mtime_ns)


def generator_hash(folder: Path) -> str:
    """SHA-256 of the weights that a trained GAN samples from, from its checkpoint.

    Where weights are averaged, the averages stand in the place of what is trained.
    Moments of the population are not: while training, they are all 0 and all 1.

    Raises:
        InputError: There is no checkpoint, or it is damaged.
    """
    newest = checkpoints.newest_step(folder / "checkpoints")
    path = checkpoints.path_of(folder / "checkpoints", newest)
    generator = [*weights.read_weights(path, prefix="generator/")[0].values()]
    averages = [*weights.read_weights(path, prefix="average/")[0].values()]
    if averages:
        fixed = set()
        for place, pair in enumerate(itertools.pairwise(generator)):
            if not pair[0].any() and (pair[1] == 1).all():
                fixed |= {place, place + 1}
        trained = [place for place in range(len(generator)) if place not in fixed]
        for place, average in zip(trained, averages, strict=True):
            generator[place] = average
    return storage.hash_arrays(generator)


@functools.lru_cache(maxsize=64)
def _history_of(path: Path, time_ns: int) -> History:
    """Read a checkpoint's history, and none of its weights, once for each version."""
    # Unused, but part of the key of the cache.
    del time_ns
    arrays, _ = weights.read_weights(path, prefix=PREFIX)
    return History.from_arrays(arrays)


def read_epochs(path: Path) -> list[history.Epoch]:
    """Read the history of a U-Net's training.

    Raises:
        InputError: It is missing or damaged.
    """
    try:
        text = storage.read_bytes(path, _MOST_CSV_BYTES).decode()
        return history.history_from_csv(text)
    except ValueError as fault:
        raise InputError(f"{path}: cannot be read ({fault})") from fault


def _remarks(run: RunRecord, unet: FinishedUNet) -> Iterator[Remark]:
    """Problems with the data or in the trainings behind a U-Net."""
    yield from split_remarks(run.folds, reduced=run.config.reduced)
    yield from data_remarks(unet.dataset, unet.duplicates)
    yield from gan_remarks(run, unet.fold)
    regime = unet.regime
    n_pairs = regime.n_real + regime.n_synthetic
    found = history.remarks(unet.epochs, regime.unet_config(run.config), n_pairs)
    yield from learning_remarks(unet)
    for kind, text in found.items():
        yield Remark(
            seed=run.config.seed,
            fold=unet.fold,
            stage=unet.stage,
            kind=kind,
            text=f"{regime.label}: {text}",
        )
