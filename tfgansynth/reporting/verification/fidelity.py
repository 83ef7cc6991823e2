"""Fidelity and membership, made again from what an assessment has stored."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.assessment.fidelity import NetworkFeatures
from tfgansynth.assessment.membership import Membership, Values, infer_membership
from tfgansynth.data.copies.distances import PARTS
from tfgansynth.records import assessments, regimes
from tfgansynth.records.assessments import Diversity, Fidelity, ShapeTables
from tfgansynth.records.runs import RunRecord
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.seeds import derive_seed

Arrays = Mapping[str, NDArray[Any]]
"""What an assessment has stored."""


def fidelity_again(
    run: RunRecord,
    fold: int,
    stored: Fidelity,
    networks: list[NetworkFeatures],
    shapes: ShapeTables,
    diversity: Diversity,
) -> Fidelity:
    """Make the fidelity of a set again.

    Args:
        run: The run.
        fold: The set's.
        stored: As recorded.
        networks: See `networks_again`. Without any, figures of features are taken as
            they are recorded.
        shapes: As measured again.
        diversity: As measured again.
    """
    seed = derive_seed(run.config.seed, "assessment", fold)
    if not networks:
        distances = assessments.make_distances(shapes, seed)
        return dataclasses.replace(stored, shapes=distances, hash_diversity=diversity)
    real = _real_cases(run, fold)
    n_training = len(run.training_ids(fold))
    return assessments.make_fidelity(
        features=networks,
        shapes=shapes,
        source=assessments.features_words(networks, n_training, len(real) - n_training),
        diversity=diversity,
        seed=seed,
    )


def networks_again(
    run: RunRecord, fold: int, path: Path, arrays: Arrays, differences: Differences
) -> list[NetworkFeatures]:
    """Collect the stored features; empty, with a note, where they cannot be compared.

    Earlier versions have stored those of one network, and of other cases.

    Raises:
        LookupError: An array is missing.
    """
    if "features_training" in arrays:
        differences.notes.append(
            f"{run.root.name}/{path.parent.relative_to(run.root)}: precision, recall, "
            "density, coverage and KID are not made again (an earlier version has "
            "compared other cases)"
        )
        return []
    real, n_training = np.array(_real_cases(run, fold)), len(run.training_ids(fold))
    parts = regimes.cross_fit_parts(run.config, fold, n_training)
    networks = []
    for number, part in enumerate(parts, start=1):
        cases = np.append(part, np.arange(n_training, len(real)))
        name = f"features_real_case_ids_{number}"
        differences.compare_array(path, name, arrays[name], real[cases])
        networks.append(
            NetworkFeatures(
                cases=cases,
                real=arrays[f"features_real_{number}"],
                synthetic=arrays[f"features_synthetic_{number}"],
            )
        )
    return networks


def membership_again(run: RunRecord, fold: int, arrays: Arrays) -> Membership | None:
    """Measure again whether a set gives its generator's cases away.

    Earlier versions have not measured it.

    Raises:
        LookupError: An array is missing.
    """
    if not any(name.startswith("nearest_pairs_") for name in arrays):
        return None
    nearest: dict[str, Values] = {
        part: arrays[f"nearest_pairs_{part}"] for part in PARTS
    }
    members = *run.training_ids(fold), *run.unlabelled_ids(fold)
    patients = run.table.patients_of([*members, *run.held_out_ids(fold)])
    return infer_membership(nearest, len(members), patients)


def _real_cases(run: RunRecord, fold: int) -> list[str]:
    """The real cases that are compared: training cases first, then held-out ones."""
    return [*run.training_ids(fold), *run.held_out_ids(fold)]
