"""The question is answered by rows that differ in nothing but synthetic pairs."""

import numpy as np
import pytest

from tfgansynth.evaluation.evidence import EvaluatedUNet, evidence_to_json, weigh
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.tables import CaseRow
from tfgansynth.reporting.html.answers import Answer, Question, answers, schedule

SET, GENERATOR = Question
ARMS = {
    "real (fixed budget)": (30, 0),
    "real + synthetic (fixed budget)": (30, 120),
    "synthetic (fixed budget)": (0, 120),
    "real (augmented)": (30, 0),
    "real + control (augmented)": (30, 120),
    "real + synthetic (augmented)": (30, 120),
    "real + synthetic (filtered, fixed_budget)": (30, 90),
}


def unet(seed: int, regime: str, shift: float) -> EvaluatedUNet:
    of_case = np.random.default_rng(0).normal(0.94, 0.01, 40)
    own = np.random.default_rng([seed, len(regime)]).normal(shift, 0.001, 40)
    rows = [
        CaseRow(1, f"case-{number}", *ARMS[regime], CaseMetrics(float(dice), 9, 5, 2))
        for number, dice in enumerate(of_case + own)
    ]
    return EvaluatedUNet(seed=seed, table="rows", regime=regime, rows=rows)


def answered(shift: float, n_seeds: int = 4) -> list[Answer]:
    """Those on evidence in which each row with synthetic pairs is better by a shift."""
    shifts = {regime: shift if "+ synthetic" in regime else 0.0 for regime in ARMS}
    evidence = weigh(
        [
            unet(seed, regime, shifts[regime])
            for seed in range(n_seeds)
            for regime in ARMS
        ],
        context="",
        is_phantom=False,
        margin=0.005,
    )
    return answers(evidence_to_json(evidence))


def test_the_pairs_that_answer_are_found() -> None:
    pairs = [
        (a.question, a.comparison["first"], a.comparison["second"]) for a in answered(0)
    ]

    assert pairs == [
        (SET, "real (fixed budget)", "real + synthetic (fixed budget)"),
        (SET, "real (fixed budget)", "real + synthetic (filtered, fixed_budget)"),
        (SET, "real (augmented)", "real + synthetic (augmented)"),
        (
            GENERATOR,
            "real + control (augmented)",
            "real + synthetic (augmented)",
        ),
    ]


@pytest.mark.parametrize(
    ("shift", "of_set", "of_generator"),
    [
        (-0.03, "No, it harms.", "No, the control does more."),
        (0.03, "Yes, it helps.", "Yes, it does more than the control."),
        (
            0.0,
            "It makes no difference that matters.",
            "No, the control does as much.",
        ),
    ],
)
def test_a_planted_shift_is_answered(
    shift: float, of_set: str, of_generator: str
) -> None:
    assert {(answer.question, answer.statement) for answer in answered(shift)} == {
        (SET, of_set),
        (GENERATOR, of_generator),
    }


def test_one_seed_with_wide_differences_settles_nothing() -> None:
    noisy = [
        EvaluatedUNet(
            seed=0,
            table="rows",
            regime=regime,
            rows=[
                CaseRow(1, f"case-{n}", *ARMS[regime], CaseMetrics(dice, 9, 5, 2))
                for n, dice in enumerate(dices)
            ],
        )
        for regime, dices in (
            ("real (fixed budget)", [0.9, 0.8, 0.95, 0.7]),
            ("real + synthetic (fixed budget)", [0.8, 0.9, 0.7, 0.95]),
        )
    ]
    evidence = weigh(noisy, context="", is_phantom=False, margin=0.005)

    (answer,) = answers(evidence_to_json(evidence))

    assert answer.statement == "These results do not settle it."


def test_schedules_are_read_from_names() -> None:
    names = [*ARMS, "real only", "mixed, filtered"]

    assert [schedule(name) for name in names] == [
        *(
            "fixed_budget",
            "fixed_budget",
            "fixed_budget",
            "augmented",
            "augmented",
            "augmented",
            "fixed_budget",
        ),
        *("", ""),
    ]


def test_of_one_run_no_more_is_said_than_that_it_was_so() -> None:
    assert {each.statement for each in answered(0.02, n_seeds=1)} == {
        "In this one run it helped.",
        "In this one run it did more than the control.",
    }
