"""From a U-Net's stored predictions to its metrics once more."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from tfgansynth.errors import name_few
from tfgansynth.evaluation.predictions import (
    CASES,
    PREDICTIONS,
    Predictions,
    best_median_worst,
    measure_cases,
    read_predictions,
)
from tfgansynth.evaluation.tables import CaseRow, cases_to_csv
from tfgansynth.experiment.paths import PROVENANCE, set_name
from tfgansynth.experiment.regimes import Regime
from tfgansynth.experiment.results import UNetResult
from tfgansynth.reporting.verification.findings import Findings
from tfgansynth.reporting.verification.stored_runs import StoredRun
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import MANIFEST

Truths = dict[tuple[str, str], str]
"""Content hash and id of a test case -> hash of its true mask, as first met."""


def recompute_unet(
    run: StoredRun, fold: int, folder: Path, truths: Truths, findings: Findings
) -> UNetResult:
    """Measure the answers of a U-Net again, and check what its folder says of it.

    Args:
        run: Its run.
        fold: Number of its fold.
        folder: Its folder.
        truths: The true masks that other U-Nets were measured against; takes its.
        findings: Takes what differs.

    Returns:
        The U-Net with its metrics as recomputed.

    Raises:
        InputError: A file is missing, damaged or of another form.
        LookupError: A record is not of this program.
    """
    path = folder / PROVENANCE
    provenance = storage.read_record(path)
    regime = Regime.from_record(provenance["regime"])
    findings.compare(path, "folder", folder.name, regime.folder_name)
    hashes = {
        name: storage.hash_file(folder / name) if (folder / name).is_file() else None
        for name in provenance["files"]
    }
    findings.compare(path, "files", provenance["files"], hashes)
    _compare_provenance(run, fold, regime, provenance, path, findings)
    answered = read_predictions(folder / PREDICTIONS)
    rows = _measure(run, fold, regime, answered, folder / PREDICTIONS, findings)
    _compare_truths(run, answered, truths, folder / PREDICTIONS, findings)
    findings.compare_csv(folder / CASES, cases_to_csv(rows))
    return UNetResult(run.root.name, run.config, fold, regime, rows)


def _measure(
    run: StoredRun,
    fold: int,
    regime: Regime,
    answered: Predictions,
    path: Path,
    findings: Findings,
) -> list[CaseRow]:
    test = run.fold(fold).test
    findings.compare(path, "case_ids", list(answered.case_ids), list(test))
    rows = measure_cases(
        answered.case_ids,
        answered.predictions,
        answered.truths,
        fold=fold,
        n_real=regime.n_real,
        n_synthetic=regime.n_synthetic,
    )
    findings.compare(path, "shown", list(answered.shown), best_median_worst(rows))
    return rows


def _compare_truths(
    run: StoredRun,
    answered: Predictions,
    truths: Truths,
    path: Path,
    findings: Findings,
) -> None:
    """Notice a case that one U-Net was measured against another mask than others."""
    for case_id, truth in zip(answered.case_ids, answered.truths, strict=True):
        found = hashlib.sha256(truth.tobytes()).hexdigest()
        key = run.cases.get(case_id, ""), case_id
        if truths.setdefault(key, found) != found:
            findings.fault(path, f"truths, {case_id}: not the mask of other U-Nets")


def _compare_provenance(
    run: StoredRun,
    fold: int,
    regime: Regime,
    provenance: dict[str, Any],
    path: Path,
    findings: Findings,
) -> None:
    config, split = run.config, run.fold(fold)
    learned = provenance["training_cases"]
    expected = {
        "dataset": run.identity(provenance["dataset"]).record(),
        "preset": config.preset,
        "reduced": config.reduced,
        "lungs": config.lungs,
        "fold": fold,
        "seed": config.seed,
        "data": dataclasses.asdict(config.data),
        "unet": dataclasses.asdict(regime.unet_config(config)),
        "training_cases": {name: run.cases.get(name) for name in learned},
        "validation_cases": {name: run.cases[name] for name in split.validation},
    }
    stored = {name: provenance.get(name) for name in expected}
    findings.compare(path, "", stored, expected)
    findings.compare(path, "n_real", regime.n_real, len(learned))
    foreign = sorted(set(learned) - set(run.training_ids(fold)))
    if foreign:
        words = f"training_cases: not of fold {fold} ({name_few(foreign)})"
        findings.fault(path, words)
    if regime.n_synthetic:
        manifest = run.fold_folder(fold) / set_name(regime.kind) / MANIFEST
        content = storage.read_record(manifest)
        same = {key: content[key] for key in ("generator_sha256", "training_cases")}
        same["manifest_sha256"] = storage.hash_file(manifest)
        findings.compare(path, "synthetic_set", provenance["synthetic_set"], same)
