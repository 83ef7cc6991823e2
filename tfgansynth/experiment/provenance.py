"""What each result came from: settings, data, and the cases that went into it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgansynth.config import NETWORK_VERSIONS
from tfgansynth.config_checks import differences
from tfgansynth.data.dataset import Case, CaseHashes, case_hashes
from tfgansynth.data.held_out import FoldCases, shared_cases
from tfgansynth.errors import InputError, name_few
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.records.converter import to_json

Provenance = dict[str, Any]
"""Plain for JSON."""


def gan_provenance(experiment: Experiment, fold: FoldCases) -> Provenance:
    """What a fold's GAN is trained with, and on which cases."""
    return {
        **_stage_provenance(experiment, fold, "gan"),
        "training_cases": case_hashes(fold.training),
    }


def unet_provenance(
    experiment: Experiment,
    fold: FoldCases,
    real: tuple[Case, ...],
    synthetic: Provenance | None,
) -> Provenance:
    """What a U-Net is trained with, and on which cases and synthetic pairs.

    Args:
        experiment: The experiment.
        fold: Its validation cases decide when to stop.
        real: The real training cases.
        synthetic: Provenance of the synthetic set; None without one.
    """
    return {
        **_stage_provenance(experiment, fold, "unet"),
        "training_cases": case_hashes(real),
        "validation_cases": case_hashes(fold.validation),
        "synthetic_set": synthetic,
    }


def _stage_provenance(
    experiment: Experiment, fold: FoldCases, network: str
) -> Provenance:
    config = experiment.config
    return {
        "dataset": experiment.data.record(),
        "preset": config.preset,
        "reduced": config.reduced,
        "lungs": config.lungs,
        "fold": fold.number,
        "seed": config.seed,
        "allow_duplicates": config.allow_duplicates,
        "duplicates": to_json(experiment.duplicates),
        "network_version": NETWORK_VERSIONS[network],
        "data": dataclasses.asdict(config.data),
        "augmentation": dataclasses.asdict(config.augmentation),
        network: dataclasses.asdict(getattr(config, network)),
    }


def seen_cases(unet: Provenance) -> CaseHashes:
    """All cases that went into a U-Net in any way: its own, its generator's."""
    synthetic = unet["synthetic_set"] or {"training_cases": {}}
    return {
        **synthetic["training_cases"],
        **unet["validation_cases"],
        **unet["training_cases"],
    }


def is_control(manifest: Mapping[str, Any]) -> bool:
    """Whether a set's pairs are training cases, which no generator has drawn."""
    return manifest.get("control") is True


def require_own_set(
    experiment: Experiment, fold: FoldCases, manifest: Mapping[str, Any], path: Path
) -> None:
    """Refuse a synthetic set that is not this fold's own.

    Args:
        experiment: The experiment.
        fold: The fold to train on the set.
        manifest: The set's manifest.
        path: The set's folder, for the message.

    Raises:
        InputError: The set's generator was trained on validation or test cases of
            the fold, on unknown ones, or elsewhere than in this fold of this run.
    """
    remedy = "remove it and run tools/synthesize.py with the same options"
    learned = manifest.get("training_cases")
    if not isinstance(learned, Mapping):
        raise InputError(
            f"{path}: does not say which cases its generator was trained on: {remedy}"
        )
    held_out = {
        "test": fold.test.hashes,
        "validation": case_hashes(fold.validation),
    }
    for part, hashes in held_out.items():
        by_content = not experiment.config.allow_duplicates
        leaked = shared_cases(hashes, learned, by_content=by_content)
        if leaked:
            raise InputError(
                f"{path}: its generator was trained on {part} cases of fold "
                f"{fold.number} ({name_few(leaked)}): {remedy}"
            )
    expected = gan_provenance(experiment, fold)
    found = {name: manifest.get(name) for name in expected}
    foreign = list(differences(expected, found))
    if foreign:
        raise InputError(
            f"{path}: is not of this fold and run ({name_few(foreign, '; ')}): {remedy}"
        )
