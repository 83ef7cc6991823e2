"""Fixed budget, seeds and verdicts through the real scripts."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.conftest import SMALL_NETWORKS, TINY
from tfgansynth.reporting.outputs import write_outputs
from tfgansynth.reporting.verification.verify import verify
from tfgansynth.runtime import storage

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

SHORT = (
    *(*TINY, *SMALL_NETWORKS),
    *("--evaluation.budgets", "4", "--evaluation.budget-epoch", "2"),
)
STUDY = (*SHORT, "--folds", "1", "--seeds", "2", "--regimes", "all")


@pytest.fixture(scope="module")
def out(tool: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    done = tool("run_table", *STUDY, "--out", folder)
    assert done.returncode == 0, done.stderr
    shown = done.stdout
    assert (
        shown.count("seed 0, fold 1, GAN ") == shown.count("seed 1, fold 1, GAN ") == 1
    )
    assert shown.count("\nDoes the synthetic set help? ") == 3
    assert shown.endswith(
        f"\nReport: {folder / 'phantoms-reduced-smoke-seeds0-1'}/report.html\n"
    )
    return folder


@pytest.fixture(scope="module")
def study(out: Path) -> Path:
    return out / "phantoms-reduced-smoke-seeds0-1"


def test_comparison_has_all_rows_and_pairs_of_both_tables(study: Path) -> None:
    comparison = storage.read_record(study / "comparison.json")

    paper, fixed_budget = comparison["tables"]
    assert [len(table["rows"]) for table in (paper, fixed_budget)] == [3, 5]
    for row in (*paper["rows"], *fixed_budget["rows"]):
        assert (row["n_unets"], row["n_results"]) == (2, 20)
        assert set(row["dice_by_seed"]) == {"0", "1"}
    # Pairs of rows of one table: 3 and 10.
    assert len(comparison["comparisons"]) == 13
    assert comparison["warning"].startswith("PHANTOMS")
    assert len(comparison["unets"]) == 16
    for unet in comparison["unets"]:
        folder = study.parent / unet["run"] / f"fold-{unet['fold']}" / unet["folder"]
        assert (folder / "predictions.npz").exists()
    assert "PHANTOMS" in (study / "comparison.md").read_text().splitlines()[0]


def test_a_run_that_a_study_leaves_out_is_named(study: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(study.parent, tmp_path / "out"))
    folder = out / study.name
    write_outputs([out / "phantoms-reduced-smoke-seed0"], folder)

    (line,) = verify(folder).lines

    named = "is without the run phantoms-reduced-smoke-seed1"
    assert line == f"{study.name}/comparison.json: {named}"


def test_each_seed_has_a_split_of_its_own(out: Path) -> None:
    splits = [
        json.loads((out / f"phantoms-reduced-smoke-seed{seed}/splits.json").read_text())
        for seed in (0, 1)
    ]
    assert splits[0]["folds"][0]["test"] != splits[1]["folds"][0]["test"]


def test_fair_rows_took_the_same_steps(out: Path) -> None:
    fold = out / "phantoms-reduced-smoke-seed0/fold-1"
    for folder in (
        "r6-s0-fixed-budget",
        "r6-s6-fixed-budget",
        "r0-s6-fixed-budget",
        "r6-s6-augmented",
    ):
        history = (fold / f"unet-{folder}/history.csv").read_text().splitlines()
        # A header, and two epochs of two steps.
        assert len(history) == 3


def test_the_same_command_again_gives_the_same(
    tool: Runner, out: Path, study: Path
) -> None:
    before = (study / "comparison.json").read_bytes()
    (study / "comparison.json").unlink()

    done = tool("run_table", *STUDY, "--out", out)

    assert done.returncode == 0, done.stderr
    assert "U-Net" not in done.stdout.split("Mean ± sd")[0]
    assert (study / "comparison.json").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--seeds", "0"], "--seeds 0: expected 1 or more"),
        (["--regimes", "some"], "--regimes"),
        (
            ["--control"],
            "--control: adds to the fixed-budget regimes: expected --regimes",
        ),
        (
            ["--evaluation.budgets", "5", "--evaluation.budget-epoch", "2"],
            "--evaluation.budgets 5: expected multiples",
        ),
        (
            ["--gan.augment-cutout", "128"],
            "--gan.augment-cutout 128: expected less than --data.size 128",
        ),
        (
            ["--evaluation.cross-fit-splits", "1"],
            "--evaluation.cross-fit-splits 1: expected 2 or more",
        ),
        (
            ["--evaluation.equivalence-margin", "0"],
            "--evaluation.equivalence-margin 0.0: expected more than 0",
        ),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    tool: Runner, tmp_path: Path, options: list[str], complaint: str
) -> None:
    done = tool("run_table", *TINY, *options, "--out", tmp_path)

    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_study_of_several_runs_is_verified(
    study: Path, out: Path, tmp_path: Path
) -> None:
    assert verify(study).lines == []

    copies = tmp_path / "runs"
    shutil.copytree(out, copies)
    unets = [copies / f"phantoms-reduced-smoke-seed{seed}/fold-1" for seed in (0, 1)]
    shutil.rmtree(unets[1] / "unet-r6-s6-fixed-budget")
    shutil.copytree(
        unets[0] / "unet-r6-s6-fixed-budget", unets[1] / "unet-r6-s6-fixed-budget"
    )
    lines = verify(copies / study.name).lines
    where = "phantoms-reduced-smoke-seed1/fold-1/unet-r6-s6-fixed-budget"
    assert f"{where}/provenance.json: seed: stored 0, recomputed 1" in lines
    assert any(line.startswith(f"{study.name}/comparison.json: ") for line in lines)
