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
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from tfgansynth.arrays import Labels
from tfgansynth.assessment.quality import Values, agreement, class_shapes
from tfgansynth.config import Config
from tfgansynth.data.copies.distances import Pairs
from tfgansynth.data.dataset import Identity
from tfgansynth.data.similarity import count_alike, perceptual_hash
from tfgansynth.evaluation import predictions
from tfgansynth.evaluation.case_rows import cases_to_csv
from tfgansynth.evaluation.learning import constant_dice
from tfgansynth.planning.graph import Kind, PlannedStage
from tfgansynth.records import assessments, converter, files, regimes
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.provenance import SetManifest, UNetProvenance
from tfgansynth.records.reading.remarks import gan_remarks
from tfgansynth.records.reading.run import model_hashes, read_validation
from tfgansynth.records.reading.trainings import generator_hash, read_epochs
from tfgansynth.records.runs import FinishedUNet, RunRecord
from tfgansynth.reporting.verification.audits import audit_again, compare_augmented
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.fidelity import (
    fidelity_again,
    membership_again,
    networks_again,
)
from tfgansynth.reporting.verification.figures import figures_again
from tfgansynth.reporting.verification.stages import Stages, identity_of
from tfgansynth.runtime import storage
from tfgansynth.segmentation import history
from tfgansynth.synthesis.masks import clean_labels
from tfgansynth.synthesis.rules import Rules, lung_rules, rules_to_text, with_settings
from tfgansynth.synthesis.sampling import (
    DEFORMATIONS,
    DRAWN,
    MANIFEST,
    pair_name,
    read_set,
)

Truths = dict[tuple[str, str], Labels]
"""Content hash and id of a test case -> its true mask, as first met."""


