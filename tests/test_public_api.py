"""The public names: complete, light to import, and known to Keras."""

import ast
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import tfgansynth
from tfgansynth import keras_classes

ROOT = Path(__file__).resolve().parents[1]


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_public_name_can_be_loaded() -> None:
    for name in tfgansynth.__all__:
        assert getattr(tfgansynth, name)
        assert name in dir(tfgansynth)


def test_every_public_name_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "python-api.md").read_text()

    for name in tfgansynth.__all__:
        assert f"`{name}" in page, name
        if name not in {"PRESETS", "__version__"}:
            assert getattr(tfgansynth, name).__doc__, name


ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
SHOW_ONEDNN = (
    "import os, tfgansynth; from tfgansynth.runtime import devices;"
    f"print(os.environ['{ONEDNN}'], devices.uses_onednn());"
)


@pytest.mark.slow
def test_onednn_is_off_if_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ONEDNN, "0")
    assert run(SHOW_ONEDNN) == "0 False"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        tfgansynth.nothing  # noqa: B018


def test_the_version_is_that_of_the_package() -> None:
    assert (
        f'version = "{tfgansynth.__version__}"' in (ROOT / "pyproject.toml").read_text()
    )
    assert f"version: {tfgansynth.__version__}" in (ROOT / "CITATION.cff").read_text()


def test_importing_the_package_imports_no_tensorflow() -> None:
    heavy = run(
        "import sys, tfgansynth; tfgansynth.PRESETS; tfgansynth.load_cases;"
        "print({'tensorflow', 'keras', 'torch'} & set(sys.modules))"
    )

    assert heavy == "set()"


def registered_in_code() -> dict[str, str]:
    """All classes that are registered with Keras, and their modules."""
    found = {}
    for path in sorted((ROOT / "tfgansynth").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and any(
                "register_keras_serializable" in ast.unparse(each)
                for each in node.decorator_list
            ):
                found[node.name] = module
    return found


def test_every_registered_class_has_a_stand_in() -> None:
    assert registered_in_code() == keras_classes.MODULES


SAVE = """
import dataclasses, keras, numpy as np, tfgansynth as tgs
config = tgs.PRESETS["smoke"]
small = dataclasses.replace(config.gan, z_dim=8, generator_maps=(8, 4),
    discriminator_maps=(4, 8), augment_shift=2, augment_cutout=4)
models = {
    "gan": tgs.DCGAN(small, size=16, seed=0),
    "unet": tgs.build_unet(
        dataclasses.replace(config.unet, depth=2, maps=4), size=16, seed=0
    ),
}
inputs = {"gan": (2, 8), "unet": (2, 16, 16, 1)}
models["generator"], inputs["generator"] = models["gan"].generator, inputs["gan"]
for name, model in models.items():
    if name != "generator":
        model.compile()
    model.save("{folder}/" + name + ".keras")
    np.random.seed(0)
    given = np.random.uniform(-1, 1, inputs[name]).astype(np.float32)
    np.savez("{folder}/" + name, given=given, expected=model(given))
"""

LOAD = """
{imports}
import numpy as np
for name in "{names}".split():
    model = keras.saving.load_model("{folder}/" + name + ".keras")
    stored = np.load("{folder}/" + name + ".npz")
    np.testing.assert_array_equal(model(stored["given"]), stored["expected"])
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of saved models, each with an input and what it gives for it."""
    folder = tmp_path_factory.mktemp("saved")
    exec(SAVE.replace("{folder}", str(folder)), {})
    return folder


def test_keras_is_set_to_what_our_networks_depend_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in keras_classes.SETTINGS:
        monkeypatch.setattr(keras.config, name, lambda: "other")
    set_to: dict[str, object] = {}
    for name in keras_classes.SETTINGS:
        monkeypatch.setattr(
            keras.config,
            f"set_{name}",
            lambda value, name=name: set_to.update({name: value}),
        )
    with pytest.warns(UserWarning, match="set Keras to floatx float32, eps"):
        keras_classes.register()
    assert set_to == keras_classes.SETTINGS


def test_keras_with_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ImportError, match=r"imported with jax: set KERAS_BACKEND="):
        keras_classes.register()


@pytest.mark.slow
def test_the_environment_does_not_change_keras_and_onednn_is_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ONEDNN)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(
        '{"floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.1}'
    )
    found = run(
        "import warnings, tfgansynth; warnings.simplefilter('ignore'); import keras;"
        "print(keras.config.backend(), keras.config.floatx(), keras.config.epsilon(),"
        "keras.config.image_data_format(), keras.config.max_epochs(),"
        f"keras.layers.Dense(1).compute_dtype); {SHOW_ONEDNN}"
    )
    assert found.splitlines() == [
        "tensorflow float32 1e-07 channels_last None float32",
        "1 True",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("imports", "names"),
    [
        ("import tfgansynth; import keras", "gan unet"),
        ("import keras; import tfgansynth", "generator"),
        ("import tfgansynth; import tensorflow; import keras", "generator"),
        ("import tfgansynth.gan.networks; import keras", "unet"),
        ("import tfgansynth; tfgansynth.build_unet; import keras", "gan"),
    ],
)
def test_keras_loads_a_saved_model(saved: Path, imports: str, names: str) -> None:
    run(LOAD.format(imports=imports, folder=saved, names=names))
