import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.gan.small import (
    CARD,
    PROVENANCE,
    SEED,
    SMALL,
    Z_DIM,
    make_generator,
    noise,
    save_with_code,
)
from tfgansynth.arrays import split_pair
from tfgansynth.errors import InputError
from tfgansynth.gan import exported as exported_module
from tfgansynth.gan.export import export_generator, freeze_moments
from tfgansynth.gan.exported import open_exported
from tfgansynth.gan.networks import Generator
from tfgansynth.runtime import isolation, keras_files, storage

UNKNOWN = {"dataset": None, "fold": None, "training_cases": None}


@pytest.fixture(scope="module")
def frozen() -> Generator:
    generator = make_generator()
    freeze_moments(generator, seed=SEED)
    return generator


@pytest.fixture(scope="module")
def original(frozen: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gan")
    export_generator(frozen, PROVENANCE, CARD, folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    return shutil.copytree(original, tmp_path / "gan")


def kept_apart(*_: Any, **__: Any) -> bytes:
    """Stands for the trial where a test is about what comes after it."""
    return b""


# Both kinds


@pytest.mark.parametrize("name", ["generator", "generator.keras"])
def test_the_sampler_draws_what_the_generator_draws(
    original: Path, frozen: Generator, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = open_exported(original / name)
    z = noise(7)

    images, masks = found.sample(z)

    assert found.z_dim == Z_DIM
    assert found.provenance == PROVENANCE
    assert images.dtype == masks.dtype == np.uint8
    expected = split_pair(np.asarray(frozen(z, training=False)))
    for ours, theirs in zip((images, masks), expected, strict=True):
        difference = np.abs(ours.astype(int) - theirs.astype(int))
        assert difference.max() <= 1
        assert difference.mean() < 0.01
    # What says where it came from is loaded without a word.
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["missing", "missing.keras", "model_card.md"])
def test_what_is_no_model_is_refused_by_name(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"gan/{name}: "):
        open_exported(folder / name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"generator_sha256": "../../elsewhere"},
        {"generator_sha256": None},
        {"training_cases": ["a"]},
        {"training_cases": {"a": 1}},
        {"fold": "1"},
        {"dataset": None},
    ],
)
def test_a_provenance_that_would_mislead_is_refused(
    folder: Path, frozen: Generator, wrong: dict[str, Any]
) -> None:
    export_generator(frozen, PROVENANCE, CARD, folder)
    keras_files.save_keras(frozen, folder / "generator.keras", {**PROVENANCE, **wrong})
    record = storage.read_record(folder / "generator" / "provenance.json")
    storage.write_record(folder / "generator" / "provenance.json", {**record, **wrong})

    for name in ("generator", "generator.keras"):
        with pytest.raises(
            InputError, match=f"gan/{name}: its provenance is not of this"
        ):
            open_exported(folder / name)


# SavedModels


def alter_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


WEIGHTS = "variables/variables.data-00000-of-00001"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda model: alter_byte(model / WEIGHTS), WEIGHTS),
        (lambda model: alter_byte(model / "saved_model.pb"), "saved_model.pb"),
        (lambda model: (model / WEIGHTS).unlink(), WEIGHTS),
        (lambda model: (model / "fingerprint.pb").touch(), "fingerprint.pb"),
        (lambda model: (model / "evil.so").touch(), "evil.so"),
        (lambda model: (model / "assets").joinpath("a").touch(), "assets/a"),
    ],
)
def test_an_altered_model_is_noticed_before_it_is_loaded(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    name: str,
) -> None:
    monkeypatch.setattr(tf.saved_model, "load", None)
    change(folder / "generator")

    with pytest.raises(InputError, match=rf"altered since it was written \({name}\)"):
        open_exported(folder / "generator")


def test_an_altered_record_is_noticed(folder: Path) -> None:
    path = folder / "generator" / "provenance.json"
    path.write_text(path.read_text().replace('"fold": 2', '"fold": 3'))

    with pytest.raises(InputError, match=r"provenance\.json: was altered since it was"):
        open_exported(folder / "generator")


