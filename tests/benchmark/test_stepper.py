import resource
import sys
from pathlib import Path

import pytest

from tfgansynth.benchmark import stepper
from tfgansynth.benchmark.stepper import Stepper
from tfgansynth.runtime.devices import resident_peak


class Machine:
    """A clock and a GPU that computes asynchronously."""

    def __init__(self) -> None:
        self.now = self.busy_until = 0.0

    def perf_counter(self) -> float:
        return self.now

    def step(self) -> "Machine":
        self.now += 0.25
        self.busy_until = max(self.now, self.busy_until) + 1
        return self

    def __float__(self) -> float:
        self.now = self.busy_until
        return 0.5


def test_the_time_of_steps_includes_the_wait_for_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine()
    monkeypatch.setattr(stepper, "time", machine)

    seconds = Stepper(machine.step).run(4)

    assert seconds == pytest.approx((0.25 + 4) / 4)


def test_memory_is_that_of_where_the_steps_run() -> None:
    on_gpu = Stepper(lambda: 0, lambda: 12345)
    assert (on_gpu.device(), on_gpu.peak_bytes()) == ("GPU", 12345)

    on_cpu = Stepper(lambda: 0)
    assert on_cpu.device() == "CPU"
    assert on_cpu.peak_bytes() > 2**20


def test_resident_peak_is_read_from_the_systems_status(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("VmPeak:\t  9999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n")

    assert resident_peak(status) == 2 * 2**20


@pytest.mark.parametrize("text", [None, "VmPeak:\t 9999 kB\n"])
@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1)])
def test_resident_peak_of_other_systems(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | None,
    system: str,
    unit: int,
) -> None:
    status = tmp_path / "status"
    if text:
        status.write_text(text)
    monkeypatch.setattr(sys, "platform", system)

    class Usage:
        ru_maxrss = 7

    monkeypatch.setattr(resource, "getrusage", lambda who: Usage)

    assert resident_peak(status) == 7 * unit
