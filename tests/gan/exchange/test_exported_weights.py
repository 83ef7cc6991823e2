import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.gan.small import CARD, PROVENANCE, SMALL, noise, rewrite_weights
from tfgansynth.arrays import split_pair
from tfgansynth.errors import InputError
from tfgansynth.gan.exchange.export import WEIGHTS, export_generator
from tfgansynth.gan.exchange.exported import open_exported
from tfgansynth.gan.networks import Generator
from tfgansynth.runtime.processes import isolation
from tfgansynth.runtime.weights import read_weights, write_weights


def test_the_weights_are_those_of_the_generator(
    original: Path, frozen: Generator
) -> None:
    arrays, metadata = read_weights(original / "generator" / WEIGHTS)

    assert json.loads(metadata["provenance"]) == PROVENANCE
    assert {"project/kernel", "norm_0/population_variance"} <= set(arrays)
    found = sorted((a.shape, a.tobytes()) for a in arrays.values())
    assert found == sorted((w.shape, w.tobytes()) for w in frozen.get_weights())


def test_weights_are_drawn_from_without_running_the_program_beside_them(
    folder: Path, frozen: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf.saved_model, "load", None)
    monkeypatch.setattr(isolation, "run_isolated", None)
    for path in (folder / "generator").iterdir():
        if path.is_file() and path.name != WEIGHTS:
            path.unlink()

    found = open_exported(folder / "generator")

    expected = split_pair(np.asarray(frozen(noise(3), training=False)))
    for ours, theirs in zip(found.sample(noise(3)), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_generator_in_bfloat16_is_read_back(tmp_path: Path) -> None:
    generator = Generator(SMALL, size=16, seed=3, policy="mixed_bfloat16")
    export_generator(generator, PROVENANCE, CARD, tmp_path)

    found = open_exported(tmp_path / "generator")

    expected = split_pair(np.asarray(generator(noise(3), training=False)))
    for ours, theirs in zip(found.sample(noise(3)), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_keras_file_is_refused_with_the_folder_to_name(folder: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"generator\.keras: \.keras files are not read: name the folder that has "
        r"generator\.safetensors$",
    ):
        open_exported(folder / "generator.keras")


@pytest.mark.parametrize("place", [4, 400, -400])
def test_an_altered_file_of_weights_is_refused(folder: Path, place: int) -> None:
    path = folder / "generator" / WEIGHTS
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)

    with pytest.raises(InputError, match=r"generator\.safetensors: cannot be read"):
        open_exported(folder / "generator")


def set_entries(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda entries: entries.update(changes)


def set_numbers(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda entries: entries["gan"].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries.clear(),
        lambda entries: entries.pop("policy"),
        set_entries(gan=None),
        set_entries(gan=[]),
        set_entries(size=17),
        set_entries(size=-16),
        set_entries(size=0),
        set_entries(size="16"),
        set_entries(size=True),
        set_entries(size=10**18),
        set_entries(policy="float64"),
        set_entries(policy=["float32"]),
        set_entries(policy={"class_name": "Lambda"}),
        set_numbers(z_dim=6),
        set_numbers(z_dim=10**18),
        set_numbers(z_dim=5.0),
        set_numbers(generator_maps=[]),
        set_numbers(generator_maps=[64, "16"]),
        set_numbers(generator_maps=[10**9, 10**9]),
        set_numbers(generator_maps=[1] * 1000),
        set_numbers(kernel_size=10**9),
        set_numbers(init={"class_name": "Lambda"}),
        set_numbers(init="ones"),
        set_numbers(batch_norm_scale=1),
        set_numbers(unknown=1),
    ],
)
def test_a_config_that_is_not_of_our_generator_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    rewrite_weights(folder, config=change)

    with pytest.raises(InputError, match=f"{WEIGHTS}: is not a generator of this pro"):
        open_exported(folder / "generator")


@pytest.mark.parametrize("name", ["config", "provenance"])
@pytest.mark.parametrize("text", [None, "", "[1]", "{", '{"a": NaN}'])
def test_metadata_of_something_else_is_refused(
    folder: Path, name: str, text: str | None
) -> None:
    path = folder / "generator" / WEIGHTS
    arrays, metadata = read_weights(path)
    del metadata[name]
    write_weights(path, arrays, metadata if text is None else {**metadata, name: text})

    with pytest.raises(InputError, match=f"{WEIGHTS}: is not a generator of this pro"):
        open_exported(folder / "generator")


def test_a_small_file_cannot_ask_for_large_pairs(folder: Path) -> None:
    # A map or two on each of twelve levels are few weights and many pixels.
    def enlarge(entries: dict[str, Any]) -> None:
        maps = [1] * 12
        entries["size"] = 4096
        entries["gan"].update(generator_maps=maps, discriminator_maps=maps)

    rewrite_weights(folder, config=enlarge)

    with pytest.raises(InputError, match=r"size 4096: expected .* less than 2049"):
        open_exported(folder / "generator")


def set_weight(array: Any) -> Callable[[dict[str, Any]], None]:
    return lambda arrays: arrays.update({"norm_0/beta": array})


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("norm_0/beta"),
        lambda arrays: arrays.update({"more": np.zeros(1, np.float32)}),
        set_weight(np.zeros(63, np.float32)),
        set_weight(np.zeros((64, 1), np.float32)),
        set_weight(np.zeros(64, np.float64)),
        set_weight(np.zeros(64, np.int32)),
        set_weight(np.full(64, np.nan, np.float32)),
        set_weight(np.full(64, -np.inf, np.float32)),
    ],
)
def test_weights_of_another_network_are_refused(
    folder: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    rewrite_weights(folder, weights=change)

    with pytest.raises(InputError, match=f"{WEIGHTS}: is not a generator of this pro"):
        open_exported(folder / "generator")
