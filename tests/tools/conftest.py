"""Runs the scripts on tiny experiments: in this process, or as a user does."""

import contextlib
import gc
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest
from PIL import Image

from tests import once
from tfgansynth.data.phantoms.phantom import make_phantoms

TOOLS = Path(__file__).resolve().parents[2] / "tools"

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

TINY = (
    *("--preset", "smoke", "--reduced"),
    *("--data.phantoms", "30", "--data.n-validation", "4", "--data.n-reduced", "6"),
    *("--gan.steps", "6", "--gan.sample-every", "2", "--gan.log-every", "2"),
    *("--gan.batch", "4", "--synthesis.batch", "8", "--synthesis.count", "6"),
    *("--synthesis.mask-threshold", "100", "--unet.max-epochs", "2"),
    *("--unet.maps", "4"),
)
"""A whole experiment in a few seconds; it learns nothing."""

SMALL_NETWORKS = (
    *("--data.size", "32", "--gan.augment-cutout", "16", "--unet.depth", "1"),
    *("--gan.generator-maps", "8", "8", "--gan.discriminator-maps", "8", "8"),
    *("--gan.augment-cutout", "8", "--gan.augment-shift", "2"),
)
"""Added to `TINY`: networks that are built in no time."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def environment() -> dict[str, str]:
    """The environment of a user who has set no data folder."""
    ours = {"TFGANSYNTH_DATA", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"}
    return {k: v for k, v in os.environ.items() if k not in ours}


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Run `tools/NAME.py ARGUMENTS` in an empty folder, inside this process.

    A process of its own would spend most of its time on imports: a few tests take
    `cold_tool` instead, and the help of all scripts is asked for in a new process.
    `cwd` names another folder.
    """
    folder = tmp_path_factory.mktemp("elsewhere")

    def run(
        name: str, *arguments: str | Path, cwd: Path = folder
    ) -> "subprocess.CompletedProcess[str]":
        command = [str(TOOLS / f"{name}.py"), *map(str, arguments)]
        # Each stage collects garbage: what is there before a run is not looked at.
        gc.collect()
        gc.freeze()
        with (
            # As it is: a carriage return is no end of a line.
            tempfile.TemporaryFile("w+", newline="") as stdout,
            tempfile.TemporaryFile("w+") as stderr,
        ):
            with (
                # First: what TensorFlow writes when it is imported is not the tool's.
                once.networks_traced(),
                _as_a_program(cwd, command),
                _written_to(stdout, stderr),
            ):
                code = _exit_code(command[0])
            stdout.seek(0)
            stderr.seek(0)
            printed = stdout.read(), stderr.read()
        return subprocess.CompletedProcess(command, code, *printed)

    return run


@pytest.fixture(scope="session")
def cold_tool(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Run `tools/NAME.py ARGUMENTS` as a user does, from outside the repository."""
    folder = tmp_path_factory.mktemp("elsewhere")

    def run(
        name: str, *arguments: str | Path, cwd: Path = folder
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, TOOLS / f"{name}.py", *arguments],
            cwd=cwd,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def _exit_code(script: str) -> int:
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@contextlib.contextmanager
def _as_a_program(folder: Path, command: list[str]) -> Iterator[None]:
    """Let this process be like a new one, and afterwards as it was."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", command)
        patch.setattr(sys, "path", [*sys.path])
        patch.delenv("TFGANSYNTH_DATA", raising=False)
        # What a disk has when the power fails is tested in `runtime`.
        patch.setattr(os, "fsync", lambda handle: None)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def write_phantoms(folder: Path, count: int, size: int) -> Path:
    """Write sound cases in the folder layout."""
    for part in ("images", "masks"):
        (folder / part).mkdir()
    for case in make_phantoms(count, seed=0, size=size):
        name = f"{case.case_id}.png"
        Image.fromarray(case.image.astype(np.uint8)).save(folder / "images" / name)
        Image.fromarray(case.mask).save(folder / "masks" / name)
    return folder


@contextlib.contextmanager
def _written_to(stdout: TextIO, stderr: TextIO) -> Iterator[None]:
    """Redirect what Python and native code print."""
    files = {1: stdout, 2: stderr}
    ours = {number: os.dup(number) for number in files}
    with pytest.MonkeyPatch.context() as patch:
        for number, file in files.items():
            os.dup2(file.fileno(), number)
        try:
            with (
                open(1, "w", closefd=False) as out,
                open(2, "w", closefd=False, errors="backslashreplace") as err,
            ):
                patch.setattr(sys, "stdout", out)
                patch.setattr(sys, "stderr", err)
                yield
        finally:
            for number, copy in ours.items():
                os.dup2(copy, number)
                os.close(copy)
