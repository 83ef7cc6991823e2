"""The question is answered by regimes that differ in nothing but synthetic pairs."""

import dataclasses

import numpy as np
import pytest

from tests.records.made import finished
from tests.reporting.made import assessment
from tfgansynth.assessment.fidelity import Figure
from tfgansynth.assessment.membership import Membership
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.records.assessments import CopySearch
from tfgansynth.records.comparisons import Comparison, make_comparison
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import FinishedUNet
from tfgansynth.reporting.html.conclusions import (
    Conclusion,
    Question,
    answers,
    conclusions,
)

SET, GENERATOR, BASELINE = Question
REGIMES = [
    Regime(30, 0, "fixed_budget"),
    Regime(30, 120, "fixed_budget"),
    Regime(0, 120, "fixed_budget"),
    Regime(30, 0, "augmented"),
    Regime(30, 120, "augmented", "control"),
    Regime(30, 120, "augmented"),
    Regime(30, 90, "fixed_budget", "filtered"),
]


def unet(seed: int, regime: Regime, dices: "np.ndarray") -> FinishedUNet:
    rows = [
        CaseRow(f"case-{number}", CaseMetrics(float(dice), 9, 5, 2))
        for number, dice in enumerate(dices)
    ]
    return finished(regime, rows, seed=seed)


def shifted(seed: int, regime: Regime, shift: float) -> FinishedUNet:
    of_case = np.random.default_rng(0).normal(0.94, 0.01, 40)
    helped = regime.n_real and regime.n_synthetic and regime.kind != "control"
    own = np.random.default_rng([seed, len(regime.name)]).normal(0, 0.001, 40)
    return unet(seed, regime, of_case + own + (shift if helped else 0.0))


def concluded(shift: float, n_seeds: int = 4) -> list[Conclusion]:
    """Those where each regime with added synthetic pairs is better by a shift."""
    unets = [
        shifted(seed, regime, shift) for seed in range(n_seeds) for regime in REGIMES
    ]
    return all_of(make_comparison(unets))


def all_of(comparison: Comparison) -> list[Conclusion]:
    return [
        each for table in comparison.tables for each in conclusions(table, comparison)
    ]


def test_the_pairs_that_answer_are_found() -> None:
    pairs = [
        (each.question, each.pair.first, each.pair.second) for each in concluded(0)
    ]

    assert pairs == [
        (SET, "real (fixed budget)", "real + synthetic (fixed budget)"),
        (SET, "real (fixed budget)", "real + synthetic (filtered, fixed budget)"),
        (SET, "real (augmented)", "real + synthetic (augmented)"),
        (GENERATOR, "real + control (augmented)", "real + synthetic (augmented)"),
    ]


def test_of_several_budgets_the_largest_is_answered_with() -> None:
    budgets = [
        Regime(30, count, "fixed_budget", steps=steps)
        for steps in (0, 160)
        for count in (0, 120)
    ]
    unets = [shifted(seed, regime, 0.03) for seed in range(4) for regime in budgets]

    beyond = dict(answers(make_comparison(unets), []))["Beyond what?"]

    assert "Against real (fixed budget, 160 steps): higher" in beyond
    assert "real (fixed budget):" not in beyond


def test_a_set_is_held_against_each_baseline_but_the_ceiling() -> None:
    baselines = [
        Regime(145, 0, "fixed_budget", baseline="ceiling"),
        Regime(30, 0, "fixed_budget", baseline="unlabelled"),
        Regime(30, 120, "fixed_budget", baseline="pretrained"),
        Regime(30, 0, "fixed_budget", baseline="strong"),
        Regime(30, 120, "fixed_budget", baseline="strong"),
        # Beside other ways to add to it, a set is no answer to whether it does more.
        Regime(30, 0, "augmented", baseline="unlabelled"),
        Regime(30, 120, "augmented", baseline="unlabelled"),
        Regime(30, 120, "augmented"),
    ]
    regimes = [*REGIMES[:2], *baselines]
    shifts = dict(
        zip(
            regimes, (0, 0.02, 0.04, 0.04, 0, 0.04, 0.02, 0.04, 0.06, 0.02), strict=True
        )
    )
    of_case = np.random.default_rng(0).normal(0.9, 0.01, 40)
    unets = [
        unet(
            seed,
            regime,
            of_case + shift + np.random.default_rng([seed, place]).normal(0, 0.001, 40),
        )
        for seed in range(4)
        for place, (regime, shift) in enumerate(shifts.items())
    ]

    found = all_of(make_comparison(unets))

    assert [(each.question, each.pair.first, each.statement) for each in found] == [
        (SET, "real (fixed budget)", "Yes, it helps, by more than the margin."),
        (
            BASELINE,
            "real + synthetic (pretrained, fixed budget)",
            "Yes, it does more than this baseline, by more than the margin.",
        ),
        (
            BASELINE,
            "real (unlabelled, fixed budget)",
            "No, this baseline does more, by more than the margin.",
        ),
        # Beside strong augmentation, the set is asked for too.
        (
            SET,
            "real (strong, fixed budget)",
            "No, it harms, by more than the margin.",
        ),
        (
            BASELINE,
            "real (strong, fixed budget)",
            "No, this baseline does more, by more than the margin.",
        ),
        (
            SET,
            "real (unlabelled, augmented)",
            "Yes, it helps, by more than the margin.",
        ),
        (
            BASELINE,
            "real (unlabelled, augmented)",
            "No, this baseline does more, by more than the margin.",
        ),
    ]


