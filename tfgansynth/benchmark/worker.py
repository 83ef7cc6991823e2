"""An object that lives in a process of its own and answers one call at a time.

Each contestant has one: its peak memory is its own, it keeps no cores from the
others while it waits, and its end, even by the system, is not ours.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from tfgansynth.runtime.isolation import why_it_ended

_MEMORY_FAULTS = {"MemoryError", "OutOfMemoryError", "ResourceExhaustedError"}
"""Exceptions of Python, PyTorch and TensorFlow, by name: not all are installed."""


class WorkerFailure(Exception):
    """A worker gave up or is gone; the message is one line that says why."""


class Call(Protocol):
    """Calls a method of the worker's object and returns what it returns."""

    def __call__(self, method: str, *arguments: Any) -> Any:
        """Wait for the answer.

        Raises:
            WorkerFailure: The method raised or the process ended.
        """


@contextlib.contextmanager
def worker(build: Callable[..., Any], *arguments: Any) -> Iterator[Call]:
    """Build an object in a fresh process; the process ends with the context.

    Args:
        build: Makes the object: a function at the top of a module, which should
            import heavy libraries only when called.
        *arguments: What it takes; like all that passes, they are pickled.

    Raises:
        WorkerFailure: The object could not be built.
    """
    # Spawned and not forked: no library lives through a fork with its threads.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, build, arguments), daemon=True
    )
    process.start()
    theirs.close()

    def answer() -> Any:
        try:
            succeeded, value = ours.recv()
        except (EOFError, ConnectionError):
            process.join()
            raise WorkerFailure(why_it_ended(process.exitcode)) from None
        if not succeeded:
            raise WorkerFailure(value)
        return value

    def call(method: str, *arguments: Any) -> Any:
        with contextlib.suppress(ConnectionError):
            ours.send((method, arguments))
        return answer()

    try:
        answer()
        yield call
    finally:
        ours.close()
        process.kill()
        process.join()


def _serve(connection: Any, build: Callable[..., Any], arguments: Any) -> None:
    # Ctrl-C reaches the whole group; whoever started this process ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _silence()
    # Workers take turns on one GPU: none may take all of its memory at the start.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    try:
        served = build(*arguments)
        connection.send((True, None))
        while True:
            try:
                method, arguments = connection.recv()
            except EOFError:
                return
            connection.send((True, getattr(served, method)(*arguments)))
    except Exception as fault:  # the libraries of peers raise what they like
        connection.send((False, _in_one_line(fault)))


def _silence() -> None:
    """Drop what native libraries print; what matters goes through the pipe."""
    sink = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(sink, stream)
    os.close(sink)


def _in_one_line(fault: Exception) -> str:
    if isinstance(fault, ModuleNotFoundError):
        return f"{fault.name} is not installed"
    name = type(fault).__name__
    if name in _MEMORY_FAULTS:
        return "out of memory"
    lines = str(fault).strip().splitlines()
    return f"{name}: {lines[0]}" if lines else name
