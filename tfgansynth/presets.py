"""The presets: complete configurations by name."""

import dataclasses
import math
from collections.abc import Mapping

from tfgansynth.config import Config

_PAPER = Config()

_AUTHORS = dataclasses.replace(
    _PAPER,
    preset="authors",
    gan=dataclasses.replace(
        _PAPER.gan,
        generator_maps=(512, 256, 128, 128, 128, 128),
        discriminator_maps=(128, 128, 256, 512, 512, 512),
        init="truncated_normal",
        logits_init_stddev=0.02,
        pixel_scaling="authors",
        pixel_rounding="down",
        generator_updates=2,
        steps=20000,
    ),
)

_FAST = dataclasses.replace(
    _PAPER,
    preset="fast",
    gan=dataclasses.replace(
        _PAPER.gan,
        batch_norm_scale=True,
        discriminator_norm="spectral",
        loss="hinge",
        augment="differentiable",
        generator_rate=2e-4,
        discriminator_rate=2e-4,
        average_decay=0.995,
        batch=32,
        steps=2000,
        precision="auto",
    ),
    unet=dataclasses.replace(
        _PAPER.unet,
        optimizer="adam",
        learning_rate=5e-4,
        weight_decay=0.0,
        validation_error="dice",
        go_on_while_falling=True,
        min_steps=300,
        max_epochs=400,
        average_decay=0.98,
        keep="best",
        precision="auto",
    ),
    synthesis=dataclasses.replace(
        _PAPER.synthesis, near_duplicates="pixels", pseudo_label_steps=600
    ),
    evaluation=dataclasses.replace(
        _PAPER.evaluation, budgets=(600,), budget_epoch=10, cross_fit_steps=300
    ),
)

_BEST = dataclasses.replace(
    _FAST,
    preset="best",
    gan=dataclasses.replace(_FAST.gan, latent_codes=True, latent_temperature=2.0),
    synthesis=dataclasses.replace(
        _FAST.synthesis, count=1000, pseudo_label_members=3, augment="elastic"
    ),
)

_SMOKE = dataclasses.replace(
    _FAST,
    preset="smoke",
    gan=dataclasses.replace(
        _FAST.gan,
        z_dim=32,
        generator_maps=(64, 48, 32, 24, 16),
        discriminator_maps=(16, 24, 32, 48, 64),
        generator_rate=1e-3,
        discriminator_rate=1e-3,
        batch=16,
        steps=100,
        sample_every=50,
        log_every=10,
        saturation_steps=50,
        precision="float32",
    ),
    synthesis=dataclasses.replace(
        _FAST.synthesis, count=30, hash_distance=0, pseudo_label_steps=40
    ),
    unet=dataclasses.replace(
        _FAST.unet,
        maps=8,
        learning_rate=3e-3,
        min_steps=30,
        max_epochs=17,
        average_decay=0.8,
        precision="float32",
    ),
    evaluation=dataclasses.replace(
        _FAST.evaluation, budgets=(40,), budget_epoch=4, cross_fit_steps=200
    ),
)


def at_size(config: Config, size: int) -> Config:
    """Scale a configuration to images of another side in pixels.

    Settings in pixels are scaled with the side. Generator and discriminator keep the
    side of their coarsest maps. Per halving of the side they lose their finest level;
    per doubling they get a finer one of half the maps, so that a step takes twice the
    memory, not four times. Per doubling the U-Net has one level more, so that its
    coarsest maps show as much of the image. Per halving it keeps its levels.
    """
    if size == config.data.size:
        return config
    factor = size / config.data.size
    doublings = math.frexp(factor)[1] - 1
    gan, strength = config.gan, config.augmentation
    coarse_last = _levels(gan.generator_maps[::-1], doublings)
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, size=size),
        augmentation=dataclasses.replace(
            strength,
            stddev=strength.stddev * factor,
            shift=strength.shift * factor,
            strong_blur=strength.strong_blur * factor,
        ),
        gan=dataclasses.replace(
            gan,
            generator_maps=coarse_last[::-1],
            discriminator_maps=_levels(gan.discriminator_maps, doublings),
            augment_shift=round(gan.augment_shift * factor),
            augment_cutout=round(gan.augment_cutout * factor),
        ),
        unet=dataclasses.replace(
            config.unet, depth=config.unet.depth + max(0, doublings)
        ),
    )