@pytest.mark.parametrize(
    ("shift", "of_set", "of_generator"),
    [
        (
            -0.03,
            "No, it harms, by more than the margin.",
            "No, the control does more, by more than the margin.",
        ),
        (
            0.03,
            "Yes, it helps, by more than the margin.",
            "Yes, it does more than the control, by more than the margin.",
        ),
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
    assert {(each.question, each.statement) for each in concluded(shift)} == {
        (SET, of_set),
        (GENERATOR, of_generator),
    }


def test_one_seed_with_wide_differences_settles_nothing() -> None:
    noisy = [
        unet(0, REGIMES[0], np.array([0.9, 0.8, 0.95, 0.7])),
        unet(0, REGIMES[1], np.array([0.8, 0.9, 0.7, 0.95])),
    ]

    (found,) = all_of(make_comparison(noisy))

    assert found.statement == "These results do not settle it."


def test_of_one_run_no_more_is_said_than_that_it_was_so() -> None:
    assert {each.statement for each in concluded(0.02, n_seeds=1)} == {
        "In this one run it helped, by more than the margin.",
        "In this one run it did more than the control, by more than the margin.",
    }


def test_the_first_answers_rest_on_the_primary_pair_and_name_what_is_missing() -> None:
    paper = Regime(30, 0), Regime(30, 120)
    unets = [shifted(seed, regime, 0.02) for seed in range(4) for regime in paper]
    comparison = make_comparison(unets)
    (only,) = comparison.comparisons
    primary = dataclasses.replace(only, is_primary=True)
    declared = dataclasses.replace(comparison, comparisons=(primary,))

    found = dict(answers(declared, []))
    assert found["Does it help?"] == "Yes, it helps, by more than the margin."
    assert found["Beyond what?"] == (
        "Against real only: higher, by more than the margin. Not compared with "
        "classical augmentation, a control set, other baselines."
    )
    assert found["How sure is that?"].startswith("mixed minus real only: +0.0")
    assert "from 40 test cases and 4 training runs." in found["How sure is that?"]
    assert found["May it be handed on?"] == "Not known: no set was assessed (assess)."
    # Without a primary pair nothing else is taken for the answer.
    assert "How sure is that?" not in dict(answers(comparison, []))


def test_sets_that_failed_the_audit_are_counted_at_the_top() -> None:
    comparison = make_comparison([shifted(0, Regime(30, 0), 0.0)])
    sets = [assessment("0" * 64, passed=passed) for passed in (True, False)]

    found = dict(answers(comparison, sets))

    assert found["May it be handed on?"].startswith("Not as it is: 1 of 2 sets passed")
    assert found["Does it help?"].startswith("No primary pair")
    assert "gives away" not in found["May it be handed on?"]
    advantage = {"image": Figure(0.1, -0.1, 0.3), "pair": Figure(0.42, 0.2, 0.6)}
    leak = Membership(n_members=30, n_others=20, advantage=advantage)
    told = answers(comparison, [dataclasses.replace(sets[0], membership=leak)])
    assert "up to 0.42; 0 is guessing" in dict(told)["May it be handed on?"]
    # One attack of many, on sets of which none is known to leak.
    others = [
        dataclasses.replace(
            sets[0],
            membership=dataclasses.replace(leak, advantage={"image": Figure(0, -1, 1)}),
        )
    ] * 60
    told = answers(comparison, [dataclasses.replace(sets[0], membership=leak), *others])
    assert "gives away" not in dict(told)["May it be handed on?"]


def test_copies_have_a_bound_only_if_all_sets_were_searched() -> None:
    comparison = make_comparison([shifted(0, Regime(30, 0), 0.0)])
    searched, earlier = (assessment("0" * 64, passed=True) for _ in range(2))
    search = CopySearch(
        as_drawn=True,
        cut=0.7,
        n_found=0,
        n_real_found=0,
        n_real=30,
        n_planted=30,
        n_detected=30,
        n_copies=0,
        most_copies=0.034,
    )
    searched, earlier = (
        dataclasses.replace(
            each, memorization=dataclasses.replace(each.memorization, search=found)
        )
        for each, found in ((searched, search), (earlier, None))
    )
    told = [
        dict(answers(comparison, sets))["May it be handed on?"]
        for sets in ([searched], [searched, earlier])
    ]
    assert "at most 3.4 % of pairs" in told[0]
    assert "at most" not in told[1]
