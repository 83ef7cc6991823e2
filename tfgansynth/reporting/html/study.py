"""A finished run, or a study of several, as its files show it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.config import Config
from tfgansynth.data.dataset import Identity
from tfgansynth.errors import InputError
from tfgansynth.evaluation.predictions import PREDICTIONS, Predictions, read_predictions
from tfgansynth.gan.health import History
from tfgansynth.records import converter
from tfgansynth.records.comparisons import Comparison
from tfgansynth.records.curves import LearningCurve
from tfgansynth.records.files import (
    COMPARISON,
    CONFIG,
    CURVE,
    MACHINES,
    PROVENANCE,
    TIMINGS,
    curve_folder_name,
    gan_stage,
)
from tfgansynth.records.provenance import UNetProvenance
from tfgansynth.records.reading import read_gan_history, read_run
from tfgansynth.records.regimes import SetKind, assessment_name, set_name
from tfgansynth.records.runs import FinishedUNet, RunRecord
from tfgansynth.reporting.html.assessment import ShownAssessment, read_assessment
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import read_set


@dataclasses.dataclass(frozen=True, slots=True)
class TestedUNet:
    """One trained U-Net of the study.

    Attributes:
        unet: Its regime, test cases and history.
        predictions: What it has found on its test cases.
    """

    unet: FinishedUNet
    predictions: Predictions


@dataclasses.dataclass(frozen=True, slots=True)
class DrawnSet:
    """One synthetic set of a fold.

    Attributes:
        name: Its run and fold, and which set it is.
        images: uint8 (n, S, S).
        masks: Bool (n, S, S).
        assessment: Of the set; None if none was made.
    """

    name: str
    images: ByteArray
    masks: MaskArray
    assessment: ShownAssessment | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShownFold:
    """One fold of one run: its generator and what it has drawn.

    Attributes:
        name: `seed 0, fold 1`.
        history: Of the GAN's training.
        samples: Step to the picture of that step's samples.
        synthetic: Its set.
        filtered: Its filtered set; None without a filter.
    """

    name: str
    history: History
    samples: Mapping[int, Path]
    synthetic: DrawnSet
    filtered: DrawnSet | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """All that a report shows.

    Attributes:
        folder: Takes the report.
        comparison: The regimes and verdicts.
        runs: One a seed.
        unets: Of all runs, folds and regimes, in their order.
        folds: Of all runs.
        curve: The learning curve; None if none was made.
    """

    folder: Path
    comparison: Comparison
    runs: tuple[RunRecord, ...]
    unets: tuple[TestedUNet, ...]
    folds: tuple[ShownFold, ...]
    curve: LearningCurve | None


def read_study(folder: Path) -> Study:
    """Read a run folder of one seed, or the study folder of several.

    Raises:
        InputError: It is neither, or a file is missing or damaged.
    """
    path = folder / COMPARISON
    if not path.is_file():
        raise InputError(
            f"{folder}: is no run and no study of several: it has no {COMPARISON}, "
            "which run-table writes"
        )
    comparison = converter.read(path, Comparison)
    roots = {name: _root(folder, name, path) for name in comparison.runs}
    for log in (root / name for root in roots.values() for name in (MACHINES, TIMINGS)):
        if not log.exists():
            raise InputError(f"{log}: is missing")
    runs = [read_run(root, name) for name, root in roots.items()]
    unets = _compared(comparison, runs)
    return Study(
        folder=folder,
        comparison=comparison,
        runs=tuple(runs),
        unets=tuple(TestedUNet(unet, _predictions(unet)) for unet in unets),
        folds=tuple(
            _fold(run, number)
            for run in runs
            for number in sorted({u.fold for u in unets if u.settings == run.settings})
        ),
        curve=_curve(folder, comparison.dataset, runs[0].config),
    )


def _compared(comparison: Comparison, runs: Sequence[RunRecord]) -> list[FinishedUNet]:
    """The U-Nets that a comparison names, in its order.

    Raises:
        InputError: One of them is missing.
    """
    roots = dict(zip(comparison.runs, runs, strict=True))
    found = {unet.folder: unet for run in runs for unet in run.regime_unets}
    unets = []
    for named in comparison.unets:
        folder = roots[named.run].fold_folder(named.fold) / named.folder
        if folder not in found:
            converter.read(folder / PROVENANCE, UNetProvenance)
            raise InputError(f"{folder}: is not of the regimes of its run")
        unets.append(found[folder])
    return unets


def _curve(folder: Path, dataset: Identity, config: Config) -> LearningCurve | None:
    """Find the curve in the folder itself, or where tools/run_curve.py writes it."""
    beside = folder.resolve().parent / curve_folder_name(dataset.name, config)
    for place in (folder, beside):
        path = place / f"{CURVE}.json"
        if path.exists():
            curve = converter.read(path, LearningCurve)
            if curve.dataset == dataset:
                return curve
    return None


def _root(folder: Path, run: str, path: Path) -> Path:
    """The run lies in the folder itself, or beside that of the study."""
    if (folder / CONFIG).is_file():
        return folder
    if run in ("", ".", "..") or Path(run).name != run:
        raise InputError(f"{path}: {run!r} is no name of a folder")
    return folder.resolve().parent / run


def _predictions(unet: FinishedUNet) -> Predictions:
    assert unet.folder is not None
    files = converter.read(unet.folder / PROVENANCE, UNetProvenance).files
    storage.require_files(unet.folder, {PREDICTIONS: files.get(PREDICTIONS, "")})
    return read_predictions(unet.folder / PREDICTIONS)


def _fold(run: RunRecord, number: int) -> ShownFold:
    folder, gan = run.fold_folder(number), run.root / gan_stage(number)
    history = read_gan_history(gan)
    if history is None:
        raise InputError(f"{gan / 'checkpoints'}: has no checkpoint of the GAN")
    name = f"seed {run.config.seed}, fold {number}"
    filtered = None
    if (folder / set_name("filtered")).exists():
        filtered = _drawn_set(f"{name}, filtered set", folder, "filtered")
    return ShownFold(
        name=name,
        history=history,
        samples={
            int(path.stem.removeprefix("step-")): path
            for path in sorted((gan / "samples").glob("step-*.png"))
        },
        synthetic=_drawn_set(name, folder, "plain"),
        filtered=filtered,
    )


def _drawn_set(name: str, folder: Path, kind: SetKind) -> DrawnSet:
    images, masks = read_set(folder / set_name(kind))
    found = read_assessment(folder / assessment_name(kind))
    return DrawnSet(name, images.round().astype("uint8"), masks, found)