def with_modern_unet(config: Config) -> Config:
    """Let the U-Net be modern, with the settings that go with it.

    It has half the maps, so that a step costs about as much. Its rates are those that
    did best on phantoms, of wide networks and of narrow ones, whose presets have higher
    rates.
    """
    return dataclasses.replace(
        config,
        unet=dataclasses.replace(
            config.unet,
            architecture="modern",
            maps=max(1, config.unet.maps // 2),
            optimizer="adam",
            learning_rate=max(2e-3, 2 * config.unet.learning_rate),
            weight_decay=0.01,
        ),
    )


def _levels(maps: tuple[int, ...], doublings: int) -> tuple[int, ...]:
    """Add or drop levels at the fine end, where maps begin; one is left at least."""
    kept = maps[min(max(0, -doublings), len(maps) - 1) :]
    for _ in range(doublings):
        kept = (max(1, kept[0] // 2), *kept)
    return kept


_BEST_64 = at_size(_BEST, 64)

_DEMO = dataclasses.replace(
    _BEST_64,
    preset="demo",
    data=dataclasses.replace(_BEST_64.data, phantoms=90),
    gan=dataclasses.replace(
        _BEST_64.gan,
        z_dim=100,
        generator_maps=(128, 64, 32, 16),
        discriminator_maps=(16, 32, 64, 128),
        generator_rate=1e-3,
        discriminator_rate=1e-3,
        batch=16,
        steps=300,
        sample_every=150,
        saturation_steps=100,
        precision="float32",
    ),
    synthesis=_FAST.synthesis,
    unet=dataclasses.replace(
        _FAST.unet,
        depth=3,
        maps=8,
        learning_rate=5e-3,
        fixed_steps=250,
        steps_an_epoch=25,
        precision="float32",
    ),
    evaluation=dataclasses.replace(
        _FAST.evaluation, budgets=(250,), budget_epoch=25, cross_fit_steps=250
    ),
)

PRESETS: Mapping[str, Config] = {
    config.preset: config for config in (_PAPER, _AUTHORS, _FAST, _BEST, _DEMO, _SMOKE)
}
"""`paper`: its text. `authors`: the GAN of their published code. `fast`: the paper's
networks and protocol, made to converge on a CPU within an hour. `best`: the settings
whose pairs have helped most so far. `demo`: the whole reduced table of the built-in
phantoms in minutes. `smoke`: seconds, for tests; its networks learn nothing.

Three things of the authors' code are missing in `authors`. Images are resized there by
TensorFlow 1's bilinear method without smoothing, which takes every eighth pixel of
1024; here each pixel is the average of the area it covers. Mini-batches come there from
a shuffle buffer, so that a batch of 128 has about 87 different cases; here every case
is served once before any comes again. There sixteen threads load images and masks, and
now and then combine those of two cases; here no pair is mixed up."""

DESCRIPTIONS: Mapping[str, str] = {
    "paper": "the paper's own settings; days on a CPU",
    "authors": "the GAN of the code that its authors published; days on a CPU",
    "fast": "the paper's protocol, made to converge on two cores: an hour a fold",
    "best": "fast with what has helped most so far: pseudo-labels, 1000 pairs; longer",
    "demo": "the whole reduced table of phantoms at 64 px; minutes",
    "smoke": "for tests of the program: its networks learn nothing; minutes",
}
"""What each preset is for, and how long it takes: a line in the help on options."""
