"""From a U-Net's stored predictions to its metrics once more."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from tfgansynth.data.dataset import Identity, hash_of_all
from tfgansynth.errors import name_few
from tfgansynth.evaluation.case_rows import cases_to_csv
from tfgansynth.evaluation.predictions import (
    CASES,
    PREDICTIONS,
    Predictions,
    best_median_worst,
    measure_cases,
    read_predictions,
)
from tfgansynth.records import converter
from tfgansynth.records.converter import to_json
from tfgansynth.records.files import HISTORY, PROVENANCE
from tfgansynth.records.provenance import (
    NetworkProvenance,
    SetManifest,
    SetReference,
    UNetProvenance,
)
from tfgansynth.records.reading import read_epochs
from tfgansynth.records.regimes import augmentation_config, set_name
from tfgansynth.records.runs import FinishedUNet, RunRecord
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import MANIFEST

Truths = dict[tuple[str, str], str]
"""Content hash and id of a test case -> hash of its true mask, as first met."""


def remeasure(
    run: RunRecord, name: str, folder: Path, truths: Truths, differences: Differences
) -> FinishedUNet:
    """Measure the predictions of a U-Net again, and check what its folder says of it.

    Args:
        run: Its run.
        name: What records call the run.
        folder: Its folder.
        truths: The true masks that other U-Nets were measured against; takes its.
        differences: Takes what differs.

    Returns:
        The U-Net with its metrics as measured again.

    Raises:
        InputError: A file is missing, damaged or of another form.
    """
    path = folder / PROVENANCE
    provenance = converter.read(path, UNetProvenance)
    fold, regime = provenance.fold, provenance.regime
    place = run.fold_folder(fold).name, regime.folder_name
    differences.compare(path, "folder", (folder.parent.name, folder.name), place)
    _compare_provenance(run, provenance, path, differences)
    path = folder / PREDICTIONS
    stored = read_predictions(path)
    test = list(run.fold(fold).test)
    differences.compare(path, "case_ids", list(stored.case_ids), test)
    rows = measure_cases(stored.case_ids, stored.predictions, stored.truths)
    differences.compare(path, "shown", list(stored.shown), best_median_worst(rows))
    _compare_truths(run, stored, truths, path, differences)
    made = cases_to_csv(rows, fold, regime.n_real, regime.n_synthetic)
    differences.compare_csv(folder / CASES, made)
    return FinishedUNet(
        run=name,
        settings=run.settings,
        dataset=identity_of(run, provenance.dataset),
        fold=fold,
        regime=regime,
        cases=tuple(rows),
        folder=folder,
        epochs=tuple(read_epochs(folder / HISTORY)),
        duplicates=provenance.duplicates,
    )


def identity_of(run: RunRecord, recorded: Identity) -> Identity:
    """Which data set a run is on: by its cases, and by name as recorded."""
    hashes = dict(sorted(run.cases.items()))
    return dataclasses.replace(
        recorded, n_cases=len(hashes), sha256=hash_of_all(hashes)
    )


def of_run(run: RunRecord, recorded: NetworkProvenance) -> dict[str, Any]:
    """What any provenance says of its run, as the run has it."""
    config = run.config
    return {
        "dataset": identity_of(run, recorded.dataset),
        "preset": config.preset,
        "reduced": config.reduced,
        "lungs": config.lungs,
        "seed": config.seed,
        "data": config.data,
    }


def _compare_truths(
    run: RunRecord,
    stored: Predictions,
    truths: Truths,
    path: Path,
    differences: Differences,
) -> None:
    """Notice a case that one U-Net was measured against another mask than others."""
    for case_id, truth in zip(stored.case_ids, stored.truths, strict=True):
        found = hashlib.sha256(truth.tobytes()).hexdigest()
        key = run.cases.get(case_id, ""), case_id
        if truths.setdefault(key, found) != found:
            differences.fault(path, f"truths, {case_id}: not the mask of other U-Nets")


def _compare_provenance(
    run: RunRecord, provenance: UNetProvenance, path: Path, differences: Differences
) -> None:
    config, folder = run.config, path.parent
    fold, regime = run.fold(provenance.fold), provenance.regime
    unet = regime.unet_config(config)
    learned = provenance.training_cases
    reference = None
    if regime.n_synthetic:
        manifest = run.fold_folder(fold.number) / set_name(regime.kind) / MANIFEST
        content = converter.read(manifest, SetManifest)
        reference = SetReference(
            manifest_sha256=storage.hash_file(manifest),
            generator_sha256=content.generator_sha256,
            training_cases=content.training_cases,
        )
    expected = dataclasses.replace(
        provenance,
        **of_run(run, provenance),
        augmentation=augmentation_config(config, unet.augment),
        unet=unet,
        training_cases={name: run.cases.get(name, "") for name in learned},
        validation_cases={name: run.cases[name] for name in fold.validation},
        synthetic_set=reference,
        files={
            name: storage.hash_file(folder / name) if (folder / name).is_file() else ""
            for name in provenance.files
        },
    )
    differences.compare(path, "", to_json(provenance), to_json(expected))
    differences.compare(path, "regime.n_real", regime.n_real, len(learned))
    foreign = sorted(set(learned) - set(run.training_ids(fold.number)))
    if foreign:
        words = f"training_cases: not of fold {fold.number} ({name_few(foreign)})"
        differences.fault(path, words)
