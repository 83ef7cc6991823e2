"""Code in processes of its own.

`run_isolated` runs a module, because its input may crash or exhaust its process.
`workers` are processes that compute side by side; they end with the process that
started them, however that ends.
"""

import contextlib
import dataclasses
import io
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from tfgansynth.errors import RunError
from tfgansynth.runtime import signals
from tfgansynth.runtime.devices import (
    import_tensorflow_quietly,
    limit_threads,
    usable_cores,
    visible_gpus,
)

MOST_MEMORY_BYTES = 8 << 30
"""The memory of such a process, if the system can limit it."""

_ROOT = Path(__file__).resolve().parents[3]


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


@dataclasses.dataclass(slots=True)
class Worker:
    """A process that computes one task after another, and the name of its task."""

    process: BaseProcess
    connection: Connection
    task: str = ""

    def start(self, name: str, task: object) -> None:
        """Have a task computed."""
        self.task = name
        # Of a process that has ended, `answer` tells.
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(task)

    def answer(self) -> Any:
        """Wait until the task has ended.

        Returns:
            What it came to.

        Raises:
            RunError: The process has ended instead.
            Exception: What ended the task.
        """
        name, self.task = self.task, ""
        try:
            answer, faults = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            raise RunError(
                f"{name}: its process was {why_it_ended(self.process.exitcode)}: what "
                "was done is saved; the same command continues from there"
            ) from None
        for fault, context in itertools.pairwise(faults):
            fault.__context__ = context
        if faults:
            raise faults[0]
        return answer


@contextlib.contextmanager
def workers(
    compute: Callable[[Any], object],
    count: int,
    *,
    threads: int | None = None,
    preloaded: str | None = None,
) -> Iterator[list[Worker]]:
    """Start processes; at the end of the block, let them save and wait for them.

    On a machine with several GPUs each of them sees one, in turn.

    Args:
        compute: Takes a task and returns the answer. It, tasks and answers can be
            pickled.
        count: How many share the cores of this machine, >= 0.
        threads: Threads of each; None for its share of the cores.
        preloaded: A module that a server process imports once; the processes are
            forked from it and start in no time. None to start each from nothing.
    """
    context: Any = multiprocessing.get_context("forkserver" if preloaded else "spawn")
    if preloaded:
        context.set_forkserver_preload([preloaded])
    devices = visible_gpus() if count > 1 else []
    team: list[Worker] = []
    try:
        for number in range(count):
            ours, theirs = context.Pipe()
            share = threads or max(1, usable_cores() // count)
            device = devices[number % len(devices)] if devices else None
            arguments = theirs, compute, share, device
            process = context.Process(target=_work, args=arguments, daemon=True)
            with signals.blocked_signals():
                process.start()
            theirs.close()
            team.append(Worker(process, ours))
        yield team
    finally:
        for worker in team:
            worker.process.terminate()
            # Python may miss a signal that comes just before it begins to wait for a
            # task: then it would wait for ever.
            worker.connection.close()
        for worker in team:
            worker.process.join()


def _work(
    connection: Any,
    compute: Callable[[Any], object],
    threads: int,
    device: str | None,
) -> None:
    """Compute what a connection asks for, until this process is told to end."""
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signals.install_handlers()
    # Of the terminal's signals the parent alone decides what they mean.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    try:
        import_tensorflow_quietly()
        limit_threads(threads)
        while True:
            task = connection.recv()
            answer, faults = None, list[BaseException]()
            try:
                # Progress of several at a time would be a jumble.
                with contextlib.redirect_stdout(io.StringIO()):
                    answer = compute(task)
            except Exception as fault:
                faults = _portable(fault)
            connection.send((answer, faults))
    except (KeyboardInterrupt, EOFError, ConnectionError):
        signals.ignore_signals()
        sys.exit(128 + signal.SIGTERM)


def _end_with_parent() -> None:
    """End this process at once when its parent has ended, whose lock is free then."""
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)


def _portable(fault: BaseException) -> list[BaseException]:
    """Return an exception and those behind it as another process can read them."""
    fault.add_note("".join(traceback.format_exception(fault)))
    chain: list[BaseException] = []
    behind: BaseException | None = fault
    while behind:
        chain.append(behind)
        behind = behind.__context__
    try:
        # As a connection does it; not all exceptions can be made again.
        ForkingPickler.loads(ForkingPickler.dumps(chain))
    except Exception:
        return [RuntimeError(*fault.__notes__)]
    return chain
