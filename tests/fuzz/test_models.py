"""Readers of models take any file and neither break nor bring their process down."""

import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

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
from tests.gan.small import CARD, PROVENANCE, SEED, make_generator, noise
from tfgansynth.gan import exported
from tfgansynth.gan.export import export_generator, freeze_moments
from tfgansynth.gan.exported import open_exported
from tfgansynth.runtime import isolation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = make_generator()
    freeze_moments(generator, seed=SEED)
    path = tmp_path_factory.mktemp("gan")
    export_generator(generator, PROVENANCE, CARD, path)
    return path


# .keras files


@pytest.fixture(scope="module")
def h5_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    folder = tmp_path_factory.mktemp("h5")
    with zygote("tfgansynth.runtime.h5_reader", "h5py", folder) as server:
        yield server


def keras_check(path: Path) -> Check:
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    metadata = json.loads(parts["metadata.json"])
    inner = {name: member for name, member in metadata.items() if name != "sha256"}
    weights = parts["model.weights.h5"]

    def spoil(rng: random.Random) -> bytes:
        members = dict(parts)
        match rng.randrange(8):
            case 0:
                return damage(rng, whole)
            case 1:
                members["metadata.json"] = damaged_json(rng, metadata)
            case 2:
                members["metadata.json"] = sealed(distort(rng, inner)).encode()
            case 3 | 4:
                members["metadata.json"] = b"{}"
                members["config.json"] = damaged_json(rng, config)
            case _:
                members["metadata.json"] = b"{}"
                members["model.weights.h5"] = damage_h5(rng, weights)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return buffer.getvalue()

    def read() -> None:
        found = open_exported(path)
        found.sample(noise(1)[:, : found.z_dim])

    def check(seed: int) -> str:
        path.write_bytes(spoil(random.Random(seed)))
        try:
            return outcome(seed, read)
        finally:
            path.write_bytes(whole)

    return check


def damage_h5(rng: random.Random, content: bytes) -> bytes:
    """Damage what leads to the numbers rather than the numbers, which are most."""
    if rng.random() < 0.2:
        return damage(rng, content)
    data = bytearray(content)
    marks = (b"TREE", b"SNOD", b"HEAP", b"\x89HDF", b"\1\0\1\0", b"\x11\0\x10\0")
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = data.find(rng.choice(marks), rng.randrange(len(data)))
        start = max(0, place) + rng.randrange(64)
        length = rng.choice((1, 1, 2, 8))
        number = rng.choice((rng.randbytes(length), b"\xff" * length, b"\0" * length))
        data[start : start + length] = number
    return bytes(data)


def test_keras_files(
    folder: Path,
    h5_reader: Zygote,
    monkeypatch: pytest.MonkeyPatch,
    fuzz_inputs: int,
) -> None:
    monkeypatch.setattr(isolation, "run_isolated", h5_reader.run)
    monkeypatch.setattr(exported, "_MOST_SECONDS", 5)

    run(keras_check(folder / "generator.keras"), range(fuzz_inputs))


# SavedModels with their record


def sealed_check(folder: Path) -> Check:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    whole = {path: path.read_bytes() for path in files}
    record = json.loads(whole[folder / "provenance.json"])

    def spoil(rng: random.Random) -> None:
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
                spoilt = damaged_json(rng, record)
                files_changed = {**record, "files": distort(rng, record["files"])}
                changed = sealed(files_changed).encode()
                (folder / "provenance.json").write_bytes(rng.choice((spoilt, changed)))

    def check(seed: int) -> str:
        spoil(random.Random(seed))
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
    check = sealed_check(folder / "generator")
    found = run(check, range(fuzz_inputs), some_are_read=False)

    assert set(found) <= {"read", "refused"}
    assert found["read"] < fuzz_inputs / 20  # JSON that says the same otherwise


# SavedModels of unknown provenance


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    folder = tmp_path_factory.mktemp("trial")
    with zygote("tfgansynth.gan.probe", "tfgansynth.gan.exported", folder) as server:
        yield server


def foreign_check(original: Path, folder: Path, trial: Zygote) -> Check:
    shutil.copytree(original, folder)
    (folder / "provenance.json").unlink()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    whole = {path: path.read_bytes() for path in files}
    graph = folder / "saved_model.pb"

    def read() -> None:
        trial_of(folder)

    def trial_of(path: Path) -> None:
        """Do as `open_exported` does, twice in place of loading it here."""
        exported._hash_plain(path)
        exported._try_isolated(path)
        first = len(trial.ends)
        exported._try_isolated(path)
        assert trial.ends[first:] == [""], "what was tried in vain breaks here"

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
    """A program that is well-formed and does something else than it should."""
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


def test_saved_models_of_unknown_provenance(
    folder: Path,
    tmp_path: Path,
    trial: Zygote,
    monkeypatch: pytest.MonkeyPatch,
    fuzz_seeds: range,
) -> None:
    monkeypatch.setattr(isolation, "run_isolated", trial.run)
    monkeypatch.setattr(exported, "_MOST_SECONDS", 4)
    check = foreign_check(folder / "generator", tmp_path / "foreign", trial)

    run(check, fuzz_seeds)


def test_a_zygote_does_what_stands_in_the_product(
    h5_reader: Zygote, tmp_path: Path
) -> None:
    for content in (b"", b"text", os.urandom(1000)):
        ends = []
        for way in (h5_reader.run, isolation.run_isolated):
            with pytest.raises(isolation.Failure) as failure:
                way("tfgansynth.runtime.h5_reader", seconds=30, content=content)
            ends.append(str(failure.value))
        assert ends[0] == ends[1]
