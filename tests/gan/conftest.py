"""Fixtures of the tests of exported generators."""

import shutil
from pathlib import Path

import pytest

from tests.gan.small import export, frozen_generator
from tfgansynth.gan.networks import Generator


@pytest.fixture(scope="module")
def frozen() -> Generator:
    """The small generator with frozen moments."""
    return frozen_generator()


@pytest.fixture(scope="module")
def original(frozen: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that has `generator/` and `saved_model/`."""
    folder = tmp_path_factory.mktemp("gan")
    export(frozen, folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(original, tmp_path / "gan")
