"""An exported generator, from here or elsewhere, as a sampler.

A `.keras` file is data and is read as such. A SavedModel is a program: it can do
whatever TensorFlow can, read and write files among it. No check here changes that;
what is checked is that it is whole and does not crash.
"""

import dataclasses
import hashlib
import itertools
import json
import re
import tempfile
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, FloatArray, split_pair
from tfgansynth.config import Config, DataConfig, GANConfig, UNetConfig
from tfgansynth.config_checks import check
from tfgansynth.errors import InputError
from tfgansynth.gan.export import PROVENANCE
from tfgansynth.gan.networks import Generator
from tfgansynth.runtime import isolation, storage
from tfgansynth.runtime.keras_files import SUFFIX, read_keras

MOST_BYTES = 2 << 30
"""A larger SavedModel is refused before it is read."""
MOST_FILES = 1000
"""A SavedModel of more files is refused before it is read."""
MOST_SIDE_PX = 2048
"""Side of the largest pairs."""

_TRIAL = "tfgansynth.gan.probe"
_MOST_SECONDS = 60
_CLASS = "tfgansynth>Generator"
_POLICIES = {"float32", "mixed_bfloat16"}

Provenance = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """A generator to draw from.

    Attributes:
        sample: z, float32 (m, z_dim) in [-1, 1] -> uint8 images and grey masks
            (m, S, S).
        z_dim: Length of the noise vector.
        provenance: What it came from. `generator_sha256` is always there; `dataset`,
            `fold` and `training_cases` are None if it does not say.
    """

    sample: Callable[[FloatArray], tuple[ByteArray, ByteArray]]
    z_dim: int
    provenance: Provenance


def open_exported(path: Path) -> Exported:
    """Open a generator: a `.keras` file of ours or the folder of a SavedModel.

    A SavedModel is a program: open only those from people you trust. One of unknown
    provenance is first tried in a process of its own, and a line says so.

    Raises:
        InputError: It is no such generator, is damaged, or was altered since it was
            written.
    """
    if path.is_dir():
        return _open_saved_model(path)
    if path.suffix == SUFFIX:
        return _open_keras(path)
    raise InputError(
        f"{path}: expected the folder of a SavedModel or a {SUFFIX} file of a generator"
    )


# A .keras file


def _open_keras(path: Path) -> Exported:
    file = read_keras(path)
    generator = _build(file.config, file.weights, path)

    def pairs(z: FloatArray) -> Any:
        return generator(z, training=False)

    z_dim = generator.config.z_dim
    provenance = _checked_provenance(file.provenance, file.sha256, path)
    return Exported(_sampler(pairs, path), z_dim, provenance)


def _build(
    config: dict[str, Any], weights: dict[str, NDArray[Any]], path: Path
) -> Generator:
    """Build a generator from data alone; no class is looked up by its name."""
    if config.get("registered_name") != _CLASS:
        raise InputError(f"{path}: is not a generator of this program")
    try:
        inner = config["config"]
        size, policy = inner["size"], inner["policy"]
        numbers = _gan_config(inner["config"])
        if type(size) is not int or policy not in _POLICIES:
            raise TypeError(f"size {size!r}, policy {policy!r}")
        check(Config(gan=numbers, data=DataConfig(size=size), unet=UNetConfig(depth=0)))
        n_bytes = sum(array.nbytes for array in weights.values())
        if size > MOST_SIDE_PX or 4 * _least_weights(numbers, size) > n_bytes:
            raise ValueError(f"its {n_bytes} bytes of weights do not fit its sizes")
        generator = Generator(
            numbers, size=size, seed=0, policy=policy, name="generator"
        )
        _set_weights(generator, weights)
    except Exception as fault:  # Keras raises many kinds
        raise InputError(f"{path}: is not a generator of this program ({fault})") from (
            fault
        )
    return generator


def _gan_config(entries: dict[str, Any]) -> GANConfig:
    """Take numbers that are of the documented kinds, and no others."""
    kinds = typing.get_type_hints(GANConfig)
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in entries.items()
    }
    for name, value in values.items():
        if not _fits(value, kinds[name]):
            raise TypeError(f"{name} {value!r}")
    return GANConfig(**values)


