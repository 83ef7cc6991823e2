"""An exported generator, of this program or of others, as a sampler.

`generator.safetensors` is data: nothing in it is run. A SavedModel is a program: it can
do whatever TensorFlow can, such as read and write files. No check here changes that.
What is checked is that it is whole and does not crash; run as a program, this module
does the latter.
"""

import dataclasses
import functools
import hashlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, FloatArray, split_pair
from tfgansynth.config import Config, DataConfig, UNetConfig
from tfgansynth.config_checks import check, generator_weights
from tfgansynth.errors import InputError, RunError
from tfgansynth.gan.exchange.export import PROVENANCE, WEIGHTS, named_weights
from tfgansynth.gan.networks import Generator, config_of
from tfgansynth.runtime import storage
from tfgansynth.runtime.processes import isolation
from tfgansynth.runtime.progress import remark
from tfgansynth.runtime.weights import read_weights

MOST_WEIGHT_BYTES = 512 << 20
"""Larger files of weights are refused before they are read; the paper's generator has
32 MiB."""
MOST_BYTES = 2 << 30
"""A larger SavedModel is refused before it is read."""
MOST_FILES = 1000
"""A SavedModel of more files is refused before it is read."""

_PROGRAM = "tfgansynth.gan.exchange.exported"
_MOST_SECONDS = 60
_REFUSED = 3
"""Exit code of the probe for what is not a generator, or runs out of memory."""
_POLICIES = {"float32", "mixed_bfloat16"}

Provenance = dict[str, Any]
Sampler = Callable[[FloatArray], tuple[ByteArray, ByteArray]]
"""From noise, or from pairs in [-1, 1], to uint8 images and grey masks."""


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """A generator to draw from.

    Attributes:
        sample: z, float32 (m, z_dim) in [-1, 1] -> uint8 images (m, S, S[, 3]) and
            grey masks (m, S, S, K).
        z_dim: Length of the noise vector.
        channels: Of the images; those of a SavedModel of unknown provenance are grey.
        classes: K.
        provenance: What it came from. `generator_sha256` is always there; `dataset`,
            `fold` and `training_cases` are None if it does not say.
    """

    sample: Sampler
    z_dim: int
    channels: int
    classes: int
    provenance: Provenance


def open_exported(path: Path) -> Exported:
    """Open the folder of an exported generator.

    Where it has `generator.safetensors`, that is read and nothing is run. Otherwise it
    is a SavedModel, which is a program: open only those of people you trust. One of
    unknown provenance is announced, and probed in an isolated process first.

    Raises:
        InputError: It is not such a folder, is damaged, or was altered since it was
            written.
    """
    if path.suffix == ".keras":
        raise InputError(
            f"{path}: .keras files are not read: name the folder that has {WEIGHTS}"
        )
    if not path.is_dir():
        raise InputError(
            f"{path}: expected a folder that has {WEIGHTS} or a SavedModel"
        )
    if (path / WEIGHTS).exists():
        return _open_weights(path / WEIGHTS)
    return _open_saved_model(path)


# generator.safetensors


def _open_weights(path: Path) -> Exported:
    weights, metadata = read_weights(path, most_bytes=MOST_WEIGHT_BYTES)
    try:
        config = storage.parse_json(metadata["config"].encode())
        provenance = storage.parse_json(metadata["provenance"].encode())
        generator = _build(config, weights)
    except Exception as fault:  # Keras raises many kinds
        raise InputError(
            f"{path}: is not a generator of this program ({fault})"
        ) from fault

    def pairs(z: FloatArray) -> Any:
        return generator(z, training=False)

    sample = _sampler(pairs, generator.split, path)
    return Exported(
        sample,
        generator.config.z_dim,
        generator.channels,
        generator.classes,
        _checked(provenance, path),
    )


def _build(config: dict[str, Any], weights: dict[str, NDArray[Any]]) -> Generator:
    """Build a generator from numbers, each of which is checked first."""
    size, policy = config["size"], config["policy"]
    channels, classes = config.get("channels", 1), config.get("classes", 1)
    numbers = config_of(config["gan"])
    if type(size) is not int or policy not in _POLICIES:
        raise TypeError(f"size {size!r}, policy {policy!r}")
    if channels not in (1, 3) or type(classes) is not int or not 0 < classes < 256:
        raise TypeError(f"channels {channels!r}, classes {classes!r}")
    check(Config(gan=numbers, data=DataConfig(size=size), unet=UNetConfig(depth=0)))
    n_weights = sum(array.size for array in weights.values())
    if generator_weights(numbers, size) > n_weights:
        raise ValueError(f"its {n_weights} weights do not fit its sizes")
    generator = Generator(
        numbers,
        size=size,
        seed=0,
        policy=policy,
        channels=channels,
        classes=classes,
        name="generator",
    )
    _set_weights(generator, weights)
    return generator


