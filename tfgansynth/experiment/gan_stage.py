"""The stage of a fold's GAN: training it, loading it, exporting its generator."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from tfgansynth import storage
from tfgansynth.cards.model_card import GeneratorFacts, model_card
from tfgansynth.config import Config
from tfgansynth.data.augmentation import augment_pair
from tfgansynth.data.pipeline import Change, real_pairs
from tfgansynth.data.sealed import FoldCases
from tfgansynth.errors import InputError
from tfgansynth.experiment.findings import findings_of_generator
from tfgansynth.experiment.origins import Origin, gan_origin
from tfgansynth.experiment.stages import tell_precision, timed
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.export import compare_frozen, export_generator, freeze_moments
from tfgansynth.gan.training import is_trained, load_gan, train_gan
from tfgansynth.materials import Experiment
from tfgansynth.seeds import derive_seed
from tfgansynth.stopwatch import START_UP


def ensure_gan(experiment: Experiment, fold: FoldCases) -> None:
    """Train the fold's GAN on its real training pairs. Paper: III, IV-B.

    Its validation cases only watch: what is trained does not depend on them, and they
    are no part of its origin.
    """
    config, run = experiment.config, experiment.run
    stage, folder = _stage(fold), run.gan(fold.number)
    origin = gan_origin(experiment, fold)
    if is_trained(config.gan, folder, origin):
        return
    n_pairs = len(fold.training)
    print(f"FOLD {fold.number}: training the GAN on {n_pairs} real pairs")
    with timed(run, stage) as watch:
        with watch.part(START_UP):
            tell_precision(run, stage, "GAN", config.gan.precision, folder)
        train_gan(
            real_pairs(fold.training, soft_masks=config.data.soft_masks),
            config.gan,
            validation=real_pairs(fold.validation, soft_masks=config.data.soft_masks),
            change=_deformation(config),
            mask_threshold=config.synthesis.mask_threshold,
            seed=_gan_seed(config, fold),
            folder=folder,
            origin=origin,
            watch=watch,
        )


def _deformation(config: Config) -> Change | None:
    if config.gan.deform == "none":
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
        origin=gan_origin(experiment, fold),
    )


def _stage(fold: FoldCases) -> str:
    return f"fold-{fold.number}/gan"


def _gan_seed(config: Config, fold: FoldCases) -> int:
    return derive_seed(config.seed, "gan", fold.number)


def generator_origin(
    experiment: Experiment, fold: FoldCases, weights: Sequence[NDArray[Any]]
) -> Origin:
    """What a generator, and all that is drawn from it, came from."""
    return {
        **gan_origin(experiment, fold),
        "step": experiment.config.gan.steps,
        "generator_sha256": storage.hash_arrays(weights),
    }


def export_fold_generator(experiment: Experiment, fold: FoldCases) -> None:
    """Export the fold's generator with frozen moments and a model card.

    Raises:
        InputError: It has codes of its training cases, and could give them back.
    """
    config = experiment.config
    if config.gan.codes:
        raise InputError(
            "--gan.codes: such a generator can give its training "
            "cases back and is not handed on: hand on an audited set of it instead "
            "(tools/export_set.py)"
        )
    generator = trained_gan(experiment, fold).sampling_generator()
    origin = generator_origin(experiment, fold, generator.get_weights())
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
        origin=origin,
        settings=dataclasses.asdict(config.gan),
        size=config.data.size,
        report=report,
        seconds=experiment.run.seconds().get(_stage(fold)),
        machines=experiment.run.machines(_stage(fold)),
    )
    found = findings_of_generator(experiment, fold, origin["generator_sha256"])
    export_generator(generator, origin, model_card(facts, found), folder)
    print(
        f"FROZEN MOMENTS: over {report.n_population} z; against the batch's own, on "
        f"{report.n_compared} z: images differ by {report.image_difference:.2f} of 255 "
        f"grey levels on average, {report.mask_agreement:.2%} of mask pixels agree"
    )
    print(f"EXPORT: {folder / 'generator'}, generator.keras, model_card.md")
