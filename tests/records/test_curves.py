"""Learning curves: points, lines, paired differences, and their picture."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from tests.records.made import finished
from tfgansynth.data.dataset import CaseTable
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.tables import PHANTOM_WARNING
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.curves import LearningCurve, MissingPoint, make_curve
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import FinishedUNet, Remark
from tfgansynth.reporting.curves import curve_to_text, write_plot

REAL, BOTH = "real (fixed budget)", "real + synthetic (fixed budget)"
N_SYNTHETIC = {REAL: 0, BOTH: 6}
OF_CASE = np.random.default_rng(0).normal(0, 0.02, 20)
GONE = MissingPoint(
    n_real=5, seed=0, fold=1, regime=BOTH, why="mode collapse: only 1 of 9"
)
REMARK = Remark(seed=0, fold=1, stage="fold-1/gan", kind="x", text="saturated")


def unet(
    n_real: int, regime: str, dice: "np.ndarray", seed: int = 0, fold: int = 1
) -> FinishedUNet:
    counts = n_real, N_SYNTHETIC[regime]
    rows = [
        CaseRow(f"case-{i}", CaseMetrics(float(value), 4.0, 2.0, 1.0))
        for i, value in enumerate(dice)
    ]
    run = f"n{n_real:03d}/phantoms-reduced-smoke-seed{seed}"
    return finished(Regime(*counts, "fixed_budget"), rows, seed=seed, run=run)


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


def test_one_patient_says_nothing_of_others() -> None:
    alone = dataclasses.replace(
        of_patients(np.random.default_rng(0)),
        table=CaseTable(patients={f"case-{i}": "case-0" for i in range(1, 100)}),
    )
    both = dataclasses.replace(unet(5, BOTH, np.full(100, 0.75)), table=alone.table)

    found = make_curve([alone, both], None)

    assert [(line.low, line.high) for line in found.lines] == [(0, 1), (0, 1)]
    (difference,) = found.differences
    assert (difference.low, difference.high) == (-1, 1)
    assert difference.mean_difference == pytest.approx(-0.05, abs=0.02)
    assert from_json(LearningCurve, to_json(found), Path("curve.json")) == found


def test_differences_are_paired_and_only_where_both_regimes_are() -> None:
    assert [point.n_real for point in GROWN.line(REAL)] == [5, 30]
    assert [point.n_real for point in GROWN.line(BOTH)] == [30]
    (difference,) = GROWN.differences
    # Cases vary by 0.02, their differences not at all.
    assert difference.mean_difference == pytest.approx(0.03)
    assert difference.high - difference.low == pytest.approx(0, abs=1e-9)


def test_the_spread_between_runs_widens_the_interval() -> None:
    equal_runs = curve(*(unet(5, REAL, 0.8 + OF_CASE, seed) for seed in range(3)))
    shifted = [unet(5, REAL, 0.8 + seed / 9 + OF_CASE, seed) for seed in range(3)]
    one, other = (each.line(REAL)[0] for each in (equal_runs, curve(*shifted)))
    assert (one.n_cases, one.n_runs) == (20, 3)
    assert other.high - other.low > 10 * (one.high - one.low)
    assert other.high == 1.0


def test_json_tells_each_unet_line_and_difference() -> None:
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
    assert [each["n_real"] for each in record["differences"]] == [30]
    assert from_json(LearningCurve, record, Path("curve.json")) == GROWN


def test_text_tells_figures_gaps_and_remarks() -> None:
    lines = curve_to_text(GROWN).splitlines()
    assert lines[0] == f"Learning curve: {GROWN.context}"
    five, thirty = lines[2:4]
    assert five.split()[0] == "5"
    assert five.endswith("-")
    assert "+0.0300 [+0.0300, +0.0300]" in thirty
    assert GROWN.generator in lines
    assert f"MISSING: 5 real, seed 0, fold 1, {BOTH}: {GONE.why}" in lines
    assert lines[-1] == "REMARK: fold 1, saturated"
    phantoms = dataclasses.replace(GROWN, warning=PHANTOM_WARNING)
    assert curve_to_text(phantoms).splitlines()[0] == PHANTOM_WARNING


def test_the_picture_is_the_same_for_the_same_curve(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_plot(GROWN, tmp_path / folder, "curve")
    for kind in ("svg", "png"):
        first, second = (tmp_path / f / f"curve.{kind}" for f in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    with Image.open(tmp_path / "a/curve.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 50
