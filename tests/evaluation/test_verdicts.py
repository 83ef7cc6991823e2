import dataclasses

import pytest

from tests.evaluation.made import comparison, difference
from tfgansynth.evaluation.verdicts import Verdict, sentence

HELPS = comparison(Verdict.HELPS, 0.002, 0.012)


def test_helps() -> None:
    assert sentence(HELPS) == (
        "mixed helps against real only: Dice is 0.0070 higher (95 % interval +0.0020 "
        "to +0.0120, p = 0.020 after Holm's correction over 3 pairs, from 247 test "
        "cases and 6 training runs of 2 seeds)."
    )


def test_harms() -> None:
    said = sentence(comparison(Verdict.HARMS, -0.012, -0.002, p_holm=0.0002))

    assert said.startswith(
        "mixed harms against real only: Dice is 0.0070 lower (95 % interval -0.0120 "
        "to -0.0020, p < 0.001 after"
    )


@pytest.mark.parametrize(
    ("low", "high", "ending"),
    [
        (-0.001, 0.003, "; differences below 0.005 do not matter."),
        (0.001, 0.003, "; not 0, but less than the 0.005 that would matter."),
    ],
)
def test_equivalent(low: float, high: float, ending: str) -> None:
    said = sentence(comparison(Verdict.EQUIVALENT, low, high))

    assert said.startswith("mixed is equivalent to real only: Dice is 0.00")
    assert said.endswith(ending)


def test_equal() -> None:
    said = sentence(comparison(Verdict.EQUIVALENT, 0, 0))

    assert "Dice is the same (95 %" in said


@pytest.mark.parametrize(
    ("more_seeds", "n_seeds", "ending"),
    [
        (
            3,
            2,
            "; about 3 more seeds would settle it if difference and spread stay as "
            "they are.",
        ),
        (
            1,
            1,
            "; about 1 more seed would settle it if difference and spread stay as "
            "they are.",
        ),
        (
            None,
            2,
            "; at this difference not even 100 seeds would settle it, more test cases "
            "might.",
        ),
        (None, 1, "; a second seed will show how many more would settle it."),
    ],
)
def test_inconclusive(more_seeds: int | None, n_seeds: int, ending: str) -> None:
    said = sentence(
        comparison(
            Verdict.INCONCLUSIVE, -0.01, 0.02, more_seeds=more_seeds, n_seeds=n_seeds
        )
    )

    assert said.startswith("mixed against real only is inconclusive: Dice is 0.0050")
    assert said.endswith(ending)


def test_one_run_is_said_to_be_one() -> None:
    said = sentence(comparison(Verdict.HELPS, 0.002, 0.012, runs=1, n_seeds=1))

    assert "1 training run of 1 seed)" in said
    assert said.endswith(
        "; this holds for these trained networks only, since one training run does "
        "not show how much others would differ."
    )


def test_metrics_that_disagree_are_told() -> None:
    metrics = {**HELPS.metrics, "hausdorff_px": difference(2.5, 1.0, 4.0)}

    said = sentence(dataclasses.replace(HELPS, metrics=metrics))

    assert said.endswith("; against this, HD [px] worse (+2.5000).")
