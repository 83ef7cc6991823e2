import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tfgansynth.evaluation.comparisons import CaseResult, compare, holm
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.mixed_effects import Components, Design, Estimate
from tfgansynth.evaluation.tables import METRIC_HEADINGS
from tfgansynth.evaluation.verdicts import (
    MOST_SEEDS,
    Direction,
    Outlook,
    PairComparison,
    Size,
    Verdict,
    outlook,
)

MARGIN = 0.005
FOLDS = (1, 2, 3)


def results(
    effects: Mapping[str, float],
    *,
    seeds: Sequence[int] = (0, 1),
    folds: Sequence[int] = FOLDS,
    run_sd: float = 0.001,
    case_sd: float = 0.01,
    n_cases: int = 60,
    rng_seed: int = 0,
) -> list[CaseResult]:
    """A simulated experiment: each regime's Dice is shifted by its effect."""
    rng = np.random.default_rng(rng_seed)
    found = []
    cases = rng.normal(0.9, 0.03, size=n_cases)
    for regime, effect in effects.items():
        reactions = rng.normal(effect, case_sd, size=n_cases)
        for seed in seeds:
            order = np.random.default_rng(seed).permutation(n_cases)
            for fold in folds:
                run = rng.normal(0, run_sd)
                for case in order[fold - 1 :: len(FOLDS)]:
                    dice = cases[case] + reactions[case] + run
                    dice += rng.normal(0, case_sd / 2)
                    found.append(result(seed, fold, f"case-{case}", regime, dice))
    return found


def result(seed: int, fold: int, case_id: str, regime: str, dice: float) -> CaseResult:
    distance = 40 * (1 - dice)
    metrics = CaseMetrics(dice, distance, distance / 2, distance / 8)
    return CaseResult(seed, fold, case_id, regime, metrics)


def only(comparisons: Sequence[PairComparison]) -> PairComparison:
    (comparison,) = comparisons
    return comparison


def direction(pair: PairComparison) -> Direction:
    assert pair.verdict is not None
    return pair.verdict.direction


def test_every_metric_is_compared() -> None:
    fields = [field.name for field in dataclasses.fields(CaseMetrics)]
    assert list(METRIC_HEADINGS) == fields


def test_a_planted_shift_is_called_by_its_name() -> None:
    worse, better, back = compare(
        results({"real": 0, "worse": -0.03, "better": 0.03}), margin=MARGIN
    )

    assert (worse.first, worse.second) == ("real", "worse")
    assert worse.verdict == Verdict(Direction.LOWER, Size.ABOVE)
    assert better.verdict == Verdict(Direction.HIGHER, Size.ABOVE)
    assert (back.first, back.second) == ("worse", "better")
    assert back.verdict == Verdict(Direction.HIGHER, Size.ABOVE)
    assert back.primary.mean == pytest.approx(0.06, abs=0.01)


def test_a_planted_shift_is_found_in_one_fold_of_two_seeds() -> None:
    shifted = results({"real": 0, "mixed": -0.05}, folds=(1,))

    assert direction(only(compare(shifted, margin=MARGIN))) is Direction.LOWER


@pytest.mark.parametrize("seeds", [(0,), (0, 1), (0, 1, 2, 3)])
def test_a_null_has_no_direction(seeds: Sequence[int]) -> None:
    null = results({"real": 0, "mixed": 0}, seeds=seeds)

    assert direction(only(compare(null, margin=MARGIN))) is Direction.OPEN


def test_the_same_results_differ_by_nothing_that_matters() -> None:
    same = [
        dataclasses.replace(case, regime=regime)
        for case in results({"real": 0})
        for regime in ("real", "copy")
    ]

    comparison = only(compare(same, margin=MARGIN))

    assert comparison.verdict == Verdict(Direction.OPEN, Size.BELOW)
    assert comparison.primary.low == comparison.primary.high == 0


