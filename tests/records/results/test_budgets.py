"""Tables of several budgets, baselines beside them, and the share of a gap."""

import dataclasses
import itertools
from collections.abc import Collection

from tests.records.made import unet
from tfgansynth.records.comparisons import Comparison, make_comparison
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import FinishedUNet
from tfgansynth.reporting.comparisons import comparison_to_markdown
from tfgansynth.segmentation.history import Epoch

REAL = Regime(30, 0)


def at_budgets(*regimes: Regime, late: Collection[Regime] = ()) -> Comparison:
    """Trained with 40 or 160 steps, some with the lowest error in the last epoch."""
    unets = []
    for seed in (0, 1):
        for regime in regimes:
            made = unet(seed, 1, regime, 0.0)
            numbers = dataclasses.replace(made.config.evaluation, budgets=(40, 160))
            config = dataclasses.replace(made.config, evaluation=numbers)
            errors = [0.3] * 8 + [0.2, 0.1 if regime in late and seed else 0.3]
            unets.append(
                dataclasses.replace(
                    made,
                    settings=dataclasses.replace(made.settings, config=config),
                    epochs=tuple(Epoch(n, 0.0, e) for n, e in enumerate(errors, 1)),
                )
            )
    return make_comparison(unets)


def test_each_budget_has_a_table_of_its_own() -> None:
    short = [Regime(30, count, "fixed_budget") for count in (0, 120)]
    long = [dataclasses.replace(regime, steps=160) for regime in short]

    found = at_budgets(*long, *short)

    assert [table.title for table in found.tables] == [
        "Fixed budget: 40 mini-batches each",
        "Fixed budget: 160 mini-batches each",
    ]
    assert [(pair.first, pair.second) for pair in found.comparisons] == [
        ("real (fixed budget)", "real + synthetic (fixed budget)"),
        (
            "real (fixed budget, 160 steps)",
            "real + synthetic (fixed budget, 160 steps)",
        ),
    ]
    # One family, whatever the table.
    assert {pair.n_pairs for pair in found.comparisons} == {2}


def test_a_budget_in_which_networks_do_not_converge_is_named() -> None:
    short = [Regime(30, count, "fixed_budget") for count in (0, 120)]
    long = [dataclasses.replace(regime, steps=160) for regime in short]

    assert not at_budgets(*short, *long).remarks
    found = at_budgets(*short, *long, REAL, late=[*short, long[1], REAL])

    assert [remark.text for remark in found.remarks] == [
        "Fixed budget: 40 mini-batches each: the validation error was lowest in the "
        "last tenth of real (fixed budget) (1 of 2 U-Nets), real + synthetic (fixed "
        "budget) (1 of 2 U-Nets): a longer training may do better "
        "(--evaluation.budgets)",
        "Fixed budget: 160 mini-batches each: the validation error was lowest in the "
        "last tenth of real + synthetic (fixed budget, 160 steps) (1 of 2 U-Nets): a "
        "longer training may do better (--evaluation.budgets)",
    ]


def baseline_unets() -> list[FinishedUNet]:
    shifts = {
        Regime(30, 0, "fixed_budget"): 0.0,
        Regime(30, 120, "fixed_budget"): 0.01,
        Regime(30, 120, "fixed_budget", "control"): 0.0,
        Regime(145, 0, "fixed_budget", baseline="ceiling"): 0.02,
        Regime(30, 120, "fixed_budget", baseline="pretrained"): 0.005,
        Regime(30, 0, "fixed_budget", baseline="ensemble"): 0.008,
        Regime(30, 0, "fixed_budget", steps=160): 0.01,
        Regime(30, 120, "fixed_budget", steps=160): 0.01,
    }
    return [
        unet(seed, fold, regime, shift)
        for seed in (0, 1)
        for fold in (1, 2)
        for regime, shift in shifts.items()
    ]


