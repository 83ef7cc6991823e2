"""What the folder of each stage says of it, compared with the plan made again.

The plan follows from settings, split and the hashes of cases alone. It has the
settings, the cases and the identity of each stage, and the identities of what it was
made from: what one file says cannot differ from what the others say.
"""

import dataclasses
import fnmatch
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tfgansynth.data.copies.duplicates import Crossing
from tfgansynth.data.dataset import Identity, hash_of_all
from tfgansynth.data.held_out import hash_fold
from tfgansynth.evaluation.other_figures import FIGURES
from tfgansynth.evaluation.predictions import CASES, PICTURE, PREDICTIONS
from tfgansynth.experiment.run_folder import LEASES
from tfgansynth.experiment.superseded import FOLDER, OWN_FILES, other_unets
from tfgansynth.planning.graph import Kind, PlannedStage, Splits
from tfgansynth.planning.plan import possible_stages
from tfgansynth.records import files
from tfgansynth.records.converter import from_json, read
from tfgansynth.records.provenance import SetManifest
from tfgansynth.records.reading.run import pseudo_label_hashes
from tfgansynth.records.reading.trainings import read_gan_history
from tfgansynth.records.regimes import set_name
from tfgansynth.records.runs import RunRecord
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.runtime import checkpoints, storage
from tfgansynth.runtime.processes import leases
from tfgansynth.runtime.weights import read_weights
from tfgansynth.synthesis.sampling import DEFORMATIONS, MANIFEST

Stages = Mapping[str, PlannedStage]
"""All stages that a run may have, by name."""

_UNET = (files.PROVENANCE, files.HISTORY, "model.*", "tensorboard/*", "checkpoints/*")
_CONTENTS: Mapping[Kind, Collection[str]] = {
    Kind.GAN: (
        *(files.PROVENANCE, files.HISTORY, "checkpoints/*", "samples/*.png"),
        *("tensorboard/*", "generator/*", "generator.keras", "model_card.md"),
    ),
    Kind.PSEUDO_LABELS: _UNET,
    Kind.CROSS_FIT: _UNET,
    Kind.SEGMENTATION: (
        *(*_UNET, files.VALIDATION, CASES, FIGURES, PREDICTIONS, PICTURE),
    ),
    # Images and masks are compared with the manifest.
    Kind.SET: (
        *(MANIFEST, "contact_sheet.png", DEFORMATIONS),
        *("images/*", "masks/*", "drawn_*/*"),
    ),
    Kind.ASSESSMENT: (files.ASSESSMENT, files.ARRAYS),
}
_BESIDE = (
    *OWN_FILES,
    *(files.TABLE, files.TABLE_TEXT, files.TABLE_SHEET),
    *(files.COMPARISON, files.COMPARISON_TEXT, files.OTHER_FIGURES),
    *(files.REPORT, f"{FOLDER}/*"),
    f"fold-*/{files.TRIAL}",
    f"fold-*/{files.DEVELOPMENT}/*",
    # Sets of another size, of another generator, or without flagged pairs; and those
    # that are handed on.
    *("fold-*/synthetic-[0-9]*/*", "fold-*/synthetic-audited/*", "fold-*/handover/*"),
    *(".*", "*/.*", f"*{storage.PARTIAL}", f"*{storage.PARTIAL}/*"),
    # Of commands at work, and of killed ones.
    *(f"{LEASES}/*{each}" for each in leases.ENDINGS),
)
"""Files of a run beside those of its stages, and those of the system."""
_RECORDS = {Kind.SET: MANIFEST, Kind.ASSESSMENT: files.ASSESSMENT}
_NO_TENSOR = "no tensor"


def plan_again(run: RunRecord) -> Stages:
    """Plan all stages that a run may have.

    Only the names of the data set and its target, and which duplicates were allowed,
    are taken from one of them: they must be the same in all.

    Raises:
        InputError: A record of provenance was altered.
    """
    paths = sorted(run.root.glob(f"fold-*/**/{files.PROVENANCE}"))
    if not paths:
        return {}
    record = storage.read_record(paths[0])
    data = from_json(Identity, record.get("dataset"), paths[0])
    crossings = record.get("duplicates")
    splits = Splits(
        identity_of(run, data),
        tuple(
            hash_fold(
                fold,
                run.cases,
                reduced=run.config.reduced,
                unlabelled=run.unlabelled,
                table=run.table,
            )
            for fold in run.folds
        ),
        from_json(tuple[Crossing, ...], crossings, paths[0]),
    )
    others = other_unets([run.root], splits)
    planned = possible_stages(run.config, splits, others, run.settings.networks)
    return {stage.name: stage for stage in planned.stages}


