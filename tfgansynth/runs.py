"""One run folder: where things lie, and writing that is whole or not at all."""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tfgansynth.config import Config, differences
from tfgansynth.errors import InputError
from tfgansynth.pixels import ByteArray


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".partial")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: There is no such file, or it holds something else.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as fault:
        raise InputError(f"{path}: cannot be read as JSON ({fault})") from fault
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object")
    return content


def write_png(path: Path, pixels: ByteArray) -> None:
    """Write uint8 (H, W) grey or (H, W, 3) RGB pixels as PNG."""
    buffer = io.BytesIO()
    # At the usual level 6 this takes three times as long for the same size.
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=3)
    write_bytes(path, buffer.getvalue())


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as an uncompressed `.npz`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".partial")
    with beside.open("wb") as file:
        # NumPy's stub takes `allow_pickle` for one of the arrays.
        np.savez(file, **dict(arrays))  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote; never unpickles.

    Raises:
        InputError: The file is missing, torn or not an `.npz` of plain arrays.
    """
    try:
        # Opened here, since NumPy leaves the file of a torn archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("it holds other things than arrays")
        return arrays
    except Exception as fault:  # zipfile and NumPy raise many kinds
        raise InputError(f"{path}: cannot be read ({fault})") from fault


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill; it appears as `path` only once it is complete.

    An unfinished one from before is cleared away.
    """
    beside = path.with_name(path.name + ".partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    yield beside
    if path.exists():
        shutil.rmtree(path)
    beside.replace(path)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_arrays(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256 over the contents of arrays in their order, as hexadecimal digits."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One experiment on one data set: a folder and the configuration it belongs to.

    Attributes:
        root: The run folder.
        config: Everything that determines its results, but for the data.
        dataset_name: Short name of the data set.
    """

    root: Path
    config: Config
    dataset_name: str

    @staticmethod
    def folder_name(dataset_name: str, config: Config) -> str:
        """`<data>-<full|reduced>-<preset>-seed<k>`, and the lung if only one."""
        parts = [dataset_name, "reduced" if config.reduced else "full", config.preset]
        lungs = [] if config.lungs == "both" else [config.lungs]
        return "-".join([*parts, f"seed{config.seed}", *lungs])

    @classmethod
    def open(
        cls, out: Path, config: Config, *, dataset_name: str, dataset_hash: str
    ) -> "Run":
        """Create the run folder, or go on in it.

        Raises:
            InputError: The folder belongs to another configuration or other data.
        """
        root = out / cls.folder_name(dataset_name, config)
        record = {
            "dataset": {"name": dataset_name, "hash": dataset_hash},
            "config": dataclasses.asdict(config),
        }
        path = root / "config.json"
        try:
            if path.exists():
                found = list(differences(record, read_json(path)))
                if found:
                    raise InputError(
                        f"{root}: holds a run with other settings "
                        f"({'; '.join(found)}): name another --out or --seed"
                    )
            else:
                write_json(path, record)
        except OSError as fault:
            raise InputError(
                f"{root}: cannot be written ({fault.strerror}): name another --out"
            ) from fault
        return cls(root=root, config=config, dataset_name=dataset_name)

    @property
    def splits_path(self) -> Path:
        """The split of the cases into folds."""
        return self.root / "splits.json"

    def fold(self, number: int) -> Path:
        """Folder of one fold."""
        return self.root / f"fold-{number}"

    def gan(self, number: int) -> Path:
        """Folder of a fold's GAN: checkpoints, samples, tensorboard, generator."""
        return self.fold(number) / "gan"

    def synthetic(self, number: int) -> Path:
        """Folder of a fold's synthetic set."""
        return self.fold(number) / "synthetic"

    def unet(self, number: int, n_real: int, n_synthetic: int) -> Path:
        """Folder of one U-Net of a fold."""
        return self.fold(number) / f"unet-r{n_real}-s{n_synthetic}"

    @property
    def timings_path(self) -> Path:
        """The wall time of each stage and its parts, in seconds."""
        return self.root / "timings.json"

    def add_seconds(self, seconds: Mapping[str, float]) -> None:
        """Add to the wall times of stages and their parts in `timings.json`.

        A stage that was interrupted collects the time of all its attempts.
        """
        timings = read_json(self.timings_path) if self.timings_path.exists() else {}
        for name, spent in seconds.items():
            timings[name] = round(timings.get(name, 0.0) + spent, 2)
        write_json(self.timings_path, timings)

    def add_machine(
        self, stage: str, machine: Mapping[str, Any], *, precision: str, done: int
    ) -> list[dict[str, Any]]:
        """Note in `machine.json` what a stage is worked on with, from here on.

        A record and no identity: a run may go on anywhere. The entries of a stage
        tell of each attempt whose work is still in the result.

        Args:
            stage: Its name, as in `timings.json`.
            machine: The machine, plain for JSON; named once for all stages.
            precision: Number format of the convolutions.
            done: Steps or epochs that earlier attempts of this stage have left.

        Returns:
            The entries of those earlier attempts, oldest first.
        """
        path = self.root / "machine.json"
        record = read_json(path) if path.exists() else {"machines": [], "stages": {}}
        machines, stages = record["machines"], record["stages"]
        if machine not in machines:
            machines.append(dict(machine))
        entry = {
            "after": done,
            "precision": precision,
            "machine": machines.index(machine),
        }
        # What was done beyond the checkpoint is lost, and done anew here.
        earlier = [old for old in stages.get(stage, []) if old["after"] < done]
        same = earlier and {**entry, "after": earlier[-1]["after"]} == earlier[-1]
        stages[stage] = earlier if same else [*earlier, entry]
        write_json(path, record)
        return earlier
