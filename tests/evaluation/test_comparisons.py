import dataclasses
import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from tfgansynth.evaluation.comparisons import (
    CaseResult,
    compare,
    holm,
    seeds_to_settle,
)
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.mixed_effects import Components, Design, Estimate
from tfgansynth.evaluation.tables import METRIC_HEADINGS
from tfgansynth.evaluation.verdicts import (
    MOST_SEEDS,
    MetricDifference,
    PairComparison,
    Verdict,
    decide,
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


def p_of(found: MetricDifference) -> float:
    return max(found.p_mean, found.p_wilcoxon)


def interval(low: float, high: float, p: float = 0.0) -> Estimate:
    return Estimate(
        mean=(low + high) / 2,
        low=low,
        high=high,
        p_mean=p,
        p_wilcoxon=p,
        components=Components(0, 0, 0),
        design=Design(2, 2, 1, 1, 2),
    )


def test_every_metric_is_compared() -> None:
    fields = [field.name for field in dataclasses.fields(CaseMetrics)]
    assert list(METRIC_HEADINGS) == fields


def test_a_planted_shift_is_called_by_its_name() -> None:
    worse, better, back = compare(
        results({"real": 0, "worse": -0.03, "better": 0.03}), margin=MARGIN
    )

    assert (worse.first, worse.second) == ("real", "worse")
    assert worse.verdict is Verdict.HARMS
    assert better.verdict is Verdict.HELPS
    assert (back.first, back.second) == ("worse", "better")
    assert back.verdict is Verdict.HELPS
    assert back.primary.mean == pytest.approx(0.06, abs=0.01)


def test_a_planted_shift_is_harm_in_one_fold_of_two_seeds() -> None:
    shifted = results({"real": 0, "mixed": -0.05}, folds=(1,))

    assert only(compare(shifted, margin=MARGIN)).verdict is Verdict.HARMS


@pytest.mark.parametrize("seeds", [(0,), (0, 1), (0, 1, 2, 3)])
def test_a_null_is_neither_help_nor_harm(seeds: Sequence[int]) -> None:
    null = results({"real": 0, "mixed": 0}, seeds=seeds)

    verdict = only(compare(null, margin=MARGIN)).verdict

    assert verdict in (Verdict.EQUIVALENT, Verdict.INCONCLUSIVE)


def test_the_same_results_are_equivalent() -> None:
    same = [
        dataclasses.replace(case, regime=regime)
        for case in results({"real": 0})
        for regime in ("real", "copy")
    ]

    comparison = only(compare(same, margin=MARGIN))

    assert comparison.verdict is Verdict.EQUIVALENT
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
        raw = [p_of(comparison.metrics[metric]) for comparison in comparisons]
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
    raw = [p_of(comparison.primary) for comparison in apart]
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


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "verdict"),
    [
        (0.006, 0.010, 0.01, Verdict.HELPS),
        (0.001, 0.010, 0.01, Verdict.HELPS),
        (-0.010, -0.001, 0.01, Verdict.HARMS),
        (0.001, 0.010, 0.06, Verdict.INCONCLUSIVE),
        (-0.010, -0.001, 0.06, Verdict.INCONCLUSIVE),
        (-0.001, 0.010, 0.01, Verdict.INCONCLUSIVE),
        (-0.010, 0.010, 0.50, Verdict.INCONCLUSIVE),
        (-0.004, 0.004, 0.50, Verdict.EQUIVALENT),
        (-0.005, 0.004, 0.50, Verdict.INCONCLUSIVE),
        (-0.004, 0.005, 0.50, Verdict.INCONCLUSIVE),
        # Surely not 0, but surely smaller than what matters.
        (0.001, 0.004, 0.001, Verdict.EQUIVALENT),
        (-0.004, -0.001, 0.001, Verdict.EQUIVALENT),
    ],
)
def test_rules(low: float, high: float, p_holm: float, verdict: Verdict) -> None:
    assert decide(interval(low, high), p_holm, MARGIN) is verdict


def spread(mean: float, *, case: float, run: float, residual: float) -> Estimate:
    """An estimate from two seeds of three folds of 80 cases, by standard deviations."""
    return dataclasses.replace(
        interval(mean - 1, mean + 1),
        mean=mean,
        components=Components(case**2, run**2, residual**2),
        design=Design(cells=480, cases=240, runs=6, per_case=2, per_run=80),
    )


def more(found: Estimate, n_pairs: int = 1) -> int | None:
    return seeds_to_settle(found, n_seeds=2, n_pairs=n_pairs, margin=MARGIN)


def test_more_seeds_settle_what_runs_blur() -> None:
    blurred = spread(0.004, case=0, run=0.006, residual=0)

    # t * 0.006 / sqrt(runs) against 0.004: 2.306 at 9 runs, 2.201 at 12.
    assert 2.306 * 0.006 / 9**0.5 > 0.004 > 2.201 * 0.006 / 12**0.5
    assert more(blurred) == 4 - 2
    # Holm's first step over ten pairs: t of 0.25 % a side.
    assert 3.153 * 0.006 / 21**0.5 > 0.004 > 3.104 * 0.006 / 24**0.5
    assert more(blurred, n_pairs=10) == 8 - 2


def test_more_seeds_settle_equivalence_too() -> None:
    near = spread(0.0001, case=0, run=0.006, residual=0)

    # 0.0001 + t * 0.006 / sqrt(runs) against 0.005, with t = 2.306 at 9 runs.
    assert 0.0001 + 2.306 * 0.006 / 9**0.5 < 0.005
    assert more(near) == 3 - 2


def test_seeds_cannot_replace_cases() -> None:
    between = spread(0.0045, case=0.1, run=0.001, residual=0.001)

    assert more(between) is None


def test_what_seeds_are_worth_cannot_be_told_from_one_run() -> None:
    one_run = dataclasses.replace(
        spread(0.004, case=0.01, run=0, residual=0),
        design=Design(cells=80, cases=80, runs=1, per_case=1, per_run=80),
    )

    assert more(one_run) is None


def test_no_verdict_is_looked_for_beyond_the_most_seeds() -> None:
    # At the most seeds, two-sided t is 1.968: 0.006 * sqrt(300) / 1.968 = 0.0528.
    assert MOST_SEEDS == 100
    assert more(spread(0.006, case=0, run=0.0527, residual=0)) == 98
    assert more(spread(0.006, case=0, run=0.0529, residual=0)) is None


def test_only_inconclusive_verdicts_ask_for_more_seeds() -> None:
    comparisons = compare(
        results({"real": 0, "mixed": 0.01, "synthetic": -0.05}, run_sd=0.008),
        margin=MARGIN,
    )

    unsettled, harm, _ = comparisons

    assert unsettled.verdict is Verdict.INCONCLUSIVE
    found = dataclasses.replace(
        interval(0, 0),
        mean=unsettled.primary.mean,
        components=unsettled.primary.components,
        design=unsettled.design,
    )
    assert unsettled.more_seeds == more(found, n_pairs=3)
    assert unsettled.more_seeds is not None
    assert harm.verdict is Verdict.HARMS
    assert harm.more_seeds is None


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
    both = [p_of(comparison.primary) for comparison in found]
    assert [comparison.primary.p_holm for comparison in found] == holm(both)


def test_no_interval_of_dice_goes_beyond_what_dice_can_differ() -> None:
    found = only(compare(results({"a": 0, "b": 0}, folds=(1,), run_sd=0.5), margin=0.1))

    assert found.design.runs == 2
    assert (found.primary.low, found.primary.high) == (-1, 1)
