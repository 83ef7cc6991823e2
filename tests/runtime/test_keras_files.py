import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from tfgansynth.config import UNetConfig
from tfgansynth.errors import InputError
from tfgansynth.runtime import storage
from tfgansynth.runtime.keras_files import MOST_BYTES, read_keras, save_keras
from tfgansynth.segmentation.unet import build_unet, standard_layer_copy

PROVENANCE = {"dataset": {"name": "phantoms"}, "fold": 1}
MEMBERS = ("metadata.json", "config.json", "model.weights.h5")


def make_model(name: str = "model") -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((3,), name="x")
    # One initializer for two layers: Keras names it by its place in memory.
    shared = keras.initializers.RandomNormal(seed=1)
    x = keras.layers.Dense(4, kernel_initializer=shared, name="first")(inputs)
    x = keras.layers.Dense(2, kernel_initializer=shared, name="second")(x)
    return keras.Model(inputs, x, name=name)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return make_model()


@pytest.fixture
def path(model: keras.Model, tmp_path: Path) -> Path:
    save_keras(model, tmp_path / "model.keras", PROVENANCE)
    return tmp_path / "model.keras"


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


# Writing


def test_alike_models_make_equal_files_at_any_time(
    path: Path, tmp_path: Path, model: keras.Model
) -> None:
    first = path.read_bytes()
    assert b"shared_object_id" in first
    time.sleep(2.1)  # a zip archive counts two seconds as one
    again = tmp_path / "elsewhere" / "again.keras"
    for same in (model, make_model()):
        save_keras(same, again, PROVENANCE)
        assert again.read_bytes() == first

    model.get_layer("first").bias.assign([0, 0, 0, 1])
    save_keras(model, again, PROVENANCE)
    model.get_layer("first").bias.assign([0, 0, 0, 0])
    assert again.read_bytes() != first


UNET = """
import sys
from pathlib import Path
from tfgansynth.config import UNetConfig
from tfgansynth.runtime.keras_files import save_keras
from tfgansynth.segmentation.unet import build_unet, standard_layer_copy
config = UNetConfig(depth=2, maps=4)
unet = standard_layer_copy(build_unet(config, size=16, seed=3), config)
save_keras(unet, Path(sys.argv[1]))
"""


def test_a_unet_makes_the_same_file_in_any_program(tmp_path: Path) -> None:
    config = UNetConfig(depth=2, maps=4)
    # What was built before must not count.
    build_unet(config, size=32, seed=1)
    unet = standard_layer_copy(build_unet(config, size=16, seed=3), config)
    save_keras(unet, tmp_path / "here.keras")
    command = [sys.executable, "-c", UNET, str(tmp_path / "there.keras")]
    root = Path(__file__).parents[2]
    subprocess.run(command, cwd=root, check=True, capture_output=True)

    here, there = (tmp_path / f"{name}.keras" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


def test_keras_loads_the_file_as_its_own(path: Path, model: keras.Model) -> None:
    loaded = keras.saving.load_model(path, safe_mode=True)

    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(loaded(x), model(x))


def test_only_the_file_is_left(path: Path) -> None:
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_save_leaves_the_old_file(
    path: Path, model: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def fail(self: keras.Model, beside: Path) -> None:
        beside.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", fail)
        with pytest.raises(OSError, match="No space"):
            save_keras(model, path)

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# Reading


def test_what_was_saved_is_read_back(path: Path, model: keras.Model) -> None:
    file = read_keras(path)

    assert file.provenance == PROVENANCE
    assert file.config["class_name"] == "Functional"
    assert len(file.sha256) == 64
    found = sorted(array.shape for array in file.weights.values())
    assert found == [(2,), (3, 4), (4,), (4, 2)]
    (kernel,) = (a for a in file.weights.values() if a.shape == (3, 4))
    np.testing.assert_array_equal(kernel, model.get_layer("first").kernel)


def test_a_file_of_keras_itself_has_no_provenance(
    model: keras.Model, tmp_path: Path
) -> None:
    model.save(tmp_path / "plain.keras")

    file = read_keras(tmp_path / "plain.keras")

    assert file.provenance is None
    assert len(file.weights) == 4


@pytest.mark.parametrize("name", MEMBERS)
def test_an_altered_part_is_noticed(path: Path, name: str) -> None:
    members = members_of(path)
    # The archive is sound, JSON stays JSON and HDF5 stays HDF5.
    old = {"metadata.json": b"phantoms", "config.json": b"first"}.get(name)
    if old is None:
        with h5py.File(io.BytesIO(members[name])) as file:
            old = file["layers/dense/vars/0"][()].tobytes()
    assert old in members[name]
    members[name] = members[name].replace(old, old[::-1])
    write_members(path, members)

    with pytest.raises(InputError, match=r"model\.keras: .*altered since it was wri"):
        read_keras(path)


def altered(name: str, content: bytes | None) -> Callable[[Path], None]:
    """Give a part another content, or none, and drop the record of the hashes."""

    def alter(path: Path) -> None:
        members = {**members_of(path), "metadata.json": b"{}"}
        if content is None:
            del members[name]
        else:
            members[name] = content
        write_members(path, members)

    return alter


def h5(fill: Callable[[h5py.File], Any]) -> Callable[[Path], None]:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return altered("model.weights.h5", buffer.getvalue())


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def compressed(path: Path) -> None:
    members = members_of(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)


def provenance_of_another_kind(path: Path) -> None:
    members = members_of(path)
    record = storage.unseal(json.loads(members["metadata.json"]))
    assert record is not None
    sealed = storage.seal({**record, "provenance": [1]})
    write_members(path, {**members, "metadata.json": json.dumps(sealed).encode()})


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(Path.unlink, id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(b"text"), id="text"),
        torn,
        compressed,
        huge,
        provenance_of_another_kind,
        pytest.param(altered("config.json", None), id="no config"),
        pytest.param(altered("model.weights.h5", None), id="no weights"),
        pytest.param(altered("config.json", b"[1]"), id="config is a list"),
        pytest.param(altered("config.json", b'{"a": NaN}'), id="config is no JSON"),
        pytest.param(altered("config.json", b" " * (17 << 20)), id="long config"),
        pytest.param(altered("../evil", b""), id="name leads out"),
        pytest.param(altered("/evil", b""), id="absolute name"),
        pytest.param(altered("assets/evil.py", b""), id="another part"),
        pytest.param(altered("model.weights.h5", b"text"), id="weights are text"),
        pytest.param(altered("model.weights.h5", b""), id="empty weights"),
    ],
)
def test_other_files_are_refused_by_name(path: Path, make: Any) -> None:
    make(path)

    with pytest.raises(InputError, match=r"model\.keras: ") as raised:
        read_keras(path)

    assert str(raised.value).isprintable()


