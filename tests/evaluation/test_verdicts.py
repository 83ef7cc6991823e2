import dataclasses

import pytest

from tests.evaluation.made import comparison, difference
from tfgansynth.evaluation.verdicts import (
    Direction,
    Outlook,
    OutlyingRun,
    PairComparison,
    Size,
    Verdict,
    decide,
    sentence,
)

HIGHER = comparison(0.002, 0.012)


def test_a_sentence_says_what_the_verdict_rests_on() -> None:
    assert sentence(HIGHER) == (
        "mixed against real only: Dice is higher, whether by more than the margin of "
        "0.005 is open (+0.0070, simultaneous 95 % interval +0.0010 to +0.0130 over 3 "
        "pairs, p = 0.020 after Holm's correction, from 247 test cases and 6 training "
        "runs of 2 seeds)."
    )


def test_the_primary_pair_is_said_to_be_tested_alone() -> None:
    said = sentence(dataclasses.replace(HIGHER, is_primary=True, n_pairs=1))

    assert ", p = 0.020, the primary pair, tested alone, from 247 test" in said
    assert "Holm" not in said
    assert "simultaneous" not in said


@pytest.mark.parametrize(
    ("pair", "words", "opening"),
    [
        (
            comparison(0.007, 0.012),
            "higher, by more than the margin",
            "Dice is higher, by more than the margin of 0.005 (",
        ),
        (
            comparison(0.0015, 0.003),
            "higher, by less than the margin",
            "Dice is higher, by less than the margin of 0.005 (",
        ),
        (
            comparison(-0.012, -0.002),
            "lower; whether by more than the margin is open",
            "Dice is lower, whether by more than the margin of 0.005 is open (",
        ),
        (
            comparison(-0.001, 0.003, p_holm=0.3),
            "no difference that matters",
            "no difference of Dice that matters, which begins at the margin of 0.005 (",
        ),
        (
            comparison(-0.01, 0.02, p_holm=0.3),
            "open",
            "whether Dice is higher or lower is open (",
        ),
    ],
)
def test_each_verdict_has_its_words(
    pair: PairComparison, words: str, opening: str
) -> None:
    assert pair.words == words
    assert sentence(pair).startswith(f"mixed against real only: {opening}")


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "direction", "size"),
    [
        (0.006, 0.010, 0.01, "higher", "above"),
        (-0.010, -0.006, 0.01, "lower", "above"),
        (0.001, 0.010, 0.01, "higher", "open"),
        # Surely not 0, and surely smaller than what matters: neither hides the other.
        (0.001, 0.004, 0.001, "higher", "below"),
        (-0.004, -0.001, 0.001, "lower", "below"),
        (-0.004, 0.004, 0.50, "open", "below"),
        (-0.005, 0.004, 0.50, "open", "open"),
        (-0.004, 0.005, 0.50, "open", "open"),
        (-0.010, 0.010, 0.50, "open", "open"),
        # Holm's test is sharper than the intervals that hold at once.
        (-0.001, 0.010, 0.04, "higher", "open"),
    ],
)
def test_direction_and_size_are_decided_apart(
    low: float, high: float, p_holm: float, direction: str, size: str
) -> None:
    found = dataclasses.replace(
        difference((low + high) / 2, low, high, p_holm),
        simultaneous_low=low,
        simultaneous_high=high,
    )

    assert decide(found, 0.005) == Verdict(Direction(direction), Size(size))


def test_a_pair_without_a_verdict_says_why() -> None:
    said = sentence(dataclasses.replace(HIGHER, verdict=None), "it has not learned")

    assert said == "No verdict on mixed against real only: it has not learned."


def test_a_direction_that_only_holms_test_shows_is_told() -> None:
    said = sentence(comparison(-0.0005, 0.0025, p_holm=0.04))

    assert "Holm's test shows the direction, which the interval for all pairs" in said
    assert "Holm's test shows" not in sentence(HIGHER)


def test_a_direction_that_wilcoxons_test_does_not_show_is_told() -> None:
    unsure = dataclasses.replace(HIGHER.primary, p_wilcoxon=0.4)
    pair = dataclasses.replace(HIGHER, metrics={**HIGHER.metrics, "dice": unsure})

    assert sentence(pair).endswith(
        "; Wilcoxon's test of the cases, given these networks, does not show it "
        "(p = 0.400)."
    )


@pytest.mark.parametrize(
    ("outlook", "ending"),
    [
        (
            (
                Outlook(outcome=Direction.HIGHER, seeds=3),
                Outlook(outcome=Size.ABOVE, seeds=1),
            ),
            "; if difference and spread are as estimated, about 3 more seeds would "
            "show that it is higher and about 1 that it is more than the margin, with "
            "a chance of 80 % each.",
        ),
        (
            (Outlook(outcome=Size.BELOW, seeds=1),),
            "; if difference and spread are as estimated, about 1 more seed would "
            "show that it is less than the margin, with a chance of 80 %.",
        ),
        (
            (Outlook(outcome=Direction.LOWER, seeds=None),),
            "; not even 100 seeds would show that it is lower, more test cases might.",
        ),
    ],
)
def test_an_outlook_says_what_would_be_settled(
    outlook: tuple[Outlook, ...], ending: str
) -> None:
    said = sentence(comparison(-0.01, 0.02, outlook=outlook, p_holm=0.3))

    assert said.endswith(ending)


def test_one_run_is_said_to_be_one() -> None:
    said = sentence(comparison(0.002, 0.012, runs=1, n_seeds=1))
    unsettled = sentence(comparison(-0.01, 0.02, runs=1, n_seeds=1, p_holm=0.3))

    assert "1 training run of 1 seed)" in said
    for each in (said, unsettled):
        assert each.endswith(
            "; this holds for these trained networks only, since one training run does "
            "not show how much others would differ."
        )
    assert "; a second seed will show how many more would settle it; " in unsettled


def test_a_run_that_lies_apart_is_told() -> None:
    apart = OutlyingRun(seed=4, fold=2, mean=-0.0123)

    assert sentence(dataclasses.replace(HIGHER, outlying=apart)).endswith(
        "; fold 2 of seed 4 lies apart from the other runs (-0.0123): see whether a "
        "training failed there."
    )


def test_metrics_that_disagree_are_told() -> None:
    metrics = {**HIGHER.metrics, "hausdorff_px": difference(2.5, 1.0, 4.0)}

    said = sentence(dataclasses.replace(HIGHER, metrics=metrics))

    assert said.endswith("; against this, HD [px] worse (+2.5000).")
