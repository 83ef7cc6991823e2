from typing import Any

import pytest

from tfgansynth.benchmark.measurement import _peers, measure
from tfgansynth.benchmark.results import GAN, Machine
from tfgansynth.config import Precision
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS


def machine(accelerated: Precision) -> Machine:
    return Machine(
        processor="",
        cores=1,
        features={},
        gpus=(),
        memory_bytes=0,
        accelerated=accelerated,
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
def test_peers_run_in_the_formats_that_are_of_use(
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


@pytest.mark.parametrize("repeats", [0, -1])
def test_no_rounds_are_refused_before_anything_starts(repeats: int) -> None:
    said: list[Any] = []

    with pytest.raises(InputError, match=f"--repeats {repeats}: expected 1 or more"):
        measure(PRESETS["smoke"], repeats=repeats, say=said.append)

    assert said == []
