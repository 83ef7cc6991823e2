"""Folds that ran in different places give what one run of all of them gives."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.conftest import SMALL_NETWORKS, TINY
from tfgansynth.errors import InputError
from tfgansynth.reporting.verification.pool import pool, read_pool
from tfgansynth.runtime import storage

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

SETTINGS = (
    *TINY,
    *SMALL_NETWORKS,
    *("--data.n-reduced", "12", "--evaluation.cross-fit-steps", "4"),
    *("--evaluation.budget-steps", "4", "--evaluation.budget-epoch", "2"),
    *("--synthesis.augment", "elastic", "--regimes", "all", "--control", "--assess"),
)
NAME = "phantoms-reduced-smoke-seed0"


@pytest.fixture(scope="module")
def runs(tool: Runner, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of fold 1, one of fold 2, and one of both."""
    one, two, both = (tmp_path_factory.mktemp(name) for name in ("one", "two", "both"))

    def run(out: Path, *folds: str) -> None:
        done = tool("run_table", *SETTINGS, "--folds", *folds, "--out", out)
        assert done.returncode == 0, done.stderr

    run(one, "1")
    shutil.copytree(one, both, dirs_exist_ok=True)
    run(both, "1", "2")
    shutil.copytree(both, two, dirs_exist_ok=True)
    shutil.rmtree(two / NAME / "fold-1")
    run(two, "2")
    return {"one": one / NAME, "two": two / NAME, "both": both / NAME}


@pytest.fixture(scope="module")
def pool_of_one(
    runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    pool([runs["one"]], folder)
    return folder


@pytest.fixture
def pooled(pool_of_one: Path, tmp_path: Path) -> Path:
    """A pool that has fold 1, the test's own."""
    return shutil.copytree(pool_of_one, tmp_path / "pool")


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def reseal(path: Path, change: Callable[[Any], None]) -> None:
    record = json.loads(path.read_text())
    del record["sha256"]
    change(record)
    storage.write_record(path, record)


def test_two_machines_show_what_one_shows(
    tool: Runner, runs: dict[str, Path], tmp_path: Path
) -> None:
    done = tool("merge_results", runs["two"], runs["one"], "--to", tmp_path / "pool")

    assert done.returncode == 0, done.stderr
    assert "MERGED: seed 0, fold 1: 11 U-Nets\nMERGED: seed 0, fold 2" in done.stdout
    assert "PHANTOMS" in done.stdout
    found = storage.read_record(tmp_path / "pool/evidence.json")
    assert found == storage.read_record(runs["both"] / "evidence.json")
    text = (tmp_path / "pool/evidence.md").read_text()
    assert text == (runs["both"] / "evidence.md").read_text()


def test_only_numbers_are_taken(pooled: Path, runs: dict[str, Path]) -> None:
    files = contents(pooled)

    assert {Path(name).suffix for name in files} == {".json", ".csv", ".md"}
    assert sum(name.endswith(".csv") for name in files) == 11
    (fold,) = read_pool(pooled)
    assert set(fold.record["sets"]) == {"synthetic", "synthetic-control"}
    audit = storage.read_record(runs["one"] / "fold-1/assessment/assessment.json")
    assert fold.record["assessments"] == {"assessment": audit}
    assert fold.record["machines"][0]["versions"]["tensorflow"]
    assert fold.record["seconds"]["fold-1/gan"] > 0


def test_the_same_again_changes_nothing(pooled: Path, runs: dict[str, Path]) -> None:
    before = contents(pooled)

    pool([], pooled)
    pool([runs["one"]], pooled)

    assert contents(pooled) == before


def test_a_renamed_run_is_the_same(
    pooled: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    before = contents(pooled)

    pool([shutil.copytree(runs["one"], tmp_path / "mine")], pooled)

    assert contents(pooled) == before


def test_rows_may_come_one_after_the_other(pooled: Path, runs: dict[str, Path]) -> None:
    before = contents(pooled)

    def drop(record: Any) -> None:
        del record["unets"][2:7], record["assessments"]["assessment"]

    reseal(pooled / NAME / "fold-1/fold.json", drop)
    pool([runs["one"]], pooled)

    assert contents(pooled) == before


def other_result(fold: Path) -> None:
    path = fold / "unet-r12-s6.csv"
    *lines, last = path.read_text().splitlines()
    fields = last.split(",")
    fields[4] = "0.5"
    path.write_text("\n".join([*lines, ",".join(fields)]) + "\n")

    def change(record: Any) -> None:
        (entry,) = (
            entry
            for entry in record["unets"]
            if (entry["n_real"], entry["n_synthetic"], entry["schedule"])
            == (12, 6, "paper")
        )
        entry["cases_sha256"] = storage.hash_file(path)

    reseal(fold / "fold.json", change)


def other_set(fold: Path) -> None:
    def change(record: Any) -> None:
        record["sets"]["synthetic"] = "0" * 64

    reseal(fold / "fold.json", change)


def other_audit(fold: Path) -> None:
    def change(record: Any) -> None:
        record["assessments"]["assessment"]["n_training"] += 1

    reseal(fold / "fold.json", change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_result, "12 real + 6 synthetic: other results"),
        (other_set, "synthetic: another one"),
        (other_audit, "assessment: another one"),
    ],
)
def test_a_fold_counts_once(
    pooled: Path,
    runs: dict[str, Path],
    change: Callable[[Path], None],
    words: str,
) -> None:
    """Whoever trains a fold twice cannot take the better one."""
    change(pooled / NAME / "fold-1")
    before = contents(pooled)

    with pytest.raises(InputError, match="has other results of this fold") as refused:
        pool([runs["two"], runs["one"]], pooled)

    assert words in str(refused.value)
    assert contents(pooled) == before