def test_differences_are_paired_by_seed_fold_and_case() -> None:
    cases = [
        *(result(seed, 1, "a", "real", 0.5 + seed / 10) for seed in (1, 2)),
        *(result(seed, 1, "b", "real", 0.9 - seed / 10) for seed in (1, 2)),
    ]
    better = [
        dataclasses.replace(
            case, regime="mixed", metrics=CaseMetrics(case.metrics.dice + 0.01, 1, 2, 3)
        )
        for case in cases
    ]

    pair = only(compare([*cases, *better], margin=MARGIN))

    assert (pair.primary.low, pair.primary.high) == pytest.approx((0.01, 0.01))
    design = Design(cells=4, cases=2, runs=2, per_case=2, per_run=2)
    assert pair.design == design
    assert pair.n_seeds == 2
    assert pair.metrics["hausdorff_px"].mean == pytest.approx(1 - 12)
    assert pair.metrics["hausdorff_95_px"].mean == pytest.approx(2 - 6)
    assert pair.metrics["mean_surface_distance_px"].mean == pytest.approx(3 - 1.5)


def test_order_within_the_arms_does_not_matter() -> None:
    real, mixed = (
        results({regime: 0}, rng_seed=seed)
        for regime, seed in (("real", 1), ("mixed", 2))
    )
    shuffled = [*random.Random(0).sample(real, len(real)), *mixed[::-1]]

    assert compare(shuffled, margin=MARGIN) == compare([*real, *mixed], margin=MARGIN)


def test_a_growing_table_compares_what_both_arms_have() -> None:
    real, mixed = results({"real": 0}), results({"mixed": 0}, rng_seed=1)
    growing = [case for case in mixed if case.seed == 0 and case.fold < 3]

    comparison = only(compare([*real, *growing], margin=MARGIN))

    assert comparison.n_seeds == 1
    assert comparison.design.cells == len(growing)
    assert compare([*real, *growing[:1]], margin=MARGIN) == ()
    assert compare(real, margin=MARGIN) == ()
    assert compare([], margin=MARGIN) == ()


def test_holm_goes_over_all_pairs_within_each_metric() -> None:
    comparisons = compare(
        results({"real": 0, "mixed": 0.003, "synthetic": -0.004}), margin=MARGIN
    )

    for metric in METRIC_HEADINGS:
        adjusted = [comparison.metrics[metric].p_holm for comparison in comparisons]
        raw = [comparison.metrics[metric].p for comparison in comparisons]
        assert adjusted == holm(raw)
        assert max(adjusted) > min(raw)
    assert {comparison.n_pairs for comparison in comparisons} == {3}


