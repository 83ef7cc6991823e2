"""When the stages of a command are expected to be done."""

import datetime
import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.clock import Clock
from tfgansynth.planning.schedule import Expected, play
from tfgansynth.reporting import screen
from tfgansynth.reporting.screen import Outlook

NOON = datetime.datetime(2026, 3, 1, 12, 0).timestamp()

Stages = dict[str, Sequence[str]]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock("time", NOON)
    monkeypatch.setattr(screen, "time", made)
    return made


def expect(
    least: float | None, most: float = 0, like: str = "", steps: int = 1
) -> Expected:
    like = like or f"{least} s"
    return Expected(least, max(least or 0, most), 0, False, like, steps)


def part(
    root: Path, stages: Stages, expected: dict[str, Expected], name: str = "run"
) -> Any:
    """A part as far as the outlook knows it."""
    planned = [SimpleNamespace(name=n, needs=needs) for n, needs in stages.items()]
    run = SimpleNamespace(root=root, seconds=lambda: {"begun": 40.0})
    return SimpleNamespace(
        name=name,
        plan=SimpleNamespace(stages=planned),
        experiment=SimpleNamespace(run=run),
        expected=expected,
    )


def run(*names: str) -> list[tuple[str, str]]:
    return [("run", name) for name in names]


def ticked(stages: Stages, seconds: dict[str, int], n_workers: int) -> dict[str, int]:
    """The rule of `play`, second by second."""
    ends: dict[str, int] = {}
    for now in range(sum(seconds.values()) + 1):
        for name, needs in stages.items():
            is_ready = all(ends.get(need, now + 1) <= now for need in needs)
            n_busy = sum(end > now for end in ends.values())
            if name not in ends and is_ready and n_busy < n_workers:
                ends[name] = now + seconds[name]
    return ends


def test_stages_are_played_as_workers_take_them() -> None:
    """At random, against time that goes by second by second."""
    draw = random.Random(0)
    for _ in range(200):
        names = [f"s{number}" for number in range(draw.randint(1, 9))]
        stages: Stages = {
            name: draw.sample(names[:index], draw.randint(0, min(index, 2)))
            for index, name in enumerate(names)
        }
        seconds = {name: draw.randint(1, 6) for name in names}
        n_workers = draw.randint(1, 4)
        found = play(stages, dict(seconds), n_workers)
        assert found == ticked(stages, seconds, n_workers)


def test_stages_that_run_keep_their_workers() -> None:
    stages: Stages = {"first": (), "late": (), "after": ("late", "done before")}
    seconds = {"first": 5.0, "late": 2.0, "after": 1.0}
    # The first has to wait, although it comes first.
    assert play(stages, seconds, 1, ["late"]) == {"late": 2, "first": 7, "after": 8}


def test_a_chain_takes_its_length_on_any_number_of_workers(
    clock: Clock, tmp_path: Path
) -> None:
    chain: Stages = {"gan": (), "set": ["gan"], "unet": ["set"], "real": ()}
    times = {"gan": 6000.0, "set": 600.0, "unet": 1200.0, "real": 1000.0}
    expected = {name: expect(seconds) for name, seconds in times.items()}
    outlook = Outlook([part(tmp_path, {"old": (), **chain}, expected)])

    outlook.running(run("gan", "real"), 2)
    # 8800 s of work, halved, were 1 h 13 min.
    assert outlook.text() == (
        "1 of 5 done · 2 running · 2 waiting · about 2 h 10 min left, until 14:10"
    )
    clock.now += 1000
    outlook.ended(("run", "real"), 1000.0, failed=False)
    outlook.running(run("gan"), 2)
    clock.now += 500
    assert outlook.text() == (
        "2 of 5 done · 1 running · 2 waiting · about 1 h 45 min left, until 14:10"
    )
    # One after the other, the sum.
    alone = Outlook([part(tmp_path, {"old": (), **chain}, expected)])
    assert alone.left() == (8800, 8800, 0)


