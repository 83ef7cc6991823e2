"""Folds that ran in different places give what one run of all of them gives."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.conftest import SMALL_NETWORKS, TINY
from tfgansynth.errors import InputError
from tfgansynth.records import converter
from tfgansynth.records.assessments import Assessment
from tfgansynth.reporting.merged import read_merged
from tfgansynth.reporting.merging import merge, verify_merged
from tfgansynth.runtime import storage

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

SETTINGS = (
    *TINY,
    *SMALL_NETWORKS,
    *("--data.n-reduced", "12", "--evaluation.cross-fit-steps", "4"),
    *("--evaluation.budgets", "4", "--evaluation.budget-epoch", "2"),
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
def merged_one(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("merged")
    merge([runs["one"]], folder)
    return folder


@pytest.fixture
def merged(merged_one: Path, tmp_path: Path) -> Path:
    """Merged results of fold 1, the test's own."""
    return shutil.copytree(merged_one, tmp_path / "merged")


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
    done = tool("merge_results", runs["two"], runs["one"], "--to", tmp_path / "merged")

    assert done.returncode == 0, done.stderr
    assert "MERGED: seed 0, fold 1: 11 U-Nets\nMERGED: seed 0, fold 2" in done.stdout
    assert "PHANTOMS" in done.stdout
    found = storage.read_record(tmp_path / "merged/comparison.json")
    assert found == storage.read_record(runs["both"] / "comparison.json")
    text = (tmp_path / "merged/comparison.md").read_text()
    assert text == (runs["both"] / "comparison.md").read_text()


def test_only_numbers_are_taken(merged: Path, runs: dict[str, Path]) -> None:
    files = contents(merged)

    assert {Path(name).suffix for name in files} == {".json", ".csv", ".md"}
    sheets = [name for name in files if name.endswith(".csv")]
    kinds = Counter(name.rpartition("-")[2] for name in sheets)
    assert (len(sheets), kinds["history.csv"], kinds["figures.csv"]) == (33, 11, 11)
    (fold,) = read_merged(merged)
    assert set(fold.record.sets) == {"plain", "control"}
    path = runs["one"] / "fold-1/assessment/assessment.json"
    audit = converter.read(path, Assessment)
    assert fold.record.assessments == {"plain": audit}
    assert fold.record.machines[0].versions["tensorflow"]
    assert fold.record.seconds["fold-1/gan"] > 0


def test_the_same_again_changes_nothing(merged: Path, runs: dict[str, Path]) -> None:
    before = contents(merged)

    merge([], merged)
    merge([runs["one"]], merged)

    assert contents(merged) == before


def test_what_is_not_of_merged_results_is_named(merged: Path) -> None:
    fold = merged / NAME / "fold-1"
    (fold / "better.csv").touch()
    assert verify_merged(merged).lines == [
        f"{NAME}/fold-1/better.csv: is no file of these results: move it elsewhere"
    ]
    (fold / "better.csv").unlink()
    fold.rename(merged / NAME / "fold-2")
    with pytest.raises(InputError, match=r"fold-2/fold\.json: is of .*fold-1: move"):
        verify_merged(merged)


def test_a_regime_taken_from_merged_results_is_noted(merged: Path) -> None:
    reseal(merged / NAME / "fold-1/fold.json", lambda record: record["unets"].pop())
    (note,) = verify_merged(merged).notes
    assert note.endswith(": was trained, and is not among the results")


def test_a_renamed_run_is_the_same(
    merged: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    before = contents(merged)

    merge([shutil.copytree(runs["one"], tmp_path / "mine")], merged)

    assert contents(merged) == before


def test_rows_may_come_one_after_the_other(merged: Path, runs: dict[str, Path]) -> None:
    before = contents(merged)

    def drop(record: Any) -> None:
        del record["unets"][2:7], record["assessments"]["plain"]

    reseal(merged / NAME / "fold-1/fold.json", drop)
    merge([runs["one"]], merged)

    assert contents(merged) == before


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
            if entry["regime"]
            == {"n_real": 12, "n_synthetic": 6, "schedule": "paper", "set": "plain"}
        )
        entry["cases_sha256"] = storage.hash_file(path)

    reseal(fold / "fold.json", change)


