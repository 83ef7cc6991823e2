"""One run of the benchmark: the machine, then the GAN, then the U-Net.

The speed of a machine drifts, with its temperature and with its other users. Two
implementations that take steps in alternation meet the same drift, so what is compared
is the ratio of their times in one round, and the median over all rounds. Each
implementation runs in a process of its own, and the peers run one after the other, so
that no more than two networks share the memory.
"""

import dataclasses
import importlib
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from tfgansynth.benchmark import flops
from tfgansynth.benchmark.machine import Probe
from tfgansynth.benchmark.results import (
    GAN,
    PART,
    UNET,
    Benchmark,
    BenchmarkPair,
    Machine,
    NetworkResult,
    Timing,
)
from tfgansynth.benchmark.stepper import Stepper
from tfgansynth.benchmark.worker import Call, WorkerFailure, worker
from tfgansynth.config import Config, Precision
from tfgansynth.errors import InputError

OURS, KERAS, TORCH = "tfgansynth", "plain Keras", "PyTorch"
"""Names of the implementations."""

_MODULES = {OURS: "ours", KERAS: "keras_peer", TORCH: "torch_peer"}

_ROUND_SECONDS = 0.5
"""A round has as many steps as take about this long, at least one."""
_BRIEF_SECONDS = 1.0
"""A brief measurement has as many steps as take this long, at least one."""
_BRIEF_MULTIPLY_ADDS = 150e9
"""Of a step that a brief measurement takes on a processor, at most: some seconds. A
larger mini-batch is halved, as that of the paper's GAN from 128 to 16. Down to there
the time of a pair is the same: 175 ms of 32 pairs, 185 ms of 8, on 2 cores of an AMD
EPYC. Far below it grows: 45 ms of 32 pairs and 109 ms of 4 at 64 px in `fast`, where
the update of the weights counts."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Implementation:
    """An implementation of a network, and how a worker makes its `Stepper`."""

    name: str
    precision: Precision
    build: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        """Return the name and the number format."""
        return f"{self.name}, {self.precision}"


def measure(
    config: Config,
    *,
    repeats: int,
    with_peers: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Benchmark:
    """Measure the machine and training steps on random mini-batches.

    Args:
        config: Networks, mini-batches, optimizers and number formats.
        repeats: Rounds to time; their median counts.
        with_peers: Also time plain Keras and PyTorch.
        say: Gets a line before each part starts.

    Raises:
        InputError: A network of ours fails.
    """
    say("machine")
    try:
        with worker(Probe) as probe:
            machine: Machine = probe("describe")
            formats = {
                _resolved(part.precision, machine) for part in (config.gan, config.unet)
            }
            peaks = {name: probe("peak", name) for name in sorted(formats)}
        if "float32" in peaks:
            # Which library multiplies fastest depends on the processor.
            with worker(Probe, not machine.onednn) as probe:
                peaks["float32"] |= probe("product", "float32")
    except WorkerFailure as fault:
        raise InputError(f"the machine cannot be measured: {fault}") from None
    networks = tuple(
        _network(network, config, machine, repeats, with_peers, say)
        for network in (GAN, UNET)
    )
    return Benchmark(
        config=config,
        repeats=repeats,
        machine=machine,
        peaks=peaks,
        networks=networks,
    )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BriefTiming:
    """A few training steps of a network, timed without rounds.

    Attributes:
        start_up: Seconds until the first step is done: building and compiling.
        seconds: Of a step on a whole mini-batch.
    """

    start_up: float
    seconds: float


def measure_briefly(config: Config, networks: Sequence[str]) -> dict[str, BriefTiming]:
    """Time a few steps of each of some networks, in some 10 seconds together.

    Raises:
        InputError: A network fails.
    """
    try:
        with worker(_Brief, config) as call:
            return {network: call("take", network) for network in networks}
    except WorkerFailure as fault:
        raise InputError(f"a training step cannot be timed: {fault}") from None


class _Brief:
    """Takes steps of our networks. Runs in a worker."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def take(self, network: str) -> BriefTiming:
        from tfgansynth.runtime.devices import gpus

        batch = _batch(self._config, network)
        config = self._config
        # A GPU takes a small mini-batch hardly faster than a whole one.
        if not gpus():
            config = _small_enough(config, network)
        start = time.perf_counter()
        stepper = build(OURS, network, config)
        stepper.run(1)
        start_up = time.perf_counter() - start
        taken = [stepper.run(1)]
        while sum(taken) < _BRIEF_SECONDS:
            taken.append(stepper.run(1))
        scale = batch / _batch(config, network)
        return BriefTiming(start_up=start_up, seconds=scale * statistics.median(taken))


def _batch(config: Config, network: str) -> int:
    return int(getattr(config, PART[network]).batch)


