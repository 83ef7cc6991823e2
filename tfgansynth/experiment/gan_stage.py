"""The stage of a fold's GAN: training it, loading it, exporting its generator."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from tfgansynth.config import Config
from tfgansynth.data.augmentation import augment_pair
from tfgansynth.data.held_out import FoldCases
from tfgansynth.data.pipelines import AugmentPair, real_pairs
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.findings import findings_of_generator
from tfgansynth.experiment.provenance import Provenance, gan_provenance
from tfgansynth.experiment.stages import tell_precision, timed
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.export import compare_frozen, export_generator, freeze_moments
from tfgansynth.gan.training import is_trained, load_gan, train_gan
from tfgansynth.reporting.cards.model_card import GeneratorFacts, model_card
from tfgansynth.runtime import storage
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import START_UP
from tfgansynth.seeds import derive_seed


def ensure_gan(experiment: Experiment, fold: FoldCases) -> None:
    """Train the fold's GAN on its real training pairs. Paper: III, IV-B.

    Its validation cases only watch: what is trained does not depend on them, and they
    are no part of its provenance.
    """
    config, run = experiment.config, experiment.run
    stage, folder = _stage(fold), run.gan(fold.number)
    provenance = gan_provenance(experiment, fold)
    if is_trained(config.gan, folder, provenance):
        return
    pairs, validation = (
        real_pairs(
            cases,
            soft_masks=config.data.soft_masks,
            scaling=config.gan.pixel_scaling,
        )
        for cases in (fold.training, fold.validation)
    )
    print(f"FOLD {fold.number}: training the GAN on {len(pairs)} real pairs")
    with timed(run, stage) as timer:
        with timer.part(START_UP):
            tell_precision(run, stage, "GAN", config.gan.precision, folder)
        train_gan(
            pairs,
            validation,
            config.gan,
            Stage(folder, provenance, _gan_seed(config, fold), timer, stage),
            mask_threshold=config.synthesis.mask_threshold,
            change=_deformation(config),
        )


def _deformation(config: Config) -> AugmentPair | None:
    if config.gan.augment_real == "none":
        return None
    return functools.partial(augment_pair, config=config.augmentation)


def trained_gan(experiment: Experiment, fold: FoldCases) -> DCGAN:
    """Load the fold's fully trained GAN.

    Raises:
        InputError: Its training has not come to its end.
    """
    config = experiment.config
    return load_gan(
        config.gan,
        size=config.data.size,
        n_cases=len(fold.training),
        seed=_gan_seed(config, fold),
        folder=experiment.run.gan(fold.number),
        provenance=gan_provenance(experiment, fold),
    )


def _stage(fold: FoldCases) -> str:
    return f"fold-{fold.number}/gan"


def _gan_seed(config: Config, fold: FoldCases) -> int:
    return derive_seed(config.seed, "gan", fold.number)


def generator_provenance(
    experiment: Experiment, fold: FoldCases, weights: Sequence[NDArray[Any]]
) -> Provenance:
    """What a generator, and all that is drawn from it, came from."""
    return {
        **gan_provenance(experiment, fold),
        "step": experiment.config.gan.steps,
        "generator_sha256": storage.hash_arrays(weights),
    }


def export_fold_generator(experiment: Experiment, fold: FoldCases) -> None:
    """Export the fold's generator with frozen moments and a model card.

    Raises:
        InputError: It has codes of its training cases, and could give them back.
    """
    config = experiment.config
    if config.gan.latent_codes:
        raise InputError(
            "--gan.latent-codes: such a generator can give its training "
            "cases back and is not handed on: hand on an audited set of it instead "
            "(tools/export_set.py)"
        )
    generator = trained_gan(experiment, fold).sampling_generator()
    provenance = generator_provenance(experiment, fold, generator.get_weights())
    seed = derive_seed(config.seed, "export", fold.number)
    freeze_moments(generator, seed=seed)
    report = compare_frozen(
        generator,
        batch=config.synthesis.batch,
        mask_threshold=config.synthesis.mask_threshold,
        seed=derive_seed(seed, "compare"),
    )
    folder = experiment.run.gan(fold.number)
    facts = GeneratorFacts(
        provenance=provenance,
        settings=dataclasses.asdict(config.gan),
        size=config.data.size,
        report=report,
        seconds=experiment.run.seconds().get(_stage(fold)),
        machines=experiment.run.machines(_stage(fold)),
    )
    found = findings_of_generator(experiment, fold, provenance["generator_sha256"])
    export_generator(generator, provenance, model_card(facts, found), folder)
    print(
        f"FROZEN MOMENTS: over {report.n_population} z; against the batch's own, on "
        f"{report.n_compared} z: images differ by {report.image_difference:.2f} of 255 "
        f"grey levels on average, {report.mask_agreement:.2%} of mask pixels agree"
    )
    print(f"EXPORT: {folder / 'generator'}, generator.keras, model_card.md")
