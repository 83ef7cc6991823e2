"""What befalls a process from inside: killed at an exact write, short of room."""

import itertools
import os
import resource
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from tfgansynth.runtime.storage import PARTIAL

_CALLS = ("mkdir", "fsync", "replace", "unlink", "rmdir")
"""Functions of `os` that everything goes through that writes or removes a file."""

Moment = Literal["before", "after"]
Watcher = Callable[[int, Moment, str, str], None]
"""Takes the number of a call, from 0, and on which path it acts."""


def checkpoint_every_epoch() -> None:
    """Let a U-Net's training, which is over within the minute, write checkpoints."""
    from tfgansynth.segmentation import callbacks

    callbacks._SECONDS_BETWEEN_CHECKPOINTS = 0.0


def note_calls(journal: Path) -> None:
    """Write down each moment at which the disk differs from the one noted before."""
    checkpoint_every_epoch()
    lines = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def note(number: int, moment: Moment, name: str, path: str) -> None:
        # A flush changes nothing that a kill would show, but tells that a file is
        # written; before any other call all is as after the last one.
        if os.path.isfile(path) if name == "fsync" else moment == "after":
            os.write(lines, f"{number} {moment} {name} {path}\n".encode())

    _watch_calls(note)


def kill_at(place: int, when: Moment) -> None:
    """Have this process killed before or after its n-th call, from 0.

    What is killed before it is flushed was written by half.
    """
    checkpoint_every_epoch()

    def kill(number: int, moment: Moment, name: str, path: str) -> None:
        if (number, moment) != (place, when):
            return
        if name == "fsync" and moment == "before" and path.endswith(PARTIAL):
            os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    _watch_calls(kill)


def kill_after(name: str) -> None:
    """Have this process killed once a file with this in its path is in its place."""
    checkpoint_every_epoch()

    def kill(number: int, moment: Moment, call: str, path: str) -> None:
        if (moment, call) == ("after", "replace") and name in path:
            os.kill(os.getpid(), signal.SIGKILL)

    _watch_calls(kill)


def _watch_calls(watcher: Watcher) -> None:
    numbers = itertools.count()

    def watched(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            path = _path(arguments[0])
            # Only the first run on a machine compiles our kernels.
            is_elsewhere = os.sep + "kernels" + os.sep in path
            # How often a lease is renewed depends on the time.
            is_timed = threading.current_thread() is not threading.main_thread()
            is_there = name == "mkdir" and os.path.isdir(path)
            if is_elsewhere or is_timed or is_there:
                return original(*arguments, **options)
            number = next(numbers)
            watcher(number, "before", name, path)
            result = original(*arguments, **options)
            watcher(number, "after", name, path)
            return result

        return call

    for name in _CALLS:
        setattr(os, name, watched(name))


def _path(file: Any) -> str:
    return os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else str(file)


def limit_files(most_bytes: int) -> None:
    """Let no file grow beyond a size: writing more fails as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))


def limit_memory(most_bytes: int) -> None:
    """Let allocations fail once the process has so much more than it has now."""
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[0])
    most = pages * resource.getpagesize() + most_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
