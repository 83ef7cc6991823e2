"""Surface Dice, area error and failures, of the whole and of its structures."""

import math
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.test_metrics import blobs, disk
from tfgansynth.arrays import Labels, MaskArray
from tfgansynth.config import EvaluationConfig
from tfgansynth.errors import InputError
from tfgansynth.evaluation.metrics import area_error, contour, surface_dice
from tfgansynth.evaluation.other_figures import (
    CaseFigures,
    StructureFigures,
    figures_from_csv,
    figures_to_csv,
    measure_figures,
    read_figures,
    summarize_regimes,
)
from tfgansynth.evaluation.predictions import Predictions

UNET = 1, 30, 0, 2.0
"""Fold, real and synthetic pairs, tolerance."""


def brute_force(prediction: MaskArray, truth: MaskArray, tolerance: float) -> float:
    ours, theirs = (
        [*zip(*np.nonzero(contour(mask)), strict=True)] for mask in (prediction, truth)
    )
    near = [
        min(math.dist(point, other) for other in others) <= tolerance
        for points, others in ((ours, theirs), (theirs, ours))
        for point in points
    ]
    return sum(near) / len(near)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 2, 3])
def test_surface_dice_agrees_with_brute_force(seed: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    pair = blobs(rng, 19, 27), blobs(rng, 19, 27)

    found = surface_dice(*pair, tolerance)

    assert found == pytest.approx(brute_force(*pair, tolerance))
    assert found == pytest.approx(surface_dice(pair[1], pair[0], tolerance))


def test_surface_dice_of_a_shift_and_of_empty_masks() -> None:
    truth = np.zeros((32, 32), np.bool_)
    truth[10:20, 10:20] = True
    moved, empty = np.roll(truth, 3, 1), np.zeros_like(truth)

    assert surface_dice(moved, truth, 3) == 1
    # Of 36 pixels each, far are the 10 of one side, and of the one that lies inside the
    # other mask the 4 in the middle.
    assert surface_dice(moved, truth, 2) == pytest.approx(1 - 14 / 36)
    assert surface_dice(empty, truth, 2) == surface_dice(truth, empty, 2) == 0
    assert surface_dice(empty, empty, 0) == 1


def test_the_error_of_an_area_is_relative_and_signed() -> None:
    truth = np.zeros((8, 8), np.bool_)
    truth[:4, :5] = True
    larger, smaller = truth.copy(), truth.copy()
    larger[4] = True
    smaller[0] = False

    assert area_error(larger, truth) == pytest.approx(8 / 20)
    assert area_error(smaller, truth) == pytest.approx(-5 / 20)
    assert area_error(np.zeros_like(truth), truth) == -1
    assert area_error(truth, np.zeros_like(truth)) is None


def predicted(predictions: Labels, truths: Labels, n_classes: int = 1) -> Predictions:
    ids = tuple(f"case, {index}" for index in range(len(truths)))
    images = np.zeros((3, *truths.shape[1:]), np.uint8)
    return Predictions(ids, predictions, truths, n_classes, (0, 0, 0), images)


def test_the_lungs_are_measured_one_by_one() -> None:
    left, right = disk(16, 24, 6, size=32), disk(16, 8, 4, size=32)
    smaller = disk(16, 8, 3, size=32)
    masks = np.stack([left | smaller, left | right]).astype(np.uint8)
    found = predicted(masks[:1], masks[1:])

    (row,) = measure_figures(found, 2, ("lungs",), "both")

    assert [*row.structures] == ["whole", "left lung", "right lung"]
    # The patient's right lung is on the left of the image.
    assert row.structures["left lung"] == StructureFigures(1, 0, 1, 0)
    error = smaller.sum() / right.sum() - 1
    assert row.structures["right lung"].area_error == pytest.approx(error)
    whole = row.structures["whole"].area_error
    assert whole == pytest.approx(error * right.sum() / (left.sum() + right.sum()))
    for lungs in (None, "left", "right"):
        (alone,) = measure_figures(found, 2, ("nerve",), lungs)
        assert alone.structures == {"whole": row.structures["whole"]}


def test_each_class_is_measured_and_their_mean() -> None:
    truth = np.zeros((1, 32, 32), np.uint8)
    truth[0, 4:12, 4:12] = 1
    prediction = truth.copy()
    prediction[0, 4:8, 4:12] = 0
    prediction[0, 20:24, 20:24] = 2

    (row,) = measure_figures(predicted(prediction, truth, 2), 2, ("a", "b"), None)

    first, second = row.structures["a"], row.structures["b"]
    assert [*row.structures] == ["mean", "a", "b"]
    assert (first.area_error, second.area_error) == (-0.5, None)
    mean = row.structures["mean"]
    # Over the classes that the truth has.
    assert mean.area_error == -0.5
    assert mean.dice == (first.dice + second.dice) / 2 == 1 / 3
    assert mean.surface_dice == (first.surface_dice + 0) / 2


def case(name: str, dice: float, error: float | None = 0.1) -> CaseFigures:
    return CaseFigures(name, {"whole": StructureFigures(dice, 3.5, 0.25, error)})


def test_failures_are_counted_below_the_value() -> None:
    numbers = EvaluationConfig(failure_dice=0.8)
    rows = [case("a", 0.8), case("b", 0.79), case("c", 0.5, None), case("d", 1.0)]

    found = summarize_regimes(
        {"real": [rows[:2], rows[2:]], "half": [rows, []]}, numbers
    )

    assert found
    # The figures of some of its U-Nets are not those of a regime.
    assert [*found.regimes] == ["real"]
    whole = found.regimes["real"]["whole"]
    assert (whole.n_results, whole.n_failed) == (4, 2)
    assert whole.dice.mean == pytest.approx(0.7725)
    assert whole.area_error
    assert whole.area_error.mean == pytest.approx(0.1)
    assert summarize_regimes({"half": [rows, []]}, numbers) is None


def test_figures_survive_the_round_trip_exactly() -> None:
    rng = np.random.default_rng(3)
    rows = tuple(
        CaseFigures(
            f'odd, "{index}"',
            {
                name: StructureFigures(*map(float, rng.random(4) / 3))
                for name in ("whole", "left lung")
            },
        )
        for index in range(20)
    )
    empty = case("none", 0.0, None)
    assert figures_from_csv(figures_to_csv(rows, *UNET), *UNET) == rows
    assert figures_from_csv(figures_to_csv([empty], *UNET), *UNET) == (empty,)


TEXT = figures_to_csv([case("a", 0.5), case("b", 0.75)], *UNET)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected cases"),
        ("fold\n1\n", "expected the columns"),
        (TEXT.splitlines(keepends=True)[0], "expected cases"),
        (TEXT.replace("0.75", "1.5"), "finite figures in their ranges"),
        (TEXT.replace("0.75", "nan"), "finite figures in their ranges"),
        (TEXT.replace("3.5", "inf"), "finite figures in their ranges"),
        (TEXT.replace("0.1", "-1.5"), "finite figures in their ranges"),
        (TEXT.replace("0.75", "one"), "could not convert"),
        (TEXT.replace("2.0", "3.0"), "of this U-Net and tolerance"),
        (TEXT.replace("1,b", "2,b"), "of this U-Net and tolerance"),
        (TEXT.replace("b,30", "a,30"), "of this U-Net and tolerance"),
        (
            TEXT + TEXT.splitlines()[1].replace("whole", "left lung") + "\n",
            "structures",
        ),
    ],
)
def test_figures_of_another_form_are_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "figures.csv").write_text(text)
    with pytest.raises(InputError, match=rf"figures\.csv: .*{message}"):
        read_figures(tmp_path / "figures.csv", *UNET)