def test_baselines_stand_beside_what_they_are_compared_with() -> None:
    found = make_comparison(baseline_unets())

    assert [[row.name for row in table.rows] for table in found.tables] == [
        [
            "real (fixed budget)",
            "real (ceiling, fixed budget)",
            "real (pseudo-label ensemble)",
            "real + synthetic (pretrained, fixed budget)",
            "real + control (fixed budget)",
            "real + synthetic (fixed budget)",
        ],
        # One ensemble, which is trained for no budget.
        [
            "real (fixed budget, 160 steps)",
            "real (pseudo-label ensemble)",
            "real + synthetic (fixed budget, 160 steps)",
        ],
    ]
    rows = {row.name: row for table in found.tables for row in table.rows}
    baselines = {name for name, row in rows.items() if row.baseline}
    controls = {name for name, row in rows.items() if row.set == "control"}
    families: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    for pair in found.comparisons:
        names = {pair.first, pair.second}
        # Nobody asks how baselines, or a baseline and a control, differ.
        assert not (names & baselines and names <= baselines | controls)
        kind = 2 if names & baselines else 1 if names & controls else 0
        families[kind].add(pair.n_pairs)
    # Two pairs of real and mixed, two with the control; three baselines with two
    # regimes and the ensemble with two more. None makes the others harder to settle.
    assert families == {0: {2}, 1: {2}, 2: {8}}


def test_a_primary_pair_can_be_each_that_is_compared() -> None:
    """`--primary` and the comparison have the same rule."""
    found = make_comparison(baseline_unets())
    regimes = {each.regime.name: each.regime for each in baseline_unets()}
    compared = {frozenset((pair.first, pair.second)) for pair in found.comparisons}
    for first, second in itertools.combinations(regimes, 2):
        is_asked = regimes[first].is_compared(regimes[second])
        assert is_asked == (frozenset((first, second)) in compared), (first, second)


def test_the_share_of_the_gap_that_is_closed_is_found() -> None:
    gaps = {gap.regime: gap for gap in make_comparison(baseline_unets()).gaps}

    assert {(gap.first, gap.ceiling) for gap in gaps.values()} == {
        ("real (fixed budget)", "real (ceiling, fixed budget)")
    }
    planted = {
        "real (pseudo-label ensemble)": 0.4,
        "real + synthetic (pretrained, fixed budget)": 0.25,
        "real + control (fixed budget)": 0.0,
        "real + synthetic (fixed budget)": 0.5,
    }
    assert {*gaps} == {*planted}
    for name, share in planted.items():
        gap = gaps[name]
        assert gap.share is not None
        assert gap.low is not None
        assert gap.high is not None
        assert gap.low < gap.share < gap.high
        assert gap.low < share < gap.high
        assert gap.high - gap.low < 0.15
        assert gap.runs == 4
    found = make_comparison(baseline_unets())
    shown = comparison_to_markdown(found)
    assert len(found.gap_sentences) == len(gaps)
    assert all(f"\n- {each}\n" in f"{shown}\n" for each in found.gap_sentences)
    sentence = found.gap_sentences[[*gaps].index("real + synthetic (fixed budget)")]
    assert "(fixed budget) closes 5" in sentence
    assert "% of the gap between real (fixed budget) and real (ceiling" in sentence


def test_without_a_gap_there_is_no_share_of_it() -> None:
    regimes = [
        Regime(30, 0, "fixed_budget"),
        Regime(145, 0, "fixed_budget", baseline="ceiling"),
        Regime(30, 120, "fixed_budget"),
        Regime(0, 120, "fixed_budget"),
    ]
    for shift in (0.0, -0.02):
        shifts = dict(zip(regimes, (0.0, shift, 0.01, 0.01), strict=True))
        unets = [
            unet(seed, fold, regime, each)
            for seed in (0, 1)
            for fold in (1, 2)
            for regime, each in shifts.items()
        ]
        found = make_comparison(unets)
        assert [(gap.share, gap.low, gap.high) for gap in found.gaps] == [
            (None, None, None)
        ] * 2
        assert found.gap_sentences == (
            "real (ceiling, fixed budget) is not shown to be higher than real (fixed "
            "budget): there is no gap that 2 other regimes could close.",
        )
