"""A small generator, as after training, and what an export says about it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.config import GANConfig
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.exchange.export import (
    WEIGHTS,
    FreezingReport,
    export_generator,
    freeze_moments,
)
from tfgansynth.gan.networks import Generator
from tfgansynth.runtime import storage
from tfgansynth.runtime.weights import read_weights, write_weights

SIZE, Z_DIM = 16, 5
SEED = 9
SMALL = GANConfig(
    z_dim=Z_DIM,
    generator_maps=(64, 16),  # what our kernels take: none may be left in an export
    discriminator_maps=(6, 8),
    init_stddev=0.1,
)
PROVENANCE: dict[str, Any] = {
    "dataset": {
        "name": "phantoms-60",
        "cases": 60,
        "is_phantom": True,
        "sha256": "0123abcd",
    },
    "lungs": "left",
    "fold": 2,
    "training_cases": {"a": "00aa", "b": "00bb", "c": "00cc"},
    "preset": "smoke",
    "seed": 17,
    "step": 4321,
    "generator_sha256": "feedbeef" * 8,
}
CARD = "# A card\n"
REPORT = FreezingReport(
    n_population=1024, n_compared=128, image_difference=3.456, mask_agreement=0.9876
)


def noise(count: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, Z_DIM)).astype(np.float32)


def state_of(gan: DCGAN) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(value).copy() for name, value in gan.state().items()}


def make_generator() -> Generator:
    generator = Generator(SMALL, size=SIZE, seed=3, policy="float32", name="generator")
    rng = np.random.default_rng(4)
    for weight in generator.trainable_variables:
        if not weight.path.endswith("kernel"):
            # As after a training: no bias, offset or scale is neutral.
            weight.assign(weight + rng.normal(0, 0.3, weight.shape))
    return generator


def frozen_generator() -> Generator:
    """The small generator with frozen moments."""
    generator = make_generator()
    freeze_moments(generator, seed=SEED)
    return generator


def export(generator: Generator, folder: Path) -> None:
    """Export into `generator/`; write `saved_model/` too, the same without weights."""
    export_generator(generator, PROVENANCE, CARD, folder)
    model = shutil.copytree(folder / "generator", folder / "saved_model")
    (model / WEIGHTS).unlink()
    record = storage.read_record(model / "provenance.json")
    del record["files"][WEIGHTS]
    storage.write_record(model / "provenance.json", record)


def rewrite_weights(
    folder: Path,
    config: Callable[[dict[str, Any]], Any] = lambda entries: None,
    provenance: Callable[[dict[str, Any]], Any] = lambda entries: None,
    weights: Callable[[dict[str, Any]], Any] = lambda arrays: None,
) -> None:
    """Write a whole file of weights of something else."""
    path = folder / "generator" / WEIGHTS
    arrays, metadata = read_weights(path)
    for name, change in (("config", config), ("provenance", provenance)):
        entries = json.loads(metadata[name])
        change(entries)
        metadata[name] = json.dumps(entries)
    weights(arrays)
    write_weights(path, arrays, metadata)
