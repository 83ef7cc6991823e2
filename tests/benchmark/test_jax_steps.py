"""The steps under JAX compute what those under TensorFlow compute."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tfgansynth.config import GANConfig, UNetConfig
from tfgansynth.gan.augmentation import DRAWS
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.segmentation.unet import build_unet

STEPS = 3
SIZE, BATCH = 16, 8
PAPER = GANConfig(z_dim=5, generator_maps=(8, 6), discriminator_maps=(6, 8))
FAST = dataclasses.replace(
    PAPER,
    batch_norm_scale=True,
    discriminator_norm="spectral",
    loss="hinge",
    augment="differentiable",
    augment_shift=2,
    augment_cutout=8,
    average_decay=0.9,
)
NETWORKS = {"paper": PAPER, "fast": FAST}
UNETS = {
    "paper": UNetConfig(depth=2, maps=4, batch=BATCH, learning_rate=1e-2),
    "fast": UNetConfig(depth=2, maps=4, batch=BATCH, optimizer="adam"),
}


def under_jax(folder: Path, network: str, config: Any, **given: Any) -> Any:
    """Take steps in another process; return arrays by name."""
    pytest.importorskip("jax")
    settings = json.dumps(dataclasses.asdict(config))
    np.savez(folder / "in.npz", network=network, config=settings, **given)
    program = Path(__file__).with_name("take_jax_steps.py")
    done = subprocess.run(
        [sys.executable, program, folder / "in.npz", folder / "out.npz"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def numbered(name: str, variables: Any) -> dict[str, NDArray[Any]]:
    return {f"{name}/{n}": np.array(value) for n, value in enumerate(variables)}


def assert_close(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """A step moves a weight by 4e-4; float32 rounds it to 1e-8."""
    for name, array in ours.items():
        np.testing.assert_allclose(
            theirs[name], array, rtol=2e-5, atol=2e-6, err_msg=name
        )


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gans_step(name: str, tmp_path: Path) -> None:
    config = NETWORKS[name]
    gan = DCGAN(config, size=SIZE, seed=1)
    gan.compile()
    rng = np.random.default_rng(0)
    real = rng.uniform(-1, 1, (STEPS, BATCH, SIZE, SIZE, 2)).astype(np.float32)
    start = {
        **numbered("generator", gan.generator.weights),
        **numbered("discriminator", gan.discriminator.weights),
    }
    noise: dict[str, list[Any]] = {"z": [], "draws": []}
    history = []
    for pairs in real:
        noise["z"].append(np.array(gan.draw_z(BATCH, stream=0)))
        streams = [np.array(gan._uniform((BATCH, DRAWS), n)) for n in (1, 2)]
        noise["draws"].append(np.stack(streams))
        history.append({key: float(x) for key, x in gan.train_step(pairs).items()})

    found = under_jax(tmp_path, "gan", config, **start, real=real, **noise)

    ours = {
        **numbered("generator", gan.generator.trainable_variables),
        **numbered("discriminator", gan.discriminator.trainable_variables),
        **numbered("discriminator_tracked", gan.discriminator.non_trainable_variables),
        **numbered("averages", gan.averages),
    }
    scalars = {f"scalars/{key}": [each[key] for each in history] for key in history[0]}
    assert_close({**ours, **scalars}, found)


@pytest.mark.parametrize("name", UNETS)
def test_the_unets_step(name: str, tmp_path: Path) -> None:
    config = UNETS[name]
    unet = build_unet(config, size=SIZE, seed=1)
    unet.compile()
    rng = np.random.default_rng(0)
    shape = (STEPS, BATCH, SIZE, SIZE)
    images = rng.uniform(-1, 1, (*shape, 1)).astype(np.float32)
    classes = rng.integers(0, 2, shape, np.int32)
    start = numbered("weights", unet.weights)
    losses = [
        float(unet.train_step(batch)["loss"])
        for batch in zip(images, classes, strict=True)
    ]

    found = under_jax(tmp_path, "unet", config, **start, images=images, classes=classes)

    ours = numbered("weights", unet.weights)
    assert_close({**ours, "scalars/loss": losses}, found)
