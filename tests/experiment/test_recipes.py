"""The rows of the tables: which U-Nets are trained, and how."""

import dataclasses
from typing import get_args

import pytest

from tfgansynth.config import PRESETS
from tfgansynth.errors import InputError
from tfgansynth.experiment.recipes import Arms, Recipe, paper_recipes, recipes
from tfgansynth.experiment.run_folder import SetKind

FAST = PRESETS["fast"]


def names(arms: Arms) -> list[list[str]]:
    return [[recipe.name for recipe in table] for table in recipes(FAST, 30, arms)]


def test_rows_of_each_table() -> None:
    paper = ["real only", "mixed", "synthetic only"]
    fair = [
        "real (fair)",
        "real + synthetic (fair)",
        "synthetic (fair)",
        "real (augmented)",
        "real + synthetic (augmented)",
    ]
    assert names("paper") == [paper]
    assert names("fair") == [fair]
    assert names("all") == [paper, fair]


def test_each_row_has_a_folder_of_its_own() -> None:
    filtered = dataclasses.replace(FAST.synthesis, min_agreement=0.9)
    config = dataclasses.replace(FAST, synthesis=filtered)
    rows = [recipe for table in recipes(config, 30, "all") for recipe in table]
    assert len(rows) == 3 + 2 + 5 + 3
    for attribute in ("folder_name", "label", "name"):
        assert len({getattr(row, attribute) for row in rows}) == len(rows)
    assert rows[0].folder_name == "unet-r30-s0"
    assert rows[3].folder_name == "unet-r30-s120-filtered"
    assert rows[-1].folder_name == "unet-r30-s120-filtered-augmented"
    assert rows[-1].label == "30 real + 120 synthetic (filtered, augmented)"


def test_paper_rows_are_trained_as_the_preset_says() -> None:
    for recipe in paper_recipes(30, 120):
        assert recipe.unet_config(FAST) == FAST.unet


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_fair_rows_take_equally_many_steps(preset: str) -> None:
    config = PRESETS[preset]
    for recipe in recipes(config, 30, "fair")[0]:
        unet = recipe.unet_config(config)
        assert unet.fixed_steps == config.evaluation.fair_steps > 0
        # Whole epochs, of a length that does not depend on the number of pairs.
        assert unet.fixed_steps % unet.steps_an_epoch == 0
        assert unet.augment == ("elastic" if recipe.schedule == "augmented" else "none")


def test_a_filter_adds_rows_beside_those_without() -> None:
    filtered = dataclasses.replace(FAST.synthesis, min_agreement=0.9)
    config = dataclasses.replace(FAST, synthesis=filtered)
    (paper,) = recipes(config, 30, "paper")
    assert paper[:3] == paper_recipes(30, 120)
    assert paper[3:] == [
        Recipe(30, 120, kind="filtered"),
        Recipe(0, 120, kind="filtered"),
    ]


def test_each_fair_row_follows_its_control() -> None:
    config = PRESETS["best"]
    paper, fair = recipes(config, 30, "all", control=True)
    assert paper == paper_recipes(30, 1000)
    assert [recipe.name for recipe in fair] == [
        "real (fair)",
        "real + control (fair)",
        "real + synthetic (fair)",
        "control (fair)",
        "synthetic (fair)",
        "real (augmented)",
        "real + control (augmented)",
        "real + synthetic (augmented)",
    ]
    assert fair[1].folder_name == "unet-r30-s1000-control-fair"
    assert fair[1].label == "30 real + 1000 control (fair)"
    assert [r for r in fair if r.kind == "plain"] == recipes(config, 30, "fair")[0]


def test_a_filtered_set_has_no_control() -> None:
    synthesis = dataclasses.replace(PRESETS["best"].synthesis, min_agreement=0.9)
    config = dataclasses.replace(PRESETS["best"], synthesis=synthesis)
    (fair,) = recipes(config, 30, "fair", control=True)
    assert [recipe.kind for recipe in fair] == [
        *("plain", "control", "plain", "control", "plain"),
        *("plain", "control", "plain"),
        *("filtered", "filtered", "filtered"),
    ]


def test_pairs_that_are_not_deformed_have_no_control() -> None:
    with pytest.raises(InputError, match=r"^--control: expected --synthesis.deform"):
        recipes(FAST, 30, "fair", control=True)


@pytest.mark.parametrize("kind", get_args(SetKind))
def test_a_recipe_is_read_back_from_its_record(kind: SetKind) -> None:
    recipe = Recipe(30, 120, "augmented", kind)
    assert Recipe.from_record(recipe.record()) == recipe


def test_records_of_rows_without_a_control_do_not_name_it() -> None:
    """A finished U-Net of an earlier version is still the same row."""
    assert Recipe(30, 120, "fair").record() == {
        "n_real": 30,
        "n_synthetic": 120,
        "schedule": "fair",
        "filtered": False,
    }
