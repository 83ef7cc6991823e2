"""Reading a fold's synthetic sets, which must be its own."""

from pathlib import Path

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.provenance import Provenance, is_control, require_own_set
from tfgansynth.records.regimes import SetKind
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import MANIFEST, read_manifest, read_set


def read_own_set(
    experiment: Experiment, fold: FoldCases, folder: Path
) -> tuple[FloatArray, MaskArray, Provenance]:
    """Read a synthetic set, if it is the fold's own.

    Returns:
        float32 (n, S, S) images in [0, 255], bool (n, S, S) masks, and the manifest.

    Raises:
        InputError: There is no set, it was altered, or came from elsewhere.
    """
    if not folder.exists():
        raise InputError(
            f"{folder}: no synthetic set yet: run tools/synthesize.py with the same "
            "options first"
        )
    manifest = read_manifest(folder)
    require_own_set(experiment, fold, manifest, folder)
    return *read_set(folder), manifest


def synthetic_pairs(
    experiment: Experiment, fold: FoldCases, count: int, kind: SetKind = "plain"
) -> tuple[FloatArray, MaskArray, Provenance]:
    """Read the first pairs of one of the fold's sets, if it is the fold's own.

    Returns:
        float32 (count, S, S) images in [0, 255], bool (count, S, S) masks, and
        what they came from.

    Raises:
        InputError: There is no set, it has fewer pairs, was altered, or came from
            elsewhere; or a control is in a synthetic set's place.
    """
    folder = experiment.run.synthetic(fold.number, kind)
    images, masks, manifest = read_own_set(experiment, fold, folder)
    if is_control(manifest) != (kind == "control"):
        raise InputError(
            f"{folder}: is another kind of set: remove it to have it drawn anew"
        )
    if count > len(images):
        raise InputError(f"--synthetic {count}: the set in {folder} has {len(images)}")
    provenance = {
        "manifest_sha256": storage.hash_file(folder / MANIFEST),
        "generator_sha256": manifest["generator_sha256"],
        "training_cases": manifest["training_cases"],
    }
    return images[:count], masks[:count], provenance
