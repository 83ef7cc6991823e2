"""The rows of the tables: which U-Nets are trained, and how."""

import dataclasses
from pathlib import Path
from typing import get_args

import pytest

from tfgansynth.data.held_out import FoldHashes
from tfgansynth.errors import InputError
from tfgansynth.planning.requests import RegimeSet, planned_regimes, table_request
from tfgansynth.presets import PRESETS
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.regimes import (
    Regime,
    SetKind,
    cross_fit_config,
    pseudo_label_config,
)

FAST = PRESETS["fast"]
FOLD = FoldHashes(
    1,
    *(
        {f"{part}-{number}": "" for number in range(count)}
        for part, count in (("training", 30), ("validation", 20), ("unused", 115))
    ),
)


def names(regimes: RegimeSet) -> list[list[str]]:
    return [
        [regime.name for regime in table]
        for table in planned_regimes(FAST, FOLD, regimes)
    ]


def test_rows_of_each_table() -> None:
    paper = ["real only", "mixed", "synthetic only"]
    fixed_budget = [
        "real (fixed budget)",
        "real + synthetic (fixed budget)",
        "synthetic (fixed budget)",
        "real (augmented)",
        "real + synthetic (augmented)",
    ]
    assert names("paper") == [paper]
    assert names("fixed_budget") == [fixed_budget]
    assert names("all") == [paper, fixed_budget]


def test_each_row_has_a_folder_of_its_own() -> None:
    filtered = dataclasses.replace(FAST.synthesis, min_agreement=0.9)
    config = dataclasses.replace(FAST, synthesis=filtered)
    rows = [
        regime for table in planned_regimes(config, FOLD, "all") for regime in table
    ]
    assert len(rows) == 3 + 2 + 5 + 3
    for attribute in ("folder_name", "label", "name"):
        assert len({getattr(row, attribute) for row in rows}) == len(rows)
    assert rows[0].folder_name == "unet-r30-s0"
    assert rows[3].folder_name == "unet-r30-s120-filtered"
    assert rows[-1].folder_name == "unet-r30-s120-filtered-augmented"
    assert rows[-1].label == "30 real + 120 synthetic (filtered, augmented)"


def test_paper_rows_are_trained_as_the_preset_says() -> None:
    for regime in planned_regimes(FAST, FOLD, "paper")[0]:
        assert regime.unet_config(FAST) == FAST.unet


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_fixed_budget_regimes_take_equally_many_steps(preset: str) -> None:
    config = PRESETS[preset]
    for regime in planned_regimes(config, FOLD, "fixed_budget")[0]:
        unet = regime.unet_config(config)
        assert unet.fixed_steps == config.evaluation.budgets[0] > 0
        # Whole epochs, of a length that does not depend on the number of pairs.
        assert unet.fixed_steps % unet.steps_an_epoch == 0
        assert unet.augment == ("elastic" if regime.schedule == "augmented" else "none")


def test_a_filter_adds_rows_beside_those_without() -> None:
    filtered = dataclasses.replace(FAST.synthesis, min_agreement=0.9)
    config = dataclasses.replace(FAST, synthesis=filtered)
    (paper,) = planned_regimes(config, FOLD, "paper")
    assert [paper[:3]] == planned_regimes(FAST, FOLD, "paper")
    assert paper[3:] == [
        Regime(30, 120, kind="filtered"),
        Regime(0, 120, kind="filtered"),
    ]


def test_each_fixed_budget_regime_follows_its_control() -> None:
    config = PRESETS["best"]
    paper, fixed_budget = planned_regimes(config, FOLD, "all", control=True)
    assert paper == [Regime(30, 0), Regime(30, 1000), Regime(0, 1000)]
    assert [regime.name for regime in fixed_budget] == [
        "real (fixed budget)",
        "real + control (fixed budget)",
        "real + synthetic (fixed budget)",
        "control (fixed budget)",
        "synthetic (fixed budget)",
        "real (augmented)",
        "real + control (augmented)",
        "real + synthetic (augmented)",
    ]
    assert fixed_budget[1].folder_name == "unet-r30-s1000-control-fixed-budget"
    assert fixed_budget[1].label == "30 real + 1000 control (fixed budget)"
    assert [r for r in fixed_budget if r.kind == "plain"] == planned_regimes(
        config, FOLD, "fixed_budget"
    )[0]


