"""The modern U-Net: its layers, its loss, its rate, its files, and its resumption."""

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.segmentation.squares import SIDE, TINY, Interrupt, train
from tests.segmentation.test_unet import images
from tfgansynth.arrays import to_signed
from tfgansynth.benchmark import flops
from tfgansynth.cli.checks import Benchmark, benchmark
from tfgansynth.cli.options import Options, parse
from tfgansynth.config import Config, UNetConfig
from tfgansynth.config_checks import check
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS, with_modern_unet
from tfgansynth.records.converter import to_json
from tfgansynth.segmentation.losses import DiceCrossEntropy
from tfgansynth.segmentation.unet import (
    bottleneck_features,
    build_unet,
    load_unet,
    save_unet,
)

MODERN = UNetConfig(
    architecture="modern",
    depth=2,
    maps=4,
    most_maps=8,
    optimizer="adam",
    learning_rate=0.02,
    weight_decay=0.01,
    batch=4,
)


def test_maps_double_up_to_their_bound() -> None:
    assert [MODERN.maps_at(level) for level in range(4)] == [4, 8, 8, 8]
    assert [UNetConfig().maps_at(level) for level in range(4)] == [64] * 4
    assert dataclasses.replace(MODERN, maps=9).maps_at(1) == 9


def test_weights_add_up() -> None:
    unet = build_unet(MODERN, size=16, seed=0, channels=3, classes=2)

    def block(channels: int, maps: int) -> int:
        inner = 9 * (channels + maps) * maps + 2 * 2 * maps
        return inner + (channels != maps) * (channels * maps + 2 * maps)

    def up(below: int, maps: int) -> int:
        return 4 * below * maps + maps + block(2 * maps, maps)

    down = block(3, 4) + block(4, 8) + block(8, 8)
    assert unet.count_params() == down + up(8, 8) + up(8, 4) + 4 * 3 + 3
    assert unet.output_shape == (None, 16, 16, 3)


def test_a_block_adds_to_what_passes_it() -> None:
    unet = build_unet(MODERN, size=16, seed=0)
    # At the bottom, 8 maps in and out.
    (total,) = [
        layer
        for layer in unet.layers
        if isinstance(layer, keras.layers.Add) and layer.output.shape[1] == 4
    ]
    past, inner = total.input
    unet.get_layer(inner._keras_history.operation.name).gamma.assign(np.zeros(8))
    inputs = to_signed(images(2))[..., None]
    seen = keras.Model(unet.input, [past, total.output])(inputs)
    np.testing.assert_array_equal(*seen)
    assert np.asarray(seen[0]).any()


def test_a_map_of_one_pixel_still_tells_images_apart() -> None:
    # Normalized by itself it would be zero, whatever the image.
    unet = build_unet(MODERN, size=4, seed=0)
    features = bottleneck_features(unet, images(3, size=4))
    assert features.shape == (3, 8)
    assert np.abs(features[0] - features[1]).max() > 0.1


def test_the_loss_is_cross_entropy_and_dice_of_the_mini_batch() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, 4, 3)).astype(np.float32)
    classes = rng.integers(0, 3, (3, 4, 4))
    # The first case is without the second class: nothing special.
    classes[0][classes[0] == 2] = 0
    powers = np.exp(logits.astype(np.float64))
    probable = powers / powers.sum(-1, keepdims=True)
    chosen = np.take_along_axis(probable, classes[..., None], -1)
    dice = [
        2
        * probable[classes == k, k].sum()
        / ((classes == k).sum() + probable[..., k].sum())
        for k in (1, 2)
    ]
    expected = -np.log(chosen).mean() + 1 - np.mean(dice)
    assert float(DiceCrossEntropy()(classes, logits)) == pytest.approx(expected)


def rates(config: UNetConfig, *steps: int) -> list[float]:
    unet = build_unet(config, size=16, seed=0)
    unet.compile()
    found = []
    for step in steps:
        unet.optimizer.iterations.assign(step)
        found.append(float(unet.optimizer.learning_rate))
    return found


