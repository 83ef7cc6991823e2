"""A learning curve through the real script, each way of having generators."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.tools.conftest import SMALL_NETWORKS, TINY
from tfgansynth.reporting.merging import verify_merged
from tfgansynth.reporting.verification.verify import verify
from tfgansynth.runtime import storage

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

SHORT = ("--evaluation.budgets", "2", "--evaluation.budget-epoch", "2")
CURVE = (*TINY, *SMALL_NETWORKS, *SHORT, "--gan.steps", "2", "--folds", "1")
REGIMES = [
    *("real (fixed budget)", "real + synthetic (fixed budget)"),
    *("real (augmented)", "real + synthetic (augmented)"),
]
PRIMARY = "2 real + 0 synthetic (augmented)", "2 real + 6 synthetic (augmented)"


@pytest.fixture(scope="module")
def own(tool: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A curve of 2 cases, fewer than a mini-batch, and of all 16 that a fold has."""
    out = tmp_path_factory.mktemp("curves")
    options = ("--counts", "2", "145", "--augmented", "--primary", *PRIMARY)
    done = tool("run_curve", *CURVE, *options, "--out", out)
    assert done.returncode == 0, done.stderr
    assert (
        "Counts: 145 is more than the 16 training cases that each fold" in done.stdout
    )
    assert "each number of real cases has its own generator" in done.stdout
    assert "Learning curve: phantoms, both lungs, 32 x 32 px" in done.stdout
    return out / "curve-phantoms-smoke"


@pytest.fixture(scope="module")
def runs(own: Path) -> dict[int, Path]:
    return {n: own / f"n{n:03d}/phantoms-reduced-smoke-seed0" for n in (2, 16)}


@pytest.fixture(scope="module")
def reused(tool: Runner, own: Path, runs: dict[int, Path]) -> str:
    """What the script says when one generator is to serve both numbers."""
    before = times(runs[16])
    options = ("--counts", "2", "16", "--generator-of", "16")
    done = tool("run_curve", *CURVE, *options, "--out", own.parent)
    assert done.returncode == 0, done.stderr
    # What the other curve has left is not made again.
    assert {path: time for path, time in times(runs[16]).items() if path in before} == (
        before
    )
    return done.stdout


def times(run: Path) -> dict[Path, int]:
    kinds = ("*.npz", "*.safetensors", "*.keras", "*.png")
    return {p: p.stat().st_mtime_ns for kind in kinds for p in run.rglob(kind)}


def split(run: Path) -> Any:
    return storage.read_record(run / "splits.json")["folds"][0]


def provenance(run: Path, unet: str) -> Any:
    return storage.read_record(run / "fold-1" / unet / "provenance.json")


def test_each_point_names_its_unet(own: Path, runs: dict[int, Path]) -> None:
    record = storage.read_record(own / "curve.json")

    assert record["warning"].startswith("PHANTOMS")
    assert [(p["n_real"], p["regime"]) for p in record["points"]] == [
        (n, regime) for n in (2, 16) for regime in REGIMES
    ]
    for point in record["points"]:
        assert (point["seed"], point["fold"], point["n_cases"]) == (0, 1, 10)
        assert point["n_synthetic"] == (6 if point["regime"] in REGIMES[1::2] else 0)
        assert 0 <= point["low"] <= point["mean_dice"] <= point["high"] <= 1
        folder = own / point["run"] / "fold-1" / point["folder"]
        assert (folder / "predictions.npz").exists()
    found = [(each["n_real"], each["second"]) for each in record["comparisons"]]
    assert found == [(n, regime) for n in (2, 16) for regime in REGIMES[1::2]]
    pairs = [each["pair"] for each in record["comparisons"]]
    assert [pair["is_primary"] for pair in pairs] == [False, True, False, False]
    assert [pair["n_pairs"] for pair in pairs] == [3, 1, 3, 3]
    assert (pairs[1]["first"], pairs[1]["second"]) == PRIMARY
    assert "| 2 | real + synthetic (augmented) | 1 |" in (own / "curve.md").read_text()
    assert record["generator_of"] is None
    for kind in ("svg", "png"):
        assert (own / f"curve.{kind}").stat().st_size > 5000
    with Image.open(own / "curve.png") as picture:
        picture.verify()


def test_training_sets_are_nested_and_tested_on_the_same_cases(
    runs: dict[int, Path],
) -> None:
    few, many = (split(runs[n]) for n in (2, 16))
    assert set(few["reduced"]) < set(many["reduced"])
    assert (len(few["reduced"]), len(many["reduced"])) == (2, 16)
    for part in ("validation", "test"):
        assert few[part] == many[part]
    for n, run in runs.items():
        learned = provenance(run, f"unet-r{n}-s0-fixed-budget")["training_cases"]
        assert set(learned) == set(split(run)["reduced"])


def test_each_number_has_its_own_generator(runs: dict[int, Path]) -> None:
    generators = set()
    for n, run in runs.items():
        synthetic = provenance(run, f"unet-r{n}-s6-fixed-budget")["synthetic_set"]
        assert set(synthetic["training_cases"]) == set(split(run)["reduced"])
        generators.add(synthetic["generator_sha256"])
    assert len(generators) == 2


def test_one_generator_may_serve_all_and_it_is_said(
    own: Path, runs: dict[int, Path], reused: str
) -> None:
    words = "one generator, trained on 16 real cases, serves all"
    assert words in reused
    assert not re.search(r"GAN +\d", reused)
    record = storage.read_record(own / "curve-generator-of-16.json")
    assert words in record["generator"]
    assert record["generator_of"] == 16
    assert {point["run"] for point in record["points"]} == {
        "n016/phantoms-reduced-smoke-seed0"
    }
    few = provenance(runs[16], "unet-r2-s6-fixed-budget")
    assert len(few["training_cases"]) == 2
    assert len(few["synthetic_set"]["training_cases"]) == 16
    assert (own / "curve-generator-of-16.png").exists()


@pytest.mark.usefixtures("reused")
def test_curves_are_verified(tool: Runner, own: Path) -> None:
    done = tool("verify", own)
    assert done.returncode == 0, done.stdout + done.stderr
    merged = own.with_name("merged")
    done = tool("merge_results", own, "--to", merged)
    assert done.returncode == 0, done.stdout + done.stderr
    for stem in ("curve", "curve-generator-of-16"):
        name = f"{stem}.json"
        first, second = (storage.read_record(f / name) for f in (own, merged))
        for part in ("lines", "comparisons", "plan_note"):
            assert first[part] == second[part]
    assert verify_merged(merged).lines == []

    path = own / "curve.json"
    text = path.read_bytes()
    record = json.loads(text)
    del record["sha256"]
    record["lines"][1]["low"] += 1e-12
    storage.write_record(path, record)
    try:
        (line,) = verify(own).lines
    finally:
        path.write_bytes(text)
    assert line.startswith("curve.json: lines[1].low: stored ")


def test_wrong_use_is_told_in_one_line(tool: Runner, tmp_path: Path) -> None:
    for options, words in (
        (("--generator-of", "17"), "--generator-of 17: expected 1 to 16"),
        (
            ("--baselines", "ensemble"),
            "settings: --baselines pretrained strong cutmix learned",
        ),
        (("--primary", *REGIMES[:2]), "--primary 'real (fixed budget)' 'real + "),
        (("--generator-of", "4", "--primary", *PRIMARY), "leave out --generator-of"),
    ):
        short = ("--counts", "2", *options, "--evaluation.budgets", "4")
        done = tool("run_curve", *CURVE, *short, "--out", tmp_path)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
