import errno
import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tfgansynth.errors import InputError
from tfgansynth.runtime import storage


class Crash(RuntimeError):
    """Stands for anything that stops a program in the middle of a write."""


def crash(*_: Any, **__: Any) -> None:
    raise Crash


class Bomb:
    """What a malicious file contains: unpickling it runs a command."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def test_written_files_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "a.json"
    storage.write_json(path, {"a": [1, 2], "b": None})
    assert storage.read_json(path) == {"a": [1, 2], "b": None}
    storage.write_text(path, "µ\n")
    assert path.read_bytes() == "µ\n".encode()
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_png_keeps_grey_and_color_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for shape in ((5, 7), (5, 7, 3)):
        pixels = rng.integers(0, 256, shape, np.uint8)
        storage.write_png(tmp_path / "a.png", pixels)
        with Image.open(tmp_path / "a.png") as image:
            assert image.format == "PNG"
            np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    text, arrays = tmp_path / "a.txt", tmp_path / "a.npz"
    storage.write_text(text, "old")
    storage.write_arrays(arrays, {"a": np.arange(3)})
    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, crash)
        with pytest.raises(Crash):
            storage.write_text(text, "new and longer")
        with pytest.raises(Crash):
            storage.write_arrays(arrays, {"a": np.arange(9)})
    assert text.read_text() == "old"
    assert storage.read_arrays(arrays)["a"].tolist() == [0, 1, 2]
    storage.write_text(text, "new")
    assert text.read_text() == "new"


def test_the_error_of_a_full_disk_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space") as caught, storage.whole_file(path):
        raise full
    assert caught.value.filename == str(path)


def test_an_error_that_names_its_file_keeps_it(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError) as caught,
        storage.named(tmp_path / "outer"),
    ):
        (tmp_path / "inner").read_bytes()
    assert caught.value.filename == str(tmp_path / "inner")


def test_arrays_keep_names_values_and_types(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "unet/000": np.random.default_rng(0).random((2, 3), np.float32),
        "step": np.array(7),
        "empty": np.zeros((0, 2), np.float64),
    }
    storage.write_arrays(tmp_path / "a.npz", arrays)
    found = storage.read_arrays(tmp_path / "a.npz")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_arrays_are_never_unpickled(tmp_path: Path) -> None:
    path, trace = tmp_path / "a.npz", tmp_path / "trace"
    np.savez(path, a=np.array([Bomb(trace)], dtype=object))
    with pytest.raises(InputError, match=r"a\.npz: cannot be read"):
        storage.read_arrays(path)
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
        file.writestr("a.npy", b"not an array")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not an archive"),
        lambda path: path.mkdir(),
        torn,
        bit_flipped,
        plain_array,
        no_arrays,
    ],
    ids=["missing", "empty", "text", "folder", "torn", "flipped", "npy", "no arrays"],
)
def test_files_without_arrays_are_refused_by_name(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "arrays.npz"
    make(path)
    with pytest.raises(InputError, match=r"arrays\.npz: cannot be read"):
        storage.read_arrays(path)


@pytest.mark.parametrize("text", [None, "", "{", "[1, 2]", "3", "\xff"])
def test_files_without_a_json_object_are_refused_by_name(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "splits.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"splits\.json: (cannot be read|expected)"):
        storage.read_json(path)


def test_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "run" / "set"
    with storage.whole_folder(path) as partial:
        (partial / "images").mkdir()
        (partial / "images" / "a.txt").write_text("a")
        assert not path.exists()
    assert (path / "images" / "a.txt").read_text() == "a"
    assert list(path.parent.iterdir()) == [path]


def test_a_crash_leaves_nothing_half_done_and_the_next_try_starts_clean(
    tmp_path: Path,
) -> None:
    path = tmp_path / "set"

    def fill(partial: Path) -> None:
        (partial / "half.txt").write_text("half")
        raise Crash

    with pytest.raises(Crash), storage.whole_folder(path) as partial:
        fill(partial)
    assert not path.exists()
    with storage.whole_folder(path) as partial:
        assert list(partial.iterdir()) == []
        (partial / "whole.txt").write_text("whole")
    assert [file.name for file in path.iterdir()] == ["whole.txt"]


def test_a_crash_leaves_the_old_folder(tmp_path: Path) -> None:
    path = tmp_path / "set"
    with storage.whole_folder(path) as partial:
        (partial / "old.txt").write_text("old")
    with pytest.raises(Crash), storage.whole_folder(path):
        crash()
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    with storage.whole_folder(path) as partial:
        (partial / "new.txt").write_text("new")
    assert [file.name for file in path.iterdir()] == ["new.txt"]


def test_hashes_are_sha_256_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert storage.hash_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    a, b = np.arange(4, dtype=np.float32), np.ones((2, 2), np.float32)
    expected = hashlib.sha256(a.tobytes() + b.tobytes()).hexdigest()
    assert storage.hash_arrays([a, b]) == expected
    assert storage.hash_arrays([b, a]) != expected
    # By content, not by its layout in memory.
    table = np.arange(6).reshape(2, 3)
    assert storage.hash_arrays([np.asfortranarray(table)]) == storage.hash_arrays(
        [table]
    )


def test_record_is_read_back_without_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    content = {"name": "a", "numbers": [1, 2.5], "none": None}
    storage.write_record(path, content)
    assert storage.read_record(path) == content


def test_altered_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    storage.write_record(path, {"fold": 1, "seed": 10})
    path.write_text(path.read_text().replace('"fold": 1', '"fold": 2'))
    with pytest.raises(InputError, match=r"record\.json: was altered"):
        storage.read_record(path)


def test_an_altered_array_is_refused_in_an_intact_archive(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    storage.write_arrays(path, {"a": np.arange(3)})
    with np.load(path) as content:
        changed = {**content, "a": np.arange(1, 4)}
    np.savez(path, **changed)
    with pytest.raises(InputError, match="hash"):
        storage.read_arrays(path)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a": ' + "[" * 32 + "]" * 32 + "}",
        '{"a":' * 40 + "1" + "}" * 40,
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": ' + "9" * 21 + "}",
        '{"a": ' + "9" * 5000 + "}",
        '{"a": 1, "a": 2}',
        '{"a": "\\ud800"}',
        '{"\\udfff": 1}',
        '\ufeff{"a": 1}',
        '{"a": "\x00"}',
    ],
)
def test_json_that_breaks_parsers_or_readers_is_refused(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"a\.json: cannot be read as JSON"):
        storage.read_json(path)


def test_json_as_deep_and_numbers_as_long_as_ours_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    text = '{"a": ' + "[" * 31 + "]" * 31 + ', "b": 18446744073709551615}'
    path.write_text(text)
    assert storage.read_json(path)["b"] == 2**64 - 1


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_special_files_are_refused_at_once(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "a")
    with pytest.raises(InputError, match=r"a: cannot be read as JSON \(it is not a r"):
        storage.read_json(tmp_path / "a")
    with pytest.raises(InputError, match=r"a: cannot be read \(it is not a regular"):
        storage.read_arrays(tmp_path / "a")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    for name in ("a.json", "a.npz"):
        (tmp_path / name).touch(mode=0)
    with pytest.raises(InputError, match=r"a\.json: .* \(Permission denied\)"):
        storage.read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"a\.npz: .* \(Permission denied\)"):
        storage.read_arrays(tmp_path / "a.npz")


def test_the_folder_hash_names_every_file(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "d").write_bytes(b"abc")
    (tmp_path / "a").write_bytes(b"")
    abc, none = hashlib.sha256(b"abc").hexdigest(), hashlib.sha256().hexdigest()
    assert storage.hash_folder(tmp_path) == {"a": none, "b/c/d": abc}


def test_huge_json_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse: takes no room on the disk
    with pytest.raises(InputError, match="more than 16 MiB"):
        storage.read_json(path)


@pytest.mark.parametrize("name", ["a.txt", "a.npz"])
def test_a_link_in_the_place_of_a_partial_file_is_not_followed(
    tmp_path: Path, name: str
) -> None:
    victim, path = tmp_path / "victim", tmp_path / "run" / name
    victim.write_text("precious")
    path.parent.mkdir()
    for link in (path, path.with_name(f"{name}.partial")):
        link.symlink_to(victim)

    if name.endswith("npz"):
        storage.write_arrays(path, {"a": np.arange(3)})
    else:
        storage.write_text(path, "ours")

    assert victim.read_text() == "precious"
    assert [file.name for file in path.parent.iterdir()] == [name]
    assert not path.is_symlink()


def test_a_link_in_the_place_of_a_partial_folder_is_not_followed(
    tmp_path: Path,
) -> None:
    victim, path = tmp_path / "victim", tmp_path / "run" / "set"
    victim.mkdir()
    (victim / "a.txt").write_text("precious")
    path.parent.mkdir()
    for link in (path, path.with_name("set.partial")):
        link.symlink_to(victim)

    with storage.whole_folder(path) as partial:
        (partial / "a.txt").write_text("ours")

    assert (victim / "a.txt").read_text() == "precious"
    assert (path / "a.txt").read_text() == "ours"
    assert [file.name for file in path.parent.iterdir()] == ["set"]


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("/etc/hostname"),
        lambda path: path.symlink_to("/etc"),
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
    ],
)
def test_links_and_pipes_below_a_folder_are_refused(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    run = tmp_path / "disk" / "run"
    (run / "fold-1").mkdir(parents=True)
    # A user may keep the run itself on another disk.
    (tmp_path / "run").symlink_to(run)
    storage.require_own_files(tmp_path / "run")

    make(run / "fold-1" / "x")

    with pytest.raises(InputError, match="run/fold-1/x: is a link or a special file: "):
        storage.require_own_files(tmp_path / "run")
