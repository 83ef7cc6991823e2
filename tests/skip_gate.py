"""A pytest plugin: every skip is listed, and in CI an unexpected skip fails the run.

A test that needs a browser, JAX, PyTorch or a processor's instructions is skipped if
they are missing. `EXPECTED` names each reason for which that is accepted. With `CI`
set in the environment, as hosted runners do, a skip for any other reason fails the run,
so that a test never vanishes unnoticed.
"""

import os
import re
from collections import Counter

import pytest

EXPECTED = (
    # Optional software that is large or not available everywhere.
    r"could not import '(jax|torch)': .*",
    r"none of chromium.* is there",
    r"no C\+\+ compiler found",
    # The hardware of the machine.
    r"TensorFlow's own \(the processor lacks AVX512-BF16\)",
    r"TensorFlow's own \(no C\+\+ compiler found\)",
    r"TensorFlow's own \(TFGANSYNTH_KERNELS=off\)",
    r"nothing here accelerates bfloat16",
    r"needs two processor cores",
    r"the kernels are for x86-64",
    # The system and the rights of the user.
    r"asks /proc",
    r"limits of memory are Linux's",
    r"may not mount",
    r"root may (read|write) .*",
    # Long forms, which an option of `tests/conftest.py` turns on.
    r"long: --\w+( N)?",
)
"""Regular expressions; one of them must match the whole reason."""

_reasons: Counter[str] = Counter()


def is_expected(reason: str) -> bool:
    """Whether a skip for this reason is accepted in CI."""
    return any(re.fullmatch(pattern, reason) for pattern in EXPECTED)


def pytest_sessionstart() -> None:
    _reasons.clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _note(report.longrepr)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _note(report.longrepr)


def _note(longrepr: object) -> None:
    reason = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
    _reasons[reason.removeprefix("Skipped: ")] += 1


def _unexpected() -> list[str]:
    return [reason for reason in _reasons if not is_expected(reason)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") and _unexpected() and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _reasons:
        return
    terminalreporter.section("skipped tests")
    for reason, count in sorted(_reasons.items()):
        mark = "" if is_expected(reason) else "UNEXPECTED, see tests/skip_gate.py: "
        terminalreporter.line(f"{count}: {mark}{reason}")
