import dataclasses
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tfgansynth.arrays import FloatArray, to_signed
from tfgansynth.config import Precision, UNetConfig
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS
from tfgansynth.segmentation.unet import (
    bottleneck_features,
    build_unet,
    load_unet,
    predict_masks,
    predict_probabilities,
    save_unet,
)

TINY = UNetConfig(depth=2, maps=4)


def layers_of(unet: keras.Model, kind: type) -> list[keras.layers.Layer]:
    return [layer for layer in unet.layers if isinstance(layer, kind)]


def images(count: int, size: int = 16) -> FloatArray:
    rng = np.random.default_rng(count)
    return (255 * rng.random((count, size, size))).astype(np.float32)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_structure_follows_the_depth(depth: int) -> None:
    unet = build_unet(dataclasses.replace(TINY, depth=depth), size=16, seed=0)
    assert unet.input_shape == (None, 16, 16, 1)
    assert unet.output_shape == (None, 16, 16, 2)
    assert len(layers_of(unet, keras.layers.AveragePooling2D)) == depth
    assert not layers_of(unet, keras.layers.MaxPooling2D)
    assert len(layers_of(unet, keras.layers.Concatenate)) == depth
    ups = layers_of(unet, keras.layers.Conv2DTranspose)
    assert len(ups) == depth
    assert {up.strides for up in ups} == {(2, 2)}
    # Two a level down and up, two at the bottom, and the one of the logits.
    *convolutions, logits = layers_of(unet, keras.layers.Conv2D)
    assert len(convolutions) == 4 * depth + 2
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert {layer.filters for layer in (*convolutions, *ups)} == {4}
    assert {layer.activation.__name__ for layer in (*convolutions, *ups)} == {"relu"}
    assert logits.kernel_size == (1, 1)
    assert logits.activation.__name__ == "linear"


def test_maps_of_both_ways_meet_at_each_level() -> None:
    unet = build_unet(TINY, size=16, seed=0)
    joins = layers_of(unet, keras.layers.Concatenate)
    assert [join.output.shape for join in joins] == [(None, 8, 8, 8), (None, 16, 16, 8)]
    for join in joins:
        skip, enlarged = (x._keras_history.operation for x in join.input)
        assert isinstance(skip, keras.layers.Conv2D)
        assert isinstance(enlarged, keras.layers.Conv2DTranspose)
        assert [x.shape[-1] for x in join.input] == [4, 4]


def test_paper_sizes_add_up() -> None:
    unet = build_unet(PRESETS["paper"].unet, size=128, seed=0)
    first = 3 * 3 * 1 * 64 + 64
    same = 3 * 3 * 64 * 64 + 64
    joined = 3 * 3 * 128 * 64 + 64
    up = 2 * 2 * 64 * 64 + 64
    logits = 64 * 2 + 2
    # Down: 4 levels of two, the first of which sees one channel; two at the
    # bottom; up: 4 levels of an up-convolution, a joined one and another.
    assert unet.count_params() == first + 9 * same + 4 * (up + joined + same) + logits
    bottom = layers_of(unet, keras.layers.AveragePooling2D)[-1]
    assert bottom.output.shape == (None, 8, 8, 64)


def test_weights_start_from_msra_and_biases_from_zero() -> None:
    unet = build_unet(dataclasses.replace(TINY, maps=32), size=16, seed=0)
    seen = 0
    for layer in unet.layers:
        if not layer.weights:
            continue
        kernel, bias = layer.get_weights()
        assert not bias.any()
        # He et al.: variance 2 over the inputs of a unit. A transposed kernel is
        # stored (height, width, out, in).
        transposed = isinstance(layer, keras.layers.Conv2DTranspose)
        fan_in = np.prod(kernel.shape[:2]) * kernel.shape[3 if transposed else 2]
        stddev = np.sqrt(2 / fan_in)
        tolerance = 4 * stddev / np.sqrt(2 * kernel.size)
        assert kernel.std() == pytest.approx(stddev, abs=tolerance), layer.name
        assert kernel.mean() == pytest.approx(0, abs=4 * stddev / kernel.size**0.5)
        seen += 1
    assert seen == 13


def test_no_two_layers_start_alike() -> None:
    unet = build_unet(TINY, size=16, seed=0)
    kernels = [layer.get_weights()[0] for layer in unet.layers if layer.weights]
    starts = [round(float(k.ravel()[0] / k.std()), 5) for k in kernels]
    assert len(set(starts)) == len(kernels)


def test_seed_determines_the_initial_weights() -> None:
    first, again, other = (
        build_unet(TINY, size=16, seed=seed).get_weights() for seed in (5, 5, 50)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[2], other[2])


