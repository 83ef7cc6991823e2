import pytest

from tests.clock import Clock
from tfgansynth.runtime import timing
from tfgansynth.runtime.timing import (
    RECORDS,
    START_UP,
    STEPS,
    Timer,
    shares,
    stages_table,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock("perf_counter")
    monkeypatch.setattr(timing, "time", made)
    return made


def test_parts_add_up_and_the_rest_belongs_to_none(clock: Clock) -> None:
    timer = Timer()
    for seconds in (2, 3):
        with timer.part(STEPS):
            clock.now += seconds
        clock.now += 10
        with timer.part(RECORDS):
            clock.now += 1
    assert timer.seconds == {STEPS: 5, RECORDS: 2}
    assert timer.total == 27
    assert timer.timings("fold-1/gan") == {
        "fold-1/gan": 27,
        "fold-1/gan/steps": 5,
        "fold-1/gan/records": 2,
    }


def test_a_part_that_fails_counts(clock: Clock) -> None:
    timer = Timer()

    def fail() -> None:
        clock.now += 4
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), timer.part(STEPS):
        fail()
    assert timer.seconds == {STEPS: 4}


def test_the_first_call_of_each_function_is_start_up(clock: Clock) -> None:
    timer = Timer()
    for name, seconds in (("steps", 20), ("validation", 5), ("steps", 1)):
        timer.begin_call(name)
        clock.now += seconds
    timer.end()
    clock.now += 10
    assert timer.seconds == {START_UP: 25, "steps": 1}


def test_shares_come_largest_first_with_the_rest() -> None:
    assert (
        shares(20.0, {"input": 0.1, "steps": 16.0, "records": 1.0})
        == "steps 80.0%, rest 14.5%, records 5.0%, input 0.5%"
    )
    assert shares(20.0, {}) == ""
    assert shares(0.0, {"steps": 0.0}) == ""


def test_table_has_a_line_a_stage_and_the_shares_of_all() -> None:
    timings = {
        "start": 10.0,
        "start/cases": 6.0,
        "fold-1/gan": 70.0,
        "fold-1/gan/steps": 60.0,
        "fold-1/gan/input": 1.0,
        "fold-1/unet-r30-s0": 20.0,
        "fold-1/unet-r30-s0/steps": 14.0,
        "fold-1/unet-r30-s0/validation": 2.0,
    }
    lines = stages_table(timings).splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in lines}
    assert [line.split()[0] for line in lines] == [
        "SECONDS",
        "start",
        "fold-1/gan",
        "fold-1/unet-r30-s0",
        "all",
        "share",
    ]
    assert len({len(line) for line in lines}) == 1
    # What is not one of the columns is part of the rest.
    assert cells["start"] == ["10.0", "10.0"]
    assert cells["fold-1/gan"] == ["70.0", "1.0", "60.0", "9.0"]
    assert cells["fold-1/unet-r30-s0"] == ["20.0", "14.0", "2.0", "4.0"]
    assert cells["all"] == ["100.0", "1.0", "74.0", "2.0", "23.0"]
    assert cells["share"][0] == "100.0%"
    assert sum(float(share.rstrip("%")) for share in cells["share"][1:]) == 100


def test_table_of_a_run_from_before_there_were_parts() -> None:
    lines = stages_table({"fold-1/gan": 12.5}).splitlines()
    assert lines[1].split() == ["fold-1/gan", "12.5", "12.5"]
