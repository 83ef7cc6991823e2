"""Masks are cleaned as the real ones of their fold are, and these stay as they are."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.config import Config, SynthesisConfig
from tfgansynth.data.dataset import Case, Identity, Layout
from tfgansynth.data.held_out import FoldCases, HeldOutTestSet
from tfgansynth.errors import InputError
from tfgansynth.synthesis.masks import ClassRule, clean_masks
from tfgansynth.synthesis.rules import (
    fold_rules,
    learn_rules,
    lung_rules,
    recovery,
    require_recovery,
    rules_to_text,
)

SIDE = 96
PLACES = [(row, column) for row in (16, 48, 80) for column in (10, 34, 58, 82)]


def disc(center: tuple[int, int], radius: float) -> MaskArray:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    distances = np.hypot(rows - center[0], columns - center[1])
    return np.asarray(distances <= radius)


def discs(seed: int, n: int = 10, *, hole: float = 0.0) -> MaskArray:
    """So many discs that do not touch, each with a round hole of a share of it."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    for place in rng.permutation(PLACES)[:n]:
        center, radius = tuple(place + rng.integers(-2, 3, 2)), rng.uniform(4, 8)
        mask |= disc(center, radius)
        if hole:
            mask &= ~disc(center, hole * radius)
    return mask


def rings(seed: int) -> MaskArray:
    return discs(seed, 6, hole=0.5)


