"""Reading what may crash its reader, in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

MOST_MEMORY_BYTES = 8 << 30
"""Memory of such a process, where the system can limit it."""

_ROOT = Path(__file__).resolve().parents[2]


class Failure(Exception):
    """The process did not come to its end; the message is one line that says why."""


def run_isolated(
    module: str,
    *arguments: str,
    seconds: int,
    content: bytes = b"",
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """Run a module of this package as a program.

    Args:
        module: Its full name; it should begin with `limit_memory`.
        *arguments: Its command line.
        seconds: It is ended after so long.
        content: What it reads from its standard input.
        variables: Environment variables besides ours.

    Returns:
        What it wrote to its standard output.

    Raises:
        Failure: It crashed, gave up, or took too long.
    """
    paths = [str(_ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    try:
        done = subprocess.run(
            # Without -P, modules would be looked for in the current folder first.
            [sys.executable, "-P", "-m", module, *arguments],
            env={
                **os.environ,
                **(variables or {}),
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            },
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as fault:
        raise Failure(f"it took longer than {seconds} s") from fault
    if done.returncode:
        raise Failure(why_it_ended(done.returncode))
    return done.stdout


def why_it_ended(exit_code: int | None) -> str:
    """Say why a process ended; the system's signals have negative numbers."""
    if exit_code == -signal.SIGKILL:
        return "killed by the system, most likely out of memory"
    if exit_code is not None and exit_code < 0:
        return f"ended by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"


def limit_memory(most_bytes: int = MOST_MEMORY_BYTES) -> None:
    """Let this process take no more memory, and leave no core file if it crashes."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
