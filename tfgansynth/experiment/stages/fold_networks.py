"""The networks of a fold for other stages: its generator and ensembles."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgansynth.arrays import one_hot
from tfgansynth.config import UNetConfig
from tfgansynth.data.dataset import Case
from tfgansynth.data.held_out import FoldCases
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.gan.exchange.exported import Provenance
from tfgansynth.gan.training import load_gan
from tfgansynth.planning.graph import PlannedStage
from tfgansynth.planning.requests import Request
from tfgansynth.records import files
from tfgansynth.records.regimes import (
    cross_fit_config,
    cross_fit_parts,
    pseudo_label_config,
)
from tfgansynth.runtime import storage
from tfgansynth.segmentation.ensembles import (
    CrossFittedEnsemble,
    PseudoLabelEnsemble,
    load_networks,
)


def trained_generator(
    experiment: Experiment, fold: FoldCases
) -> tuple[Any, Provenance]:
    """Load the fold's fully trained generator, and what all that it draws came from.

    Raises:
        InputError: The training of its GAN is not finished.
    """
    config, planned = experiment.config, planned_gan(experiment, fold)
    gan = load_gan(
        config.gan,
        seed=planned.seed,
        folder=experiment.run.root / planned.name,
        provenance=planned.record,
        size=config.data.size,
        n_cases=len(planned.record["training_cases"]),
        channels=experiment.data.channels,
        classes=len(experiment.data.classes),
    )
    generator = gan.sampling_generator()
    provenance = {
        **generator_record(experiment, fold),
        "step": config.gan.steps,
        "generator_sha256": storage.hash_arrays(generator.get_weights()),
    }
    return generator, provenance


def planned_gan(experiment: Experiment, fold: FoldCases) -> PlannedStage:
    """Plan the stage of a fold's GAN."""
    plan = experiment.plan([fold.number], lambda _: Request(gan=True))
    return plan.stages[-1]


def generator_cases(experiment: Experiment, fold: FoldCases) -> tuple[Case, ...]:
    """What a fold's generator learns from, with masks.

    These are its training cases and, with `gan.unlabelled`, images without masks, whose
    masks the pseudo-label ensemble finds. Its members must be trained.
    """
    if not experiment.config.gan.unlabelled:
        return fold.training
    pseudo, others = load_pseudo_label_ensemble(experiment, fold), fold.unlabelled
    assert pseudo
    masks = pseudo.segment(np.stack([each.image for each in others]))
    found = one_hot(masks, len(experiment.data.classes))
    return *fold.training, *(
        Case(each.case_id, each.image, coverage)
        for each, coverage in zip(others, found, strict=True)
    )


def generator_record(experiment: Experiment, fold: FoldCases) -> Provenance:
    """The GAN's record, but for what all that is drawn from it has of its own."""
    record = planned_gan(experiment, fold).record
    own = ("stage", "inputs", "identity")
    return {name: value for name, value in record.items() if name not in own}


def load_pseudo_label_ensemble(
    experiment: Experiment, fold: FoldCases
) -> PseudoLabelEnsemble | None:
    """Load a fold's trained pseudo-label ensemble; None where the run has none."""
    names = files.pseudo_label_names(experiment.config.synthesis.pseudo_label_members)
    if not names:
        return None
    unet = pseudo_label_config(experiment.config)
    return PseudoLabelEnsemble(*_load_networks(experiment, fold, names, unet))


def load_cross_fitted_ensemble(
    experiment: Experiment, fold: FoldCases
) -> CrossFittedEnsemble:
    """Load a fold's trained cross-fitted ensemble."""
    parts = cross_fit_parts(experiment.config, fold.number, len(fold.training))
    names = [files.cross_fit_name(member) for member in range(1, len(parts) + 1)]
    unet = cross_fit_config(experiment.config)
    return CrossFittedEnsemble(parts, *_load_networks(experiment, fold, names, unet))


def _load_networks(
    experiment: Experiment, fold: FoldCases, names: Sequence[str], unet: UNetConfig
) -> tuple[tuple[Any, ...], dict[str, str]]:
    return load_networks(
        experiment.run.fold(fold.number),
        names,
        files.MODEL,
        unet,
        size=experiment.config.data.size,
        channels=experiment.data.channels,
        classes=len(experiment.data.classes),
    )
