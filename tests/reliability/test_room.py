"""No room on the disk, no right to write, no memory: one line, and nothing is lost."""

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.reliability.conftest import Reference, Start, assert_same
from tests.reliability.faults import (
    checkpoint_every_epoch,
    limit_files,
    limit_memory,
)
from tests.reliability.processes import Ended
from tests.reliability.settings import FOLDER

pytestmark = pytest.mark.slow

AGAIN = "what was done is saved; the same command goes on from there\n"


def assert_no_room(ended: Ended, name: str) -> None:
    assert ended.code == 1, ended
    (line,) = ended.stderr.splitlines(keepends=True)
    assert line.startswith("error: ")
    assert f"{name}: no room left: make some: {AGAIN}" in line


def test_files_that_may_not_grow(
    reference: Reference, start: Start, tmp_path: Path
) -> None:
    """In one run, each time a little more than before may be written."""
    fold = reference.run / "fold-1"
    checkpoint = (fold / "gan/checkpoints/step-000006.npz").stat().st_size
    model = (fold / "unet-r6-s0/model.keras").stat().st_size
    for tool, most, name in (
        ("train_gan", 1000, "cases.json"),
        ("train_gan", 4000, "samples/step-000000.png"),
        ("train_gan", checkpoint - 1, "checkpoints/step-000002.npz"),
        ("train_gan", None, ""),
        ("synthesize", 2000, "manifest.json"),
        ("synthesize", None, ""),
        ("run_table", model - 1, "model.keras"),
    ):
        if most is None:
            ended = start(tmp_path, checkpoint_every_epoch, tool).wait()
            assert ended.code == 0, ended.stderr
        else:
            prepare = functools.partial(limit_files, most)
            assert_no_room(start(tmp_path, prepare, tool).wait(), name)

    assert_same(start(tmp_path, checkpoint_every_epoch).wait(), tmp_path, reference)
