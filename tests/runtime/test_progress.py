import math
import re
import sys

import pytest

from tests.clock import Clock
from tfgansynth.runtime import progress
from tfgansynth.runtime.progress import (
    Overview,
    Progress,
    aligned,
    collected_remarks,
    duration,
    remark,
    shown_while,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock("monotonic")
    monkeypatch.setattr(progress, "time", made)
    return made


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (42, "42 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (60, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599, "59 min 59 s"),
        (3599.7, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (90061, "25 h 01 min"),
        (172799, "47 h 59 min"),
        (172800, "2 days 0 h"),
        (561600, "6 days 12 h"),
    ],
)
def test_durations_read_as_people_write_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rate_leaves_out_the_first_step(clock: Clock) -> None:
    with Progress("GAN step", 10) as job:
        assert math.isnan(job.seconds_per_step)
        clock.now += 100  # compiles
        job.update(1)
        assert math.isnan(job.seconds_per_step)
        clock.now += 3
        job.update(2)
        assert job.seconds_per_step == pytest.approx(3)
        clock.now += 1
        job.update(3)
        assert job.seconds_per_step == pytest.approx(2)


def test_rate_counts_only_the_steps_of_this_attempt(clock: Clock) -> None:
    with Progress("GAN step", 1000) as job:
        clock.now += 100
        job.update(501)
        clock.now += 8
        job.update(505)
        assert job.seconds_per_step == pytest.approx(2)


def test_file_gets_a_line_now_and_then(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("GAN step", 100) as job:
        for step in range(1, 100):
            clock.now += 1
            job.update(step, "loss 0.5")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "GAN step 30/100, 1.00 s each, 1 min 10 s left, loss 0.5",
        "GAN step 60/100, 1.00 s each, 40 s left, loss 0.5",
        "GAN step 90/100, 1.00 s each, 10 s left, loss 0.5",
    ]


def test_file_gets_no_line_of_a_job_under_30_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("epoch", 2) as job:
        job.update(1)
        clock.now += 29
        job.update(2)
    assert capsys.readouterr().out == ""


def test_line_of_the_first_step_has_no_rate(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("epoch", 9) as job:
        clock.now += 60
        job.update(1, "error 0.1")
    assert capsys.readouterr().out == "epoch 1/9, error 0.1\n"


def make_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a terminal of the standard output, as wide as a line needs."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


def screen_of(shown: str) -> list[str]:
    """What a terminal shows in the end, without empty lines."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x1b]", shown):
        if part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif re.fullmatch(r"\x1b\[\d*A", part):
            row -= int(part[2:-1] or 1)
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part[0] != "\x1b":
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + 1 :]
            column += 1
    return [line.rstrip() for line in lines if line.strip()]


def plain(shown: str) -> str:
    """Text without colors and moves of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_terminal_gets_a_bar_on_one_line(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_terminal(monkeypatch)
    with Progress("step", 4) as job:
        for step in range(1, 5):
            clock.now += 1
            job.update(step)
    shown = capsys.readouterr().out
    # The last refresh is cleared; the others overwrite each other.
    assert screen_of(shown) == []
    bars = [part.rstrip() for part in plain(shown).split("\r") if part.strip()]
    assert bars[0].endswith(" step")
    assert bars[1] == "━" * 6 + "╺" + "━" * 17 + " step 1/4"
    assert bars[2].endswith(" step 2/4, 1.00 s each, 2 s left")
    assert bars[-1] == "━" * 24 + " step 4/4, 1.00 s each, 0 s left"


def test_terminal_is_not_flooded(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_terminal(monkeypatch)
    with Progress("step", 1001) as job:
        for step in range(1, 1001):
            clock.now += 1 / 128  # exact in binary
            job.update(step)
        shown = plain(capsys.readouterr().out)
    # 0.2 s are 25.6 steps, so that every 26th one is shown.
    assert shown.count("s each") == 1000 // 26


def test_bar_is_cleared_when_the_job_fails(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_terminal(monkeypatch)
    with pytest.raises(KeyboardInterrupt), Progress("step", 4):
        raise KeyboardInterrupt
    shown = capsys.readouterr().out
    assert screen_of(shown) == []
    # The cursor, which a bar hides, is back.
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_what_is_printed_meanwhile_stays_above_the_bar(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_terminal(monkeypatch)
    with Progress("step", 4) as job:
        clock.now += 1
        job.update(1)
        print("a sample is written")
        clock.now += 1
        job.update(4)
    assert screen_of(capsys.readouterr().out) == ["a sample is written"]


def test_terminal_shows_what_is_at_work_until_its_bar_or_its_end(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_terminal(monkeypatch)
    with shown_while("fold 1, GAN"):
        shown = capsys.readouterr().out
        assert screen_of(shown) == ["fold 1, GAN ..."]
        with Progress("fold 1, GAN step", 4) as job:
            clock.now += 1
            job.update(1)
            shown += capsys.readouterr().out
            (line,) = screen_of(shown)
            assert line == "━" * 6 + "╺" + "━" * 17 + " fold 1, GAN step 1/4"
    print(" 1/15  fold 1, GAN")
    assert screen_of(shown + capsys.readouterr().out) == [" 1/15  fold 1, GAN"]


def test_terminal_shows_the_whole_job_above_what_is_at_work(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_terminal(monkeypatch)
    n_done = 1
    print("above")
    with Overview(lambda: f"{n_done} of 2 done"):
        with shown_while("fold 1, GAN " + 30 * "at a far place "):
            shown = capsys.readouterr().out
            overall, label = screen_of(shown)[1:]
            assert (overall, len(label), label[-3:]) == ("1 of 2 done", 99, "...")
            n_done = 2
            with Progress("fold 1, GAN step", 4) as job:
                clock.now += 1
                job.update(1)
                shown += capsys.readouterr().out
                bar = "━" * 6 + "╺" + "━" * 17 + " fold 1, GAN step 1/4"
                assert screen_of(shown) == ["above", "2 of 2 done", bar]
        shown += capsys.readouterr().out
        assert screen_of(shown) == ["above"]
    print("below")
    assert screen_of(shown + capsys.readouterr().out) == ["above", "below"]


def test_file_is_told_of_the_whole_job_every_five_minutes(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Overview(lambda: f"at {clock.now:.0f}")
    for _ in range(3):
        with whole, Progress("GAN step", 100) as job:
            for step in range(1, 3):
                clock.now += 100
                job.update(step)
    with whole:
        for _ in range(7):
            clock.now += 50
            with shown_while("a stage elsewhere"):
                pass
    clock.now += 1000
    with shown_while("report"):
        pass
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "step" not in line] == [
        "at 1300",
        "at 1600",
        "at 1900",
    ]


def test_file_is_not_told_what_is_at_work(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_while("fold 1, GAN"):
        pass
    assert capsys.readouterr().out == ""


def test_a_remark_is_printed_unless_it_is_collected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    remark("before")
    with collected_remarks() as outer:
        remark("one")
        with collected_remarks() as inner:
            remark("two")
    assert (outer, inner) == (["one"], ["two"])
    assert capsys.readouterr().out == "before\n"


def test_columns_are_aligned() -> None:
    rows = [("NAME", "s", "%"), ("[a]", "1.5", ""), ("longer name", "10.25", "100.0")]

    assert aligned(rows) == [
        "NAME             s      %",
        "[a]            1.5",
        "longer name  10.25  100.0",
    ]
    assert aligned(rows, n_text_columns=2)[1:] == [
        "[a]          1.5",
        "longer name  10.25  100.0",
    ]


def test_a_job_that_may_end_early_takes_at_most_its_time(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("epoch", 10, may_end_early=True) as job:
        job.update(1)
        clock.now += 40
        job.update(2)
    assert "at most 5 min 20 s left" in capsys.readouterr().out
