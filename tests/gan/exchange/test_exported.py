import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.gan.small import PROVENANCE, Z_DIM, noise, rewrite_weights
from tfgansynth.arrays import split_pair
from tfgansynth.errors import InputError, RunError
from tfgansynth.gan.exchange import exported as exported_module
from tfgansynth.gan.exchange.exported import open_exported
from tfgansynth.gan.networks import Generator
from tfgansynth.runtime import storage
from tfgansynth.runtime.processes import isolation

pytestmark = pytest.mark.slow

UNKNOWN = {"dataset": None, "fold": None, "training_cases": None}


def no_probe(*_: Any, **__: Any) -> None:
    """Stands for the probe where a test is about what comes after it."""


# Both kinds


@pytest.mark.parametrize("name", ["generator", "saved_model"])
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
    # A model of known provenance is loaded silently.
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "name",
    ["missing", "generator.keras", "model_card.md", "generator/generator.safetensors"],
)
def test_something_else_is_refused_by_name(folder: Path, name: str) -> None:
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
    folder: Path, wrong: dict[str, Any]
) -> None:
    rewrite_weights(folder, provenance=lambda entries: entries.update(wrong))
    record = storage.read_record(folder / "saved_model" / "provenance.json")
    storage.write_record(
        folder / "saved_model" / "provenance.json", {**record, **wrong}
    )

    for name in ("generator", "saved_model"):
        with pytest.raises(InputError, match="its provenance is not of this program"):
            open_exported(folder / name)


# SavedModels


def alter_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


VARIABLES = "variables/variables.data-00000-of-00001"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda model: alter_byte(model / VARIABLES), VARIABLES),
        (lambda model: alter_byte(model / "saved_model.pb"), "saved_model.pb"),
        (lambda model: (model / VARIABLES).unlink(), VARIABLES),
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
    change(folder / "saved_model")

    with pytest.raises(InputError, match=rf"altered since it was written \({name}\)"):
        open_exported(folder / "saved_model")


def test_an_altered_record_is_noticed(folder: Path) -> None:
    path = folder / "saved_model" / "provenance.json"
    path.write_text(path.read_text().replace('"fold": 2', '"fold": 3'))

    with pytest.raises(InputError, match=r"provenance\.json: was altered since it was"):
        open_exported(folder / "saved_model")


@pytest.mark.parametrize("files", [None, [], {}, "saved_model.pb"])
def test_a_record_without_the_files_hashes_is_refused(folder: Path, files: Any) -> None:
    path = folder / "saved_model" / "provenance.json"
    storage.write_record(path, {**PROVENANCE, "files": files})

    with pytest.raises(InputError, match=r"saved_model: was altered since it was"):
        open_exported(folder / "saved_model")


def test_a_model_of_unknown_provenance_is_announced_probed_and_drawn_from(
    folder: Path, frozen: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "saved_model" / "provenance.json").unlink()

    found = open_exported(folder / "saved_model")

    (line,) = capsys.readouterr().out.splitlines()
    model = folder / "saved_model"
    assert line.startswith(f"SavedModel: {model} has unknown provenance. It is a prog")
    assert "use only what you trust" in line
    sha256 = found.provenance.pop("generator_sha256")
    assert found.provenance == UNKNOWN
    assert len(sha256) == 64
    assert found.sample(noise(2))[0].shape[0] == 2
    alter_byte(folder / "saved_model" / "model_card.md")
    assert (
        open_exported(folder / "saved_model").provenance["generator_sha256"] != sha256
    )


@pytest.mark.parametrize("length", [0, 20_000])
def test_a_damaged_model_of_unknown_provenance_is_refused_by_the_probe(
    folder: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    (folder / "saved_model" / "provenance.json").unlink()
    path = folder / "saved_model" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:length])
    monkeypatch.setattr(tf.saved_model, "load", None)  # in this process

    with pytest.raises(InputError, match=r"saved_model: is not a SavedModel of a gene"):
        open_exported(folder / "saved_model")


@pytest.mark.parametrize("way", ["segfault", "hang"])
def test_a_model_that_crashes_or_hangs_its_reader_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (folder / "saved_model" / "provenance.json").unlink()
    (folder / "saved_model").rename(folder / way)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(exported_module, "_PROGRAM", "tests.crashing")
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


def test_a_probe_that_is_killed_from_outside_is_no_fault_of_the_model(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise isolation.Failure("killed by the system", from_outside=True)

    monkeypatch.setattr(isolation, "run_isolated", killed)
    path = original / "saved_model"
    with pytest.raises(RunError, match=r"cannot be tested: .* twice killed by"):
        exported_module._probe_isolated(path)


def test_a_model_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "run_isolated", no_probe)
    save_doubling(tmp_path)

    with pytest.raises(InputError, match="is not a SavedModel of a generator, z ->"):
        open_exported(tmp_path)


def test_pairs_that_are_not_finite_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "run_isolated", no_probe)
    save_nan(tmp_path)
    found = open_exported(tmp_path)

    with pytest.raises(InputError, match="does not give pairs of finite values"):
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
    add(folder / "saved_model" / "variables" / "extra")

    with pytest.raises(
        InputError, match="variables/extra: is a link or a special file"
    ):
        open_exported(folder / "saved_model")


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
