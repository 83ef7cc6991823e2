"""Signals that ask a program to stop: handlers, and blocks that defer them."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SECONDS_APART = 1.0


def install_handlers() -> None:
    """Make signals that ask to stop raise KeyboardInterrupt.

    Of several signals within a second, only the first one does. People press Ctrl-C
    twice and a terminal that closes sends two signals; the second one must not
    interrupt the handling of the first.
    """
    last = -math.inf

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > _SECONDS_APART:
            raise KeyboardInterrupt

    # A tool that a script starts in the background ignores SIGINT by default.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, interrupt)
    # A closed terminal, unless the user ignores it (nohup).
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, interrupt)


def ignore_signals() -> None:
    """Ignore signals while the last line is printed and the interpreter ends."""
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
