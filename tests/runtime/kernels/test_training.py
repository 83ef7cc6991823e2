"""Networks trained in bfloat16 with our kernels, against float32."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.config import Precision
from tfgansynth.data.dataset import images_and_labels
from tfgansynth.data.loading import load_phantoms
from tfgansynth.data.pipelines import LabelledImages, gan_pairs, real_pairs
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.presets import PRESETS
from tfgansynth.runtime.devices import bfloat16_units
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import Timer
from tfgansynth.segmentation.training import train_unet
from tfgansynth.segmentation.unet import predict_masks

# Emulated, bfloat16 takes a quarter of an hour and does not show what `auto` runs.
pytestmark = pytest.mark.skipif(
    not bfloat16_units(), reason="nothing here accelerates bfloat16"
)

SIZE, BATCH, STEPS = 32, 16, 60
FORMATS: tuple[Precision, Precision] = ("float32", "bfloat16")


def phantoms(count: int) -> Any:
    return load_phantoms(count, seed=0, lungs="both", size=SIZE, soft_masks=False)


def dice_on_test_cases(precision: Precision, seed: int, folder: Path) -> float:
    """Mean Dice on 14 phantoms of a U-Net of the paper's width, trained on 24."""
    images, masks = images_and_labels(phantoms(44).cases)
    config = dataclasses.replace(
        PRESETS["fast"].unet,
        depth=2,
        batch=8,
        learning_rate=2e-3,
        min_steps=1000,  # never stops before its last epoch
        max_epochs=20,
        average_decay=0.9,
        precision=precision,
    )
    unet, _ = train_unet(
        LabelledImages(images[:24], masks[:24]),
        LabelledImages(images[24:30], masks[24:30]),
        config,
        Stage(folder=folder, provenance={}, seed=seed, timer=Timer(), label=precision),
    )
    predicted, true = predict_masks(unet, images[30:]), masks[30:]
    overlap = (predicted & true).sum(axis=(1, 2))
    return float(np.mean(2 * overlap / (predicted.sum((1, 2)) + true.sum((1, 2)))))


@pytest.mark.slow
def test_a_unet_segments_as_well(tmp_path: Path) -> None:
    wide, narrow = (
        dice_on_test_cases(precision, 0, tmp_path / precision) for precision in FORMATS
    )
    assert min(wide, narrow) > 0.94
    assert abs(wide - narrow) < 0.003


def gan_losses(preset: str, precision: Precision) -> NDArray[np.float64]:
    """Losses (STEPS, 2) of the discriminator and the generator."""
    config = dataclasses.replace(
        PRESETS[preset].gan,
        generator_maps=(128, 64, 64),
        discriminator_maps=(64, 64, 128),
        z_dim=16,
        batch=BATCH,
        augment_shift=4,
        augment_cutout=12,
        precision=precision,
    )
    gan = DCGAN(config, size=SIZE, seed=0)
    gan.compile()
    step = tf.function(gan.train_step)
    pairs = real_pairs(phantoms(24).cases, soft_masks=False)
    batches = gan_pairs(pairs, batch=BATCH, seed=0, first_step=0)
    scalars = [step(real) for _, real in zip(range(STEPS), batches, strict=False)]
    names = ("loss/discriminator", "loss/generator")
    return np.array([[float(s[name]) for name in names] for s in scalars])


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "fast"])
def test_a_gans_losses_take_the_same_course(preset: str) -> None:
    wide, narrow = (gan_losses(preset, precision) for precision in FORMATS)
    for loss in (0, 1):
        assert np.ptp(wide[:, loss]) > 0.5  # there is a course to take
        assert np.corrcoef(wide[:, loss], narrow[:, loss])[0, 1] > 0.97
