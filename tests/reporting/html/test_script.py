"""The script writes the page beside what it tells of, or says in one line why not."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[3] / "tools" / "report.py"

pytestmark = pytest.mark.slow


def report(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, TOOL, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_study_gets_its_page(own_study: Path) -> None:
    done = report(own_study)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Report: {own_study / 'report.html'}\n"
    text = (own_study / "report.html").read_text()
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")


def test_a_damaged_run_is_refused_in_one_line(own_study: Path) -> None:
    run = own_study.with_name("phantoms-reduced-smoke-seed1")
    damaged = run / "fold-1/unet-r6-s0/predictions.npz"
    damaged.write_bytes(damaged.read_bytes()[:100])

    done = report(own_study)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "predictions.npz" in line
    assert not (own_study / "report.html").exists()


def test_another_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    done = report(tmp_path)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"{tmp_path}: is no run" in line
