"""Starts the real scripts: cold, as a user does, or from a warm process.

A warm start forks from a process that has imported the libraries already, which is
most of the time that a tiny run takes. It runs the same script.
"""

import dataclasses
import functools
import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.tools.conftest import TOOLS, environment

_LONGEST_SECONDS = 300.0

Preparation = Callable[[], None]
"""What is done in a warm process before its script; can be pickled."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit code; minus the signal that killed it.
        stdout: What it printed.
        stderr: What it complained about.
    """

    code: int | None
    stdout: str
    stderr: str


class Warm:
    """A script in a process of its own, forked from one with the libraries loaded."""

    def __init__(
        self, log: Path, prepare: Preparation, name: str, *arguments: str | Path
    ) -> None:
        """Start `tools/NAME.py ARGUMENTS`; it prints to files beside `log`."""
        self._files = log.with_suffix(".out"), log.with_suffix(".err")
        self._process = _context().Process(
            target=_run_script,
            args=(f"{TOOLS / name}.py", [*map(str, arguments)], self._files, prepare),
        )
        self._process.start()

    @property
    def process(self) -> ForkServerProcess:
        """The process, to be killed."""
        return self._process

    def wait(self) -> Ended:
        """Wait until it has ended."""
        self._process.join(_LONGEST_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
        return Ended(
            self._process.exitcode, *(file.read_text() for file in self._files)
        )


@functools.cache
def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.reliability.preloaded"])
    return context


def _run_script(
    script: str, arguments: list[str], files: tuple[Path, Path], prepare: Preparation
) -> None:
    for number, file in enumerate(files, start=1):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
    os.environ.pop("TFGANSYNTH_DATA", None)
    prepare()
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


@contextmanager
def cold(name: str, *arguments: str | Path) -> Iterator["subprocess.Popen[str]"]:
    """Start `tools/NAME.py ARGUMENTS` as a user does, in a session of its own."""
    with subprocess.Popen(
        [sys.executable, TOOLS / f"{name}.py", *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(process: "subprocess.Popen[str]") -> Ended:
    """Wait until a cold process has ended."""
    stdout, stderr = process.communicate(timeout=_LONGEST_SECONDS)
    return Ended(process.returncode, stdout, stderr)
