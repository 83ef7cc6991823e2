"""Writing a fold's synthetic set without the pairs that its audit objects to."""

import dataclasses
from pathlib import Path

import numpy as np

from tfgansynth.data.held_out import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.experiment.assessment import FinishedAssessment
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.synthetic_sets import read_own_set
from tfgansynth.records.converter import to_json
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import MANIFEST, Draw, SyntheticSet, write_set


def drop_flagged(
    experiment: Experiment, fold: FoldCases, assessment: FinishedAssessment
) -> Path:
    """Write the fold's set without the pairs that the audit objects to.

    Args:
        experiment: The experiment.
        fold: The fold.
        assessment: Of the fold's unfiltered set.

    Returns:
        The folder, a synthetic set like the other; its manifest says which pairs
        were dropped, and which case each is near.

    Raises:
        InputError: No pair would be left.
    """
    source = experiment.run.synthetic(fold.number)
    images, masks, manifest = read_own_set(experiment, fold, source)
    flagged = [*assessment.record.memorization.flagged]
    kept = np.setdiff1d(np.arange(len(images)), flagged)
    if not kept.size:
        raise InputError(f"{source}: the audit objects to all {len(images)} pairs")
    draws = [
        Draw(**{field.name: entry[field.name] for field in dataclasses.fields(Draw)})
        for entry in manifest.pop("pairs")
    ]
    audited = SyntheticSet(
        images=np.rint(images[kept]).astype(np.uint8),
        masks=masks[kept],
        draws=tuple(draws[index] for index in kept),
        n_drawn=manifest["drawn"],
        n_similar=manifest["dropped_as_almost_identical"],
        n_empty=manifest["dropped_for_an_empty_mask"],
    )
    provenance = {
        "audited_manifest_sha256": storage.hash_file(source / MANIFEST),
        "dropped_by_the_audit": to_json(assessment.flagged),
    }
    folder = source.with_name(f"{source.name}-audited")
    write_set(audited, {**manifest, **provenance}, folder)
    return folder