def test_what_was_measured_corrects_what_was_expected(
    clock: Clock, tmp_path: Path
) -> None:
    expected = {
        "gan-1": expect(100, like="gan", steps=10),
        "gan-2": expect(200, like="gan", steps=20),
        "unet-1": expect(40, 60, like="unet"),
        "unet-2": expect(40, 60, like="unet of another"),
        "set": expect(None, like="set"),
    }
    outlook = Outlook([part(tmp_path, dict.fromkeys(expected, ()), expected)])
    assert outlook.left() == (380, 420, 1)

    outlook.ended(("run", "gan-1"), 300.0, failed=False)
    # Three times what was expected: exactly for the like, about for the others.
    assert outlook.left() == (600 + 120 + 120, 600 + 180 + 180, 1)
    outlook.ended(("run", "unet-1"), 100.0, failed=False)
    # 400 s in place of 100 and of the 60 that are nearest to 100.
    assert outlook.left() == pytest.approx((600 + 100, 600 + 150, 1))
    outlook.ended(("run", "set"), None, failed=True)
    assert outlook.text().startswith("2 of 5 done · 1 without result · 0 running · 2 ")
    outlook.ended(("run", "gan-2"), 600.0, failed=False)
    # A time within what was expected corrects nothing.
    within = Outlook([part(tmp_path, dict.fromkeys(expected, ()), expected)])
    within.ended(("run", "unet-1"), 55.0, failed=False)
    assert within.left() == (340, 360, 1)


def test_unknown_and_overdue_times_are_said_to_be_unknown(
    clock: Clock, tmp_path: Path
) -> None:
    expected = {"gan": expect(None), "unet": expect(50)}
    outlook = Outlook([part(tmp_path, {"gan": (), "unet": ["gan"]}, expected)])
    assert outlook.text().endswith(" · at least 50 s and 1 stage of unknown time left")
    outlook.ended(("run", "gan"), 1000.0, failed=False)
    outlook.running(run("unet"), 1)
    clock.now += 50
    assert outlook.text().endswith(" · about 0 s left, until 12:00")
    clock.now += 4
    assert outlook.text().endswith(" · about 0 s left, until 12:00")
    clock.now += 1
    assert outlook.text() == (
        "1 of 2 done · 1 running · 0 waiting · 1 stage of unknown time left"
    )
    # One that was done and is damaged is made again.
    outlook = Outlook([part(tmp_path, {"gan": ()}, {})])
    outlook.running(run("gan"), 1)
    assert outlook.text() == (
        "0 of 1 done · 1 running · 0 waiting · 1 stage of unknown time left"
    )


def test_stages_that_share_cores_may_take_longer_until_one_is_measured(
    clock: Clock, tmp_path: Path
) -> None:
    expected = dict.fromkeys(("a", "b", "c", "d"), expect(100.0, like="unet"))
    stages: Stages = dict.fromkeys(expected, ())
    outlook = Outlook([part(tmp_path, stages, expected)], share_cores=True)
    outlook.running(run("a", "b"), 2)
    assert outlook.text().endswith(
        " · 3 min 20 s to 6 min 40 s left, until 12:06 at the latest"
    )
    clock.now += 150
    outlook.ended(("run", "a"), 150.0, failed=False)
    outlook.running(run("b", "c"), 2)
    assert outlook.left() == (150, 150, 0)


@pytest.mark.parametrize(("together", "seconds"), [(False, 260), (True, 130)])
def test_parts_run_one_after_the_other_or_as_one_on_a_cluster(
    clock: Clock, tmp_path: Path, together: bool, seconds: float
) -> None:
    stages: Stages = {"gan": (), "unet": ["gan"]}
    expected = {"gan": expect(100.0), "unet": expect(30.0)}
    parts = [part(tmp_path, stages, expected, name) for name in ("a", "b")]
    outlook = Outlook(parts, together=together)
    outlook.running([("a", "gan")], 2)
    assert outlook.left() == (seconds, seconds, 0)


def test_what_an_earlier_attempt_has_done_is_not_expected_again(
    clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / "begun").mkdir()
    expected = {"begun": expect(100.0, like="gan"), "gan": expect(100.0, like="gan")}
    outlook = Outlook([part(tmp_path, dict.fromkeys(expected, ()), expected)])
    assert outlook.left() == (160, 160, 0)
    # Nor is its rest what another one takes.
    outlook.ended(("run", "begun"), 10.0, failed=False)
    assert outlook.left() == (100, 100, 0)


def test_another_day_is_named(clock: Clock, tmp_path: Path) -> None:
    expected = {"gan": expect(13 * 3600.0)}
    text = Outlook([part(tmp_path, {"gan": ()}, expected)]).text()
    endless = {"gan": expect(1e30)}
    words = Outlook([part(tmp_path, {"gan": ()}, endless)]).text()
    assert words.endswith(" days 21 h left")
    assert text.endswith(" · about 13 h 00 min left, until Mon 02 Mar, 01:00")
