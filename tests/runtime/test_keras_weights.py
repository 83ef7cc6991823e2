import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from tfgansynth.config import UNetConfig
from tfgansynth.runtime.weights import save_keras
from tfgansynth.segmentation.unet import build_unet, standard_layer_copy

PROVENANCE = {"dataset": {"name": "phantoms"}, "fold": 1}


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


def test_equal_models_make_equal_files_at_any_time(
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
from tfgansynth.runtime.weights import save_keras
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


def test_the_file_says_what_the_model_came_from(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        metadata = json.loads(archive.read("metadata.json"))

    assert metadata["provenance"] == PROVENANCE
    assert metadata["keras_version"] == keras.__version__


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


def test_a_link_in_the_place_of_the_partial_file_is_not_followed(
    path: Path, model: keras.Model
) -> None:
    victim = path.with_name("victim")
    victim.write_text("precious")
    path.with_name("model.keras.partial.keras").symlink_to(victim)

    save_keras(model, path, PROVENANCE)

    assert victim.read_text() == "precious"
