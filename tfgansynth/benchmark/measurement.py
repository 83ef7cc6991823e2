"""One run of the benchmark: the machine, then the GAN, then the U-Net."""

import dataclasses
from collections.abc import Callable

from tfgansynth.benchmark import flops
from tfgansynth.benchmark.contestants import KERAS, OURS, TORCH, build
from tfgansynth.benchmark.machine import Probe
from tfgansynth.benchmark.race import Contestant, race
from tfgansynth.benchmark.results import (
    GAN,
    UNET,
    Benchmark,
    Machine,
    NetworkResult,
)
from tfgansynth.benchmark.worker import WorkerFailure, worker
from tfgansynth.config import Config, GANConfig, Precision, UNetConfig
from tfgansynth.errors import InputError


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
        say: Is told in a line what comes next.

    Raises:
        InputError: `repeats` is no positive number, or a network of ours fails.
    """
    if repeats < 1:
        raise InputError(f"--repeats {repeats}: expected 1 or more")
    say("machine")
    try:
        with worker(Probe) as probe:
            machine: Machine = probe("describe")
            formats = {
                _resolved(part.precision, machine) for part in (config.gan, config.unet)
            }
            peaks = {name: probe("peak", name) for name in sorted(formats)}
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


def _network(
    network: str,
    config: Config,
    machine: Machine,
    repeats: int,
    with_peers: bool,
    say: Callable[[str], None],
) -> NetworkResult:
    part = _part(network, config)
    precision = _resolved(part.precision, machine)
    ours = Contestant(
        name=OURS, precision=precision, build=build, arguments=(OURS, network, config)
    )
    peers = _peers(network, config, precision, machine) if with_peers else []
    option = "gan" if network == GAN else "unet"
    entry, duels = race(
        ours,
        peers,
        repeats,
        options=f"--{option}.batch {part.batch} --{option}.precision {part.precision}",
        say=lambda contestant: say(f"{network}: {contestant}"),
    )
    count = flops.gan_step if network == GAN else flops.unet_step
    return NetworkResult(
        network=network,
        batch=part.batch,
        multiply_adds=count(config),
        ours=entry,
        duels=duels,
    )


def _peers(
    network: str, config: Config, ours: Precision, machine: Machine
) -> list[Contestant]:
    """Each peer in float32, and in bfloat16 where that is of use or ours too."""
    formats: list[Precision] = ["float32"]
    if "bfloat16" in (ours, machine.accelerated):
        formats.append("bfloat16")
    return [
        Contestant(
            name=name,
            precision=precision,
            build=build,
            arguments=(name, network, _with_precision(config, precision)),
        )
        for name in (KERAS, TORCH)
        for precision in formats
    ]


def _part(network: str, config: Config) -> GANConfig | UNetConfig:
    return config.gan if network == GAN else config.unet


def _with_precision(config: Config, precision: Precision) -> Config:
    return dataclasses.replace(
        config,
        gan=dataclasses.replace(config.gan, precision=precision),
        unet=dataclasses.replace(config.unet, precision=precision),
    )


def _resolved(precision: Precision, machine: Machine) -> Precision:
    return machine.accelerated if precision == "auto" else precision
