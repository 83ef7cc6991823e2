from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.cpu_times import CpuTimes


def test_phases_are_added_up_by_room() -> None:
    times = CpuTimes()
    for name, seconds in (
        ("tests/gan/test_dcgan.py::test_a", 30.0),
        ("tests/gan/test_dcgan.py::test_a", 60.0),
        ("tests/gan/exchange/test_export.py::test_b[x::y]", 30.0),
        ("tests/test_seeds.py::test_c", 6.0),
    ):
        report = SimpleNamespace(nodeid=name, cpu_seconds=seconds)
        times.pytest_runtest_logreport(cast(pytest.TestReport, report))
    lines: list[str] = []
    reporter: Any = SimpleNamespace(write_line=lines.append)

    times.pytest_terminal_summary(reporter)

    assert lines[2:] == [
        "| gan | 2.0 | 2 |",
        "| the whole package | 0.1 | 1 |",
        "| all | 2.1 | 3 |",
    ]