def test_the_rate_falls_along_a_cosine_where_the_length_is_fixed() -> None:
    fixed = dataclasses.replace(MODERN, fixed_steps=12)
    expected = [0.02 * (1 + np.cos(np.pi * step / 12)) / 2 for step in (0, 3, 6, 9)]
    assert rates(fixed, 0, 3, 6, 9) == pytest.approx(expected)
    assert rates(fixed, 12, 14) == pytest.approx([0, 0], abs=1e-9)
    # Nobody knows before where the stopping rule ends.
    assert rates(MODERN, 0, 1000) == pytest.approx([0.02, 0.02])


@pytest.mark.slow
def test_an_interrupted_training_goes_on_to_the_same_bit(tmp_path: Path) -> None:
    config = dataclasses.replace(MODERN, depth=0, fixed_steps=9, average_decay=0.5)
    expected, history = train(tmp_path / "whole", config)
    assert history[-1].training_error < history[0].training_error
    # In the middle of the third epoch of three.
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "unet", config, extra=[Interrupt(epoch=2, step=1)])
    unet, again = train(tmp_path / "unet", config)
    assert again == history
    for name, value in expected.state().items():
        np.testing.assert_array_equal(unet.state()[name], value, name)


def test_files_are_read_back_and_hold_layers_of_keras_alone(tmp_path: Path) -> None:
    unet = build_unet(MODERN, size=16, seed=3, channels=3, classes=2)
    path = tmp_path / "model.safetensors"
    save_unet(unet, MODERN, path, {"fold": 1})
    inputs = to_signed(np.stack([images(2)] * 3, axis=-1))
    again = load_unet(MODERN, path=path, size=16, channels=3, classes=2)
    np.testing.assert_array_equal(again(inputs), unet(inputs))

    with zipfile.ZipFile(path.with_suffix(".keras")) as parts:
        assert b"tfgansynth" not in parts.read("config.json")
    plain = keras.saving.load_model(path.with_suffix(".keras"))
    np.testing.assert_allclose(plain(inputs), np.asarray(unet(inputs)), atol=1e-5)


@pytest.mark.parametrize("config", [MODERN, TINY], ids=["modern", "paper"])
def test_the_counted_work_is_that_of_the_layers(config: UNetConfig) -> None:
    unet = build_unet(config, size=SIDE, seed=0)
    work = 0
    for layer in unet.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):
            work += np.prod(layer.input.shape[1:3]) * np.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Conv2D):
            work += np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
    assert sum(flops.unet_layers(config, SIDE)) == work


def test_the_architecture_brings_settings_that_give_way_to_given_ones() -> None:
    def found(*more: str) -> UNetConfig:
        arguments = ["--unet.architecture", "modern", *more]
        return parse(Options, arguments, program="test").config.unet

    assert found("--preset", "fast") == with_modern_unet(PRESETS["fast"]).unet
    assert found("--preset", "fast").maps == PRESETS["fast"].unet.maps // 2
    assert (found().optimizer, found().learning_rate) == ("adam", 2e-3)
    given = found("--unet.maps", "24", "--unet.learning-rate", "0.5")
    assert (given.maps, given.learning_rate) == (24, 0.5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"architecture": "modern"},
            "--unet.optimizer nesterov: expected adam, which --unet.architecture mod",
        ),
        ({"most_maps": 128}, "--unet.most-maps 128: only --unet.architecture modern"),
    ],
)
def test_settings_of_the_other_architecture_are_refused(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        check(Config(unet=dataclasses.replace(UNetConfig(), **changes)))


def test_peers_of_the_modern_network_are_refused() -> None:
    arguments = ["--unet.architecture", "modern", "--peer", "--dry-run"]
    options = parse(Benchmark, arguments, program="test")
    with pytest.raises(InputError, match="--peer: expected --unet"):
        benchmark(options)


def test_configurations_of_before_are_those_of_the_paper() -> None:
    assert {"architecture", "most_maps"}.isdisjoint(to_json(UNetConfig()))
