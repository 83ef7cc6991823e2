import dataclasses
from pathlib import Path

import pytest

from tests.benchmark.fakes import Fake, missing
from tfgansynth.benchmark import measurement
from tfgansynth.benchmark.measurement import (
    Implementation,
    _peers,
    compare,
    measure_briefly,
)
from tfgansynth.benchmark.results import GAN, BenchmarkPair, Machine, Timing
from tfgansynth.config import Config, Precision
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS, at_size


def machine(accelerated: Precision) -> Machine:
    return Machine(
        processor="",
        cores=1,
        features={},
        gpus=(),
        memory_bytes=0,
        accelerated=accelerated,
        onednn=True,
        kernels="ours",
        versions={},
    )


@pytest.mark.parametrize(
    ("ours", "accelerated", "formats"),
    [
        ("float32", "float32", ["float32"]),
        ("float32", "bfloat16", ["float32", "bfloat16"]),
        ("bfloat16", "float32", ["float32", "bfloat16"]),
    ],
)
def test_peers_run_in_the_useful_formats(
    ours: Precision, accelerated: Precision, formats: list[Precision]
) -> None:
    peers = _peers(GAN, PRESETS["paper"], ours, machine(accelerated))

    assert [(peer.name, peer.precision) for peer in peers] == [
        (name, precision)
        for name in ("plain Keras", "PyTorch")
        for precision in formats
    ]
    for peer in peers:
        name, network, config = peer.arguments
        assert (name, network) == (peer.name, GAN)
        assert config.gan.precision == config.unet.precision == peer.precision


WARM = (9.0, 1.0)
"""Seconds of the two steps that warm up."""


class Bench:
    """Compares fakes and keeps what they noted."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.said: list[str] = []

    def fake(self, name: str, *seconds: float) -> Implementation:
        arguments = (name, self.log, seconds)
        return Implementation(
            name=name, precision="float32", build=Fake, arguments=arguments
        )

    def run(
        self, ours: Implementation, *peers: Implementation, repeats: int = 2
    ) -> tuple[Timing, tuple[BenchmarkPair, ...]]:
        return compare(
            ours, peers, repeats, options="--gan.batch 8", say=self.said.append
        )

    def order(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_implementations_alternate(bench: Bench) -> None:
    ours = bench.fake("ours", *WARM, 1, 1, 1, 1, 1, 1)

    bench.run(ours, bench.fake("a", *WARM, 2, 2), bench.fake("b", *WARM, 3, 3))

    alone = ["ours 1"] * 4
    with_a = ["a 1", "a 1", "a 1", "ours 1", "a 1", "ours 1"]
    with_b = ["b 1", "b 1", "b 1", "ours 1", "b 1", "ours 1"]
    assert bench.order() == alone + with_a + with_b
    assert bench.said == ["ours, float32", "a, float32", "b, float32"]


def test_ratios_are_those_of_each_round(bench: Bench) -> None:
    ours = bench.fake("ours", *WARM, 4, 6, 1, 2)

    timing, (pair,) = bench.run(ours, bench.fake("peer", *WARM, 3, 4))

    assert timing.seconds == (4, 6)
    assert timing.median_seconds == 5
    assert timing.peak_bytes == len("ours")
    assert pair.peer.seconds == (3, 4)
    assert pair.our_seconds == (1, 2)
    assert pair.ratios == (3, 2)


@pytest.mark.parametrize(("warm", "steps"), [(0.2, 3), (0.5, 1), (7.0, 1), (1e-3, 500)])
def test_a_round_of_quick_steps_has_many(bench: Bench, warm: float, steps: int) -> None:
    bench.run(bench.fake("ours", 9, warm, 1, 1))

    assert bench.order() == ["ours 1", "ours 1"] + [f"ours {steps}"] * 2


def test_a_peer_that_is_missing_does_not_end_the_comparison(
    bench: Bench,
) -> None:
    ours = bench.fake("ours", *WARM, 1, 1, 1, 1, 1)
    absent = Implementation(name="x", precision="bfloat16", build=missing, arguments=())

    timing, pairs = bench.run(ours, absent, bench.fake("b", *WARM, 3, 3))

    assert timing.seconds == (1, 1)
    assert pairs[0].peer.failure == "no_such_library is not installed"
    assert (pairs[0].peer.name, pairs[0].peer.precision) == ("x", "bfloat16")
    assert pairs[0].ratios == ()
    assert pairs[1].ratios == (3, 3)


def test_a_peer_that_ends_midway_has_no_ratio(bench: Bench) -> None:
    ours = bench.fake("ours", *WARM, *[1] * 6)

    _, (pair,) = bench.run(ours, bench.fake("peer", *WARM, 3))

    assert "out of memory" in pair.peer.failure
    assert pair.ratios == ()


@pytest.mark.parametrize("seconds", [(), WARM, (*WARM, 1, 1, 1)])
def test_our_own_failure_names_the_options_to_change(
    bench: Bench, seconds: tuple[float, ...]
) -> None:
    ours = bench.fake("ours", *seconds)
    peer = bench.fake("peer", *WARM, 1, 1)

    with pytest.raises(InputError, match=r"^--gan.batch 8: killed .* out of memory$"):
        bench.run(ours, peer, bench.fake("never", *WARM, 1, 1))
    assert "never, float32" not in bench.said


@pytest.mark.parametrize(
    ("preset", "size", "network", "batch"),
    [
        ("paper", 128, "GAN", 16),
        ("fast", 64, "GAN", 32),
        ("paper", 128, "U-Net", 8),
        ("smoke", 128, "GAN", 16),
    ],
)
def test_a_large_mini_batch_is_halved_to_be_timed_briefly(
    preset: str, size: int, network: str, batch: int
) -> None:
    config = at_size(PRESETS[preset], size)
    assert measurement._batch(measurement._small_enough(config, network), network) == (
        batch
    )


def test_groups_of_pairs_stay_whole() -> None:
    config = PRESETS["paper"]
    gan = dataclasses.replace(config.gan, minibatch_stddev=64)
    config = dataclasses.replace(config, gan=gan)
    assert measurement._small_enough(config, "GAN").gan.batch == 64


class Clocked:
    """A stepper of which each step takes half a second a pair."""

    def __init__(self, network: str, config: Config) -> None:
        self.batch = measurement._batch(config, network)

    def run(self, steps: int) -> float:
        return self.batch / 2


def test_the_time_of_part_of_a_mini_batch_is_scaled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        measurement, "build", lambda _, network, config: Clocked(network, config)
    )
    found = measurement._Brief(PRESETS["paper"]).take("GAN")
    assert found.seconds == 64.0


@pytest.mark.slow
def test_steps_of_both_networks_are_timed_in_a_worker() -> None:
    config = at_size(PRESETS["smoke"], 32)
    found = measure_briefly(config, ["GAN", "U-Net"])
    assert list(found) == ["GAN", "U-Net"]
    # Compiling takes longer than any step of networks so small.
    assert all(0 < each.seconds < each.start_up for each in found.values())
