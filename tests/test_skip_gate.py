"""A skip is listed, and in CI one for an unknown reason fails the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skip_gate import is_expected

ROOT = Path(__file__).resolve().parents[1]


def run(folder: Path, test: str, **environment: str) -> tuple[int, str]:
    (folder / "test_it.py").write_text(f"import pytest\n{test}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.skip_gate", str(folder)],
        cwd=folder,
        env={
            **{name: text for name, text in os.environ.items() if name != "CI"},
            "PYTHONPATH": str(ROOT),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


UNEXPECTED = "def test_it(): pytest.skip('the moon is full')"
MODULE = "pytest.skip('the moon is full', allow_module_level=True)"


def test_an_unexpected_skip_fails_in_ci(tmp_path: Path) -> None:
    code, text = run(tmp_path, UNEXPECTED, CI="true")

    assert code == 1
    assert "1: UNEXPECTED, see tests/skip_gate.py: the moon is full" in text


def test_elsewhere_it_is_listed(tmp_path: Path) -> None:
    code, text = run(tmp_path, UNEXPECTED)

    assert code == 0
    assert "UNEXPECTED, see tests/skip_gate.py: the moon is full" in text


def test_a_skipped_module_counts(tmp_path: Path) -> None:
    passing = "def test_other(): pass"
    (tmp_path / "test_other.py").write_text(passing)

    code, text = run(tmp_path, MODULE, CI="true")

    assert code == 1
    assert "the moon is full" in text


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    test = "@pytest.mark.xfail(reason='known')\ndef test_it(): assert False"
    code, text = run(tmp_path, test, CI="true")

    assert code == 0
    assert "skipped tests" not in text


@pytest.mark.parametrize(
    "reason",
    [
        "could not import 'torch': No module named 'torch'",
        "none of chromium, chromium-browser, google-chrome is there",
        "TensorFlow's own (the processor lacks AVX512-BF16)",
        "long: --kills N",
        "root may write everywhere",
    ],
)
def test_known_reasons_are_expected(reason: str) -> None:
    assert is_expected(reason)


@pytest.mark.parametrize(
    "reason", ["", "long", "could not import 'tensorflow': No module named 'x'"]
)
def test_other_reasons_are_not(reason: str) -> None:
    assert not is_expected(reason)