def other_set(fold: Path) -> None:
    def change(record: Any) -> None:
        record["sets"]["plain"] = "0" * 64

    reseal(fold / "fold.json", change)


def other_audit(fold: Path) -> None:
    def change(record: Any) -> None:
        record["assessments"]["plain"]["n_training"] += 1

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
    merged: Path,
    runs: dict[str, Path],
    change: Callable[[Path], None],
    words: str,
) -> None:
    """Whoever trains a fold twice cannot take the better one."""
    change(merged / NAME / "fold-1")
    before = contents(merged)

    with pytest.raises(InputError, match="has other results of this fold") as refused:
        merge([runs["two"], runs["one"]], merged)

    assert words in str(refused.value)
    assert contents(merged) == before


def test_folds_of_other_settings_are_not_merged(
    merged: Path, runs: dict[str, Path]
) -> None:
    def change(record: Any) -> None:
        record["config"]["gan"]["steps"] = 7

    reseal(merged / NAME / "fold-1/fold.json", change)
    before = contents(merged)

    with pytest.raises(InputError, match=r"cannot be merged .*gan\.steps: 6 against 7"):
        merge([runs["two"]], merged)

    assert contents(merged) == before


def test_an_altered_run_is_refused(
    tool: Runner, runs: dict[str, Path], tmp_path: Path
) -> None:
    run = shutil.copytree(runs["one"], tmp_path / NAME)
    (run / "fold-1/unet-r12-s6/cases.csv").write_text("altered\n")

    done = tool("merge_results", run, "--to", tmp_path / "merged")

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "is not what its predictions give" in line
    assert not (tmp_path / "merged").exists()


def test_an_altered_fold_is_refused(merged: Path) -> None:
    path = merged / NAME / "fold-1/unet-r12-s6.csv"
    path.write_text(path.read_text().replace("0.", "0.1"))

    with pytest.raises(InputError, match=r"unet-r12-s6\.csv: was altered"):
        merge([], merged)


def test_a_merge_is_verified(tool: Runner, merged: Path) -> None:
    done = tool("verify", merged)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERIFIED: " in done.stdout


def test_an_altered_verdict_of_a_merge_is_named(tool: Runner, merged: Path) -> None:
    def change(record: Any) -> None:
        record["comparisons"][0]["verdict"] = "helps against all odds"

    reseal(merged / "comparison.json", change)
    text = merged / "comparison.md"
    text.write_text(text.read_text().replace("0.", "0.1", 1))

    done = tool("verify", merged)

    assert done.returncode == 1
    assert "comparison.json: comparisons[0].verdict: stored helps" in done.stdout
    assert "comparison.md: line " in done.stdout
    assert "2 differences" in done.stdout


def test_each_assessed_set_has_a_line(merged: Path) -> None:
    heading, _, line = (merged / "sets.md").read_text().splitlines()

    cells = dict(zip(heading.split(" | "), line.split(" | "), strict=True))
    assert (cells["| seed"], cells["set"]) == ("| 0", "fold-1/synthetic")
    assert cells["pairs"] == "6"


@pytest.mark.parametrize("name", ["config", "unets", "sets"])
def test_a_merge_of_another_version_is_refused(merged: Path, name: str) -> None:
    path = merged / NAME / "fold-1/fold.json"
    reseal(path, lambda record: record.pop(name))

    with pytest.raises(InputError, match="is not of the form that this version"):
        merge([], merged)


def test_an_assessment_of_another_version_is_refused(merged: Path) -> None:
    path = merged / NAME / "fold-1/fold.json"
    reseal(path, lambda record: record["assessments"]["plain"].pop("quality"))

    with pytest.raises(InputError, match="is not of the form that this version"):
        merge([], merged)


def test_what_is_no_result_is_refused(tool: Runner, tmp_path: Path) -> None:
    done = tool("merge_results", "--to", tmp_path)
    assert done.returncode == 2
    assert "holds no results yet" in done.stderr

    done = tool("merge_results", tmp_path, "--to", tmp_path)
    assert done.returncode == 2
    assert "has no comparison.json" in done.stderr