def identity_of(run: RunRecord, recorded: Identity) -> Identity:
    """Which data set a run is on: by its cases, and by name as recorded."""
    hashes = dict(sorted(run.cases.items()))
    return dataclasses.replace(
        recorded,
        n_cases=len(hashes),
        sha256=hash_of_all(hashes, run.table, run.unlabelled),
        n_unlabelled=len(run.unlabelled),
    )


def compare_stages(run: RunRecord, stages: Stages, differences: Differences) -> None:
    """Compare what is recorded of each finished stage, and name files of no stage."""
    finished = {name for name, each in stages.items() if _record(run, each).exists()}
    for name in sorted(finished):
        stage = stages[name]
        for need in stage.needs:
            if need not in finished:
                words = f"is missing or not finished, and {name} was made from it"
                differences.fault(run.root / need, words)
        # Sets and assessments are compared where they are made again.
        if stage.kind not in _RECORDS:
            with differences.reading(run.root / name):
                _compare_network(run, stage, differences)
    for name in sorted(stages.keys() - finished):
        if (run.root / name / CASES).exists():
            words = f"has results but no {files.PROVENANCE}: run the command again"
            differences.fault(run.root / name, words)
    for path in sorted(run.root.rglob("*")):
        if not path.is_dir() and not _belongs(path.relative_to(run.root), stages):
            differences.fault(path, "is no file of this run: move it elsewhere")


def _record(run: RunRecord, stage: PlannedStage) -> Path:
    """The file that is written last in a stage's folder."""
    return run.root / stage.name / _RECORDS.get(stage.kind, files.PROVENANCE)


def _belongs(path: Path, stages: Stages) -> bool:
    """Whether a path below that of the run is of a file that the run writes."""
    for folder in path.parents:
        if stage := stages.get(folder.as_posix()):
            inside, patterns = path.relative_to(folder), _CONTENTS[stage.kind]
            if any(fnmatch.fnmatchcase(str(inside), each) for each in patterns):
                return True
    return any(fnmatch.fnmatchcase(str(path), pattern) for pattern in _BESIDE)


def _compare_network(
    run: RunRecord, stage: PlannedStage, differences: Differences
) -> None:
    """Compare provenance, files and the header of the weights of a network."""
    folder = run.root / stage.name
    expected = dict(stage.record)
    names = [files.HISTORY, weights := files.MODEL]
    if stage.kind == Kind.GAN:
        newest = checkpoints.path_of(Path("checkpoints"), run.config.gan.steps)
        names = [weights := newest.as_posix()]
        if found := read_gan_history(folder):
            differences.compare_csv(folder / files.HISTORY, found.to_csv())
    elif stage.regime:
        expected["synthetic_set"] = _set_of(run, stage)
        if stage.regime.uses_ensemble:
            expected["pseudo_labels"] = pseudo_label_hashes(run.root, stage.needs)
        if stage.regime.baseline == "ensemble":
            names = []
        names += [CASES, PREDICTIONS, PICTURE]
        if (folder / files.VALIDATION).exists():
            names.append(files.VALIDATION)
    hashes = {
        name: storage.hash_file(folder / name) if (folder / name).is_file() else ""
        for name in names
    }
    path = folder / files.PROVENANCE
    stored = storage.read_record(path)
    differences.compare(path, "", stored, {**expected, "files": hashes})
    if weights not in names:
        return
    _, header = read_weights(folder / weights, prefix=_NO_TENSOR)
    inside = json.loads(header.get("provenance", "{}"))
    differences.compare(folder / weights, "provenance", inside, expected)


def _set_of(run: RunRecord, stage: PlannedStage) -> Any:
    """The set that a U-Net learned from, as its manifest is now."""
    regime = stage.regime
    if not (regime and regime.n_synthetic):
        return None
    path = run.fold_folder(stage.fold) / set_name(regime.kind) / MANIFEST
    manifest = read(path, SetManifest)
    return {
        "manifest_sha256": storage.hash_file(path),
        "generator_sha256": manifest.generator_sha256,
        "training_cases": manifest.training_cases,
    }