def test_folds_of_other_settings_are_not_pooled(
    pooled: Path, runs: dict[str, Path]
) -> None:
    def change(record: Any) -> None:
        record["config"]["gan"]["steps"] = 7

    reseal(pooled / NAME / "fold-1/fold.json", change)
    before = contents(pooled)

    with pytest.raises(InputError, match=r"cannot be pooled .*gan\.steps: 6 against 7"):
        pool([runs["two"]], pooled)

    assert contents(pooled) == before


def test_an_altered_run_is_refused(
    tool: Runner, runs: dict[str, Path], tmp_path: Path
) -> None:
    run = shutil.copytree(runs["one"], tmp_path / NAME)
    (run / "fold-1/unet-r12-s6/cases.csv").write_text("altered\n")

    done = tool("merge_results", run, "--to", tmp_path / "pool")

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "is not what its predictions give" in line
    assert not (tmp_path / "pool").exists()


def test_an_altered_pool_is_refused(pooled: Path) -> None:
    path = pooled / NAME / "fold-1/unet-r12-s6.csv"
    path.write_text(path.read_text().replace("0.", "0.1"))

    with pytest.raises(InputError, match=r"unet-r12-s6\.csv: was altered"):
        pool([], pooled)


def test_a_pool_is_verified(tool: Runner, pooled: Path) -> None:
    done = tool("verify", pooled)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERIFIED: " in done.stdout


def test_an_altered_verdict_of_a_pool_is_named(tool: Runner, pooled: Path) -> None:
    def change(record: Any) -> None:
        record["comparisons"][0]["verdict"] = "helps against all odds"

    reseal(pooled / "evidence.json", change)
    text = pooled / "evidence.md"
    text.write_text(text.read_text().replace("0.", "0.1", 1))

    done = tool("verify", pooled)

    assert done.returncode == 1
    assert "evidence.json: comparisons[0].verdict: stored helps" in done.stdout
    assert "evidence.md: line " in done.stdout
    assert "2 differences" in done.stdout


def test_each_assessed_set_has_a_line(pooled: Path) -> None:
    heading, _, line = (pooled / "sets.md").read_text().splitlines()

    cells = dict(zip(heading.split(" | "), line.split(" | "), strict=True))
    assert (cells["| seed"], cells["set"]) == ("| 0", "fold-1/synthetic")
    assert cells["pairs"] == "6"


@pytest.mark.parametrize("name", ["config", "unets", "sets"])
def test_a_pool_of_another_version_is_refused(pooled: Path, name: str) -> None:
    path = pooled / NAME / "fold-1/fold.json"
    reseal(path, lambda record: record.pop(name))

    with pytest.raises(InputError, match="is not of this version"):
        pool([], pooled)


def test_an_assessment_of_another_version_is_refused(pooled: Path) -> None:
    path = pooled / NAME / "fold-1/fold.json"
    reseal(path, lambda record: record["assessments"]["assessment"].pop("soundness"))

    with pytest.raises(InputError, match="is not of this version"):
        pool([], pooled)


def test_what_is_no_result_is_refused(tool: Runner, tmp_path: Path) -> None:
    done = tool("merge_results", "--to", tmp_path)
    assert done.returncode == 2
    assert "holds no results yet" in done.stderr

    done = tool("merge_results", tmp_path, "--to", tmp_path)
    assert done.returncode == 2
    assert "has no evidence.json" in done.stderr
