"""Objects for the workers of tests, in a module that a new process can import."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


class Fake:
    """Takes no steps, returns given times, and logs each call.

    Args:
        name: Logged with each call.
        log: File of notes, shared by all fakes of a comparison.
        seconds: What `run` returns, call by call; after the last the process ends.
    """

    def __init__(self, name: str, log: Path, seconds: list[float]) -> None:
        self._name = name
        self._log = log
        self._seconds = list(seconds)

    def run(self, steps: int) -> float:
        if not self._seconds:
            os.kill(os.getpid(), signal.SIGKILL)
        with self._log.open("a") as file:
            file.write(f"{self._name} {steps}\n")
        return self._seconds.pop(0)

    def device(self) -> str:
        return "CPU"

    def peak_bytes(self) -> int:
        return len(self._name)


class Echo:
    """Returns, raises and ends as a test demands."""

    def pid(self) -> int:
        return os.getpid()

    def echo(self, value: Any) -> Any:
        return value

    def fail(self, fault: Exception) -> None:
        raise fault

    def end(self, code: int) -> None:
        os._exit(code)

    def kill(self, number: int) -> None:
        os.kill(os.getpid(), number)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def shout(self) -> None:
        print("Python was here")
        os.write(1, b"native code was here\n")
        print("and here", file=sys.stderr, flush=True)
        os.write(2, b"and there\n")

    def resident_peak(self) -> int:
        from tfgansynth.runtime.devices import resident_peak

        return resident_peak()


def missing() -> None:
    """Import a library that does not exist."""
    __import__("no_such_library")
