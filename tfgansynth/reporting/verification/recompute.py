"""The U-Nets, synthetic sets and assessments of a fold, recomputed from their files.

A U-Net's metrics follow from its stored predictions. Of a set, every file is hashed and
counted. Made again of an assessment are: agreement, from the out-of-fold segmentations
and the set's masks; shapes, from these masks and the stored shapes of real ones;
figures of features, from the stored features; the audit, from the stored distances; and
the diversity of the set's images. Not made again is what needs real images and masks,
which no result has: the agreement of each real case, and the diversity of the real
images.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.assessment.memorization import Audit, PartAudit
from tfgansynth.assessment.quality import Values, agreement, shape_table
from tfgansynth.data.copies import PARTS, Pairs
from tfgansynth.data.dataset import Identity, hash_of_all
from tfgansynth.data.similarity import perceptual_hash
from tfgansynth.errors import name_few
from tfgansynth.evaluation import predictions
from tfgansynth.evaluation.case_rows import cases_to_csv
from tfgansynth.records import assessments, converter, files, regimes
from tfgansynth.records.converter import to_json
from tfgansynth.records.provenance import (
    NetworkProvenance,
    SetManifest,
    SetReference,
    UNetProvenance,
)
from tfgansynth.records.reading import read_epochs
from tfgansynth.records.regimes import SetKind
from tfgansynth.records.runs import FinishedUNet, RunRecord
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.runtime import storage
from tfgansynth.seeds import derive_seed
from tfgansynth.synthesis.sampling import MANIFEST, pair_name, read_set

Truths = dict[tuple[str, str], str]
"""Content hash and id of a test case -> hash of its true mask, as first met."""


def remeasure(
    run: RunRecord, name: str, folder: Path, truths: Truths, differences: Differences
) -> FinishedUNet:
    """Measure the predictions of a U-Net again, and check what its folder says of it.

    Args:
        run: Its run.
        name: What records call the run.
        folder: Its own.
        truths: The true masks of other U-Nets' cases; takes those of this one.
        differences: Takes what differs.

    Returns:
        The U-Net with its metrics as measured again.

    Raises:
        InputError: A file is missing, damaged or of another form.
    """
    path = folder / files.PROVENANCE
    provenance = converter.read(path, UNetProvenance)
    fold, regime = provenance.fold, provenance.regime
    place = run.fold_folder(fold).name, regime.folder_name
    differences.compare(path, "folder", (folder.parent.name, folder.name), place)
    _compare_provenance(run, provenance, path, differences)
    path = folder / predictions.PREDICTIONS
    stored = predictions.read_predictions(path)
    test = list(run.fold(fold).test)
    differences.compare(path, "case_ids", list(stored.case_ids), test)
    rows = predictions.measure_cases(stored.case_ids, stored.predictions, stored.truths)
    shown = predictions.best_median_worst(rows)
    differences.compare(path, "shown", list(stored.shown), shown)
    for case_id, truth in zip(stored.case_ids, stored.truths, strict=True):
        found = hashlib.sha256(truth.tobytes()).hexdigest()
        key = run.cases.get(case_id, ""), case_id
        if truths.setdefault(key, found) != found:
            differences.fault(path, f"truths, {case_id}: not the mask of other U-Nets")
    made = cases_to_csv(rows, fold, regime.n_real, regime.n_synthetic)
    differences.compare_csv(folder / predictions.CASES, made)
    return FinishedUNet(
        run=name,
        settings=run.settings,
        dataset=identity_of(run, provenance.dataset),
        fold=fold,
        regime=regime,
        cases=tuple(rows),
        folder=folder,
        epochs=tuple(read_epochs(folder / files.HISTORY)),
        duplicates=provenance.duplicates,
    )


def identity_of(run: RunRecord, recorded: Identity) -> Identity:
    """Which data set a run is on: by its cases, and by name as recorded."""
    hashes = dict(sorted(run.cases.items()))
    return dataclasses.replace(
        recorded, n_cases=len(hashes), sha256=hash_of_all(hashes)
    )


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
        **_of_run(run, manifest),
        fold=fold,
        augmentation=regimes.augmentation_config(config, config.synthesis.augment),
        gan=manifest.gan if kind == "control" else config.gan,
        z_seed=derive_seed(config.seed, "synthesis", fold),
        mask_components=config.mask_components,
        synthesis=regimes.synthesis_config(config, kind),
        training_cases={name: run.cases[name] for name in run.training_ids(fold)},
        drawn=len(images) + n_dropped,
        kind=kind,
        pseudo_labels={
            name: storage.hash_file(root / name / files.MODEL)
            for name in map(files.pseudo_label_name, members)
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
        differences.files.update(folder / part / name for name in names)
    return images, masks


def reassess(
    run: RunRecord,
    fold: int,
    folder: Path,
    source: Path,
    pairs: Pairs,
    differences: Differences,
) -> None:
    """Make the assessment in a folder again, of the set in the folder `source`.

    Raises:
        InputError: A file is missing, damaged or of another form.
        LookupError: An array is missing.
    """
    path, arrays_path = folder / files.ASSESSMENT, folder / files.ARRAYS
    arrays = storage.read_arrays(arrays_path)
    record = converter.read(path, assessments.Assessment)
    images, masks = pairs
    split, training = run.fold(fold), run.training_ids(fold)
    agreed_real = arrays["agreement_real"]
    shape = tuple(int(side) for side in arrays["shape_synthetic"])
    bits = np.unpackbits(arrays["segmented_synthetic"], count=math.prod(shape))
    agreed = agreement(masks, bits.reshape(shape).astype(np.bool_))
    drawn = shape_table(masks, run.config.lungs)
    learned, held_out = (
        dict(zip(drawn, arrays[f"shapes_{name}"].T, strict=True))
        for name in ("training", "held_out")
    )
    shapes = learned, drawn, held_out
    fidelity = assessments.make_fidelity(
        features=(
            arrays["features_training"],
            arrays["features_synthetic"],
            arrays["features_held_out"],
        ),
        shapes=shapes,
        source=record.fidelity.features,
        diversity=dataclasses.replace(
            record.fidelity.hash_diversity, synthetic=assessments.hash_diversity(images)
        ),
        seed=derive_seed(run.config.seed, "assessment", fold),
    )
    audit = _audit(arrays)
    expected = dataclasses.replace(
        record,
        fold=fold,
        synthetic_set=dataclasses.replace(
            record.synthetic_set,
            manifest_sha256=storage.hash_file(source / MANIFEST),
            n=len(images),
        ),
        n_training=len(training),
        n_held_out=len(split.validation) + len(split.training) - len(training),
        cross_fit=_members(run, fold, agreed_real),
        quality=assessments.make_quality(agreed, agreed_real, shapes),
        fidelity=dataclasses.replace(fidelity, features=record.fidelity.features),
        memorization=assessments.make_memorization(audit),
        files=storage.hash_files(folder, [files.ARRAYS]),
    )
    differences.compare(path, "", to_json(record), to_json(expected))
    pair = audit.parts["pair"]
    closest = pair.closest(len(arrays["gallery_synthetic"]))
    recomputed = {
        "agreement_synthetic": agreed,
        "gallery_synthetic": closest,
        "gallery_distances": pair.distances[closest],
        "gallery_case_ids": np.array([training[case] for case in pair.cases[closest]]),
    }
    for name, values in recomputed.items():
        differences.compare_array(arrays_path, name, arrays[name], values)


def _of_run(run: RunRecord, recorded: NetworkProvenance) -> dict[str, Any]:
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


def _compare_provenance(
    run: RunRecord, provenance: UNetProvenance, path: Path, differences: Differences
) -> None:
    config, folder = run.config, path.parent
    fold, regime = run.fold(provenance.fold), provenance.regime
    unet = regime.unet_config(config)
    learned = provenance.training_cases
    reference = None
    if regime.n_synthetic:
        source = run.fold_folder(fold.number) / regimes.set_name(regime.kind)
        manifest = source / MANIFEST
        content = converter.read(manifest, SetManifest)
        reference = SetReference(
            manifest_sha256=storage.hash_file(manifest),
            generator_sha256=content.generator_sha256,
            training_cases=content.training_cases,
        )
    expected = dataclasses.replace(
        provenance,
        **_of_run(run, provenance),
        augmentation=regimes.augmentation_config(config, unet.augment),
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


def _members(
    run: RunRecord, fold: int, agreed_real: Values
) -> dict[str, assessments.EnsembleMember]:
    """Each member's hash, and how it does on the real cases that it has not seen."""
    parts = regimes.cross_fit_parts(run.config, fold, len(run.training_ids(fold)))
    found, folder = {}, run.fold_folder(fold)
    for number, part in enumerate(parts, start=1):
        name = files.cross_fit_name(number)
        found[name] = assessments.EnsembleMember(
            model_sha256=storage.hash_file(folder / name / files.MODEL),
            agreement=float(agreed_real[part].mean()),
        )
    return found


def _audit(arrays: Mapping[str, NDArray[Any]]) -> Audit:
    return Audit(
        {
            part: PartAudit(
                cases=arrays[f"nearest_cases_{part}"],
                distances=arrays[f"nearest_distances_{part}"],
                null=np.sort(arrays[f"null_{part}"]),
            )
            for part in PARTS
        }
    )
