"""Results from others may have links in them, which lead to files of the user."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reporting.html.conftest import own_study, run, study
from tfgansynth.cli import main as console
from tfgansynth.errors import InputError
from tfgansynth.records.reading.run import read_run
from tfgansynth.reporting.html.page import write_report
from tfgansynth.reporting.merging import merge
from tfgansynth.reporting.verification.verify import verify
from tfgansynth.runtime import signals

__all__ = ["own_study", "run", "study"]


@pytest.fixture
def linked(run: Path, tmp_path: Path) -> Path:
    """A run whose report would be written to a file of the user."""
    (tmp_path / "victim").write_text("precious")
    linked = Path(shutil.copytree(run, tmp_path / "out" / run.name))
    (linked / "report.html.partial").symlink_to(tmp_path / "victim")
    return linked


@pytest.mark.parametrize(
    "use",
    [read_run, verify, write_report, lambda run: merge([run], run.with_name("to"))],
)
def test_a_run_with_a_link_is_refused(use: Callable[[Path], Any], linked: Path) -> None:
    with pytest.raises(InputError, match=r"report\.html\.partial: is a link or"):
        use(linked)

    assert (linked.parents[1] / "victim").read_text() == "precious"
    assert not (linked / "report.html").exists()


def test_a_study_with_a_link_is_refused(own_study: Path) -> None:
    (own_study / "report.html.partial").symlink_to(own_study)

    with pytest.raises(InputError, match=r"report\.html\.partial: is a link or"):
        write_report(own_study)


def test_a_command_refuses_it_in_one_line(
    linked: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "ignore_signals", lambda: None)

    with pytest.raises(SystemExit) as end:
        console.run("report", [str(linked)], program="report")

    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert line.startswith(f"error: {linked}/report.html.partial: is a link or")


def test_the_folder_of_a_run_may_be_a_link(run: Path, tmp_path: Path) -> None:
    (tmp_path / run.name).symlink_to(run)

    assert read_run(tmp_path / run.name).unets
