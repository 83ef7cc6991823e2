"""Shows what the time of a test run buys: processor minutes and tests by room.

Processor time, with that of the processes that a test has waited for, depends less on
what else runs than the time on a clock does.
"""

import collections
import os
from collections.abc import Generator
from typing import Any

import pytest


def _seconds() -> float:
    return sum(os.times()[:4])


class CpuTimes:
    """Measures each phase of each test, in every process of pytest-xdist."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._last = 0.0
        self._spent: collections.Counter[str] = collections.Counter()
        self._tests: collections.defaultdict[str, set[str]]
        self._tests = collections.defaultdict(set)

    def pytest_collection_finish(self) -> None:
        """Leave out imports and collection, which each process does once."""
        self._last = _seconds()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, pytest.TestReport]:
        """Write the seconds of a phase into its report."""
        report: pytest.TestReport = yield
        now = _seconds()
        report.__dict__["cpu_seconds"] = now - self._last
        self._last = now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the reports of all processes."""
        _, *folders = report.nodeid.split("::")[0].split("/")
        room = folders[0] if len(folders) > 1 else "the whole package"
        self._spent[room] += report.__dict__["cpu_seconds"]
        self._tests[room].add(report.nodeid)

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Print a table in Markdown."""
        line = terminalreporter.write_line
        line("| Tests of | CPU minutes | Tests |")
        line("|---|---|---|")
        for room, seconds in self._spent.most_common():
            line(f"| {room} | {seconds / 60:.1f} | {len(self._tests[room])} |")
        n_tests = sum(map(len, self._tests.values()))
        line(f"| all | {self._spent.total() / 60:.1f} | {n_tests} |")
