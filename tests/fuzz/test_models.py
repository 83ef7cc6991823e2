"""Readers of models take any file without a crash, a hang or a traceback."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

from tests.fuzz.hostile import (
    Check,
    damage,
    damaged_json,
    distort,
    outcome,
    run,
    sealed,
)
from tests.fuzz.zygote import Zygote, zygote
from tests.gan.small import export, frozen_generator, noise
from tfgansynth.gan.exchange import exported
from tfgansynth.gan.exchange.export import WEIGHTS
from tfgansynth.gan.exchange.exported import open_exported
from tfgansynth.runtime.processes import isolation
from tfgansynth.runtime.weights import read_weights, write_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gan")
    export(frozen_generator(), path)
    return path


# Files of weights


def weights_check(folder: Path) -> Check:
    path = folder / WEIGHTS
    whole = path.read_bytes()
    arrays, metadata = read_weights(path)
    length = int.from_bytes(whole[:8], "little")
    header, body = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    record = json.loads(header["__metadata__"]["tfgansynth"])

    def put_together(text: bytes, rng: random.Random) -> bytes:
        lengths = (len(text),) * 8 + (0, 1 << 24, 1 << 40, (1 << 64) - 1)
        return rng.choice(lengths).to_bytes(8, "little") + text + body

    def with_record(text: bytes, rng: random.Random) -> bytes:
        metadata = {"tfgansynth": text.decode("utf-8", "replace")}
        changed = json.dumps({**header, "__metadata__": metadata})
        return put_together(changed.encode(), rng)

    def corrupt(rng: random.Random) -> None:
        match rng.randrange(8):
            case 0:
                path.write_bytes(damage(rng, whole))
            case 1:
                path.write_bytes(damage(rng, whole[: 8 + length]) + body)
            case 2:
                # What safetensors itself reads: names, shapes, kinds and offsets.
                path.write_bytes(put_together(damaged_json(rng, header), rng))
            case 3:
                path.write_bytes(with_record(damaged_json(rng, record), rng))
            case 4:
                inner = {name: record[name] for name in ("metadata", "tensors")}
                path.write_bytes(with_record(sealed(distort(rng, inner)).encode(), rng))
            case 5 | 6:
                # From here on the file is whole, its content is something else.
                name = rng.choice(("config", "config", "provenance"))
                text = damaged_json(rng, json.loads(metadata[name]))
                changed = {**metadata, name: text.decode("utf-8", "replace")}
                write_weights(path, arrays, changed)
            case 7:
                write_weights(path, distorted(rng, arrays), metadata)

    def read() -> None:
        found = open_exported(folder)
        found.sample(noise(1)[:, : found.z_dim])

    def check(seed: int) -> str:
        corrupt(random.Random(seed))
        try:
            return outcome(seed, read)
        finally:
            path.write_bytes(whole)

    return check


def distorted(rng: random.Random, arrays: dict[str, Any]) -> dict[str, Any]:
    """Weights with one array or one name changed."""
    changed = dict(arrays)
    name, other = rng.choice(list(arrays)), rng.choice(list(arrays))
    array = changed.pop(name)
    match rng.randrange(5):
        case 0:
            changed[name] = arrays[other]
        case 1:
            changed[name] = array.astype(rng.choice(("f2", "f8", "i4", "?", "u1")))
        case 2:
            with np.errstate(invalid="ignore"):
                changed[name] = array * rng.choice((np.nan, np.inf, 0.0, 2.0))
        case 3:
            changed[rng.choice(("", "a/b", "..", "ß", "\n", "x" * 5000))] = array
        case 4:
            changed[name] = array.reshape(rng.choice(((-1,), (1, -1), (-1, 1))))
    return changed


def test_weights(folder: Path, fuzz_inputs: int) -> None:
    run(weights_check(folder / "generator"), range(fuzz_inputs))


# SavedModels with their record


def sealed_check(folder: Path) -> Check:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    whole = {path: path.read_bytes() for path in files}
    record = json.loads(whole[folder / "provenance.json"])

    def corrupt(rng: random.Random) -> None:
        path = rng.choice(files)
        # A model without its record is another matter.
        other = rng.choice([file for file in files if file.name != "provenance.json"])
        match rng.randrange(6):
            case 0 | 1:
                while path.read_bytes() == whole[path]:
                    path.write_bytes(damage(rng, whole[path]))
            case 2:
                other.unlink()
            case 3:
                name = rng.choice(("extra", "assets/x", "variables/\n", "\udcff"))
                (folder / name).write_bytes(b"")
            case 4:
                other.unlink()
                make = rng.choice((os.mkdir, os.mkfifo, lambda p: p.symlink_to(path)))
                make(other)
            case 5:
                damaged = damaged_json(rng, record)
                files_changed = {**record, "files": distort(rng, record["files"])}
                changed = sealed(files_changed).encode()
                (folder / "provenance.json").write_bytes(rng.choice((damaged, changed)))

    def check(seed: int) -> str:
        corrupt(random.Random(seed))
        try:
            return outcome(seed, lambda: open_exported(folder))
        finally:
            shutil.rmtree(folder)
            for path, content in whole.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            (folder / "assets").mkdir()

    return check


def test_sealed_saved_models(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fuzz_inputs: int
) -> None:
    # Whatever is not what was exported is refused before TensorFlow sees it.
    monkeypatch.setattr(isolation, "run_isolated", None)
    check = sealed_check(folder / "saved_model")
    found = run(check, range(fuzz_inputs), some_are_read=False)

    assert set(found) <= {"read", "refused"}
    assert found["read"] < fuzz_inputs / 20  # JSON that says the same otherwise


# SavedModels of unknown provenance


@pytest.fixture(scope="module")
def probe() -> Iterator[Zygote]:
    with zygote("tfgansynth.gan.exchange.exported", "tensorflow") as server:
        yield server


def foreign_check(original: Path, folder: Path, probe: Zygote) -> Check:
    shutil.copytree(original, folder)
    (folder / "provenance.json").unlink()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    whole = {path: path.read_bytes() for path in files}
    graph = folder / "saved_model.pb"

    def read() -> None:
        probe_twice(folder)

    def probe_twice(path: Path) -> None:
        """Do as `open_exported` does, twice in place of loading it here."""
        exported._hash_plain(path)
        exported._probe_isolated(path)
        first = len(probe.ends)
        exported._probe_isolated(path)
        assert probe.ends[first:] == [""], "what the probe let pass breaks here"

    def check(seed: int) -> str:
        rng = random.Random(seed)
        path = rng.choice((*files, graph, graph))
        if path == graph and rng.random() < 0.7:
            path.write_bytes(damaged_graph(rng, whole[path]))
        else:
            path.write_bytes(damage(rng, whole[path]))
        try:
            return outcome(seed, read)
        finally:
            path.write_bytes(whole[path])

    return check


def damaged_graph(rng: random.Random, content: bytes) -> bytes:
    """A well-formed program that does something else."""
    model = saved_model_pb2.SavedModel.FromString(content)
    graph = model.meta_graphs[0]
    functions = graph.graph_def.library.function
    nodes = [*graph.graph_def.node, *(n for f in functions for n in f.node_def)]
    for _ in range(rng.choice((1, 1, 2, 5))):
        node, other = rng.choice(nodes), rng.choice(nodes)
        match rng.randrange(7):
            case 0:
                node.op = rng.choice((other.op, "PyFunc", "ReadFile", "Abort", "Nix"))
            case 1:
                node.attr[rng.choice(("shape", "dtype", "value", "T"))].i = 2**62
            case 2 if node.input:
                node.input[0] = rng.choice((other.name, node.name, "^x", ""))
            case 3 if node.attr:
                key = rng.choice(sorted(node.attr))
                node.attr[key].CopyFrom(
                    rng.choice(list(other.attr.values()) or [node.attr[key]])
                )
            case 4 if "value" in node.attr:
                tensor = node.attr["value"].tensor
                for dim in tensor.tensor_shape.dim:
                    dim.size = rng.choice((-1, 0, 2**40, 2**62))
                tensor.tensor_content = rng.randbytes(8)
            case 5:
                node.ClearField(rng.choice(("input", "attr", "name", "op")))
            case 6:
                objects = graph.object_graph_def.nodes
                entry = rng.choice(objects)
                for child in entry.children:
                    child.node_id = rng.choice((0, len(objects), 2**30, -1))
    return bytes(model.SerializeToString())


@pytest.mark.slow
def test_saved_models_of_unknown_provenance(
    folder: Path,
    tmp_path: Path,
    probe: Zygote,
    monkeypatch: pytest.MonkeyPatch,
    fuzz_seeds: range,
) -> None:
    monkeypatch.setattr(isolation, "run_isolated", probe.run)
    monkeypatch.setattr(exported, "_MOST_SECONDS", 4)
    check = foreign_check(folder / "saved_model", tmp_path / "foreign", probe)

    # Each takes two processes: a third as many as for other readers.
    run(check, fuzz_seeds[::3])


def test_a_zygote_does_what_stands_in_the_product(
    probe: Zygote, folder: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.mkdir()
    (text / "saved_model.pb").write_text("text")
    for path in (text, tmp_path / "nothing"):
        ends = []
        for way in (probe.run, isolation.run_isolated):
            with pytest.raises(isolation.Failure) as failure:
                way("tfgansynth.gan.exchange.exported", str(path), seconds=60)
            ends.append(str(failure.value))
        assert ends == ["ended with exit code 3"] * 2
    probe.run("", str(folder / "saved_model"), seconds=60)
