"""A run of few cases, of patients: what it says, and how it is verified."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.conftest import SMALL_NETWORKS, TINY, write_phantoms
from tfgansynth.reporting.html.page import write_report
from tfgansynth.reporting.verification.verify import verify
from tfgansynth.runtime import storage

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

NUMBERS = (*TINY[:2], *TINY[9:], *SMALL_NETWORKS, "--folds", "1")
PATIENTS = {f"phantom-{n + 1:03d}": f"p{n // 2}" for n in range(14)}
WARNING = "REMARK: a fold has only 8 training cases: "


def write_table(data: Path, patients: dict[str, str]) -> None:
    rows = [f"{case},{who},{int(who[1:]) % 2}" for case, who in patients.items()]
    (data / "cases.csv").write_text("\n".join(["case,patient,group", *rows]))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen cases of seven patients."""
    folder = write_phantoms(tmp_path_factory.mktemp("data"), 14, 64)
    write_table(folder, PATIENTS)
    return folder


@pytest.fixture(scope="module")
def done(
    tool: Runner, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A finished run, and what it printed."""
    out = tmp_path_factory.mktemp("runs")
    ended = tool("run_table", "--data", data, *NUMBERS, "--out", out)
    assert ended.returncode == 0, ended.stderr
    (root,) = out.iterdir()
    return root, ended.stdout


def test_a_run_says_how_few_it_learns_from(done: tuple[Path, str]) -> None:
    root, printed = done
    assert (
        "Split: 14 cases of 7 patients, none in two parts, by 2 groups in 3 folds, "
        "each with 4-6 test, 2 validation (the paper's: 20) and 6-8 training cases\n"
        "Few cases: a fold has only 6-8 training cases: "
    ) in printed
    warning = WARNING.replace("8", "6-8")
    assert f"\n{warning.replace('REMARK', 'Remark')}" in printed
    for name in ("table.md", "comparison.md"):
        assert warning in (root / name).read_text()
    assert warning.removeprefix("REMARK: ") in write_report(root).read_text()
    assert (
        json.loads((root / "config.json").read_text())["config"]["data"]["n_validation"]
        == 2
    )


def test_no_patient_is_in_two_parts(done: tuple[Path, str]) -> None:
    for fold in storage.read_record(done[0] / "splits.json")["folds"]:
        parts = [
            {PATIENTS[case] for case in fold[part]}
            for part in ("training", "validation", "test")
        ]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts)) == 7


def test_verification_makes_the_split_again(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    assert verify(done[0]).lines == []
    forged = shutil.copytree(done[0], tmp_path / done[0].name)
    record = storage.read_record(forged / "cases.json")
    record["table"]["patients"] = {}
    storage.write_record(forged / "cases.json", record)
    lines = verify(forged).lines
    assert any(line.startswith("splits.json: folds[0]") for line in lines)


def test_other_patients_are_other_data(
    tool: Runner, done: tuple[Path, str], data: Path
) -> None:
    swapped: dict[str, Any] = {**PATIENTS, "phantom-001": "p1"}
    write_table(data, swapped)
    again = tool("run_table", "--data", data, *NUMBERS, "--out", done[0].parent)
    write_table(data, PATIENTS)
    assert again.returncode == 2
    words = "with other data (other patients: phantom-002, phantom-003, phantom-004"
    assert words in again.stderr
