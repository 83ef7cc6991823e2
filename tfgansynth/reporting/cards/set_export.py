"""The stage that hands a synthetic set over: plain, for nnU-Net, and with a card."""

import shutil
from pathlib import Path

import numpy as np

from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.evaluation.tables import PHANTOM_WARNING
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stages.fold_sets import read_fold_set
from tfgansynth.records.converter import from_json
from tfgansynth.records.provenance import SetManifest
from tfgansynth.reporting.cards.cards import data_card
from tfgansynth.reporting.cards.findings import findings_of_set
from tfgansynth.runtime import storage
from tfgansynth.synthesis.nnunet import labels, write_nnunet
from tfgansynth.synthesis.sampling import MANIFEST, pair_name

_FIRST_ID = 500
"""nnU-Net's own data sets, and those it comes with, have lower numbers."""


def export_set(
    experiment: Experiment, fold: FoldCases, source: Path | None, target: Path | None
) -> Path:
    """Write a synthetic set for others, all or nothing.

    Args:
        experiment: The experiment.
        fold: The fold that the set is of.
        source: The set's folder; None for the fold's own.
        target: Folder to write; None for `handover/` in the fold's folder, under the
            set's name.

    Returns:
        The folder: `README.md`, the card; `images/`, `masks/` and `manifest.json`, as
        in the set; and `DatasetXXX_Name/`, in nnU-Net's layout.

    Raises:
        InputError: The folder exists; or there is no set, it was altered, is not the
            fold's own, or is a control.
    """
    source = source or experiment.run.synthetic(fold.number)
    default = experiment.run.fold(fold.number) / "handover" / source.resolve().name
    target = target or default
    if target.exists() or target.is_symlink():
        raise InputError(f"{target}: exists already: remove it, or name another --to")
    images, masks, content = read_fold_set(experiment, fold, source)
    manifest = from_json(SetManifest, content, source / MANIFEST)
    if manifest.kind == "control":
        raise InputError(
            f"{source}: is a control, made of the training cases themselves, and is "
            "not handed on"
        )
    data, lungs = experiment.data, experiment.config.lungs
    words = data.target.replace("-", " ").split()
    title = "".join(word[0].upper() + word[1:] for word in words)
    name = f"Dataset{_FIRST_ID + fold.number:03d}_Synthetic{title}"
    classes = data.classes
    if len(classes) == 1:
        # "lungs" rather than "both lungs", as people look for it.
        classes = (data.target if lungs == "both" else data.target_words(lungs),)
    card = data_card(
        manifest,
        findings_of_set(experiment.run.root, source, manifest),
        manifest_sha256=storage.hash_file(source / MANIFEST),
        n_pairs=len(images),
        size=images.shape[1],
        nnunet=name,
        labels=labels(classes),
    )
    cases = [pair_name(index) for index in range(len(images))]
    planes = zip(images.astype(np.uint8), masks, strict=True)
    with storage.whole_folder(target) as partial:
        _copy_plain(source, partial, cases)
        write_nnunet(partial / name, dict(zip(cases, planes, strict=True)), classes)
        storage.write_text(partial / "README.md", card)
    if experiment.data.is_phantom:
        print(PHANTOM_WARNING)
    print(f"HANDED OVER: {len(cases)} pairs in {target}; {name}, README.md")
    return target


def _copy_plain(source: Path, target: Path, cases: list[str]) -> None:
    """Copy the set's files as they are: their hashes stand in the manifest."""
    for part in ("images", "masks"):
        (target / part).mkdir()
        for case in cases:
            shutil.copyfile(
                source / part / f"{case}.png", target / part / f"{case}.png"
            )
    shutil.copyfile(source / MANIFEST, target / MANIFEST)
