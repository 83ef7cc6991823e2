"""Checking a fold's synthetic set: every file, every hash, every count."""

import dataclasses
from pathlib import Path
from typing import get_args

import numpy as np

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.data.similarity import perceptual_hash
from tfgansynth.experiment.paths import MODEL, SetKind, pseudo_label_name, set_name
from tfgansynth.experiment.regimes import synthesis_config
from tfgansynth.reporting.verification.findings import Findings
from tfgansynth.reporting.verification.stored_runs import StoredRun
from tfgansynth.runtime import storage
from tfgansynth.seeds import derive_seed
from tfgansynth.synthesis.sampling import (
    MANIFEST,
    pair_name,
    read_manifest,
    read_set,
)

OWN_SETS = tuple(map(set_name, get_args(SetKind)))
"""The sets of a fold that its networks learn from."""


def recompute_set(
    run: StoredRun, fold: int, folder: Path, findings: Findings
) -> tuple[FloatArray, MaskArray]:
    """Read a set, hash by hash, and count it again.

    Returns:
        float32 (n, S, S) images in [0, 255] and bool (n, S, S) masks.

    Raises:
        InputError: A file is missing or altered.
        LookupError: The manifest is not of this program.
    """
    path, config = folder / MANIFEST, run.config
    manifest = read_manifest(folder)
    kind = {set_name(each): each for each in get_args(SetKind)}.get(folder.name)
    images, masks = read_set(folder)
    dropped = (
        "dropped_as_almost_identical",
        "dropped_for_an_empty_mask",
        "dropped_for_disagreement",
    )
    expected = {
        "seed": config.seed,
        "fold": fold,
        "z_seed": derive_seed(config.seed, "synthesis", fold),
        "mask_components": config.mask_components,
        "synthesis": dataclasses.asdict(synthesis_config(config, kind or "plain")),
        "training_cases": {
            name: run.cases.get(name) for name in run.training_ids(fold)
        },
        "drawn": len(images) + sum(manifest.get(name, 0) for name in dropped),
    }
    expected["kind"] = kind
    n_members = config.synthesis.pseudo_label_members
    if n_members or "pseudo_labels" in manifest:
        members = [pseudo_label_name(number) for number in range(1, n_members + 1)]
        root = run.fold_folder(fold)
        expected["pseudo_labels"] = {
            name: storage.hash_file(root / name / MODEL) for name in members
        }
    stored = {name: manifest.get(name) for name in expected}
    findings.compare(path, "", stored, expected)
    findings.compare(path, "pairs", len(manifest["pairs"]), config.synthesis.count)
    hashes = [perceptual_hash(np.rint(image).astype(np.uint8)) for image in images]
    kept = [entry.get("perceptual_hash") for entry in manifest["pairs"]]
    findings.compare(path, "perceptual_hash", kept, hashes)
    names = {f"{pair_name(index)}.png" for index in range(len(images))}
    for kind in ("images", "masks"):
        for extra in sorted({path.name for path in (folder / kind).iterdir()} - names):
            findings.fault(folder / kind / extra, "is not in the manifest")
    # Each file has a hash, and so has the manifest.
    findings.files.update(
        folder / kind / n for kind in ("images", "masks") for n in names
    )
    return images, masks
