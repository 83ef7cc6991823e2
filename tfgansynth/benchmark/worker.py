"""An object in a process of its own, which answers one call at a time.

Each implementation has such a worker. Its peak memory is its own, it uses no core
while it waits, and this process survives if the system ends it.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

from tfgansynth.runtime.processes.isolation import why_it_ended

_MEMORY_FAULTS = {"MemoryError", "OutOfMemoryError", "ResourceExhaustedError"}
"""Exceptions of Python, PyTorch and TensorFlow, by name: not all are installed."""


class WorkerFailure(Exception):
    """A worker failed or ended; the message is one line that says why."""


Call = Callable[..., Any]
"""Calls a method of the worker's object, by its name and with arguments, and returns
its result; raises `WorkerFailure` if the method raised or the process ended."""


@contextlib.contextmanager
def worker(build: Callable[..., Any], *arguments: Any) -> Iterator[Call]:
    """Build an object in a fresh process; the process ends with the context.

    Args:
        build: Makes the object: a function at the top of a module, which should
            import heavy libraries only when called.
        *arguments: Its arguments. All that is sent is pickled.

    Raises:
        WorkerFailure: The object could not be built.
    """
    # Spawned, not forked: threads of libraries do not survive a fork.
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
    # Ctrl-C reaches the whole group; the parent process ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _silence()
    # Workers share one GPU: none may take all of its memory at the start.
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
    except Exception as fault:  # each library has its own exceptions
        connection.send((False, _in_one_line(fault)))


def _silence() -> None:
    """Discard what native libraries print; results go through the pipe."""
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
