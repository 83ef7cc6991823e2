"""Learned deformations: along the ways in which the masks differ, and no others."""

import dataclasses
import itertools
from typing import Any

import cv2
import numpy as np
import pytest

from tfgansynth.arrays import FloatArray, Labels
from tfgansynth.config import AugmentationConfig
from tfgansynth.data import deformations
from tfgansynth.data.augmentation import _source_of_each_pixel, augment
from tfgansynth.data.deformations import (
    MOST_SIDE_PX,
    Deformations,
    learn_deformations,
    least_jacobian,
    register,
)
from tfgansynth.data.loading import load_phantoms
from tfgansynth.errors import InputError

SIDE = 48
STILL = AugmentationConfig(shift=0.0, rotation=0.0, grey=0.0)
WIDTHS = 16, 19, 22, 25, 28


def box(
    height: float, width: float, side: int = SIDE, place: tuple[float, float] = (0, 0)
) -> Labels:
    """A soft-cornered shape about the middle, moved by some rows and columns."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    away = (rows - place[0]) / (height / 2), (columns - place[1]) / (width / 2)
    return np.asarray(away[0] ** 4 + away[1] ** 4 < 1, np.uint8)


def drawn(
    found: Deformations, mask: Labels, count: int, config: AugmentationConfig = STILL
) -> list[Labels]:
    """Deform a mask again and again."""
    image, rng = mask.astype(np.float32), np.random.default_rng(0)
    return [augment(image, mask, rng, config, found)[1] for _ in range(count)]


def extents(mask: Labels) -> list[int]:
    """First and last row and column of a shape."""
    return [place for axis in np.nonzero(mask) for place in (axis.min(), axis.max())]


def test_widths_between_and_beyond_are_drawn_and_nothing_else_changes() -> None:
    masks = np.stack([box(24, width) for width in WIDTHS])
    found = learn_deformations(masks, STILL)

    # One way to differ is one component, or little more.
    shares = np.square(found.modes).sum(axis=(1, 2, 3))
    assert shares[0] > 0.9 * shares.sum()
    top, bottom, left, right = np.transpose(
        [extents(each) for each in drawn(found, masks[2], 200)]
    )
    widths, heights = right - left + 1, bottom - top + 1
    # Those of the five differ by 5.3 px on average (root of the mean square).
    assert 4 < widths.std() < 7
    assert widths.min() < 16 < 28 < widths.max()
    assert {*range(17, 28)} - {*widths.tolist()} <= {*range(17, 28, 2)}
    assert np.abs(widths.mean() - 22) < 1.5
    # Neither height nor place, which are the same in all.
    assert np.abs(heights - 24).max() <= 1
    assert np.abs(right + left - (SIDE - 1)).max() <= 2


def test_a_border_between_classes_moves_within_an_outline_that_stays() -> None:
    columns = np.arange(SIDE)
    masks = np.stack(
        [box(28, 32) * np.where(columns < edge, 1, 2) for edge in (19, 22, 25, 28)]
    ).astype(np.uint8)
    found = learn_deformations(masks, STILL)

    moved = drawn(found, masks[1], 60)
    edges = [(each == 1).any(axis=0).nonzero()[0].max() for each in moved]
    assert {*range(20, 27)} <= {*edges}
    assert np.std(edges) > 2
    assert np.std([extents(each) for each in moved], axis=0).max() < 0.7


def dice(one: Labels, other: Labels) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


@pytest.mark.parametrize("side", [SIDE, 2 * MOST_SIDE_PX])
def test_one_pair_is_registered_onto_each_other(side: int) -> None:
    first = box(side / 2, side / 3, side)
    second = box(side / 2.5, side / 2.2, side, (side / 20, -side / 16))
    config = dataclasses.replace(STILL, learned_pairs=1)
    found = learn_deformations(np.stack([first, second]), config)
    assert len(found.modes) == 1

    # Of so many strengths of the one deformation, one is as large as it was.
    moved = {own: drawn(found, mask, 40) for own, mask in enumerate((first, second))}
    reached = [
        max(dice(each, other) for each in moved[own])
        for own, other in enumerate((second, first))
    ]
    assert dice(first, second) < 0.8
    assert max(reached) > 0.96
    assert min(reached) > 0.9


def test_masks_register_phantoms_better_than_images_do() -> None:
    cases = load_phantoms(3, 0, "both", 64, soft_masks=False).cases
    planes = {
        "masks": [deformations._level(case.labels, 1) for case in cases],
        "images": [case.image / np.float32(127.5) - 1 for case in cases],
    }
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    found: dict[str, list[float]] = {"nothing": [], "masks": [], "images": []}
    for own, other in itertools.permutations(range(3), 2):
        found["nothing"].append(dice(cases[own].labels, cases[other].labels))
        for name, each in planes.items():
            field = 64 * register(each[own], each[other]).astype(np.float32)
            source = columns + field[..., 0], rows + field[..., 1]
            moved = cv2.remap(cases[own].labels, *source, cv2.INTER_NEAREST)
            found[name].append(dice(np.asarray(moved, np.uint8), cases[other].labels))
    for name, reached in found.items():
        print(
            f"registered by {name}: Dice {np.mean(reached):.3f}, "
            f"least {min(reached):.3f}"
        )
    assert np.mean(found["images"]) < 0.93
    assert min(found["masks"]) > 0.96


def folded(field: FloatArray) -> bool:
    """Whether a deformation of pixels folds, by the corners of each square of four."""
    rows, columns = np.mgrid[: len(field), : len(field)]
    place = field + np.stack([columns, rows], axis=-1)
    corners = place[:-1, :-1], place[:-1, 1:], place[1:, 1:], place[1:, :-1]
    for index in range(4):
        own, after, before = (corners[(index + n) % 4] for n in (0, 1, -1))
        a, b = after - own, before - own
        if (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0] <= 0).any():
            return True
    return False


@pytest.mark.parametrize("side", [24, 40])
def test_no_draw_folds(side: int) -> None:
    rng = np.random.default_rng(1)
    modes = np.cumsum(rng.normal(0, 0.01, (3, 24, 24, 2)), axis=1, dtype=np.float32)
    found = Deformations(modes)
    sizes = []
    for seed in range(20):
        field = found.draw(np.random.default_rng(seed), side)
        assert not folded(field)
        assert least_jacobian(field) > 0
        sizes.append(np.abs(field).max())
        # Nor when it is turned.
        turned = _source_of_each_pixel(
            side, STILL, np.random.default_rng(seed), 180.0, 1.0, found
        )
        grid = np.mgrid[:side, :side][::-1]
        assert not folded(np.stack([*(turned - grid)], axis=-1))
        # A little more of it does fold.
        assert folded(field / np.float32(0.9))
    # Not by leaving nothing of it.
    assert np.mean(sizes) > 0.5


def test_strength_is_a_factor() -> None:
    modes = np.zeros((1, 8, 8, 2), np.float32)
    modes[..., 0] = 0.25
    once, twice = (
        Deformations(modes).draw(np.random.default_rng(3), 8, strength)
        for strength in (1.0, 2.0)
    )
    np.testing.assert_allclose(once[..., 0], np.random.default_rng(3).normal() * 2)
    np.testing.assert_array_equal(once[..., 1], 0)
    np.testing.assert_array_equal(twice, 2 * once)


def test_each_mask_is_in_as_many_pairs_and_only_with_those_of_its_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels: list[Any] = []

    def register(moving: FloatArray, fixed: FloatArray) -> FloatArray:
        levels.append((moving, fixed))
        return np.zeros((*fixed.shape, 2), np.float32)

    monkeypatch.setattr(deformations, "register", register)
    monkeypatch.setattr(deformations, "_level", lambda mask, _: mask)
    # Shapes of seven sizes, of which two are of another class; and one without any.
    masks = np.zeros((8, 8, 8), np.uint8)
    for index in range(7):
        masks[index, : index + 1] = 2 if index in (2, 4) else 1

    def pairs(most: int) -> list[tuple[int, ...]]:
        levels.clear()
        learn_deformations(masks, dataclasses.replace(STILL, learned_pairs=most))
        return [
            tuple(int(np.count_nonzero(plane[:, 0])) - 1 for plane in each)
            for each in levels
        ]

    found = pairs(100)
    assert sorted(found) == sorted(
        (a, b)
        for a in range(7)
        for b in range(7)
        if a != b and (a in (2, 4)) == (b in (2, 4))
    )
    masks[[2, 4]] = np.minimum(masks[[2, 4]], 1)
    some = pairs(14)
    assert len({*some}) == 14
    assert {*np.bincount(np.ravel(some))} == {4}


@pytest.mark.parametrize(
    "masks", [[box(8, 8)], [box(8, 8), 2 * box(9, 9)], [0 * box(8, 8)] * 3]
)
def test_masks_without_another_of_their_classes_teach_nothing(
    masks: list[Labels],
) -> None:
    with pytest.raises(InputError, match=f"two training cases .* {len(masks)} have"):
        learn_deformations(np.stack(masks), STILL)


def test_masks_that_do_not_differ_and_masks_of_all_pixels_do_not_move() -> None:
    for mask in (box(12, 16), np.ones((SIDE, SIDE), np.uint8)):
        found = learn_deformations(np.stack([mask, mask]), STILL)
        np.testing.assert_array_equal(drawn(found, mask, 1)[0], mask)
