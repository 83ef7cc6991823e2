"""The sets of a fold for other stages, checked before they are used.

None whose generator has seen a held-out case of the fold gets into a training.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgansynth.arrays import FloatArray, Labels
from tfgansynth.config_checks import differences
from tfgansynth.data.dataset import case_hashes, shared_cases
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError, name_few
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stages.fold_networks import generator_record
from tfgansynth.gan.exchange.exported import Provenance
from tfgansynth.records.regimes import SetKind
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import MANIFEST, read_set
from tfgansynth.synthesis.substitutes import is_control


def require_fold_set(
    experiment: Experiment, fold: FoldCases, manifest: Mapping[str, Any], path: Path
) -> None:
    """Refuse a synthetic set, by its manifest, that is not this fold's own.

    Raises:
        InputError: The set's generator was trained on validation or test cases of
            the fold, on unknown ones, or elsewhere than in this fold of this run.
    """
    remedy = "remove it and run synthesize"
    learned = manifest.get("training_cases")
    if not isinstance(learned, Mapping):
        raise InputError(
            f"{path}: does not say which cases its generator was trained on: {remedy}"
        )
    by_content = not experiment.config.allow_duplicates
    held_out = {"test": fold.test.hashes, "validation": case_hashes(fold.validation)}
    for part, hashes in held_out.items():
        leaked = shared_cases(hashes, learned, by_content=by_content)
        if leaked:
            raise InputError(
                f"{path}: its generator was trained on {part} cases of fold "
                f"{fold.number} ({name_few(leaked)}): {remedy}"
            )
    expected = generator_record(experiment, fold)
    # The set has that of its own pairs.
    del expected["augmentation"]
    if is_control(manifest):
        # No generator has drawn it.
        del expected["gan"], expected["network_version"]
    found = {name: manifest.get(name) for name in expected}
    foreign = list(differences(expected, found))
    if foreign:
        raise InputError(
            f"{path}: is not of this fold and run ({name_few(foreign, '; ')}): {remedy}"
        )


def read_fold_set(
    experiment: Experiment, fold: FoldCases, folder: Path
) -> tuple[FloatArray, Labels, Provenance]:
    """Read a synthetic set, if it is the fold's own.

    Returns:
        float32 (n, S, S[, 3]) images in [0, 255], uint8 (n, S, S) masks of class
        indices, and the manifest.

    Raises:
        InputError: There is no set, it was altered, or came from elsewhere.
    """
    if not folder.exists():
        raise InputError(
            f"{folder}: there is no synthetic set yet: run synthesize with the same "
            "options first"
        )
    manifest = storage.read_record(folder / MANIFEST)
    require_fold_set(experiment, fold, manifest, folder)
    images, masks = read_set(folder)
    found = fold.test.found_in(images)
    if found and not experiment.config.allow_duplicates:
        raise InputError(
            f"{folder}: has images of test cases of fold {fold.number} "
            f"({name_few(found)}): remove it to have it drawn again"
        )
    return images, masks, manifest


def synthetic_pairs(
    experiment: Experiment, fold: FoldCases, count: int, kind: SetKind = "plain"
) -> tuple[FloatArray, Labels, Provenance]:
    """Read the first pairs of one of the fold's sets, if it is the fold's own.

    Returns:
        float32 (count, S, S[, 3]) images in [0, 255], uint8 (count, S, S) masks of
        class indices, and what they came from.

    Raises:
        InputError: There is no set, it has fewer pairs, was altered, or came from
            elsewhere.
    """
    folder = experiment.run.synthetic(fold.number, kind)
    images, masks, manifest = read_fold_set(experiment, fold, folder)
    if count > len(images):
        raise InputError(f"--synthetic {count}: the set in {folder} has {len(images)}")
    provenance = {
        "manifest_sha256": storage.hash_file(folder / MANIFEST),
        "generator_sha256": manifest["generator_sha256"],
        "training_cases": manifest["training_cases"],
    }
    return images[:count], masks[:count], provenance