def _small_enough(config: Config, network: str) -> Config:
    """Halve the mini-batch of a network until a step is short."""
    count = flops.gan_step if network == GAN else flops.unet_step
    # Groups of so many pairs stay whole.
    least = config.gan.minibatch_stddev if network == GAN else 0
    while count(config) > _BRIEF_MULTIPLY_ADDS and (
        _batch(config, network) % (2 * max(least, 1)) == 0
    ):
        name = PART[network]
        part = getattr(config, name)
        half = dataclasses.replace(part, batch=part.batch // 2)
        config = dataclasses.replace(config, **{name: half})
    return config


def _network(
    network: str,
    config: Config,
    machine: Machine,
    repeats: int,
    with_peers: bool,
    say: Callable[[str], None],
) -> NetworkResult:
    name = PART[network]
    part = getattr(config, name)
    precision = _resolved(part.precision, machine)
    ours = Implementation(
        name=OURS, precision=precision, build=build, arguments=(OURS, network, config)
    )
    peers = _peers(network, config, precision, machine) if with_peers else []
    timing, pairs = compare(
        ours,
        peers,
        repeats,
        options=f"--{name}.batch {part.batch} --{name}.precision {part.precision}",
        say=lambda name: say(f"{network}: {name}"),
    )
    count = flops.gan_step if network == GAN else flops.unet_step
    return NetworkResult(
        network=network,
        batch=part.batch,
        multiply_adds=count(config),
        ours=timing,
        pairs=pairs,
    )


def _peers(
    network: str, config: Config, ours: Precision, machine: Machine
) -> list[Implementation]:
    """Return each peer in float32, and in bfloat16 if we or the machine use it."""
    formats: list[Precision] = ["float32"]
    if "bfloat16" in (ours, machine.accelerated):
        formats.append("bfloat16")
    return [
        Implementation(
            name=name,
            precision=precision,
            build=build,
            arguments=(name, network, _with_precision(config, precision)),
        )
        for name in (KERAS, TORCH)
        for precision in formats
    ]


def _with_precision(config: Config, precision: Precision) -> Config:
    return dataclasses.replace(
        config,
        gan=dataclasses.replace(config.gan, precision=precision),
        unet=dataclasses.replace(config.unet, precision=precision),
    )


def _resolved(precision: Precision, machine: Machine) -> Precision:
    return machine.accelerated if precision == "auto" else precision


def build(name: str, network: str, config: Config) -> Stepper:
    """Build `GAN` or `UNET` of one implementation on one random mini-batch.

    Raises:
        ModuleNotFoundError: The library of the implementation is not installed.
    """
    # Imported by name and only here, in a worker, which then loads one library only.
    module = importlib.import_module(f"tfgansynth.benchmark.{_MODULES[name]}")
    stepper: Stepper = getattr(module, PART[network])(config)
    return stepper


def compare(
    ours: Implementation,
    peers: Sequence[Implementation],
    repeats: int,
    *,
    options: str,
    say: Callable[[str], None],
) -> tuple[Timing, tuple[BenchmarkPair, ...]]:
    """Time our steps alone, then in alternation with each peer's.

    Args:
        ours: This package's network.
        peers: The implementations to compare it with. If one fails, the others are
            still timed.
        repeats: Rounds, both alone and with each peer.
        options: The options that size our network, for the message if it fails.
        say: Gets the name of each implementation before it starts.

    Raises:
        InputError: Our own network fails.
    """
    try:
        say(str(ours))
        with worker(ours.build, *ours.arguments) as call:
            take_round = _compiled(call)
            alone = tuple(take_round() for _ in range(repeats))
            pairs = []
            for peer in peers:
                say(str(peer))
                pairs.append(_pair(take_round, peer, repeats))
                call("device")  # raises if our process ended during that pair
            return _timing(ours, call, alone), tuple(pairs)
    except WorkerFailure as fault:
        raise InputError(f"{options}: {fault}") from None


def _compiled(call: Call) -> Callable[[], float]:
    """Compile the step; return what takes a round and the seconds of a step in it."""
    call("run", 1)  # compiles
    steps = max(1, math.ceil(_ROUND_SECONDS / call("run", 1)))
    return lambda: float(call("run", steps))


def _pair(
    take_ours: Callable[[], float], peer: Implementation, repeats: int
) -> BenchmarkPair:
    try:
        with worker(peer.build, *peer.arguments) as call:
            take_theirs = _compiled(call)
            rounds = [(take_theirs(), take_ours()) for _ in range(repeats)]
            theirs, ours = zip(*rounds, strict=True)
            return BenchmarkPair(peer=_timing(peer, call, theirs), our_seconds=ours)
    except WorkerFailure as fault:
        failed = Timing(name=peer.name, precision=peer.precision, failure=str(fault))
        return BenchmarkPair(peer=failed)


def _timing(
    implementation: Implementation, call: Call, seconds: tuple[float, ...]
) -> Timing:
    return Timing(
        name=implementation.name,
        precision=implementation.precision,
        seconds=seconds,
        device=call("device"),
        peak_bytes=call("peak_bytes"),
    )
