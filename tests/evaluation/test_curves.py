"""Learning curves: points, pooled lines, paired differences, and their picture."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from tfgansynth.evaluation.curves import (
    Curve,
    CurveUNet,
    Missing,
    curve_to_json,
    curve_to_text,
    missing_from_json,
)
from tfgansynth.evaluation.tables import PHANTOM_WARNING
from tfgansynth.reporting.curve_plot import write_plot

REAL, BOTH = "real (fixed budget)", "real + synthetic (fixed budget)"
OF_CASE = np.random.default_rng(0).normal(0, 0.02, 20)
GONE = Missing(n_real=5, seed=0, fold=1, regime=BOTH, why="mode collapse: only 1 of 9")


def unet(n_real: int, regime: str, dice: "np.ndarray", seed: int = 0) -> CurveUNet:
    return CurveUNet(
        run=f"n{n_real:03d}/phantoms-reduced-smoke-seed{seed}",
        folder=f"unet-r{n_real}-s0-fixed-budget",
        n_real=n_real,
        n_synthetic=0 if regime == REAL else 6,
        seed=seed,
        fold=1,
        regime=regime,
        dice={f"case-{i}": float(value) for i, value in enumerate(dice)},
    )


def curve(*unets: CurveUNet, is_phantom: bool = False) -> Curve:
    return Curve(
        context="shenzhen, preset fast",
        is_phantom=is_phantom,
        generator="Generators: of their own.",
        unets=unets,
        missing=(GONE,),
        remarks=("the discriminator has won",),
    )


GROWN = curve(
    unet(5, REAL, 0.80 + OF_CASE),
    unet(30, REAL, 0.90 + OF_CASE),
    unet(30, BOTH, 0.93 + OF_CASE),
)


def test_a_single_run_has_the_width_of_students_interval() -> None:
    found = GROWN.line(REAL)[5]
    assert found.mean == pytest.approx(0.80 + OF_CASE.mean())
    half = stats.t.ppf(0.975, 19) * stats.sem(OF_CASE)
    assert found.high - found.low == pytest.approx(2 * half)


def test_differences_are_paired_and_only_where_both_arms_are() -> None:
    assert list(GROWN.line(REAL)) == [5, 30]
    assert list(GROWN.line(BOTH)) == [30]
    (difference,) = GROWN.differences().values()
    # Cases vary by 0.02, their differences not at all.
    assert difference.mean == pytest.approx(0.03)
    assert difference.high - difference.low == pytest.approx(0, abs=1e-9)


def test_the_spread_between_runs_widens_the_interval() -> None:
    alike = curve(*(unet(5, REAL, 0.8 + OF_CASE, seed) for seed in range(3)))
    apart = curve(*(unet(5, REAL, 0.8 + seed / 9 + OF_CASE, seed) for seed in range(3)))
    one, other = (each.line(REAL)[5] for each in (alike, apart))
    assert (one.design.cases, one.design.runs) == (20, 3)
    assert other.high - other.low > 10 * (one.high - one.low)
    assert other.high == 1.0


def test_json_tells_each_unet_line_and_difference() -> None:
    record = json.loads(json.dumps(curve_to_json(GROWN)))
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
    assert missing_from_json(record["missing"]) == (GONE,)


def test_text_tells_figures_gaps_and_remarks() -> None:
    lines = curve_to_text(GROWN).splitlines()
    assert lines[0] == "Learning curve: shenzhen, preset fast"
    five, thirty = lines[2:4]
    assert five.split()[0] == "5"
    assert five.endswith("-")
    assert "+0.0300 [+0.0300, +0.0300]" in thirty
    assert "Generators: of their own." in lines
    assert f"MISSING: 5 real, seed 0, fold 1, {BOTH}: {GONE.why}" in lines
    assert lines[-1] == "REMARK: the discriminator has won"
    phantoms = curve(*GROWN.unets, is_phantom=True)
    assert curve_to_text(phantoms).splitlines()[0] == PHANTOM_WARNING


def test_the_picture_is_the_same_for_the_same_curve(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_plot(curve(*GROWN.unets, is_phantom=True), tmp_path / folder, "curve")
    for kind in ("svg", "png"):
        first, second = (tmp_path / f / f"curve.{kind}" for f in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    with Image.open(tmp_path / "a/curve.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 50