def remeasure(
    run: RunRecord, name: str, folder: Path, truths: Truths, differences: Differences
) -> FinishedUNet:
    """Measure the predictions of a U-Net again.

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
    provenance = converter.read(folder / files.PROVENANCE, UNetProvenance)
    fold, regime = provenance.fold, provenance.regime
    path = folder / predictions.PREDICTIONS
    stored = predictions.read_predictions(path)
    test = list(run.fold(fold).test)
    differences.compare(path, "case_ids", list(stored.case_ids), test)
    classes = provenance.dataset.classes
    differences.compare(path, "classes", stored.n_classes, len(classes))
    rows = predictions.measure_cases(
        stored.case_ids, stored.predictions, stored.truths, classes
    )
    shown = predictions.best_median_worst(rows)
    differences.compare(path, "shown", list(stored.shown), shown)
    for case_id, truth in zip(stored.case_ids, stored.truths, strict=True):
        key = run.cases.get(case_id, ""), case_id
        if not np.array_equal(truths.setdefault(key, truth), truth):
            differences.fault(path, f"truths, {case_id}: not the mask of other U-Nets")
    made = cases_to_csv(rows, fold, regime.n_real, regime.n_synthetic)
    differences.compare_csv(folder / predictions.CASES, made)
    validation = read_validation(folder, provenance.files)
    epochs: list[history.Epoch] = []
    if regime.baseline != "ensemble":
        epochs = _epochs(folder, regime, run.config, differences)
        kept = history.kept_dice(epochs, regime.unet_config(run.config))
        if validation and kept is not None:
            path = folder / files.VALIDATION
            differences.compare(path, "network", validation.network, kept)
    return FinishedUNet(
        run=name,
        settings=run.settings,
        dataset=identity_of(run, provenance.dataset),
        fold=fold,
        regime=regime,
        cases=tuple(rows),
        validation=validation,
        folder=folder,
        epochs=tuple(epochs),
        duplicates=provenance.duplicates,
        tried=run.tried,
        table=run.table,
        figures=figures_again(run, folder, provenance, stored, differences),
    )


def _epochs(
    folder: Path, regime: regimes.Regime, config: Config, differences: Differences
) -> list[history.Epoch]:
    """Read the history of a training that must be over."""
    path = folder / files.HISTORY
    epochs, unet = read_epochs(path), regime.unet_config(config)
    if not history.is_over(epochs, unet, regime.n_real + regime.n_synthetic):
        differences.fault(path, f"ends after {len(epochs)} epochs, before the training")
    return epochs


def compare_constants(
    run: RunRecord, unets: Iterable[FinishedUNet], truths: Truths, found: Differences
) -> None:
    """Measure the constant masks again that a run's U-Nets are held against.

    That takes the true masks of all training and validation cases of a fold, which
    other folds have as those of their test cases. Without them the U-Nets of a fold
    must agree.
    """
    expected: dict[int, Mapping[str, float]] = {}
    cases = run.cases
    for unet in unets:
        assert unet.folder is not None
        path = unet.folder / files.VALIDATION
        if unet.validation is None:
            found.notes.append(
                f"{run.root.name}/{unet.stage}: does not say whether it has learned "
                "(an earlier version has trained it)"
            )
            continue
        stored = to_json(unet.validation)
        if unet.fold not in expected:
            ids = run.training_ids(unet.fold), run.fold(unet.fold).validation
            known = [
                [
                    truths[key]
                    for each in group
                    if (key := (cases[each], each)) in truths
                ]
                for group in ids
            ]
            expected[unet.fold] = stored
            if [*map(len, known)] == [*map(len, ids)]:
                training, validation = (np.stack(masks) for masks in known)
                n_classes = len(unet.dataset.classes)
                expected[unet.fold] = constant_dice(training, validation, n_classes)
        # Earlier versions have not measured all of them.
        shared = expected[unet.fold].keys() & stored.keys() - {"network"}
        made = {name: expected[unet.fold][name] for name in shared}
        found.compare(path, "", stored, {**stored, **made})


def recount(
    run: RunRecord, stages: Stages, stage: PlannedStage, differences: Differences
) -> Pairs:
    """Read a set, hash by hash, and count it again.

    Returns:
        float32 (n, S, S[, 3]) images in [0, 255] and uint8 (n, S, S) masks, class
        indices.

    Raises:
        InputError: A file is missing, altered, or of another form.
    """
    folder, config = run.root / stage.name, run.config
    path, root = folder / MANIFEST, run.fold_folder(stage.fold)
    manifest = converter.read(path, SetManifest)
    images, masks = read_set(folder)
    pictures = np.rint(images).astype(np.uint8)
    hashes = [perceptual_hash(picture) for picture in pictures]
    n_dropped = (
        manifest.dropped_as_almost_identical
        + manifest.dropped_for_an_empty_mask
        + manifest.dropped_for_disagreement
    )
    is_filtered = stage.set_kind == "filtered"
    expected = dataclasses.replace(
        manifest,
        drawn=len(images) + n_dropped,
        pseudo_labels=_ensemble(run.root, stages, stage, Kind.PSEUDO_LABELS),
        cross_fit=_ensemble(run.root, stages, stage, Kind.CROSS_FIT),
        min_agreement=config.synthesis.min_agreement if is_filtered else None,
        # Earlier versions, which had no other near-duplicates, have not counted them.
        kept_by_hash_alone=count_alike(pictures)
        if manifest.kept_by_hash_alone or config.synthesis.near_duplicates != "hash"
        else 0,
        kept_with_an_empty_mask=int((~masks.any(axis=(1, 2))).sum()),
        remarks=(),
        audited_manifest_sha256=None,
        dropped_by_the_audit=(),
        mask_rules=_rules(manifest, stage, config),
        pairs=tuple(
            dataclasses.replace(entry, perceptual_hash=found)
            for entry, found in zip(manifest.pairs, hashes, strict=True)
        ),
    )
    if stage.set_kind == "control":
        # A control stays when the GAN's settings change.
        expected = dataclasses.replace(expected, generator_sha256=None, step=None)
    else:
        gan = stages[f"{root.name}/{files.GAN}"]
        expected = dataclasses.replace(
            expected,
            gan=config.gan,
            network_version=run.settings.networks["gan"],
            generator_sha256=generator_hash(run.root / gan.name),
            step=config.gan.steps,
            remarks=tuple(each.text for each in gan_remarks(run, stage.fold)),
        )
    made = {**to_json(expected), **stage.record}
    differences.compare(path, "", to_json(manifest), made)
    differences.compare(path, "pairs", len(manifest.pairs), config.synthesis.count)
    last = manifest.pairs[-1]
    n_drawn = last.batch * config.synthesis.batch + last.index + 1
    differences.compare(path, "drawn", manifest.drawn, n_drawn)
    names = {f"{pair_name(index)}.png" for index in range(len(images))}
    if config.synthesis.augment == "none":
        words = rules_to_text(manifest.rules, manifest.dataset.classes)
        altered = clean_labels(masks, manifest.rules) != masks
        for index in np.flatnonzero(altered.any(axis=(1, 2))).tolist():
            place = folder / f"masks/{pair_name(index)}.png"
            differences.fault(place, f"is no mask that was cleaned ({words})")
    parts = ["images", "masks"]
    if manifest.pairs[0].drawn_image_sha256:
        compare_augmented(folder, manifest, (pictures, masks), differences)
        if manifest.deformations_sha256:
            differences.files.add(folder / DEFORMATIONS)
        parts += [f"{DRAWN}{part}" for part in parts]
    for part in parts:
        for extra in sorted({path.name for path in (folder / part).iterdir()} - names):
            differences.fault(folder / part / extra, "is not in the manifest")
        # Each file has a hash, and so has the manifest.
        differences.files.update(folder / part / name for name in names)
    return images, masks


def _rules(manifest: SetManifest, stage: PlannedStage, config: Config) -> Rules:
    """The rules of a set that its manifest should have, beside the planned ones.

    What was learned from training masks is taken as the manifest has it.
    """
    if "mask_components" in stage.record:
        return ()
    data = manifest.dataset
    auto = lung_rules(data.lungs(config.lungs), len(data.classes))
    if not data.is_lungs and len(manifest.mask_rules) == len(auto):
        auto = manifest.mask_rules
    return with_settings(auto, config.synthesis)


def compare_with_tests(
    run: RunRecord, folder: Path, pairs: Pairs, differences: Differences
) -> None:
    """Find pairs that are test cases: by all true masks, and by the images shown."""
    masks: dict[bytes, str] = {}
    images: dict[bytes, str] = {}
    for unet in run.unets:
        if unet.folder and unet.folder.parent == folder.parent:
            tests = predictions.read_predictions(unet.folder / predictions.PREDICTIONS)
            for name, mask in zip(tests.case_ids, tests.truths, strict=True):
                # A mask of one value has no shape that could be a case's own.
                if np.ptp(mask):
                    masks[mask.tobytes()] = name
            for index, image in zip(tests.shown, tests.shown_images, strict=True):
                images[image.tobytes()] = tests.case_ids[index]
    for index, (image, mask) in enumerate(zip(*pairs, strict=True)):
        pixels = np.rint(image).astype(np.uint8).tobytes()
        found = images.get(pixels) or masks.get(mask.tobytes())
        if found:
            words = f"is image or mask of the test case {found}"
            differences.fault(folder / f"{pair_name(index)}.png", words)


def reassess(
    run: RunRecord, stage: PlannedStage, pairs: Pairs, differences: Differences
) -> None:
    """Make an assessment again, of the pairs of its set.

    Raises:
        InputError: A file is missing, damaged or of another form.
        LookupError: An array is missing.
    """
    folder, fold = run.root / stage.name, stage.fold
    source = run.root / stage.needs[0]
    path, arrays_path = folder / files.ASSESSMENT, folder / files.ARRAYS
    arrays = storage.read_arrays(arrays_path)
    record = converter.read(path, assessments.Assessment)
    images, masks = pairs
    others, held_out_ids = run.unlabelled_ids(fold), run.held_out_ids(fold)
    learned_ids = *run.training_ids(fold), *others
    n_validation = len(run.fold(fold).validation)
    agreed_real = arrays["agreement_real"]
    segmented = predictions.unpack_labels(
        arrays["segmented_synthetic"], arrays["shape_synthetic"]
    )
    data = from_json(Identity, stage.record["dataset"], path)
    agreed = agreement(masks, segmented, len(data.classes))
    drawn = class_shapes(masks, data.classes, data.lungs(run.config.lungs))
    learned, held_out = (
        dict(zip(drawn, arrays[f"shapes_{name}"].T, strict=True))
        for name in ("training", "held_out")
    )
    shapes = learned, drawn, held_out
    fidelity = fidelity_again(
        run,
        fold,
        record.fidelity,
        networks_again(run, fold, arrays_path, arrays, differences),
        shapes,
        assessments.diversity_again(record.fidelity.hash_diversity, images),
    )
    manifest = converter.read(source / MANIFEST, SetManifest)
    audit = audit_again(arrays, as_drawn=manifest.as_drawn)
    expected = dataclasses.replace(
        record,
        fold=fold,
        inputs=stage.record["inputs"],
        identity=stage.identity,
        synthetic_set=assessments.AssessedSet(
            folder=stage.needs[0],
            manifest_sha256=storage.hash_file(source / MANIFEST),
            n=len(images),
        ),
        n_training=len(learned_ids),
        n_unlabelled=len(others),
        n_held_out=len(held_out_ids),
        held_out=assessments.held_out_words(
            n_validation, len(held_out_ids) - n_validation
        ),
        cross_fit=_members(run, fold, agreed_real),
        quality=assessments.make_quality(agreed, agreed_real, shapes),
        fidelity=fidelity,
        memorization=assessments.make_memorization(audit),
        membership=membership_again(run, fold, arrays),
        files=storage.hash_files(folder, [files.ARRAYS]),
    )
    differences.compare(path, "", to_json(record), to_json(expected))
    pair = audit.parts["pair"]
    closest = pair.closest(len(arrays["gallery_synthetic"]))
    recomputed = {
        "agreement_synthetic": agreed,
        "gallery_synthetic": closest,
        "gallery_distances": pair.distances[closest],
        "gallery_case_ids": np.array(
            [learned_ids[case] for case in pair.cases[closest]]
        ),
    }
    for name, values in recomputed.items():
        differences.compare_array(arrays_path, name, arrays[name], values)


def _ensemble(
    root: Path, stages: Stages, stage: PlannedStage, kind: Kind
) -> dict[str, str] | None:
    """The hash of each network of an ensemble that a set was made with, or None."""
    names = [name for name in stage.needs if stages[name].kind == kind]
    return model_hashes(root, names) or None


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
