"""Settings within their ranges and together possible, wherever they are read."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tfgansynth.config import Config, DataConfig, GANConfig, UNetConfig
from tfgansynth.config_checks import check, check_ranges, settings_from
from tfgansynth.data.dataset import CaseTable
from tfgansynth.data.splits import make_folds
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS
from tfgansynth.records import converter
from tfgansynth.records.regimes import cross_fit_parts
from tfgansynth.records.runs import Settings

HUGE = 10**9


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_possible_and_read_back(preset: str) -> None:
    config = PRESETS[preset]
    check(config)
    settings = Settings(networks={}, config=config)
    content = converter.to_json(settings)
    assert converter.from_json(Settings, content, Path("config.json")) == settings
    assert settings_from(GANConfig, content["config"]["gan"]) == config.gan


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("synthesis", "pseudo_label_members", HUGE),
        ("synthesis", "mask_threshold", 300),
        ("synthesis", "components", "0"),
        ("data", "size", HUGE),
        ("data", "folds", 2**40),
        ("evaluation", "cross_fit_splits", 0),
        ("gan", "generator_maps", []),
        ("gan", "latent_temperature", -1.0),
        ("unet", "depth", 20000),
    ],
)
def test_records_of_others_are_refused(section: str, name: str, value: Any) -> None:
    content = converter.to_json(Settings(networks={}, config=Config()))
    content["config"][section][name] = value
    option = name.replace("_", "-")
    with pytest.raises(InputError, match=rf"^config\.json: .*--{option}.*: expected"):
        converter.from_json(Settings, content, Path("config.json"))
    kind = type(getattr(Config(), section))
    with pytest.raises(InputError, match=rf"^provenance\.json: .*--{option}"):
        converter.from_json(kind, content["config"][section], Path("provenance.json"))


def test_counts_are_bounded_by_the_cases_before_anything_is_made() -> None:
    config = Config(data=DataConfig(folds=HUGE))
    with pytest.raises(
        InputError, match=f"9 cases are too few .*--data.folds {HUGE} n"
    ):
        make_folds([*"abcdefghi"], config, CaseTable())
    evaluation = dataclasses.replace(Config().evaluation, cross_fit_splits=HUGE)
    config = dataclasses.replace(Config(), evaluation=evaluation)
    with pytest.raises(InputError, match=f"cross-fit-splits {HUGE}: fold 1 has only 9"):
        cross_fit_parts(config, 1, 9)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e6])
def test_amounts_are_finite(value: float) -> None:
    with pytest.raises(InputError, match="--leaky-slope"):
        check_ranges(GANConfig(leaky_slope=value))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"depth": 20000}, "--depth 20000: expected 0 or more, less than 12"),
        ({"depth": "4"}, "depth '4': is no value of UNetConfig"),
        ({"maps": True}, "maps True"),
        ({"optimizer": "sgd"}, "optimizer 'sgd'"),
        ({"deep": 4}, "deep 4"),
    ],
)
def test_plain_settings_have_types_and_ranges(
    entries: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        settings_from(UNetConfig, entries)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gan.z_dim": 2**30}, "--gan.z-dim, .*step of the generator would take"),
        ({"gan.batch": 2**20}, "--gan.batch, .*step of the generator would take"),
        ({"gan.discriminator_maps": (9**5,) * 5}, "--gan.discriminator-maps, .*take"),
        ({"unet.maps": 10**5}, "--unet.maps, .*step of a U-Net would take"),
        ({"synthesis.batch": 2**20}, "--synthesis.batch, .*would take"),
        ({"data.size": 2048, "synthesis.count": 9000}, "--synthesis.count, .*take"),
        ({"data.size": 2048, "data.phantoms": 9000}, "--data.phantoms, .*take"),
        ({"data.size": 72}, "--data.size 72: expected a multiple of 32, as --gan.gen"),
        ({"data.size": 16}, "--data.size 16: expected more, as --gan.generator-maps"),
        (
            {"gan.unlabelled": True},
            r"^--gan\.unlabelled: .* --synthesis.pseudo-label-m",
        ),
    ],
)
def test_what_cannot_be_held_is_refused_before_it_is_built(
    changes: dict[str, Any], words: str
) -> None:
    config = dataclasses.replace(
        Config(),
        gan=dataclasses.replace(Config().gan, batch=1),
        synthesis=dataclasses.replace(Config().synthesis, batch=1),
        unet=dataclasses.replace(Config().unet, batch=1),
    )
    for place, value in changes.items():
        section, name = place.split(".")
        part = dataclasses.replace(getattr(config, section), **{name: value})
        config = dataclasses.replace(config, **{section: part})
    with pytest.raises(InputError, match=words):
        check(config)


def test_the_gradient_penalty_and_batch_normalization_exclude_each_other() -> None:
    gan = dataclasses.replace(Config().gan, loss="wgan_gp")
    with pytest.raises(InputError, match=r"^--gan.discriminator-norm batch: expected"):
        check(dataclasses.replace(Config(), gan=gan))
    for norm in ("none", "spectral"):
        fit: Any = dataclasses.replace(gan, discriminator_norm=norm)
        check(dataclasses.replace(Config(), gan=fit))


def test_a_share_of_real_pairs_and_pretraining_exclude_each_other() -> None:
    unet = dataclasses.replace(
        PRESETS["smoke"].unet, fixed_steps=40, steps_an_epoch=10, pretraining_steps=20
    )
    check(dataclasses.replace(PRESETS["smoke"], unet=unet))
    both = dataclasses.replace(unet, real_share=0.5)
    with pytest.raises(InputError, match=r"^--unet.real-share 0.5: has no effect"):
        check(dataclasses.replace(PRESETS["smoke"], unet=both))
