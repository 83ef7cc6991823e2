"""The rows of the tables: which U-Nets are trained, and how."""

import dataclasses

import pytest

from tfgansynth.config import PRESETS
from tfgansynth.experiment.recipes import Arms, Recipe, paper_recipes, recipes

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
        Recipe(30, 120, filtered=True),
        Recipe(0, 120, filtered=True),
    ]
