"""Signals that ask a program to stop: when they do, and when they have to wait."""

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
    """Let signals that ask to stop raise KeyboardInterrupt, wherever they come.

    Of several within a second only the first does: people press twice, a terminal
    that closes sends two, and the second must not come between the first and the
    line that answers it.
    """
    last = -math.inf

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > _SECONDS_APART:
            raise KeyboardInterrupt

    # Also where a script started the tool in the background, which ignores SIGINT.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, interrupt)
    # A closed terminal, unless the user has seen to that (nohup).
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, interrupt)


def ignore_signals() -> None:
    """Let no signal cut in two what is left: a line, and the interpreter's end."""
    for stop in _STOPS:
        signal.signal(stop, signal.SIG_IGN)


@contextlib.contextmanager
def deferred_signals() -> Iterator[None]:
    """Let the first signal that asks to stop reach its handler after the block.

    A block that fails ends with its own error. Signals without a handler are left
    alone, and so is all outside the main thread, which no signal reaches.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _STOPS}
    held = {
        number: handler for number, handler in handlers.items() if callable(handler)
    }
    for number in held:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
    if came:
        held[signal.Signals(came[0])](came[0], None)