def _fits(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is Literal:
        return isinstance(value, str) and value in typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(type(item) is int for item in value)
    return type(value) in ({int, float} if kind is float else {kind})


def _least_weights(config: GANConfig, size: int) -> int:
    """How many weights the kernels have, before any is made."""
    maps = [*config.generator_maps, 2]
    base = size >> len(config.generator_maps)
    kernels = sum(a * b for a, b in itertools.pairwise(maps))
    return config.z_dim * base**2 * maps[0] + config.kernel_size**2 * kernels


def _set_weights(generator: Generator, weights: dict[str, NDArray[Any]]) -> None:
    """Have Keras assign them, from a file written here."""
    with tempfile.TemporaryDirectory() as folder:
        clean = Path(folder, "clean.weights.h5")
        with h5py.File(clean, "w") as file:
            for name, array in weights.items():
                file[name] = array
        generator.load_weights(clean)


# A SavedModel


def _open_saved_model(path: Path) -> Exported:
    files = _hash_plain(path)
    provenance = _read_provenance(path, files)
    if provenance is None:
        print(
            f"SAVEDMODEL: {path} does not say where it came from. It is a program and "
            "is going to be run, first apart from this one: use only what you trust"
        )
        _try_isolated(path)
    sample, z_dim = load_saved_model(path)
    whole = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    return Exported(sample, z_dim, _checked_provenance(provenance, whole, path))


def _hash_plain(folder: Path) -> dict[str, str]:
    """Hash all files of a folder that holds nothing but files and folders."""
    n_bytes = n_files = 0
    try:
        for path in folder.rglob("*"):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise InputError(f"{path}: is a link or no file: copy the model whole")
            n_files += 1
            n_bytes += path.stat().st_size
            if n_files > MOST_FILES or n_bytes > MOST_BYTES:
                raise InputError(
                    f"{folder}: holds more than {MOST_FILES} files or "
                    f"{MOST_BYTES >> 30} GiB"
                )
        return storage.hash_folder(folder)
    except OSError as fault:
        raise InputError(f"{folder}: cannot be read ({fault.strerror})") from fault


def _read_provenance(folder: Path, files: dict[str, str]) -> Provenance | None:
    """Read the record of a model, if it has one, and hold the files to it."""
    if PROVENANCE not in files:
        return None
    provenance = storage.read_record(folder / PROVENANCE)
    expected = provenance.pop("files", None)
    found = {name: digest for name, digest in files.items() if name != PROVENANCE}
    if found != expected:
        known = expected if isinstance(expected, dict) else {}
        names = {*known, *found}
        altered = sorted(name for name in names if known.get(name) != found.get(name))
        raise InputError(
            f"{folder}: was altered since it was written ({', '.join(altered[:3])}): "
            "export it anew, or copy it again"
        )
    return provenance


def _try_isolated(path: Path) -> None:
    # On the processor: what a GPU maps would count as memory.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    try:
        isolation.run_isolated(
            _TRIAL, str(path), seconds=_MOST_SECONDS, variables=quiet
        )
    except isolation.Failure as fault:
        raise InputError(
            f"{path}: is not a SavedModel of a generator, z -> pairs, or is damaged "
            f"({fault})"
        ) from fault


def load_saved_model(
    path: Path,
) -> tuple[Callable[[FloatArray], tuple[ByteArray, ByteArray]], int]:
    """Load a SavedModel, which is a program, and run what it runs on loading.

    Returns:
        A function from z, float32 (m, z_dim), to uint8 images and grey masks
        (m, S, S); and z_dim.

    Raises:
        InputError: There is none, or it has not the signature z -> pairs.
    """
    try:
        module = tf.saved_model.load(str(path))
        function = module.signatures["serving_default"]
        (_, arguments) = function.structured_input_signature
        z_dim = int(arguments["z"].shape[1])
    except Exception as fault:  # TensorFlow raises many kinds
        raise InputError(
            f"{path}: is not a SavedModel of a generator, z -> pairs"
        ) from fault

    def pairs(z: FloatArray) -> Any:
        return function(z=tf.constant(z))["pairs"]

    return _sampler(pairs, path), z_dim


# Both


def _sampler(
    pairs: Callable[[FloatArray], Any], path: Path
) -> Callable[[FloatArray], tuple[ByteArray, ByteArray]]:
    """Draw bytes, holding what the model gives to what a generator gives."""

    def sample(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        try:
            drawn = np.asarray(pairs(z), np.float32)
        except Exception as fault:  # TensorFlow raises many kinds
            raise InputError(f"{path}: cannot be run ({fault})") from fault
        side = drawn.shape[1] if drawn.ndim == 4 else 0
        if drawn.shape != (len(z), side, side, 2) or not np.isfinite(drawn).all():
            raise InputError(f"{path}: gives no pairs of finite values")
        return split_pair(drawn)

    return sample


def _checked_provenance(
    provenance: Provenance | None, sha256: str, path: Path
) -> Provenance:
    """Fill in what is unknown; refuse what would mislead who relies on it."""
    if provenance is None:
        unknown = {"dataset": None, "fold": None, "training_cases": None}
        return {**unknown, "generator_sha256": sha256}
    cases = provenance.get("training_cases")
    is_sound = (
        isinstance(provenance.get("dataset"), dict)
        and type(provenance.get("fold")) is int
        and isinstance(cases, dict)
        and all(isinstance(digest, str) for digest in cases.values())
        # Part of a folder's name.
        and re.fullmatch("[0-9a-f]{64}", str(provenance.get("generator_sha256")))
    )
    if not is_sound:
        raise InputError(
            f"{path}: its provenance is not of this program: export it anew"
        )
    return provenance