@pytest.mark.parametrize("files", [None, [], {}, "saved_model.pb"])
def test_a_record_without_the_files_hashes_is_refused(folder: Path, files: Any) -> None:
    path = folder / "generator" / "provenance.json"
    storage.write_record(path, {**PROVENANCE, "files": files})

    with pytest.raises(InputError, match=r"generator: was altered since it was"):
        open_exported(folder / "generator")


@pytest.mark.slow
def test_a_model_of_unknown_provenance_is_told_of_tried_apart_and_drawn_from(
    folder: Path, frozen: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "generator" / "provenance.json").unlink()

    found = open_exported(folder / "generator")

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"SAVEDMODEL: {folder / 'generator'} does not say where")
    assert "use only what you trust" in line
    sha256 = found.provenance.pop("generator_sha256")
    assert found.provenance == UNKNOWN
    assert len(sha256) == 64
    assert found.sample(noise(2))[0].shape[0] == 2
    alter_byte(folder / "generator" / "model_card.md")
    assert open_exported(folder / "generator").provenance["generator_sha256"] != sha256


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 100, 20_000])
def test_a_damaged_model_of_unknown_provenance_is_refused_by_the_trial(
    folder: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    (folder / "generator" / "provenance.json").unlink()
    path = folder / "generator" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:length])
    monkeypatch.setattr(tf.saved_model, "load", None)  # in this process

    with pytest.raises(InputError, match=r"generator: is not a SavedModel of a gene"):
        open_exported(folder / "generator")


@pytest.mark.parametrize("way", ["segfault", "hang"])
def test_a_model_that_crashes_or_hangs_its_reader_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (folder / "generator" / "provenance.json").unlink()
    (folder / "generator").rename(folder / way)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(exported_module, "_TRIAL", "tests.crashing")
    monkeypatch.setattr(exported_module, "_MOST_SECONDS", 2)
    monkeypatch.setattr(tf.saved_model, "load", None)  # in this process

    reason = {"segfault": "ended by SIGSEGV", "hang": "it took longer than 2 s"}[way]
    with pytest.raises(InputError, match=rf"^{way}: .* is damaged \({reason}\)$"):
        open_exported(Path(way))


def save_doubling(folder: Path) -> None:
    module = tf.Module()
    module.double = tf.function(
        lambda x: {"twice": 2 * x}, input_signature=[tf.TensorSpec((None, 3))]
    )
    tf.saved_model.save(
        module, str(folder), signatures={"serving_default": module.double}
    )


def save_nan(folder: Path) -> None:
    module = tf.Module()
    module.pairs = tf.function(
        lambda z: {"pairs": tf.fill((tf.shape(z)[0], 8, 8, 2), float("nan"))},
        input_signature=[tf.TensorSpec((None, 3), name="z")],
    )
    tf.saved_model.save(
        module, str(folder), signatures={"serving_default": module.pairs}
    )


def test_a_model_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "run_isolated", kept_apart)
    save_doubling(tmp_path)

    with pytest.raises(InputError, match="is not a SavedModel of a generator, z ->"):
        open_exported(tmp_path)