def soft_link(file: h5py.File) -> None:
    file["a"] = np.zeros(3)
    file["b"] = h5py.SoftLink("/a")


def external_link(file: h5py.File) -> None:
    file["a"] = h5py.ExternalLink("/etc/hostname", "/")


def external_data(file: h5py.File) -> None:
    file.create_dataset("a", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def virtual_data(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "a", (4,))
    file.create_virtual_dataset("a", layout)


def circle(file: h5py.File) -> None:
    file.create_group("a")["b"] = file["/"]


def one_place_many_names(file: h5py.File) -> None:
    file["a"] = np.zeros(10_000)
    for index in range(9):
        file[f"b{index}"] = file["a"]


@pytest.mark.parametrize(
    "fill",
    [
        soft_link,
        external_link,
        external_data,
        virtual_data,
        circle,
        one_place_many_names,
        pytest.param(
            lambda file: file.create_dataset("a", (1 << 40,), "f4"), id="never written"
        ),
        pytest.param(
            lambda file: file.create_dataset(
                "a", data=np.zeros(1 << 20), chunks=(1 << 20,), compression="gzip"
            ),
            id="bomb",
        ),
        pytest.param(
            lambda file: file.create_dataset(
                "a", data=["x"], dtype=h5py.string_dtype()
            ),
            id="text",
        ),
        pytest.param(
            lambda file: file.create_dataset("a", dtype=h5py.Empty("f4").dtype),
            id="none",
        ),
    ],
)
def test_weights_that_are_no_plain_arrays_are_refused(
    path: Path, fill: Callable[[h5py.File], Any]
) -> None:
    h5(fill)(path)

    with pytest.raises(InputError, match=r"model\.keras: its weights cannot be read"):
        read_keras(path)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(path: Path, number: float) -> None:
    h5(lambda file: file.create_dataset("a", data=np.array([0, number])))(path)

    with pytest.raises(InputError, match="no finite numbers"):
        read_keras(path)


def test_plain_weights_are_read_by_their_paths(path: Path) -> None:
    h5(lambda file: file.create_dataset("a/b", data=np.arange(3)))(path)

    assert {name: list(a) for name, a in read_keras(path).weights.items()} == {
        "a/b": [0, 1, 2]
    }


def test_a_crash_of_the_reader_becomes_a_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfgansynth.runtime.keras_files._READER", "tests.crashing")

    with pytest.raises(InputError, match=r"model\.keras: its weights cannot be read"):
        read_keras(path)


def test_no_object_is_built_whatever_the_config_names(
    path: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    config = {"module": "os", "class_name": "mkdir", "config": {"path": str(trace)}}
    altered("config.json", json.dumps(config).encode())(path)

    assert read_keras(path).config == config
    assert not trace.exists()