def test_a_control_makes_no_other_verdict_stricter() -> None:
    cases = results({"real": 0, "control": 0.002, "mixed": 0.003, "synthetic": -0.004})
    without = [case for case in cases if case.regime != "control"]

    found = compare(cases, margin=MARGIN, controls={"control"})

    others = [c for c in found if "control" not in (c.first, c.second)]
    assert tuple(others) == compare(without, margin=MARGIN)
    apart = [c for c in found if c not in others]
    assert [(c.first, c.second, c.n_pairs) for c in apart] == [
        ("real", "control", 3),
        ("control", "mixed", 3),
        ("control", "synthetic", 3),
    ]
    raw = [comparison.primary.p for comparison in apart]
    assert [comparison.primary.p_holm for comparison in apart] == holm(raw)
    # The order of the regimes is kept.
    assert [c.first for c in found[:3]] == ["real"] * 3


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.2], [0.2]),
        ([], []),
    ],
)
def test_holm(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


def test_intervals_of_a_family_are_bonferronis() -> None:
    regimes = {"real": 0, "mixed": 0.003, "synthetic": -0.004}

    for pair in compare(results(regimes), margin=MARGIN):
        for found in pair.metrics.values():
            half = (found.high - found.low) / 2
            wider = (found.simultaneous_high - found.simultaneous_low) / 2
            # Five degrees of freedom: six runs less one.
            factor = stats.t.isf(0.025 / 3, 5) / stats.t.isf(0.025, 5)
            assert pair.design.runs == 6
            assert wider == pytest.approx(half * factor)
            # An interval for all at once excludes 0 only where Holm's test rejects it.
            if found.simultaneous_low > 0 or found.simultaneous_high < 0:
                assert found.p_holm < 0.05


def test_nothing_corrects_the_primary_pair() -> None:
    cases = results({"real": 0, "mixed": 0.003, "synthetic": -0.004, "other": 0})
    alone = [case for case in cases if case.regime in ("real", "mixed")]

    first, *others = compare(cases, margin=MARGIN, primary=("real", "mixed"))

    (expected,) = compare(alone, margin=MARGIN, primary=("real", "mixed"))
    assert first == expected
    assert first.is_primary
    assert (first.primary.p_holm, first.n_pairs) == (first.primary.p, 1)
    assert first.primary.simultaneous_low == first.primary.low
    assert {(pair.is_primary, pair.n_pairs) for pair in others} == {(False, 5)}
    raw = [pair.primary.p for pair in others]
    assert [pair.primary.p_holm for pair in others] == holm(raw)


def test_a_run_that_failed_is_named() -> None:
    cases = results({"real": 0, "mixed": 0.002})
    failed = [
        dataclasses.replace(
            case,
            metrics=dataclasses.replace(case.metrics, dice=case.metrics.dice - 0.04),
        )
        if (case.regime, case.seed, case.fold) == ("mixed", 1, 2)
        else case
        for case in cases
    ]

    assert only(compare(cases, margin=MARGIN)).outlying is None
    found = only(compare(failed, margin=MARGIN)).outlying
    assert found is not None
    assert (found.seed, found.fold) == (1, 2)
    # What is apart by less than matters is not told.
    assert only(compare(failed, margin=0.1)).outlying is None


def spread(mean: float, *, case: float, run: float, residual: float) -> Estimate:
    """An estimate from two seeds of three folds of 80 cases, by standard deviations."""
    return Estimate(
        mean=mean,
        error=1,
        freedom=5,
        p_wilcoxon=0.5,
        components=Components(case**2, run**2, residual**2),
        design=Design(cells=480, cases=240, runs=6, per_case=2, per_run=80),
    )


OPEN = Verdict(Direction.OPEN, Size.OPEN)


def more(found: Estimate, n_pairs: int = 1, verdict: Verdict = OPEN) -> dict[Any, Any]:
    seen = outlook(found, verdict, n_seeds=2, n_pairs=n_pairs, margin=MARGIN)
    return {each.outcome: each.seeds for each in seen}


def test_an_outlook_names_the_outcome_of_each_open_axis() -> None:
    blurred = spread(0.004, case=0, run=0.006, residual=0)

    found = more(blurred)

    assert list(found) == ["higher", "below"]
    # 0.004 - t * 0.006 / sqrt(runs), and with a chance of 80 % on top.
    for runs, is_enough in ((18, False), (21, True)):
        quantiles = stats.t.isf([0.025, 0.2], runs - 1).sum()
        assert bool(quantiles * 0.006 / runs**0.5 < 0.004) is is_enough
    assert found["higher"] == 7 - 2
    # For the 0.001 to the margin: 97 seeds in all, at t of 290 runs.
    assert found["below"] == 95 - 2
    # Of ten pairs, an interval of 99.5 %.
    for runs, is_enough in ((33, False), (36, True)):
        quantiles = stats.t.isf([0.0025, 0.2], runs - 1).sum()
        assert bool(quantiles * 0.006 / runs**0.5 < 0.004) is is_enough
    assert more(blurred, n_pairs=10)["higher"] == 12 - 2


def test_an_outlook_is_about_open_axes_that_matter() -> None:
    low = spread(-0.02, case=0, run=0.006, residual=0)

    assert more(low) == {"lower": 1, "above": 1}
    assert more(low, verdict=Verdict(Direction.LOWER, Size.OPEN)) == {"above": 1}
    assert more(low, verdict=Verdict(Direction.LOWER, Size.ABOVE)) == {}
    near = spread(0.0001, case=0, run=0.003, residual=0)
    assert more(near, verdict=Verdict(Direction.OPEN, Size.BELOW)) == {}
    assert more(spread(0, case=0, run=0.003, residual=0)) == {"below": 1}


def test_seeds_cannot_replace_cases() -> None:
    between = spread(0.0045, case=0.1, run=0.001, residual=0.001)

    assert more(between) == {"higher": None, "below": None}
    assert MOST_SEEDS == 100


def test_what_seeds_are_worth_cannot_be_told_from_one_run() -> None:
    one_run = dataclasses.replace(
        spread(0.004, case=0.01, run=0, residual=0),
        design=Design(cells=80, cases=80, runs=1, per_case=1, per_run=80),
    )

    assert more(one_run) == {}


def test_what_runs_have_shown_no_spread_of_is_settled_by_one_more() -> None:
    assert more(spread(0.004, case=0, run=0, residual=0)) == {"higher": 1, "below": 1}


def test_comparisons_have_the_outlook_of_what_is_open() -> None:
    unsettled, lower, _ = compare(
        results({"real": 0, "mixed": 0.01, "synthetic": -0.05}, run_sd=0.008),
        margin=MARGIN,
    )

    assert unsettled.verdict == OPEN
    found = dataclasses.replace(
        spread(unsettled.primary.mean, case=0, run=0, residual=0),
        components=unsettled.primary.components,
        design=unsettled.design,
    )
    assert unsettled.outlook == tuple(
        Outlook(outcome=outcome, seeds=seeds)
        for outcome, seeds in more(found, n_pairs=3).items()
    )
    assert unsettled.outlook
    assert lower.verdict == Verdict(Direction.LOWER, Size.ABOVE)
    assert lower.outlook == ()


def test_metrics_that_go_the_other_way_are_named() -> None:
    cases = results({"real": 0, "mixed": 0.03})
    worse = [
        dataclasses.replace(
            case, metrics=dataclasses.replace(case.metrics, hausdorff_px=60.0)
        )
        if case.regime == "mixed"
        else case
        for case in cases
    ]

    assert only(compare(cases, margin=MARGIN)).opposed == ()
    assert only(compare(worse, margin=MARGIN)).opposed == ("hausdorff_px",)


@pytest.mark.parametrize("margin", [0.0, -0.005, float("nan")])
def test_a_margin_is_above_0(margin: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        compare([], margin=margin)


def test_a_case_is_tested_once_in_a_run() -> None:
    case = result(4, 2, "a", "real", 0.9)

    with pytest.raises(ValueError, match=r"real: case a is tested .* fold 2 of seed 4"):
        compare([case, case], margin=MARGIN)


def test_only_arms_of_one_table_are_compared() -> None:
    cases = results(
        {"real": 0, "mixed": 0.01, "real, fixed_budget": 0.02, "mixed, fixed_budget": 0}
    )
    tables = [["real", "mixed"], ["real, fixed_budget", "mixed, fixed_budget"]]

    found = compare(cases, margin=MARGIN, tables=tables)

    assert [[c.first, c.second] for c in found] == tables
    # Holm's correction goes over the pairs of all tables.
    assert [comparison.n_pairs for comparison in found] == [2, 2]
    both = [comparison.primary.p for comparison in found]
    assert [comparison.primary.p_holm for comparison in found] == holm(both)


def test_no_interval_of_dice_goes_beyond_what_dice_can_differ() -> None:
    found = only(compare(results({"a": 0, "b": 0}, folds=(1,), run_sd=0.5), margin=0.1))

    assert found.design.runs == 2
    assert (found.primary.low, found.primary.high) == (-1, 1)
