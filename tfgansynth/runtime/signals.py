"""Signals that ask a program to stop: handlers, and blocks that defer them."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SECONDS_APART = 1.0
_SECONDS_UNTIL_AGAIN = 0.02
_SECONDS_UNTIL_LOST = 1.5


def is_interactive() -> bool:
    """Whether this process is a notebook, which lives on and has its own handlers."""
    return hasattr(sys, "ps1")


def end_at_once() -> None:
    """Make signals that ask to stop end this process with one line.

    For a start, which has nothing to lose: an exception that is raised in an import
    may be swallowed or turned into another one there.
    """

    def end(number: int, frame: FrameType | None) -> None:
        os.write(2, b"interrupted\n")
        os._exit(130)

    _install(end)


def install_handlers() -> None:
    """Make signals that ask to stop raise KeyboardInterrupt.

    Of several signals within a second, only the first one does. People press Ctrl-C
    twice and a terminal that closes sends two signals; the second one must not
    interrupt the handling of the first. A signal during an import waits for its end:
    native modules take an exception for an error of their own. An interrupt that native
    code has swallowed all the same is raised again.
    """
    last = -math.inf

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if _is_importing(frame):
            _signal_again(_SECONDS_UNTIL_AGAIN)
            return
        before, last = last, time.monotonic()
        if last - before > _SECONDS_APART:
            _signal_again(_SECONDS_UNTIL_LOST)
            raise KeyboardInterrupt

    _install(interrupt)


def _signal_again(seconds: float) -> None:
    """Send this process another signal later, unless it handles an interrupt then."""

    def again(number: int, frame: FrameType | None) -> None:
        if _is_handling_an_interrupt():
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_UNTIL_LOST)
        else:
            signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGALRM, again)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _is_handling_an_interrupt() -> bool:
    fault = sys.exception()
    while fault and not isinstance(fault, KeyboardInterrupt):
        fault = fault.__context__
    return fault is not None


def _install(handler: Callable[[int, FrameType | None], None]) -> None:
    if is_interactive():
        return
    # A tool that a script starts in the background ignores SIGINT by default.
    for stop in _STOPS:
        # A closed terminal, unless the user ignores it (nohup).
        if stop != signal.SIGHUP or signal.getsignal(stop) is not signal.SIG_IGN:
            signal.signal(stop, handler)


def _is_importing(frame: FrameType | None) -> bool:
    while frame and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def ignore_signals() -> None:
    """Ignore signals while the last line is printed and the interpreter ends."""
    if is_interactive():
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    for stop in _STOPS:
        signal.signal(stop, signal.SIG_IGN)


@contextlib.contextmanager
def deferred_signals() -> Iterator[None]:
    """Defer signals that ask to stop: after the block, the first one is handled.

    A block that fails raises its own error. Signals without a handler are not changed.
    Outside the main thread nothing is done, because signals do not reach it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _STOPS}
    deferred = {
        number: handler for number, handler in handlers.items() if callable(handler)
    }
    for number in deferred:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for number, handler in deferred.items():
            signal.signal(number, handler)
    if received:
        deferred[signal.Signals(received[0])](received[0], None)


@contextlib.contextmanager
def blocked_signals() -> Iterator[None]:
    """Hold back signals that ask to stop.

    A process that is started in the block does not get them until it unblocks them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
