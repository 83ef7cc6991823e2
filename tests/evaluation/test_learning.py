"""The Dice of constant masks, which a network must beat to have learned."""

from pathlib import Path

import numpy as np
import pytest

from tfgansynth.evaluation.learning import (
    ValidationDice,
    constant_dice,
    mean_mask,
    validation_dice,
)
from tfgansynth.evaluation.metrics import dice
from tfgansynth.records.converter import from_json, to_json


def bars(*widths: int) -> np.ndarray:
    """Masks of 4 x 10 px whose first columns are foreground."""
    masks = np.zeros((len(widths), 4, 10), np.bool_)
    for mask, width in zip(masks, widths, strict=True):
        mask[:, :width] = True
    return masks


def test_an_all_foreground_output_has_not_learned_however_high_its_dice() -> None:
    truths = bars(8, 8)
    found = validation_dice(bars(10, 10), truths, bars(7, 9))
    assert found.network == found.all_foreground == pytest.approx(16 / 18)
    assert not found.has_learned


def test_the_mean_of_the_training_masks_is_measured_on_validation_cases() -> None:
    # Widths 2, 4, 6, 6: that of 6 has the highest mean Dice, 3/6 + 4/5 + 1 + 1.
    found = validation_dice(bars(3), bars(3), bars(2, 4, 6, 6))
    assert found.mean_mask == pytest.approx(2 * 3 / (3 + 6))
    assert found.all_foreground == pytest.approx(2 * 3 / (3 + 10))
    assert found.network == 1
    assert found.has_learned


def test_no_level_is_better_on_the_training_masks() -> None:
    masks = np.random.default_rng(0).random((7, 6, 6)) < np.linspace(0, 1, 6)
    best = np.mean([dice(mean_mask(masks), mask) for mask in masks])
    levels = [masks.sum(axis=0) >= level for level in range(9)]
    others = [np.mean([dice(cut, mask) for mask in masks]) for cut in levels]
    assert best == pytest.approx(max(others))
    assert len({round(each, 6) for each in others}) > 5


def test_without_a_target_in_most_cases_the_constant_mask_is_empty() -> None:
    found = constant_dice(bars(0, 0, 0, 3), bars(0, 0, 5))
    assert found["mean_mask"] == pytest.approx(2 / 3)
    assert found["all_foreground"] == pytest.approx((2 * 5 / 15) / 3)


def test_an_empty_output_has_not_learned_where_most_cases_are_negatives() -> None:
    found = validation_dice(bars(0, 0, 0, 0), bars(0, 0, 0, 5), bars(5, 5, 5, 0))
    assert found.network == found.empty == pytest.approx(3 / 4)
    assert found.mean_mask == pytest.approx(1 / 4)
    assert not found.has_learned
    assert str(found).endswith(
        "against 0.7500 of the best constant mask, an empty mask"
    )


def test_a_record_without_the_empty_mask_stays_readable() -> None:
    content = {"network": 0.5, "all_foreground": 0.25, "mean_mask": 0.375}
    found = from_json(ValidationDice, content, Path("validation.json"))
    assert found.empty is None
    assert found.has_learned
    assert to_json(found) == content


def test_a_target_that_moves_is_met_better_by_all_foreground() -> None:
    masks = np.zeros((10, 4, 10), np.bool_)
    for place, mask in enumerate(masks):
        mask[:, place] = True
    assert mean_mask(masks).all()


def test_dice_is_a_mean_over_classes() -> None:
    truths = np.zeros((2, 4, 10), np.uint8)
    truths[:, :, :4] = 1
    truths[:, :, 8:] = 2
    predictions = np.where(truths == 2, 0, truths)
    found = validation_dice(predictions, truths, truths, n_classes=2)
    assert found.network == pytest.approx((1 + 0) / 2)
    assert found.mean_mask == 1
    whole = [2 * area / (area + 10) for area in (4, 2)]
    assert found.all_foreground == pytest.approx(np.mean(whole))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ((0.5, 0.4, 0.45), "0.4500 of the best constant mask, the mean training mask"),
        ((0.5, 0.6, 0.45), "0.6000 of the best constant mask, all foreground"),
    ],
)
def test_the_figures_are_said(network: tuple[float, ...], words: str) -> None:
    found = ValidationDice(
        **dict(zip(("network", "all_foreground", "mean_mask"), network, strict=True))
    )
    assert str(found) == f"Dice 0.5000 on validation cases against {words}"
    assert found.has_learned == (network[0] > max(network[1:]))


@pytest.mark.parametrize("best", ["all_foreground", "mean_mask", "empty"])
def test_equal_is_not_better(best: str) -> None:
    others = dict.fromkeys(("all_foreground", "mean_mask"), 0.1)
    found = [
        ValidationDice(network=network, **{**others, best: 0.25}).has_learned
        for network in (0.2, 0.25, 0.2500001)
    ]
    assert found == [False, False, True]
