"""A finished run, or a study of several, as its files tell of it."""

import csv
import dataclasses
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.errors import InputError
from tfgansynth.evaluation.predictions import (
    CASES,
    PREDICTIONS,
    Predictions,
    read_predictions,
)
from tfgansynth.evaluation.tables import CaseRow, read_cases
from tfgansynth.experiment.paths import HISTORY, PROVENANCE
from tfgansynth.experiment.results import EVIDENCE
from tfgansynth.gan.health import PREFIX, History
from tfgansynth.reporting.html.assessment import Assessment, read_assessment
from tfgansynth.reporting.html.curve import Curve, read_curve
from tfgansynth.reporting.html.forms import form_of
from tfgansynth.runtime import checkpoints, storage, weights
from tfgansynth.synthesis.sampling import read_set

_MOST_CSV_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UNet:
    """One trained U-Net.

    Attributes:
        seed: Of its run.
        fold: Whose test cases it was tested on.
        table: Title of the table it belongs to.
        regime: Name of its row.
        rows: Its test cases.
        predictions: What it answered.
        errors: Mini-batches so far to validation error.
    """

    seed: int
    fold: int
    table: str
    regime: str
    rows: tuple[CaseRow, ...]
    predictions: Predictions
    errors: Mapping[int, float]


@dataclasses.dataclass(frozen=True, slots=True)
class DrawnSet:
    """One synthetic set of a fold.

    Attributes:
        images: uint8 (n, S, S).
        masks: Bool (n, S, S).
        assessment: Of the set; None if none was made.
    """

    images: ByteArray
    masks: MaskArray
    assessment: Assessment | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One fold of one run: its generator and what it has drawn.

    Attributes:
        seed: Of its run.
        number: From 1.
        history: Of the GAN's training.
        samples: Step to the picture of that step's samples.
        synthetic: Its set.
        filtered: Its filtered set; None without a filter.
    """

    seed: int
    number: int
    history: History
    samples: Mapping[int, Path]
    synthetic: DrawnSet
    filtered: DrawnSet | None

    @property
    def name(self) -> str:
        """`seed 0, fold 1`."""
        return f"seed {self.seed}, fold {self.number}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunRecords:
    """What one run's folder says of how it was made.

    Attributes:
        name: Of the folder.
        config: The configuration.
        machine: The machines and which stages they worked on.
        timings: Seconds of stages and, as `stage/part`, of their parts.
    """

    name: str
    config: Mapping[str, Any]
    machine: Mapping[str, Any]
    timings: Mapping[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """All that a report tells of.

    Attributes:
        folder: Takes the report.
        evidence: The rows and verdicts, as `evidence.json` has them.
        runs: One a seed.
        unets: Of all runs, folds and rows, in their order.
        folds: Of all runs.
        curve: The learning curve; None if none was made.
    """

    folder: Path
    evidence: Mapping[str, Any]
    runs: tuple[RunRecords, ...]
    unets: tuple[UNet, ...]
    folds: tuple[Fold, ...]
    curve: Curve | None


def read_study(folder: Path) -> Study:
    """Read a run folder of one seed, or the study folder of several.

    Raises:
        InputError: It is neither, or a file is missing or damaged.
    """
    path = folder / EVIDENCE
    if not path.is_file():
        raise InputError(
            f"{folder}: is no run and no study of several: it has no {EVIDENCE}, "
            "which tools/run_table.py writes"
        )
    evidence = storage.read_record(path)
    with form_of(path):
        roots = {name: _root(folder, name) for name in evidence["runs"]}
        numbers = [int(number) for number in evidence["folds"]]
        runs = {name: _run(name, root) for name, root in roots.items()}
        unets = tuple(_unet(entry, roots, runs) for entry in evidence["unets"])
        tested = {(unet.seed, unet.fold) for unet in unets}
        folds = tuple(
            _fold(roots[name], run.config["seed"], number)
            for name, run in runs.items()
            for number in numbers
            if (run.config["seed"], number) in tested
        )
        return Study(
            folder=folder,
            evidence=evidence,
            runs=tuple(runs.values()),
            unets=unets,
            folds=folds,
            curve=_curve(folder, evidence["dataset"], runs[evidence["runs"][0]].config),
        )


def _curve(
    folder: Path, dataset: Mapping[str, Any], config: Mapping[str, Any]
) -> Curve | None:
    """Find the curve in the folder itself, or where tools/run_curve.py writes it."""
    lungs = [] if config["lungs"] == "both" else [config["lungs"]]
    name = "-".join(["curve", _plain(dataset["name"]), config["preset"], *lungs])
    places = folder, folder.resolve().parent / name
    found = (read_curve(place / "curve.json", dataset) for place in places)
    return next((curve for curve in found if curve), None)


def _root(folder: Path, run: str) -> Path:
    """The run lies in the folder itself, or beside that of the study."""
    own = (folder / "config.json").is_file()
    return folder if own else folder.resolve().parent / _plain(run)


def _plain(name: str) -> str:
    """Refuse names that lead to other folders."""
    if name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"{name!r} is no name of a folder")
    return name


def _run(name: str, root: Path) -> RunRecords:
    path = root / "config.json"
    record = storage.read_record(path)
    with form_of(path):
        config = record["config"]
        int(config["seed"])
    return RunRecords(
        name=name,
        config=config,
        machine=storage.read_record(root / "machine.json"),
        timings=storage.read_record(root / "timings.json"),
    )


def _unet(
    entry: Mapping[str, Any], roots: Mapping[str, Path], runs: Mapping[str, RunRecords]
) -> UNet:
    run, number = entry["run"], int(entry["fold"])
    folder = roots[run] / f"fold-{number}" / _plain(entry["folder"])
    provenance = storage.read_record(folder / PROVENANCE)
    with form_of(folder / PROVENANCE):
        names = CASES, HISTORY, PREDICTIONS
        hashes = {name: provenance["files"][name] for name in names}
        n_pairs, config = (
            provenance["n_real"] + provenance["n_synthetic"],
            provenance["unet"],
        )
        steps = config["steps_an_epoch"] or math.ceil(n_pairs / config["batch"])
    storage.require_files(folder, hashes)
    return UNet(
        seed=runs[run].config["seed"],
        fold=number,
        table=str(entry["table"]),
        regime=str(entry["regime"]),
        rows=tuple(read_cases(folder / CASES)),
        predictions=read_predictions(folder / PREDICTIONS),
        errors=_errors(folder / HISTORY, steps),
    )


def _errors(path: Path, steps: int) -> dict[int, float]:
    """Validation errors by mini-batch, from a history that counts epochs."""
    with form_of(path):
        text = storage.read_bytes(path, _MOST_CSV_BYTES).decode()
        return {
            int(line["epoch"]) * steps: float(line["validation_error"])
            for line in csv.DictReader(io.StringIO(text))
        }


def _fold(root: Path, seed: int, number: int) -> Fold:
    folder = root / f"fold-{number}"
    filtered = folder / "synthetic-filtered"
    return Fold(
        seed=seed,
        number=number,
        history=_history(folder / "gan" / "checkpoints"),
        samples={
            int(path.stem.removeprefix("step-")): path
            for path in sorted((folder / "gan" / "samples").glob("step-*.png"))
        },
        synthetic=_drawn_set(folder / "synthetic", folder / "assessment"),
        filtered=_drawn_set(filtered, folder / "assessment-filtered")
        if filtered.exists()
        else None,
    )


def _drawn_set(folder: Path, assessment: Path) -> DrawnSet:
    images, masks = read_set(folder)
    found = read_assessment(assessment)
    return DrawnSet(images.round().astype("uint8"), masks, found)


def _history(folder: Path) -> History:
    """From the newest checkpoint, which carries a hash, unlike the CSV file."""
    path = checkpoints.path_of(folder, checkpoints.newest_step(folder))
    arrays, _ = weights.read_weights(path, prefix=PREFIX)
    return History.from_arrays(arrays)
