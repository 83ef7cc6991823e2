from pathlib import Path

import pytest

from tests.benchmark.fakes import Fake, missing
from tfgansynth.benchmark.race import Contestant, race
from tfgansynth.benchmark.results import Duel, Entry
from tfgansynth.errors import InputError

WARM = (9.0, 1.0)
"""Seconds of the two steps that warm up."""


class Arena:
    """Races fakes and keeps what they noted."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.said: list[str] = []

    def fake(self, name: str, *seconds: float) -> Contestant:
        arguments = (name, self.log, seconds)
        return Contestant(
            name=name, precision="float32", build=Fake, arguments=arguments
        )

    def race(
        self, ours: Contestant, *peers: Contestant, repeats: int = 2
    ) -> tuple[Entry, tuple[Duel, ...]]:
        return race(ours, peers, repeats, options="--gan.batch 8", say=self.said.append)

    def order(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return Arena(tmp_path)


def test_contestants_take_turns(arena: Arena) -> None:
    ours = arena.fake("ours", *WARM, 1, 1, 1, 1, 1, 1)

    arena.race(ours, arena.fake("a", *WARM, 2, 2), arena.fake("b", *WARM, 3, 3))

    alone = ["ours 1"] * 4
    with_a = ["a 1", "a 1", "a 1", "ours 1", "a 1", "ours 1"]
    with_b = ["b 1", "b 1", "b 1", "ours 1", "b 1", "ours 1"]
    assert arena.order() == alone + with_a + with_b
    assert arena.said == ["ours, float32", "a, float32", "b, float32"]


def test_ratios_are_those_of_each_round(arena: Arena) -> None:
    ours = arena.fake("ours", *WARM, 4, 6, 1, 2)

    entry, (duel,) = arena.race(ours, arena.fake("peer", *WARM, 3, 4))

    assert entry.seconds == (4, 6)
    assert entry.median_seconds == 5
    assert entry.peak_bytes == len("ours")
    assert duel.peer.seconds == (3, 4)
    assert duel.our_seconds == (1, 2)
    assert duel.ratios == (3, 2)


@pytest.mark.parametrize(("warm", "steps"), [(0.2, 3), (0.5, 1), (7.0, 1), (1e-3, 500)])
def test_a_round_of_quick_steps_has_many(arena: Arena, warm: float, steps: int) -> None:
    arena.race(arena.fake("ours", 9, warm, 1, 1))

    assert arena.order() == ["ours 1", "ours 1"] + [f"ours {steps}"] * 2


def test_a_peer_that_is_missing_does_not_end_the_race(arena: Arena) -> None:
    ours = arena.fake("ours", *WARM, 1, 1, 1, 1, 1)
    absent = Contestant(name="x", precision="bfloat16", build=missing, arguments=())

    entry, duels = arena.race(ours, absent, arena.fake("b", *WARM, 3, 3))

    assert entry.seconds == (1, 1)
    assert duels[0].peer.failure == "no_such_library is not installed"
    assert (duels[0].peer.name, duels[0].peer.precision) == ("x", "bfloat16")
    assert duels[0].ratios == ()
    assert duels[1].ratios == (3, 3)


def test_a_peer_that_ends_midway_has_no_ratio(arena: Arena) -> None:
    ours = arena.fake("ours", *WARM, *[1] * 6)

    _, (duel,) = arena.race(ours, arena.fake("peer", *WARM, 3))

    assert "out of memory" in duel.peer.failure
    assert duel.ratios == ()


@pytest.mark.parametrize("seconds", [(), WARM, (*WARM, 1, 1, 1)])
def test_our_own_end_is_told_with_the_options_to_change(
    arena: Arena, seconds: tuple[float, ...]
) -> None:
    ours = arena.fake("ours", *seconds)
    peer = arena.fake("peer", *WARM, 1, 1)

    with pytest.raises(InputError, match=r"^--gan.batch 8: killed .* out of memory$"):
        arena.race(ours, peer, arena.fake("never", *WARM, 1, 1))
    assert "never, float32" not in arena.said
