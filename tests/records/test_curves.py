"""Learning curves: points, lines, paired differences, and their picture."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from tests.records.made import finished
from tfgansynth.data.dataset import CaseTable
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.learning import ValidationDice
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.tables import PHANTOM_WARNING
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.curves import (
    LearningCurve,
    MissingPoint,
    curve_pairs,
    curve_settings,
    make_curve,
)
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import FinishedUNet, Remark, StudyPlan
from tfgansynth.reporting.curves import (
    curve_to_markdown,
    curve_to_text,
    partings,
    write_plot,
)

REAL, BOTH = "real (fixed budget)", "real + synthetic (fixed budget)"
N_SYNTHETIC = {REAL: 0, BOTH: 6}
OF_CASE = np.random.default_rng(0).normal(0, 0.02, 20)
GONE = MissingPoint(
    n_real=5, seed=0, fold=1, regime=BOTH, why="mode collapse: only 1 of 9"
)
REMARK = Remark(seed=0, fold=1, stage="fold-1/gan", kind="x", text="saturated")


def unet(n_real: int, regime: str, dice: "np.ndarray", seed: int = 0) -> FinishedUNet:
    return trained(Regime(n_real, N_SYNTHETIC[regime], "fixed_budget"), dice, seed)


def trained(regime: Regime, dice: "np.ndarray", seed: int = 0) -> FinishedUNet:
    rows = [
        CaseRow(f"case-{i}", CaseMetrics(float(value), 4.0, 2.0, 1.0))
        for i, value in enumerate(dice)
    ]
    run = f"n{regime.n_real:03d}/phantoms-reduced-smoke-seed{seed}"
    return finished(regime, rows, seed=seed, run=run)


GROWN_UNETS = (
    unet(5, REAL, 0.80 + OF_CASE),
    unet(30, REAL, 0.90 + OF_CASE),
    unet(30, BOTH, 0.93 + OF_CASE),
)


def curve(*unets: FinishedUNet) -> LearningCurve:
    return make_curve(unets, None, [GONE], [REMARK])


GROWN = curve(*GROWN_UNETS)


def test_a_single_run_has_the_width_of_students_interval() -> None:
    found = GROWN.line(REAL)[0]
    assert found.mean_dice == pytest.approx(0.80 + OF_CASE.mean())
    half = stats.t.ppf(0.975, 19) * stats.sem(OF_CASE)
    assert found.high - found.low == pytest.approx(2 * half)


N_PATIENTS, N_OF_EACH = 20, 5


def of_patients(rng: np.random.Generator) -> FinishedUNet:
    """A U-Net whose results differ more between patients than between their cases."""
    means = np.repeat(rng.normal(0.8, 0.02, N_PATIENTS), N_OF_EACH)
    made = unet(5, REAL, means + rng.normal(0, 0.01, len(means)))
    firsts = {
        f"case-{i}": f"case-{i - i % N_OF_EACH}"
        for i in range(len(means))
        if i % N_OF_EACH
    }
    return dataclasses.replace(made, table=CaseTable(patients=firsts))


def test_intervals_take_patients_for_the_unit() -> None:
    rng = np.random.default_rng(0)
    made = [of_patients(rng) for _ in range(100)]
    alike = [dataclasses.replace(each, table=CaseTable()) for each in made]
    holds = [
        np.mean([line.low <= 0.8 <= line.high for line in lines])
        for lines in (
            [make_curve([each], None).line(REAL)[0] for each in unets]
            for unets in (made, alike)
        )
    ]
    assert holds[0] > 0.9
    # Taken for independent, the cases of a patient make for a narrow interval.
    assert holds[1] < 0.8
    found = make_curve(made[:1], None)
    assert "over patients and training runs" in found.intervals
    assert found.points[0].low == found.lines[0].low


def test_it_says_what_the_generators_have_learned_from() -> None:
    one = GROWN_UNETS[0]
    gan = dataclasses.replace(one.config.gan, unlabelled=True)
    config = dataclasses.replace(one.config, gan=gan)
    settings = dataclasses.replace(one.settings, config=config)
    other = dataclasses.replace(one, settings=settings)

    assert make_curve([one], None).generator.endswith("on those alone.")
    assert make_curve([other], None).generator.endswith(
        "on those and images without masks."
    )


def test_one_patient_says_nothing_of_others() -> None:
    alone = dataclasses.replace(
        of_patients(np.random.default_rng(0)),
        table=CaseTable(patients={f"case-{i}": "case-0" for i in range(1, 100)}),
    )
    both = dataclasses.replace(unet(5, BOTH, np.full(100, 0.75)), table=alone.table)

    found = make_curve([alone, both], None)

    assert [(line.low, line.high) for line in found.lines] == [(0, 1), (0, 1)]
    assert found.comparisons == ()
    assert from_json(LearningCurve, to_json(found), Path("curve.json")) == found


def test_differences_are_paired_and_only_where_both_regimes_are() -> None:
    assert [point.n_real for point in GROWN.line(REAL)] == [5, 30]
    assert [point.n_real for point in GROWN.line(BOTH)] == [30]
    (found,) = GROWN.comparisons
    assert (found.n_real, found.first, found.second) == (30, REAL, BOTH)
    # Cases vary by 0.02, their differences not at all.
    difference = found.pair.primary
    assert difference.mean == pytest.approx(0.03)
    assert difference.high - difference.low == pytest.approx(0, abs=1e-9)


COUNTS = (5, 10, 20, 30, 60, 145)


def grown(
    gains: Mapping[int, float],
    *,
    noise: float = 0.004,
    regimes: Sequence[Regime] = (Regime(1, 6, "fixed_budget"),),
) -> list[FinishedUNet]:
    """Three seeds; each regime and its like without synthetic pairs, which gain."""
    rng = np.random.default_rng(3)
    made = []
    for n, gain in gains.items():
        for seed in range(3):
            dice = 0.9 + rng.normal(0, 0.02, 20)
            for regime in regimes:
                own = dataclasses.replace(regime, n_real=n)
                alone = dataclasses.replace(own, n_synthetic=0)
                more = dice + gain + rng.normal(0, noise, 20)
                made += [trained(alone, dice, seed), trained(own, more, seed)]
    return made


def test_it_says_where_the_curves_part() -> None:
    gains = dict(zip(COUNTS, (0.03, 0.02, 0.0, 0.0, 0.0, -0.02), strict=True))

    found = make_curve(grown(gains, noise=0.001), None)

    (line,) = partings(found)
    assert line == (
        f"{BOTH} against {REAL}, by the number of real cases: at 5, 10: higher, by "
        "more than the margin; at 20, 30, 60: no difference that matters; at 145: "
        "lower, by more than the margin."
    )
    for each, gain in zip(found.comparisons, gains.values(), strict=True):
        assert each.pair.primary.mean == pytest.approx(gain, abs=0.002)
        labels = [f"{each.n_real} real + {n} synthetic (fixed budget)" for n in (0, 6)]
        assert [each.pair.first, each.pair.second] == labels
        assert each.pair.sentence.startswith(f"{labels[1]} against {labels[0]}: ")


STRONG = Regime(1, 6, "fixed_budget", baseline="strong")
TWO = (Regime(1, 6, "fixed_budget"), Regime(1, 6, "augmented"))


def test_corrections_go_over_all_numbers_of_cases_and_pairs_but_baselines() -> None:
    gains = dict.fromkeys(COUNTS[:2], 0.0)
    found = make_curve(grown(gains, noise=0.02, regimes=(*TWO, STRONG)), None)

    own = [
        c.pair for c in found.comparisons if c.first != "real (strong, fixed budget)"
    ]
    others = [c.pair for c in found.comparisons if c.pair not in own]
    assert (len(own), len(others)) == (4, 2)
    for family in (own, others):
        ascending = sorted(family, key=lambda pair: pair.primary.p)
        largest = 0.0
        for rank, pair in enumerate(ascending):
            largest = max(largest, (len(family) - rank) * pair.primary.p)
            assert pair.primary.p_holm == pytest.approx(min(1, largest))
            assert pair.n_pairs == len(family)
            # Bonferroni's interval: each of n at 1 - .05 / n.
            each = pair.primary
            error, freedom = pair.design.standard_error(each.components)
            half = stats.t.isf(0.025 / len(family), freedom) * error
            assert each.simultaneous_low == pytest.approx(each.mean - half)
            assert each.simultaneous_high == pytest.approx(each.mean + half)


def test_one_of_many_numbers_may_differ_by_chance() -> None:
    """A gain that shows where it was looked for alone is none of six that were."""
    gains = {5: 0.006, **dict.fromkeys(COUNTS[1:], 0.0)}
    unets = grown(gains, noise=0.008)
    alone = make_curve([each for each in unets if each.regime.n_real == 5], None)
    every = make_curve(unets, None)

    (one,), (first, *_) = alone.comparisons, every.comparisons
    assert one.pair.primary.p == first.pair.primary.p
    assert one.pair.words.startswith("higher")
    assert first.pair.words == "open"


def declared(first: str, second: str, **changes: Any) -> StudyPlan:
    unets = grown({5: 0.0})
    plan = StudyPlan(
        first=first,
        second=second,
        regimes=(first, second),
        seeds=(0, 1, 2),
        folds=(1,),
        margin=0.005,
        settings=curve_settings(unets[0].config),
    )
    return dataclasses.replace(plan, **changes)


def test_a_pair_of_one_number_may_be_primary() -> None:
    unets = grown({5: 0.006, 10: 0.0, 20: 0.0}, noise=0.008)
    names = "5 real + 0 synthetic (fixed budget)", "5 real + 6 synthetic (fixed budget)"
    plan = declared(*names)

    found = make_curve(unets, None, plans=[plan])

    first, *others = found.comparisons
    assert (first.pair.is_primary, first.pair.n_pairs) == (True, 1)
    assert first.pair.primary.p_holm == first.pair.primary.p
    assert {(each.pair.is_primary, each.pair.n_pairs) for each in others} == {
        (False, 2)
    }
    assert "Primary pair, declared before the first run: 5 real + 6" in found.plan_note
    assert "higher" in curve_to_text(found)
    assert "(primary)" in curve_to_text(found)
    for plans, unets_then, generator_of, words in (
        ([], unets, None, "No primary pair was declared"),
        ([plan], unets[2:], None, "Interim results, 2 of 3 folds"),
        ([declared(*names, settings="0")], unets, None, "Settings were changed since"),
        # One generator for all is another question than was declared.
        ([plan], unets, 145, "No primary pair was declared"),
    ):
        found = make_curve(unets_then, generator_of, plans=plans)
        assert not any(each.pair.is_primary for each in found.comparisons)
        assert words in found.plan_note


def test_a_network_that_has_not_learned_withholds_its_number_alone() -> None:
    failed = ValidationDice(network=0.4, all_foreground=0.5, mean_mask=0.5)
    unets = [
        dataclasses.replace(each, validation=failed)
        if (each.regime.n_real, each.regime.n_synthetic, each.seed) == (5, 0, 1)
        else each
        for each in grown({5: 0.03, 10: 0.03})
    ]
    five, ten = make_curve(unets, None).comparisons
    assert five.pair.words == "withheld"
    assert "has not learned in fold 1 of seed 1" in five.pair.sentence
    assert ten.pair.words == "higher, by more than the margin"


def test_pairs_are_augmented_alike() -> None:
    strong = Regime(5, 0, "fixed_budget", baseline="strong")
    kinds = [
        *(Regime(5, 0, "fixed_budget"), Regime(5, 0, "augmented"), strong),
        Regime(5, 0, "fixed_budget", baseline="ensemble"),
        Regime(5, 0, "fixed_budget", baseline="unlabelled"),
    ]
    kinds += [dataclasses.replace(kind, n_synthetic=6) for kind in kinds[:3]]
    kinds.append(Regime(5, 6, "fixed_budget", baseline="pretrained"))
    regimes = [dataclasses.replace(kind, n_real=n) for n in (5, 10) for kind in kinds]
    alone = Regime(10, 6, "fixed_budget", baseline="cutmix")
    found = curve_pairs([alone, *reversed(regimes)])
    assert [(a.label, b.label) for a, b in found if a.n_real == 10] == [
        (f"10 real + 0 synthetic ({like})", f"10 real + 6 synthetic ({own})")
        for like, own in (
            ("fixed budget", "pretrained, fixed budget"),
            ("strong, fixed budget", "strong, fixed budget"),
            ("fixed budget", "fixed budget"),
            ("augmented", "augmented"),
        )
    ]
    assert len(found) == 8


def test_the_spread_between_runs_widens_the_interval() -> None:
    equal_runs = curve(*(unet(5, REAL, 0.8 + OF_CASE, seed) for seed in range(3)))
    shifted = [unet(5, REAL, 0.8 + seed / 9 + OF_CASE, seed) for seed in range(3)]
    one, other = (each.line(REAL)[0] for each in (equal_runs, curve(*shifted)))
    assert (one.n_cases, one.n_runs) == (20, 3)
    assert other.high - other.low > 10 * (one.high - one.low)
    assert other.high == 1.0


def test_json_tells_each_unet_line_and_verdict() -> None:
    record = json.loads(json.dumps(to_json(GROWN)))
    assert record["warning"] is None
    first = record["points"][0]
    assert (first["n_real"], first["regime"], first["n_cases"]) == (5, REAL, 20)
    assert first["low"] < first["mean_dice"] < first["high"]
    assert first["folder"] == "unet-r5-s0-fixed-budget"
    assert [(line["regime"], line["n_real"]) for line in record["lines"]] == [
        (REAL, 5),
        (REAL, 30),
        (BOTH, 30),
    ]
    assert [each["n_real"] for each in record["comparisons"]] == [30]
    assert from_json(LearningCurve, record, Path("curve.json")) == GROWN


def test_text_tells_figures_gaps_and_remarks() -> None:
    lines = curve_to_text(GROWN).splitlines()
    assert lines[0] == f"Learning curve: {GROWN.context}"
    assert [line.split()[:2] for line in lines[2:7]] == [
        ["5", "real"],
        ["real", "(fixed"],
        ["30", "real"],
        ["real", "(fixed"],
        ["real", "+"],
    ]
    assert "  +0.0300     +0.0300 to +0.0300   < 0.001  " in lines[6]
    assert lines[6].endswith("  higher, by more than the margin")
    assert GROWN.generator in lines
    assert f"MISSING: 5 real, seed 0, fold 1, {BOTH}: {GONE.why}" in lines
    assert lines[-1] == "REMARK: fold 1, saturated"
    phantoms = dataclasses.replace(GROWN, warning=PHANTOM_WARNING)
    assert curve_to_text(phantoms).splitlines()[0] == PHANTOM_WARNING
    text = curve_to_markdown(phantoms)
    assert text.startswith(f"**{PHANTOM_WARNING}**\n\n{GROWN.context}\n\n| Real |")
    assert "| 5 | real (fixed budget) | 1 | 0.79" in text
    assert f"- {GROWN.comparisons[0].pair.sentence}\n" in text
    assert text.endswith("- REMARK: fold 1, saturated\n")


def test_curves_of_earlier_versions_are_read() -> None:
    """They had a difference of the last and the first regime, and no verdicts."""
    record = to_json(GROWN)
    del record["comparisons"], record["plan_note"]
    interval = {"low": 0.02, "high": 0.04, "n_cases": 20, "n_runs": 1}
    record["differences"] = [{"n_real": 30, "mean_difference": 0.03, **interval}]

    found = from_json(LearningCurve, record, Path("curve.json"))

    assert (found.lines, found.comparisons) == (GROWN.lines, ())
    assert "0.8" in curve_to_text(found)
    assert "Differences" not in curve_to_markdown(found)


def test_the_picture_is_the_same_for_the_same_curve(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_plot(GROWN, tmp_path / folder, "curve")
    for kind in ("svg", "png"):
        first, second = (tmp_path / f / f"curve.{kind}" for f in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    with Image.open(tmp_path / "a/curve.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 50
