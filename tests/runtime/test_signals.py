import contextlib
import importlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfgansynth.runtime import signals
from tfgansynth.runtime.signals import (
    deferred_signals,
    ignore_signals,
    install_handlers,
)

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_waits_for_the_end_of_the_block(number: signal.Signals) -> None:
    done = []

    def work() -> None:
        with deferred_signals():
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("whole")

    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
        assert done == ["whole"]
        # From here on it interrupts as ever.
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)


def test_without_a_signal_nothing_happens() -> None:
    with deferred_signals():
        pass

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_block_that_fails_ends_with_its_own_error() -> None:
    def work() -> None:
        with deferred_signals():
            signal.raise_signal(signal.SIGINT)
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        work()

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_any_handler_waits() -> None:
    came: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append("own"))
    try:
        with deferred_signals():
            signal.raise_signal(signal.SIGTERM)
            assert not came
        assert came == ["own"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with deferred_signals():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_defer_nothing() -> None:
    seen = []

    def work() -> None:
        with deferred_signals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the handlers back afterwards; until then none raises an interrupt again."""
    monkeypatch.setattr(signals, "_SECONDS_UNTIL_LOST", 3600.0)
    numbers = (*STOPS, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_of_signals_close_together_only_the_first_interrupts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install_handlers()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(signals, "_SECONDS_APART", 0.0)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("handlers")
def test_a_hangup_that_the_user_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    install_handlers()
    signal.raise_signal(signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("handlers")
def test_a_notebook_keeps_its_own_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    install_handlers()
    ignore_signals()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


NATIVE = """
import signal
try:
    signal.raise_signal(signal.SIGTERM)
except BaseException as fault:
    raise ImportError("initialization failed") from fault
"""


@pytest.mark.usefixtures("handlers")
def test_a_signal_waits_for_the_end_of_an_import(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "like_a_native_module.py").write_text(NATIVE)
    monkeypatch.syspath_prepend(tmp_path)
    install_handlers()
    assert importlib.import_module("like_a_native_module")
    with pytest.raises(KeyboardInterrupt):
        time.sleep(5)


@pytest.fixture
def impatient(handlers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers that soon raise a lost interrupt again."""
    monkeypatch.setattr(signals, "_SECONDS_APART", 0.05)
    monkeypatch.setattr(signals, "_SECONDS_UNTIL_LOST", 0.1)
    install_handlers()


@pytest.mark.usefixtures("impatient")
def test_an_interrupt_that_is_swallowed_comes_again() -> None:
    came = False
    try:
        with contextlib.suppress(KeyboardInterrupt):  # as native code does
            signal.raise_signal(signal.SIGTERM)
        time.sleep(5)
    except KeyboardInterrupt:
        ignore_signals()
        came = True
    assert came


@pytest.mark.usefixtures("impatient")
def test_while_an_interrupt_is_handled_no_other_comes() -> None:
    done = []

    def save() -> None:
        try:
            raise OSError("a fault of its own")
        except OSError:
            time.sleep(0.5)
        done.append("saved")

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            save()

    try:
        work()
    except KeyboardInterrupt:
        ignore_signals()
        done.append("interrupted")
    assert done == ["saved", "interrupted"]


@pytest.mark.usefixtures("handlers")
def test_at_the_end_no_signal_interrupts() -> None:
    install_handlers()
    ignore_signals()
    for number in STOPS:
        signal.raise_signal(number)
