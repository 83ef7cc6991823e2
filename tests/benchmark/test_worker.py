import os
import signal
import time

import numpy as np
import pytest

from tests.benchmark.fakes import Echo, missing
from tfgansynth.benchmark.worker import WorkerFailure, worker


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


def test_a_worker_is_another_process_and_keeps_its_object() -> None:
    with worker(Echo) as call:
        pid = call("pid")
        assert pid != os.getpid()
        assert call("pid") == pid
        assert call("echo", {"a": (1, 2.5)}) == {"a": (1, 2.5)}


def test_the_process_ends_with_the_context() -> None:
    with pytest.raises(KeyboardInterrupt), worker(Echo) as call:  # noqa: PT012
        pid = call("pid")
        raise KeyboardInterrupt

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_at_work_ends_with_the_context_too() -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt), worker(Echo) as call:  # noqa: PT012
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            call("sleep", 60)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (ValueError("no\nlonger a line"), "ValueError: no"),
        (ValueError(), "ValueError"),
        (MemoryError("4 GiB"), "out of memory"),
        (ResourceExhaustedError("OOM when allocating"), "out of memory"),
        (ModuleNotFoundError("No module", name="torch"), "torch is not installed"),
    ],
)
def test_a_fault_becomes_a_line(fault: Exception, line: str) -> None:
    with worker(Echo) as call, pytest.raises(WorkerFailure) as failure:
        call("fail", fault)

    assert str(failure.value) == line


@pytest.mark.parametrize(
    ("method", "number", "line"),
    [
        ("end", 3, "ended with exit code 3"),
        ("kill", signal.SIGABRT, "ended by SIGABRT"),
        ("kill", signal.SIGKILL, "killed by the system, most likely out of memory"),
    ],
)
def test_an_end_becomes_a_line(method: str, number: int, line: str) -> None:
    with worker(Echo) as call:
        for _ in range(2):
            with pytest.raises(WorkerFailure) as failure:
                call(method, number)
            assert str(failure.value) == line


def test_an_object_that_cannot_be_built_is_reported_at_once() -> None:
    with (
        pytest.raises(WorkerFailure, match=r"^no_such_library is not installed$"),
        worker(missing),
    ):
        pytest.fail("nothing was built")


def test_nothing_that_a_worker_prints_is_shown(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with worker(Echo) as call:
        call("shout")

    assert capfd.readouterr() == ("", "")


def test_an_interrupt_of_the_group_leaves_the_worker_to_its_parent() -> None:
    with worker(Echo) as call:
        os.kill(call("pid"), signal.SIGINT)
        assert call("echo", 1) == 1


def test_the_memory_of_a_worker_is_its_own() -> None:
    large = np.ones(2**26)

    with worker(Echo) as call:
        assert 2**20 < call("resident_peak") < large.nbytes
