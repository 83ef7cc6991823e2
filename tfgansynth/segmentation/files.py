"""A trained U-Net on the disk: safetensors for this package, `.keras` for Keras."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from tfgansynth.config import UNetConfig
from tfgansynth.runtime import checkpoints, weights
from tfgansynth.runtime.weights import save_keras
from tfgansynth.segmentation.unet import UNet, build_unet, standard_layer_copy


def save_unet(
    unet: keras.Model, config: UNetConfig, path: Path, provenance: Mapping[str, Any]
) -> None:
    """Write a trained U-Net, once for `load_unet` and once for Keras.

    Args:
        unet: The U-Net.
        config: Its numbers.
        path: A `.safetensors` file. A `.keras` file is written beside it, which has
            Keras's own layers only and loads without this package.
        provenance: What it came from, plain for JSON.
    """
    metadata = {
        "config": json.dumps(dataclasses.asdict(config), sort_keys=True),
        "provenance": json.dumps(provenance, sort_keys=True),
    }
    weights.write_weights(path, _by_path(unet), metadata)
    copy = standard_layer_copy(unet, config)
    save_keras(copy, path.with_suffix(".keras"), provenance)


def load_unet(config: UNetConfig, *, size: int, path: Path) -> UNet:
    """Build a U-Net with the weights that `save_unet` wrote.

    Args:
        config: The network's numbers.
        size: Side of the images in pixels.
        path: A `.safetensors` file.

    Raises:
        InputError: The file was altered, or is of another network.
    """
    arrays, _ = weights.read_weights(path)
    unet = build_unet(config, size=size, seed=0)
    checkpoints.restore(_by_path(unet), arrays, path)
    return unet


def _by_path(unet: keras.Model) -> dict[str, Any]:
    return {weight.path: weight for weight in unet.weights}