def test_pairs_that_are_no_numbers_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "run_isolated", kept_apart)
    save_nan(tmp_path)
    found = open_exported(tmp_path)

    with pytest.raises(InputError, match="gives no pairs of finite values"):
        found.sample(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize(
    "add",
    [
        lambda path: path.symlink_to("/etc/hostname"),
        lambda path: path.symlink_to("/etc"),
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
    ],
)
def test_links_and_pipes_in_the_folder_are_refused(folder: Path, add: Any) -> None:
    add(folder / "generator" / "variables" / "extra")

    with pytest.raises(InputError, match="variables/extra: is a link or no file"):
        open_exported(folder / "generator")


def test_huge_folders_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with (tmp_path / "saved_model.pb").open("wb") as file:
        file.truncate(1 << 40)  # sparse: takes no room on the disk
    with pytest.raises(InputError, match="more than 1000 files or 2 GiB"):
        open_exported(tmp_path)

    (tmp_path / "saved_model.pb").unlink()
    for index in range(1001):
        (tmp_path / str(index)).touch()
    with pytest.raises(InputError, match="more than 1000 files or 2 GiB"):
        open_exported(tmp_path)


# .keras files


def rewrite(
    path: Path,
    config: Callable[[dict[str, Any]], Any] = lambda config: None,
    weights: bytes | None = None,
) -> None:
    """Change the configuration or the weights, and drop the record of the hashes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    entries = json.loads(members["config.json"])
    config(entries)
    members["config.json"] = json.dumps(entries).encode()
    members["metadata.json"] = b"{}"
    if weights is not None:
        members["model.weights.h5"] = weights
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_file_without_provenance_tells_its_weights_hash_alone(
    folder: Path,
) -> None:
    path = folder / "generator.keras"
    rewrite(path)

    found = open_exported(path)

    sha256 = found.provenance.pop("generator_sha256")
    assert found.provenance == UNKNOWN
    assert sha256 == keras_files.read_keras(path).sha256


def test_keras_own_files_of_our_generator_are_taken(
    frozen: Generator, tmp_path: Path
) -> None:
    frozen.save(tmp_path / "generator.keras")
    found = open_exported(tmp_path / "generator.keras")

    expected = split_pair(np.asarray(frozen(noise(3), training=False)))
    for ours, theirs in zip(found.sample(noise(3)), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_generator_in_bfloat16_is_read_back(tmp_path: Path) -> None:
    generator = Generator(SMALL, size=16, seed=3, policy="mixed_bfloat16")
    export_generator(generator, PROVENANCE, CARD, tmp_path)

    found = open_exported(tmp_path / "generator.keras")

    expected = split_pair(np.asarray(generator(noise(3), training=False)))
    for ours, theirs in zip(found.sample(noise(3)), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def set_inner(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda entries: entries["config"].update(changes)


def set_numbers(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda entries: entries["config"]["config"].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries.update(registered_name="Lambda"),
        lambda entries: entries.update(registered_name=None, class_name="Generator"),
        lambda entries: entries.update(config=None),
        lambda entries: entries.pop("config"),
        lambda entries: entries["config"].pop("policy"),
        lambda entries: entries["config"].update(config=None),
        set_inner(size=17),
        set_inner(size=-16),
        set_inner(size=0),
        set_inner(size="16"),
        set_inner(size=True),
        set_inner(size=10**18),
        set_inner(policy="float64"),
        set_inner(policy=["float32"]),
        set_inner(policy={"class_name": "Lambda"}),
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
    path = folder / "generator.keras"
    rewrite(path, change)

    with pytest.raises(InputError, match=r"generator\.keras: is not a generator of"):
        open_exported(path)


def test_a_small_file_cannot_ask_for_large_pairs(folder: Path) -> None:
    # A map or two on each of twelve levels are few weights and many pixels.
    def enlarge(entries: dict[str, Any]) -> None:
        entries["config"]["size"] = 4096
        entries["config"]["config"].update(
            generator_maps=[1] * 12, discriminator_maps=[1] * 12
        )

    path = folder / "generator.keras"
    rewrite(path, enlarge)

    with pytest.raises(InputError, match="do not fit its sizes"):
        open_exported(path)


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((5, 100_000), np.float32)
    path = folder / "generator.keras"
    rewrite(path, weights=buffer.getvalue())

    with pytest.raises(InputError, match=r"generator\.keras: is not a generator of"):
        open_exported(path)


def test_a_lambda_layer_is_not_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "generator.keras"
    save_with_code(path, trace)

    with pytest.raises(InputError, match=r"generator\.keras: is not a generator of"):
        open_exported(path)

    assert not trace.exists()
    # The file does what it is made to do where its code is trusted.
    keras.saving.load_model(path, safe_mode=False)
    assert trace.exists()