def grid(seed: int) -> MaskArray:
    """Lines of one pixel that enclose cells of 7 x 7."""
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[seed % 8 :: 8] = mask[:, seed // 8 % 8 :: 8] = True
    return mask


def instances(seed: int) -> MaskArray:
    """Many small objects, from 3 to 60 of them, some of one pixel."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    for _ in range(rng.integers(3, 60)):
        mask |= disc(tuple(rng.integers(0, SIDE, 2)), rng.uniform(0, 3))
    return mask


Shape = Callable[[int], MaskArray]
SHAPES: tuple[Shape, ...] = (discs, rings, grid, instances)


def maps(*masks: MaskArray) -> ByteArray:
    return np.stack(masks).astype(np.uint8)


def fold_of(
    training: list[MaskArray], validation: list[MaskArray], layout: Layout = "folder"
) -> FoldCases:
    def cases(name: str, masks: list[MaskArray]) -> tuple[Case, ...]:
        return tuple(
            Case(
                f"{name}{index}",
                np.zeros(mask.shape, np.float32),
                mask.astype(np.float32)[..., None],
            )
            for index, mask in enumerate(masks)
        )

    parts = cases("training", training), cases("validation", validation)
    target = "made" if layout == "folder" else "lungs"
    n_cases = len(training) + len(validation)
    data = Identity("made", layout, n_cases, "", target=target, classes=(target,))
    return FoldCases(1, *parts, HeldOutTestSet([]), (), data)


def settings(**changes: Any) -> Config:
    return Config(synthesis=SynthesisConfig(**changes))


@pytest.mark.parametrize("shape", SHAPES)
def test_real_masks_pass_unharmed_by_what_was_learned_of_others(shape: Shape) -> None:
    training = [shape(seed) for seed in range(16)]
    unseen = maps(*(shape(seed) for seed in range(100, 108)))

    rules = fold_rules(Config(), fold_of(training, []))

    assert recovery(maps(*training), rules) == [1.0]
    assert recovery(unseen, rules)[0] >= 0.98
    # By the rule of lungs they came to harm.
    assert recovery(unseen, lung_rules("both", 1))[0] < 0.8


def test_of_a_generated_mask_ten_discs_are_kept_and_specks_dropped() -> None:
    rules = learn_rules(maps(*map(discs, range(12))), 1)
    real = discs(200)
    grey = np.where(real, 220, 30).astype(np.uint8)
    specks = [(row, column) for row in (2, 32, 64) for column in (1, 22, 46, 70, 94)]
    for row, column in specks:
        grey[row : row + 2, column : column + 2] = 255
    assert ndimage.label(grey >= 150)[1] == 25

    (cleaned,) = clean_masks(grey[None, ..., None], rules, threshold=150)

    np.testing.assert_array_equal(cleaned, real)


def test_what_real_masks_have_not_is_taken_from_generated_ones() -> None:
    """An eleventh disc, the smallest, and a hole."""
    rules = learn_rules(maps(*map(discs, range(12))), 1)
    real = discs(201)
    free = next(p for p in PLACES if not real[disc(p, 4)].any())
    inside = np.argwhere(ndimage.binary_erosion(real, iterations=2))[0]
    grey = np.where(real | disc(free, 3.6), 220, 30).astype(np.uint8)
    grey[tuple(inside)] = 0

    (cleaned,) = clean_masks(grey[None, ..., None], rules, threshold=150)

    np.testing.assert_array_equal(cleaned, real)


def test_a_grid_of_one_pixel_is_recovered_exactly() -> None:
    rules = learn_rules(maps(*map(grid, range(8))), 1)
    assert rules == (ClassRule(1, rules[0].least_px, fill_holes=False),)
    grey = np.where(grid(20), 160, 140).astype(np.uint8)

    (cleaned,) = clean_masks(grey[None, ..., None], rules, threshold=150)

    np.testing.assert_array_equal(cleaned, grid(20))


def test_what_is_learned_are_counts_areas_and_holes_of_each_class() -> None:
    one = np.zeros((20, 20), np.uint8)
    one[1:4, 1:4], one[2, 2] = 1, 0
    one[10:12, 10:15] = one[15, 15] = 2
    other = np.zeros((20, 20), np.uint8)
    other[1:3, 1:3] = other[10:16, 1:3] = other[10:16, 10:12] = 1
    # A hole that is filled by another class is none.
    other[5:9, 5:9], other[6:8, 6:8] = 3, 1
    empty = np.zeros((20, 20), np.uint8)

    # Each twice: a rule counts only if it holds for what it was not learned from.
    rules = learn_rules(np.stack([one, other, one, other, empty]), 4)

    # Half of the smallest area is the least.
    assert rules == (
        ClassRule(4, 2, fill_holes=False),
        ClassRule(2, 1, fill_holes=True),
        ClassRule(1, 6, fill_holes=True),
        # No training mask shows it.
        ClassRule(None, 1, fill_holes=False),
    )
    assert recovery(np.stack([one, other, empty]), rules) == [1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("count", [1, 6])
def test_a_rule_that_does_not_hold_for_others_is_not_learned(count: int) -> None:
    """One of few masks has a second disc: others may have one too."""
    masks = [disc((10, 10 + index), 5) for index in range(count)]
    masks[-1] |= disc((30, 30), 5)

    assert learn_rules(maps(*masks), 1) == (ClassRule(None, 1, fill_holes=False),)
    assert learn_rules(maps(*masks, masks[-1]), 1)[0].components == 2


def test_maps_of_three_classes_pass_unharmed() -> None:
    def drawn(seed: int) -> ByteArray:
        labels = grid(seed).astype(np.uint8)
        labels[rings(seed)] = 2
        labels[discs(seed + 50, 3)] = 3
        return labels

    rules = learn_rules(np.stack([drawn(seed) for seed in range(20)]), 3)
    unseen = np.stack([drawn(seed) for seed in range(100, 106)])
    greys = np.stack([(unseen == k) * np.uint8(200) for k in (1, 2, 3)], axis=-1)

    assert min(recovery(unseen, rules)) >= 0.98
    cleaned = clean_masks(greys, rules, threshold=150)
    assert np.mean(cleaned != unseen) < 0.01
    assert [len(np.unique(each)) for each in cleaned] == [4] * 6


def test_validation_and_test_cases_bear_on_no_rule() -> None:
    training = [discs(seed, 4) for seed in range(6)]
    alone = fold_rules(Config(), fold_of(training, []))
    with_others = fold_rules(Config(), fold_of(training, [rings(3), instances(4)]))
    assert alone == with_others
    assert alone[0].components == 4
    assert alone[0].fill_holes


@pytest.mark.parametrize(
    ("lungs", "expected"), [("both", 2), ("left", 1), ("right", 1)]
)
def test_lungs_keep_the_papers_rule(lungs: Any, expected: int) -> None:
    config = dataclasses.replace(Config(), lungs=lungs)
    fold = fold_of([discs(seed) for seed in range(4)], [], "jsrt")
    assert fold_rules(config, fold) == (ClassRule(expected, 1, fill_holes=True),)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"components": "all"}, ClassRule(None, 1, fill_holes=True)),
        ({"components": "3"}, ClassRule(3, 1, fill_holes=True)),
        ({"fill_holes": "no"}, ClassRule(10, 54, fill_holes=False)),
        ({"components": "3", "fill_holes": "no"}, ClassRule(3, 1, fill_holes=False)),
    ],
)
def test_settings_replace_what_is_learned(
    changes: dict[str, Any], expected: ClassRule
) -> None:
    fold = fold_of([discs(seed) for seed in range(4)], [])
    auto = fold_rules(Config(), fold)
    least = min(
        np.bincount(ndimage.label(discs(seed))[0].ravel())[1:].min()
        for seed in range(4)
    )
    assert auto == (ClassRule(10, int(least) // 2, fill_holes=True),)
    found = fold_rules(settings(**changes), fold)
    if expected.least_px > 1:
        expected = dataclasses.replace(expected, least_px=int(least) // 2)
    assert found == (expected,)


@pytest.mark.parametrize(
    ("shape", "changes", "words"),
    [
        (
            discs,
            {"components": "2"},
            ("keep the 2 largest components, fill", "--synthesis.components all"),
        ),
        (rings, {"fill_holes": "yes"}, ("keep the 6", "--synthesis.fill-holes no")),
        (
            rings,
            {"components": "1", "fill_holes": "yes"},
            (
                "keep the largest component, fill holes",
                "--synthesis.components all --synthesis.fill-holes no",
            ),
        ),
    ],
)
def test_a_rule_that_harms_real_masks_is_refused_with_the_option_to_set(
    shape: Shape, changes: dict[str, Any], words: tuple[str, str]
) -> None:
    masks = [shape(seed) for seed in range(8)]
    fold, config = fold_of(masks[:5], masks[5:]), settings(**changes)
    require_recovery(Config(), fold)
    figure = recovery(maps(*masks), fold_rules(config, fold))[0]
    assert figure < 0.98

    with pytest.raises(InputError) as refusal:
        require_recovery(config, fold)

    line = str(refusal.value)
    rule, remedy = words
    assert "\n" not in line
    assert f"({rule}" in line
    assert f"of fold 1 have a mean Dice of {figure:.2f} with themselves" in line
    assert line.endswith(f": set {remedy}")
    for option in changes:
        assert f"--synthesis.{option.replace('_', '-')} {changes[option]}" in line


def test_validation_masks_that_come_to_harm_are_found_too() -> None:
    """Training masks have no holes, and so they would be filled."""
    ring = disc((48, 48), 30) & ~disc((48, 48), 20)
    fold = fold_of([discs(seed, 6) for seed in range(4)], 4 * [ring])
    with pytest.raises(InputError, match=r"set --synthesis\.fill-holes no$"):
        require_recovery(Config(), fold)


def test_the_class_that_comes_to_harm_is_named() -> None:
    planes = [np.stack([discs(seed, 3), rings(seed + 9)], axis=-1) for seed in range(8)]
    for each in planes:
        each[..., 0] &= ~ndimage.binary_fill_holes(each[..., 1])
    cases = tuple(
        Case(str(index), np.zeros((SIDE, SIDE), np.float32), each.astype(np.float32))
        for index, each in enumerate(planes)
    )
    data = Identity("made", "folder", 8, "", target="t", classes=("disc", "ring"))
    fold = FoldCases(1, cases[:5], cases[5:], HeldOutTestSet([]), (), data)

    disc_rule, ring_rule = fold_rules(Config(), fold)
    assert disc_rule.fill_holes
    assert (ring_rule.components, ring_rule.fill_holes) == (6, False)
    with pytest.raises(InputError, match=r"real masks of class ring of fold 1 "):
        require_recovery(settings(fill_holes="yes"), fold)


def test_rules_are_said_in_words() -> None:
    lungs, vessels = ClassRule(2), ClassRule(None, 12, fill_holes=False)
    one = ClassRule(1, 3)
    text = "keep the 2 largest components, fill holes"
    assert rules_to_text((lungs,), ["lungs"]) == text
    assert rules_to_text((lungs, lungs), ["a", "b"]) == text
    assert rules_to_text((one, vessels), ["nerve", "vessel"]) == (
        "nerve: keep the largest component of 3 px or more, fill holes; "
        "vessel: keep all components of 12 px or more, leave holes"
    )