def test_augmented_regimes_are_those_of_the_fixed_budget_that_augment() -> None:
    config = PRESETS["best"]
    whole = planned_regimes(config, FOLD, "fixed_budget", control=True)[0]
    augmented = planned_regimes(config, FOLD, "augmented", control=True)
    assert augmented == [[r for r in whole if r.schedule == "augmented"]]
    assert len(augmented[0]) == 3
    # Of a baseline that has regimes with and without, those with augmentation.
    (found,) = planned_regimes(
        config, FOLD, "augmented", baselines=("unlabelled", "strong")
    )
    assert [(r.n_synthetic > 0, r.schedule, r.baseline) for r in found[2:]] == [
        *((is_mixed, "augmented", "unlabelled") for is_mixed in (False, True)),
        *((is_mixed, "fixed_budget", "strong") for is_mixed in (False, True)),
    ]


def test_a_filtered_set_has_no_control() -> None:
    synthesis = dataclasses.replace(PRESETS["best"].synthesis, min_agreement=0.9)
    config = dataclasses.replace(PRESETS["best"], synthesis=synthesis)
    (fixed_budget,) = planned_regimes(config, FOLD, "fixed_budget", control=True)
    assert [regime.kind for regime in fixed_budget] == [
        *("plain", "control", "plain", "control", "plain"),
        *("plain", "control", "plain"),
        *("filtered", "filtered", "filtered"),
    ]


def test_pairs_that_are_not_deformed_have_no_control() -> None:
    with pytest.raises(InputError, match=r"^--control: expected --synthesis.augment"):
        table_request(FAST, "fixed_budget", control=True, assessed=False)


@pytest.mark.parametrize("kind", get_args(SetKind))
def test_a_regime_is_read_back_from_its_record(kind: SetKind) -> None:
    regime = Regime(30, 120, "augmented", kind)
    assert to_json(regime) == {
        "n_real": 30,
        "n_synthetic": 120,
        "schedule": "augmented",
        "set": kind,
    }
    assert from_json(Regime, to_json(regime), Path("provenance.json")) == regime


def test_regimes_are_sorted_as_they_are_planned() -> None:
    synthesis = dataclasses.replace(PRESETS["best"].synthesis, min_agreement=0.9)
    for config in (
        PRESETS["best"],
        dataclasses.replace(PRESETS["best"], synthesis=synthesis),
    ):
        tables = planned_regimes(config, FOLD, "all", control=True)
        planned = [regime for table in tables for regime in table]
        assert sorted(planned[::-1], key=lambda regime: regime.order) == planned


def test_pseudo_label_members_train_for_a_fixed_time_on_augmented_pairs() -> None:
    found = pseudo_label_config(FAST)
    assert (found.fixed_steps, found.steps_an_epoch) == (600, 10)
    # No validation case chooses the weights.
    assert (found.keep, found.augment) == ("last", "elastic")
    synthesis = dataclasses.replace(FAST.synthesis, pseudo_label_steps=3)
    found = pseudo_label_config(dataclasses.replace(FAST, synthesis=synthesis))
    assert (found.fixed_steps, found.steps_an_epoch) == (3, 3)


@pytest.mark.parametrize(("steps", "epoch"), [(300, 10), (3, 3)])
def test_cross_fit_members_train_for_a_fixed_time_and_keep_the_last_weights(
    steps: int, epoch: int
) -> None:
    evaluation = dataclasses.replace(FAST.evaluation, cross_fit_steps=steps)
    found = cross_fit_config(dataclasses.replace(FAST, evaluation=evaluation))
    assert (found.fixed_steps, found.steps_an_epoch) == (steps, epoch)
    assert (found.keep, found.augment) == ("last", "none")
    assert found.learning_rate == FAST.unet.learning_rate


def test_the_stopping_rule_does_not_bear_on_a_fixed_length() -> None:
    other = dataclasses.replace(FAST.unet, stop_window=3, min_steps=7, max_epochs=9)
    config = dataclasses.replace(FAST, unet=other)
    regime = Regime(30, 0, "fixed_budget")
    assert regime.unet_config(config) == regime.unet_config(FAST)
    assert Regime(30, 0).unet_config(config) != Regime(30, 0).unet_config(FAST)
