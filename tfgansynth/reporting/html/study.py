"""A finished run, or a study of several, as its files show it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, Labels
from tfgansynth.config import Config
from tfgansynth.data.copies.distances import PARTS
from tfgansynth.data.dataset import Identity
from tfgansynth.errors import InputError, name_few
from tfgansynth.evaluation.predictions import PREDICTIONS, Predictions, read_predictions
from tfgansynth.gan.health import History
from tfgansynth.records import converter
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.comparisons import Comparison
from tfgansynth.records.curves import LearningCurve
from tfgansynth.records.files import (
    ARRAYS,
    ASSESSMENT,
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
from tfgansynth.records.reading.run import read_run
from tfgansynth.records.reading.trainings import read_gan_history
from tfgansynth.records.regimes import SetKind, assessment_name, set_name
from tfgansynth.records.runs import FinishedUNet, RunRecord
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import read_set

_SHOWN = (
    *("agreement_synthetic", "agreement_real", "real_images", "real_masks"),
    *("gallery_synthetic", "gallery_case_ids", "gallery_distances"),
    *("gallery_images", "gallery_masks"),
    *(f"{name}_{part}" for name in ("null", "nearest_distances") for part in PARTS),
)
"""The arrays of an assessment that the page needs."""


@dataclasses.dataclass(frozen=True, slots=True)
class TestedUNet:
    """One trained U-Net of the study, and what it has found on its test cases."""

    unet: FinishedUNet
    predictions: Predictions


@dataclasses.dataclass(frozen=True, slots=True)
class ShownAssessment:
    """The figures of a synthetic set's assessment, and the arrays that they are from.

    The arrays are described at `experiment.assessment.FinishedAssessment`.
    """

    record: Assessment
    arrays: Mapping[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class DrawnSet:
    """One synthetic set of a fold, with its assessment if one was made.

    Attributes:
        name: Its run and fold, and which set it is.
        images: uint8 (n, S, S[, 3]).
        masks: uint8 (n, S, S), class indices.
    """

    name: str
    images: ByteArray
    masks: Labels
    assessment: ShownAssessment | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShownFold:
    """One fold of one run: its generator, the set and the filtered set, if any.

    Attributes:
        name: `seed 0, fold 1`.
        samples: The picture of each recorded step's samples.
    """

    name: str
    history: History
    samples: Mapping[int, Path]
    synthetic: DrawnSet
    filtered: DrawnSet | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """All that a report shows: one run a seed, U-Nets of all, and folds with a set."""

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
    storage.require_own_files(folder)
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
        comparison=comparison,
        runs=tuple(runs),
        unets=tuple(TestedUNet(unet, _predictions(unet)) for unet in unets),
        folds=tuple(
            _fold(run, number)
            for run in runs
            for number in sorted(
                {
                    unet.fold
                    for unet in unets
                    # One of real pairs alone may be all that there is of its fold.
                    if unet.settings == run.settings and unet.regime.n_synthetic
                }
            )
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
    found = _assessment(folder / assessment_name(kind))
    return DrawnSet(name, images.round().astype("uint8"), masks, found)


def _assessment(folder: Path) -> ShownAssessment | None:
    if not folder.exists():
        return None
    record = converter.read(folder / ASSESSMENT, Assessment)
    arrays = storage.read_arrays(folder / ARRAYS)
    missing = [name for name in _SHOWN if name not in arrays]
    if missing:
        raise InputError(
            f"{folder / ARRAYS}: is not of the form that this version writes (without "
            f"{name_few(missing)})"
        )
    return ShownAssessment(record, arrays)
