import signal
import threading

import pytest

from tfgansynth.interrupts import held_back


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_waits_for_the_end_of_the_block(number: signal.Signals) -> None:
    done = []

    def work() -> None:
        with held_back():
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
    with held_back():
        pass

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_block_that_fails_ends_with_its_own_error() -> None:
    def work() -> None:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        work()

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_handlers_are_left_alone() -> None:
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append("own"))
    try:
        with held_back():
            signal.raise_signal(signal.SIGTERM)
            assert came == ["own"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_hold_nothing_back() -> None:
    seen = []

    def work() -> None:
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