@pytest.mark.parametrize("count", [1, 31, 32, 33, 65])
def test_any_number_of_images_is_segmented_as_one_by_one(count: int) -> None:
    unet = build_unet(TINY, size=16, seed=3)
    stack = images(count)
    masks = predict_masks(unet, stack)
    assert masks.shape == (count, 16, 16)
    assert masks.dtype == np.uint8
    # One by one is slow; the first, the last and those around a batch's end do.
    for index in {0, count - 1, *range(31, min(count, 34))}:
        (alone,) = predict_masks(unet, stack[index : index + 1])
        # Sums of another order may tip a pixel that is on the edge.
        assert np.mean(alone != masks[index]) <= 1 / 256
    assert 0.01 < masks.mean() < 0.99


def test_mask_is_where_the_second_class_is_more_probable() -> None:
    unet = build_unet(TINY, size=16, seed=3)
    stack = images(2)
    logits = np.asarray(unet(stack[..., None] / 127.5 - 1, training=False))
    probable = keras.ops.convert_to_numpy(keras.ops.softmax(logits))[..., 1] > 0.5
    np.testing.assert_array_equal(predict_masks(unet, stack), probable)


def test_probabilities_are_those_of_the_second_class() -> None:
    unet = build_unet(TINY, size=16, seed=3)
    stack = images(2)
    logits = np.asarray(unet(stack[..., None] / 127.5 - 1, training=False))
    probable = keras.ops.convert_to_numpy(keras.ops.softmax(logits))[..., 1]
    found = predict_probabilities(unet, stack)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[..., 0], probable, atol=1e-6)


def test_network_sees_images_in_the_range_that_it_is_trained_on() -> None:
    # A network that says mask where the input is above 0, the middle grey value.
    inputs = keras.Input((4, 4, 1))
    unet = keras.Model(inputs, keras.ops.concatenate([0 * inputs, inputs], -1))
    stack = np.full((1, 4, 4), 127, np.float32)
    stack[0, 0] = 128
    assert predict_masks(unet, stack)[0].all(-1).tolist() == [True, False, False, False]


def test_bfloat16_keeps_weights_and_logits_in_float32() -> None:
    config = dataclasses.replace(TINY, precision="bfloat16")
    unet = build_unet(config, size=16, seed=3)
    assert {str(weight.dtype) for weight in unet.weights} == {"float32"}
    assert unet.output.dtype == "float32"
    *inner, last = [layer for layer in unet.layers if layer.weights]
    assert {layer.compute_dtype for layer in inner} == {"bfloat16"}
    assert last.compute_dtype == "float32"
    assert {j.compute_dtype for j in layers_of(unet, keras.layers.Concatenate)} == {
        "bfloat16"
    }
    # The same weights, computed with fewer digits.
    exact = build_unet(TINY, size=16, seed=3)
    inputs = images(2)[..., None] / 127.5 - 1
    rough, fine = (np.asarray(net(inputs, training=False)) for net in (unet, exact))
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - fine).max() < 0.1 * np.abs(fine).max()


SEGMENT = """
import sys
import keras, numpy as np
logits = keras.models.load_model("model.keras").predict(np.load("in.npy"), verbose=0)
assert not any(name.startswith("tfgansynth") for name in sys.modules)
np.save("out.npy", logits)
"""


def test_a_program_without_this_package_loads_the_keras_file(tmp_path: Path) -> None:
    unet = build_unet(TINY, size=16, seed=3)
    save_unet(unet, TINY, tmp_path / "model.safetensors", {"fold": 1})
    inputs = to_signed(images(3))[..., None]
    np.save(tmp_path / "in.npy", inputs)
    subprocess.run([sys.executable, "-I", "-c", SEGMENT], cwd=tmp_path, check=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "out.npy"), np.asarray(unet(inputs)), atol=1e-5
    )


@pytest.mark.parametrize("depth", [0, 2])
def test_bottleneck_is_what_the_way_up_starts_from(depth: int) -> None:
    config = dataclasses.replace(TINY, depth=depth, maps=6)
    unet = build_unet(config, size=16, seed=3)
    found = bottleneck_features(unet, images(35))
    assert found.shape == (35, 6)
    assert found.dtype == np.float32
    deepest = unet.get_layer(f"convolution_{2 * depth + 2}").output
    maps = keras.Model(unet.input, deepest)(to_signed(images(35))[..., None])
    assert maps.shape[1] == 16 >> depth
    expected = np.mean(np.asarray(maps), axis=(1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_unet_is_read_back_from_its_file(
    precision: Precision, tmp_path: Path
) -> None:
    config = dataclasses.replace(TINY, depth=1, maps=4, precision=precision)
    unet = build_unet(config, size=16, seed=3)
    path = tmp_path / "model.safetensors"
    save_unet(unet, config, path, {"fold": 1})
    again = load_unet(config, size=16, path=path)
    inputs = to_signed(images(2))[..., None]
    np.testing.assert_array_equal(again(inputs), unet(inputs))
    assert bottleneck_features(again, images(2)).dtype == np.float32


def test_the_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_unet(build_unet(TINY, size=16, seed=3), TINY, path, {})
    other = dataclasses.replace(TINY, maps=TINY.maps + 1)

    with pytest.raises(InputError, match=r"model\.safetensors: .* other networks"):
        load_unet(other, size=16, path=path)
