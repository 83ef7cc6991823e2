"""One study for all tests of the report, written once; tests that alter it copy it."""

import shutil
from pathlib import Path

import pytest

from tests.reporting.html.assessed import write_assessment, write_curve
from tests.reporting.html.made import write_study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two seeds with assessments and a learning curve."""
    folder = write_study(tmp_path_factory.mktemp("study"))
    for seed in (0, 1):
        run = folder.with_name(f"phantoms-reduced-smoke-seed{seed}")
        write_assessment(run / "fold-1", compared=seed == 0)
    write_curve(folder)
    return folder


@pytest.fixture
def own_study(study: Path, tmp_path: Path) -> Path:
    """A copy to alter."""
    out = shutil.copytree(
        study.parent, tmp_path / "out", ignore=shutil.ignore_patterns("report.html")
    )
    return Path(out) / study.name


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run, neither assessed nor with a learning curve."""
    return write_study(tmp_path_factory.mktemp("run"), seeds=(3,))