def _set_weights(generator: Generator, weights: dict[str, NDArray[Any]]) -> None:
    variables = named_weights(generator)
    if variables.keys() != weights.keys():
        raise ValueError("its weights are named otherwise")
    for name, variable in variables.items():
        array = weights[name]
        if array.dtype != np.float32 or array.shape != tuple(variable.shape):
            raise ValueError(f"{name} is {array.dtype} {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite")
        variable.assign(array)


# A SavedModel


def _open_saved_model(path: Path) -> Exported:
    files = _hash_plain(path)
    provenance = _read_provenance(path, files)
    if provenance is None:
        remark(
            f"SavedModel: {path} has unknown provenance. It is a program and will be "
            "run, first in an isolated process: use only what you trust"
        )
        _probe_isolated(path)
        whole = hashlib.sha256(json.dumps(files).encode()).hexdigest()
        unknown = {"dataset": None, "fold": None, "training_cases": None}
        provenance = {**unknown, "generator_sha256": whole}
    else:
        _checked(provenance, path)
    channels = (provenance["dataset"] or {}).get("channels", 1)
    sample, z_dim, classes = load_saved_model(path, channels)
    return Exported(sample, z_dim, channels, classes, provenance)


def _hash_plain(folder: Path) -> dict[str, str]:
    """Hash all files of a folder that has nothing but files and folders."""
    n_bytes = n_files = 0
    try:
        storage.require_own_files(folder)
        for path in folder.rglob("*"):
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
    """Read the record of a model, if it has one, and compare its files with it."""
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
            "export it again, or copy it again"
        )
    return provenance


def _probe_isolated(path: Path) -> None:
    # On the CPU: what a GPU maps would count as memory.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    try:
        isolation.run_isolated(
            _PROGRAM, str(path), seconds=_MOST_SECONDS, variables=quiet
        )
    except isolation.Failure as fault:
        if fault.from_outside:
            raise RunError(
                f"{path}: cannot be tested: the process that loads it was twice "
                f"{fault}: close other programs and run the "
                "command again"
            ) from fault
        raise InputError(
            f"{path}: is not a SavedModel of a generator, z -> pairs, or is damaged "
            f"({fault})"
        ) from fault


def load_saved_model(path: Path, channels: int = 1) -> tuple[Sampler, int, int]:
    """Load a SavedModel, which is a program, and run what it runs on loading.

    Args:
        path: Its folder.
        channels: Of the images in its pairs; all others are classes.

    Returns:
        A function from z, float32 (m, z_dim), to uint8 images (m, S, S[, 3]) and grey
        masks (m, S, S, K); z_dim; and K.

    Raises:
        InputError: There is none, or it does not have the signature z -> pairs.
    """
    try:
        module = tf.saved_model.load(str(path))
        function = module.signatures["serving_default"]
        (_, arguments) = function.structured_input_signature
        z_dim = int(arguments["z"].shape[1])
        classes = int(function.structured_outputs["pairs"].shape[-1]) - channels
        if classes < 1:
            raise ValueError("no mask")
    except Exception as fault:  # TensorFlow raises many kinds
        raise InputError(
            f"{path}: is not a SavedModel of a generator, z -> pairs"
        ) from fault

    def pairs(z: FloatArray) -> Any:
        return function(z=tf.constant(z))["pairs"]

    split = functools.partial(split_pair, channels=channels)
    return _sampler(pairs, split, path), z_dim, classes


def main() -> None:
    """Probe the SavedModel that the command line names: load it and draw once."""
    isolation.limit_memory()
    try:
        sample, z_dim, _ = load_saved_model(Path(sys.argv[1]))
        sample(np.zeros((2, z_dim), np.float32))
    except (InputError, MemoryError):
        sys.exit(_REFUSED)


# Both


def _sampler(pairs: Callable[[FloatArray], Any], split: Sampler, path: Path) -> Sampler:
    """Draw bytes, and refuse what is not shaped as pairs."""

    def sample(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        try:
            drawn = np.asarray(pairs(z), np.float32)
        except Exception as fault:  # TensorFlow raises many kinds
            raise InputError(f"{path}: cannot be run ({fault})") from fault
        side = drawn.shape[1] if drawn.ndim == 4 else 0
        if drawn.shape[:3] != (len(z), side, side) or not np.isfinite(drawn).all():
            raise InputError(f"{path}: does not give pairs of finite values")
        return split(drawn)

    return sample


def _checked(provenance: Provenance, path: Path) -> Provenance:
    """Refuse a provenance that would mislead what relies on it."""
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
            f"{path}: its provenance is not of this program: export it again"
        )
    return provenance


if __name__ == "__main__":
    main()
