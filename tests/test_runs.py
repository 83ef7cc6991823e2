import dataclasses
import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tfgansynth import runs
from tfgansynth.config import PRESETS, Config
from tfgansynth.errors import InputError
from tfgansynth.runs import Run

SMOKE = PRESETS["smoke"]


class Crash(RuntimeError):
    """Stands for whatever ends a program in the middle of a write."""


def crash(*_: Any, **__: Any) -> None:
    raise Crash


class Bomb:
    """What a harmful file would hold: unpickling it runs a command."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def test_written_files_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "a.json"
    runs.write_json(path, {"a": [1, 2], "b": None})
    assert runs.read_json(path) == {"a": [1, 2], "b": None}
    runs.write_text(path, "µ\n")
    assert path.read_bytes() == "µ\n".encode()
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_png_keeps_grey_and_color_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for shape in ((5, 7), (5, 7, 3)):
        pixels = rng.integers(0, 256, shape, np.uint8)
        runs.write_png(tmp_path / "a.png", pixels)
        with Image.open(tmp_path / "a.png") as image:
            assert image.format == "PNG"
            np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    text, arrays = tmp_path / "a.txt", tmp_path / "a.npz"
    runs.write_text(text, "old")
    runs.write_arrays(arrays, {"a": np.arange(3)})
    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, crash)
        with pytest.raises(Crash):
            runs.write_text(text, "new and longer")
        with pytest.raises(Crash):
            runs.write_arrays(arrays, {"a": np.arange(9)})
    assert text.read_text() == "old"
    assert runs.read_arrays(arrays)["a"].tolist() == [0, 1, 2]
    runs.write_text(text, "new")
    assert text.read_text() == "new"


def test_arrays_keep_names_values_and_types(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "unet/000": np.random.default_rng(0).random((2, 3), np.float32),
        "step": np.array(7),
        "empty": np.zeros((0, 2), np.float64),
    }
    runs.write_arrays(tmp_path / "a.npz", arrays)
    found = runs.read_arrays(tmp_path / "a.npz")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_arrays_are_never_unpickled(tmp_path: Path) -> None:
    path, trace = tmp_path / "a.npz", tmp_path / "trace"
    np.savez(path, a=np.array([Bomb(trace)], dtype=object))
    with pytest.raises(InputError, match=r"a\.npz: cannot be read"):
        runs.read_arrays(path)
    assert not trace.exists()
    # The file does what it is made to do where pickles are allowed.
    with np.load(path, allow_pickle=True) as content:
        content["a"]
    assert trace.exists()


def torn(path: Path) -> None:
    np.savez(path, a=np.arange(1000))
    path.write_bytes(path.read_bytes()[:2000])


def bit_flipped(path: Path) -> None:
    np.savez(path, a=np.arange(1000))
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def plain_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.arange(3))


def no_arrays(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.npy", b"no array")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no archive at all"),
        lambda path: path.mkdir(),
        torn,
        bit_flipped,
        plain_array,
        no_arrays,
    ],
    ids=["missing", "empty", "text", "folder", "torn", "flipped", "npy", "no arrays"],
)
def test_files_that_hold_no_arrays_are_refused_by_name(
    tmp_path: Path, make: Any
) -> None:
    path = tmp_path / "step-000001.npz"
    make(path)
    with pytest.raises(InputError, match=r"step-000001\.npz: cannot be read"):
        runs.read_arrays(path)


@pytest.mark.parametrize("text", [None, "", "{", "[1, 2]", "3", "\xff"])
def test_files_that_hold_no_json_object_are_refused_by_name(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "splits.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"splits\.json: (cannot be read|expected)"):
        runs.read_json(path)


def test_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "run" / "set"
    with runs.whole_folder(path) as partial:
        (partial / "images").mkdir()
        (partial / "images" / "a.txt").write_text("a")
        assert not path.exists()
    assert (path / "images" / "a.txt").read_text() == "a"
    assert list(path.parent.iterdir()) == [path]


def test_crash_leaves_no_half_folder_and_the_next_try_starts_clean(
    tmp_path: Path,
) -> None:
    path = tmp_path / "set"

    def fill(partial: Path) -> None:
        (partial / "half.txt").write_text("half")
        raise Crash

    with pytest.raises(Crash), runs.whole_folder(path) as partial:
        fill(partial)
    assert not path.exists()
    with runs.whole_folder(path) as partial:
        assert list(partial.iterdir()) == []
        (partial / "whole.txt").write_text("whole")
    assert [file.name for file in path.iterdir()] == ["whole.txt"]


def test_crash_leaves_the_folder_from_before(tmp_path: Path) -> None:
    path = tmp_path / "set"
    with runs.whole_folder(path) as partial:
        (partial / "old.txt").write_text("old")
    with pytest.raises(Crash), runs.whole_folder(path):
        crash()
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    with runs.whole_folder(path) as partial:
        (partial / "new.txt").write_text("new")
    assert [file.name for file in path.iterdir()] == ["new.txt"]


def test_hashes_are_sha_256_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert runs.hash_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    a, b = np.arange(4, dtype=np.float32), np.ones((2, 2), np.float32)
    expected = hashlib.sha256(a.tobytes() + b.tobytes()).hexdigest()
    assert runs.hash_arrays([a, b]) == expected
    assert runs.hash_arrays([b, a]) != expected
    # By content, not by its layout in memory.
    table = np.arange(6).reshape(2, 3)
    assert runs.hash_arrays([np.asfortranarray(table)]) == runs.hash_arrays([table])


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "phantoms-full-smoke-seed0"),
        ({"reduced": True}, "phantoms-reduced-smoke-seed0"),
        ({"seed": 12}, "phantoms-full-smoke-seed12"),
        ({"lungs": "left"}, "phantoms-full-smoke-seed0-left"),
        (
            {"lungs": "right", "reduced": True, "preset": "paper"},
            "phantoms-reduced-paper-seed0-right",
        ),
    ],
)
def test_folder_is_named_after_data_set_and_run(
    changes: dict[str, Any], name: str
) -> None:
    config = dataclasses.replace(SMOKE, **changes)
    assert Run.folder_name("phantoms", config) == name


def open_run(out: Path, config: Config = SMOKE, dataset_hash: str = "abc") -> Run:
    return Run.open(out, config, dataset_name="phantoms", dataset_hash=dataset_hash)


def test_run_is_created_and_opened_again(tmp_path: Path) -> None:
    run = open_run(tmp_path / "out")
    assert run.root == tmp_path / "out" / "phantoms-full-smoke-seed0"
    record = json.loads((run.root / "config.json").read_text())
    assert record["dataset"] == {"name": "phantoms", "hash": "abc"}
    assert record["config"]["gan"]["z_dim"] == SMOKE.gan.z_dim
    assert record["config"]["gan"]["generator_maps"] == list(SMOKE.gan.generator_maps)
    assert open_run(tmp_path / "out") == run


def test_run_with_other_settings_is_refused_and_they_are_named(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    before = (run.root / "config.json").read_bytes()
    other = dataclasses.replace(
        SMOKE,
        gan=dataclasses.replace(SMOKE.gan, steps=777, generator_maps=(8, 8)),
        unet=dataclasses.replace(SMOKE.unet, keep="last"),
    )
    with pytest.raises(InputError) as refusal:
        open_run(tmp_path, other)
    message = str(refusal.value)
    assert f"{run.root}: holds a run with other settings" in message
    assert f"config.gan.steps: 777 against {SMOKE.gan.steps}" in message
    assert "config.gan.generator_maps: [8, 8] against [64" in message
    assert "config.unet.keep: last against best" in message
    assert message.count(" against ") == 3
    assert "\n" not in message
    assert (run.root / "config.json").read_bytes() == before


def test_run_on_other_data_is_refused(tmp_path: Path) -> None:
    open_run(tmp_path)
    with pytest.raises(InputError, match=r"dataset\.hash: def against abc"):
        open_run(tmp_path, dataset_hash="def")


def test_run_of_a_version_with_other_fields_is_refused(tmp_path: Path) -> None:
    path = open_run(tmp_path).root / "config.json"
    record = json.loads(path.read_text())
    del record["config"]["unet"]["keep"]
    record["config"]["unet"]["dropout"] = 0.5
    path.write_text(json.dumps(record))
    with pytest.raises(InputError) as refusal:
        open_run(tmp_path)
    assert "config.unet.keep: best against None" in str(refusal.value)
    assert "config.unet.dropout: None against 0.5" in str(refusal.value)


def test_damaged_record_of_a_run_is_refused_by_name(tmp_path: Path) -> None:
    (open_run(tmp_path).root / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        open_run(tmp_path)


def test_out_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match=r"cannot be written.*another --out"):
        open_run(tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"Permission denied.*another --out"):
        open_run(tmp_path)


def test_refused_write_is_told_by_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a read-only folder, but for root too.
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match=r"written \(Permission denied\)"):
        open_run(tmp_path)


def test_paths_of_a_run(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    fold = run.root / "fold-2"
    assert run.splits_path == run.root / "splits.json"
    assert run.gan(2) == fold / "gan"
    assert run.synthetic(2) == fold / "synthetic"
    assert run.unet(2, 30, 120) == fold / "unet-r30-s120"


def test_seconds_of_all_attempts_at_a_stage_add_up(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    run.add_seconds({"fold-1/gan": 1.25, "fold-1/gan/steps": 1.0})
    run.add_seconds({"fold-1/unet": 3})
    run.add_seconds({"fold-1/gan": 2.5, "fold-1/gan/input": 0.004})
    assert runs.read_json(run.timings_path) == pytest.approx(
        {
            "fold-1/gan": 3.75,
            "fold-1/gan/steps": 1.0,
            "fold-1/unet": 3.0,
            "fold-1/gan/input": 0.0,
        }
    )
