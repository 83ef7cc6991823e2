"""Presets at 64, 128, 256 and 512 px: scaled by themselves, possible, trainable."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from tfgansynth.cli import main as console
from tfgansynth.cli.options import Options, parse
from tfgansynth.config import Config, GANConfig
from tfgansynth.config_checks import check
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS, at_size, with_modern_unet
from tfgansynth.records.runs import differing_settings

SIZES = (64, 128, 256, 512)


def options(*arguments: str) -> Config:
    return parse(Options, arguments, program="test").config


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size", SIZES)
def test_every_preset_is_possible_at_every_size(preset: str, size: int) -> None:
    given = PRESETS[preset]
    own = given.data.size
    scaled = options("--preset", preset, "--data.size", str(size))
    check(scaled)
    assert scaled == at_size(given, size)
    for name in ("generator_maps", "discriminator_maps"):
        maps = getattr(scaled.gan, name)
        # The coarsest maps keep their side: 4 x 4 px, in `authors` 2 x 2.
        assert size >> len(maps) == own >> len(getattr(given.gan, name))
    assert size >> scaled.unet.depth == min(size, own) >> given.unet.depth
    assert scaled.gan.augment_cutout * own == given.gan.augment_cutout * size
    assert scaled.gan.augment_shift * own == given.gan.augment_shift * size
    assert scaled.augmentation.stddev * own == given.augmentation.stddev * size
    assert (
        scaled.augmentation.strong_blur * own == given.augmentation.strong_blur * size
    )
    assert scaled.augmentation.shift * own == given.augmentation.shift * size


def test_levels_come_and_go_where_maps_are_finest() -> None:
    expected = {
        32: ((512, 256, 128), (256, 512, 512), 4),
        64: ((512, 256, 128, 128), (128, 256, 512, 512), 4),
        256: ((512, 256, 128, 128, 128, 64), (64, 128, 128, 256, 512, 512), 5),
        512: (
            (512, 256, 128, 128, 128, 64, 32),
            (32, 64, 128, 128, 256, 512, 512),
            6,
        ),
    }
    for size, networks in expected.items():
        found = at_size(PRESETS["paper"], size)
        gan, unet = found.gan, found.unet
        assert (gan.generator_maps, gan.discriminator_maps, unet.depth) == networks


@pytest.mark.parametrize("preset", PRESETS)
def test_nothing_changes_at_the_size_of_a_preset(preset: str) -> None:
    size = PRESETS[preset].data.size
    assert at_size(PRESETS[preset], size) is PRESETS[preset]
    named = options("--preset", preset, f"--data.size={size}")
    assert named == options("--preset", preset) == PRESETS[preset]


def test_what_a_user_sets_stays() -> None:
    found = options(
        *("--preset", "fast", "--data.size", "64", "--gan.augment-cutout", "20"),
        *("--gan.generator-maps", "32", "16", "--unet.depth", "2"),
        *("--augmentation.shift", "6"),
    )
    assert found.gan.augment_cutout == 20
    assert found.gan.augment_shift == 8
    assert found.gan.generator_maps == (32, 16)
    assert found.gan.discriminator_maps == (128, 256, 512, 512)
    assert found.unet.depth == 2
    assert (found.augmentation.shift, found.augmentation.stddev) == (6.0, 1.25)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("64", "--gan.augment-cutout", "64"),
            "--gan.augment-cutout 64: exp",
        ),
        (("72",), "--data.size 72: expected a multiple of 16, as --gan.generator-maps"),
        (("8",), "--data.size 8: expected more, as --unet.depth halves it 4 times"),
        (("0",), "--data.size 0: expected 1 or more"),
        (("4096",), "--data.size 4096: expected 1 or more, less than 2049"),
        (("half",), "--data.size"),
    ],
)
def test_what_is_not_possible_is_refused(
    arguments: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        options("--preset", "fast", "--data.size", *arguments)


def test_the_last_of_two_sizes_counts() -> None:
    twice = options("--preset", "fast", "--data.size", "64", "--data.size=256")
    assert twice == at_size(PRESETS["fast"], 256)
    assert options("--data.size", "+64") == at_size(PRESETS["paper"], 64)


def test_the_resolved_numbers_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        console.main(
            ["run-table", "--preset", "fast", "--data.size", "64", "--print-config"]
        )
    shown = json.loads(capsys.readouterr().out)["config"]
    assert shown["gan"]["augment_cutout"] == 32
    assert shown["gan"]["generator_maps"] == [512, 256, 128, 128]


def narrow(config: Config) -> Config:
    """The same networks with few maps, and tiny mini-batches."""
    gan = config.gan
    few: dict[str, Any] = {
        name: (2,) * len(getattr(gan, name))
        for name in ("generator_maps", "discriminator_maps")
    }
    return dataclasses.replace(
        config,
        gan=dataclasses.replace(gan, z_dim=4, batch=2, precision="float32", **few),
        unet=dataclasses.replace(config.unet, maps=2, batch=2, precision="float32"),
    )


SAME = {"smoke": (64,), "demo": (64, 512)}
"""Sizes of the presets whose networks others have as well."""


@pytest.mark.parametrize(
    ("preset", "size"),
    [
        # Batch and spectral normalization, latent codes, five levels and six.
        *(("authors", 64), ("best", 64), ("best", 256)),
        *(
            pytest.param(preset, size, marks=pytest.mark.slow)
            # But for rates and steps, the networks of `smoke` are those of `fast`, and
            # those of `demo`, with a U-Net of fewer levels, those of `best`.
            for preset, sizes in {**dict.fromkeys(PRESETS, SIZES), **SAME}.items()
            for size in sizes
            if (preset, size) not in {("authors", 64), ("best", 64), ("best", 256)}
        ),
    ],
)
def test_networks_take_a_step_at_every_size(preset: str, size: int) -> None:
    from tfgansynth.gan.dcgan import DCGAN
    from tfgansynth.segmentation.unet import build_unet

    config = narrow(at_size(PRESETS[preset], size))
    rng = np.random.default_rng(0)
    pairs = rng.uniform(-1, 1, (2, size, size, 2)).astype(np.float32)
    gan = DCGAN(config.gan, size=size, seed=0, n_cases=2 * config.gan.latent_codes)
    if config.gan.latent_codes:
        gan.set_cases(pairs)
    gan.compile(run_eagerly=True)
    before = [np.array(weight) for weight in gan.generator.trainable_variables]
    losses = gan.train_on_batch(pairs, return_dict=True)
    assert all(np.isfinite(loss) for loss in losses.values())
    changed = [
        not np.array_equal(old, new)
        for old, new in zip(before, gan.generator.trainable_variables, strict=True)
    ]
    assert any(changed)
    images, masks = gan.sampling_generator().sample(np.zeros((2, 4), np.float32))
    assert images.shape == masks.shape[:3] == (2, size, size)

    unet = build_unet(config.unet, size=size, seed=0)
    unet.compile(run_eagerly=True)
    classes = (pairs[..., 1] > 0).astype(np.int32)
    logs = unet.train_on_batch(pairs[..., :1], classes, return_dict=True)
    assert np.isfinite(logs["loss"])
    assert unet.output_shape == (None, size, size, 2)


def test_scaling_is_relative_to_the_size_it_starts_from() -> None:
    assert at_size(at_size(PRESETS["fast"], 64), 128).gan == dataclasses.replace(
        PRESETS["fast"].gan,
        generator_maps=(512, 256, 128, 128, 64),
        discriminator_maps=(64, 128, 256, 512, 512),
    )
    assert isinstance(at_size(PRESETS["smoke"], 96).gan, GANConfig)


def test_what_follows_the_size_is_no_setting_of_its_own() -> None:
    scaled = at_size(PRESETS["fast"], 64)
    config = dataclasses.replace(
        scaled, gan=dataclasses.replace(scaled.gan, augment_shift=3)
    )
    assert differing_settings(config) == ["data.size: 64", "gan.augment_shift: 3"]


def test_what_follows_the_architecture_is_no_setting_of_its_own() -> None:
    modern = with_modern_unet(at_size(PRESETS["fast"], 64))
    unet = dataclasses.replace(modern.unet, maps=20)
    config = dataclasses.replace(modern, unet=unet)
    assert differing_settings(config) == [
        "data.size: 64",
        "unet.architecture: modern",
        "unet.maps: 20",
    ]
