"""Checking a fold's synthetic set: every file, every hash, every count."""

import dataclasses
from pathlib import Path

import numpy as np

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.data.similarity import perceptual_hash
from tfgansynth.records import converter
from tfgansynth.records.converter import to_json
from tfgansynth.records.files import MODEL, pseudo_label_name
from tfgansynth.records.provenance import SetManifest
from tfgansynth.records.regimes import SetKind, augmentation_config, synthesis_config
from tfgansynth.records.runs import RunRecord
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.unets import of_run
from tfgansynth.runtime import storage
from tfgansynth.seeds import derive_seed
from tfgansynth.synthesis.sampling import MANIFEST, pair_name, read_set


def recount(
    run: RunRecord, fold: int, kind: SetKind, folder: Path, differences: Differences
) -> tuple[FloatArray, MaskArray]:
    """Read a set, hash by hash, and count it again.

    Returns:
        float32 (n, S, S) images in [0, 255] and bool (n, S, S) masks.

    Raises:
        InputError: A file is missing, altered, or of another form.
    """
    path, config = folder / MANIFEST, run.config
    manifest = converter.read(path, SetManifest)
    images, masks = read_set(folder)
    members = range(1, config.synthesis.pseudo_label_members + 1)
    root = run.fold_folder(fold)
    hashes = [perceptual_hash(np.rint(image).astype(np.uint8)) for image in images]
    n_dropped = (
        manifest.dropped_as_almost_identical
        + manifest.dropped_for_an_empty_mask
        + manifest.dropped_for_disagreement
    )
    expected = dataclasses.replace(
        manifest,
        **of_run(run, manifest),
        fold=fold,
        augmentation=augmentation_config(config, config.synthesis.augment),
        gan=manifest.gan if kind == "control" else config.gan,
        z_seed=derive_seed(config.seed, "synthesis", fold),
        mask_components=config.mask_components,
        synthesis=synthesis_config(config, kind),
        training_cases={name: run.cases[name] for name in run.training_ids(fold)},
        drawn=len(images) + n_dropped,
        kind=kind,
        pseudo_labels={
            name: storage.hash_file(root / name / MODEL)
            for name in map(pseudo_label_name, members)
        }
        or None,
        pairs=tuple(
            dataclasses.replace(entry, perceptual_hash=found)
            for entry, found in zip(manifest.pairs, hashes, strict=True)
        ),
    )
    differences.compare(path, "", to_json(manifest), to_json(expected))
    differences.compare(path, "pairs", len(manifest.pairs), config.synthesis.count)
    names = {f"{pair_name(index)}.png" for index in range(len(images))}
    for part in ("images", "masks"):
        for extra in sorted({path.name for path in (folder / part).iterdir()} - names):
            differences.fault(folder / part / extra, "is not in the manifest")
    # Each file has a hash, and so has the manifest.
    differences.files.update(
        folder / part / name for part in ("images", "masks") for name in names
    )
    return images, masks
