"""Run code in a process of its own, because its input may crash or exhaust it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

MOST_MEMORY_BYTES = 8 << 30
"""The memory of such a process, if the system can limit it."""

_ROOT = Path(__file__).resolve().parents[2]


CRASHES = frozenset(
    (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
)
"""Signals by which a process ends through its own doing."""


class Failure(Exception):
    """The process failed; the message is one line that says why.

    Attributes:
        from_outside: It was ended by a signal of the system or of a user, twice.
    """

    def __init__(self, why: str, *, from_outside: bool = False) -> None:
        super().__init__(why)
        self.from_outside = from_outside


def run_isolated(
    module: str,
    *arguments: str,
    seconds: int,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run a module of this package as a program, without input or output.

    A process that is ended from outside is started again, once.

    Args:
        module: Its full name. It should call `limit_memory` first.
        *arguments: Its command line.
        seconds: The process is ended after this wall-clock time.
        variables: Environment variables to add to those of this process.

    Raises:
        Failure: It crashed, ended with an error, or took too long.
    """
    paths = [str(_ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    for _ in range(2):
        try:
            done = subprocess.run(
                # Without -P, Python imports modules of the current folder first.
                [sys.executable, "-P", "-m", module, *arguments],
                env={
                    **os.environ,
                    **(variables or {}),
                    "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as fault:
            raise Failure(f"it took longer than {seconds} s") from fault
        from_outside = done.returncode < 0 and -done.returncode not in CRASHES
        if not from_outside:
            break
    if done.returncode:
        raise Failure(why_it_ended(done.returncode), from_outside=from_outside)


def why_it_ended(exit_code: int | None) -> str:
    """Say why a process ended; a negative exit code is the number of a signal."""
    if exit_code == -signal.SIGKILL:
        return "killed by the system, most likely out of memory"
    if exit_code is not None and exit_code < 0:
        return f"ended by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"


def limit_memory(most_bytes: int = MOST_MEMORY_BYTES) -> None:
    """Limit the memory of this process, and write no core file if it crashes."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limits.
        return
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
