import os
import struct
import zipfile
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import pytest

from tfgansynth.runtime import archives

MOST = 1 << 20


def opened(path: Path, most: int = MOST) -> dict[str, Any]:
    with archives.open_archive(path, most) as archive:
        return archives.read_arrays(archive)


def npy(header: str, payload: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """A file of an array, whatever its header says."""
    text = header.encode("latin-1")
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + payload


def packed(path: Path, content: bytes, name: str = "a.npy") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path


def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "plain": rng.random((3, 4), np.float32),
        "fortran": np.asfortranarray(rng.random((3, 4))),
        "big endian": np.arange(5, dtype=">i2"),
        "none": np.zeros((0, 2), np.float64),
        "one": np.array(7),
        "text": np.array("µ"),
        "truth": np.array([True, False]),
        "file": np.arange(2),
    }
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)

    found = opened(tmp_path / "a.npz")

    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
        assert found[name].flags.writeable


@pytest.mark.parametrize(
    ("header", "payload", "message"),
    [
        # A gigabyte, a terabyte and more that a few bytes claim to be.
        ("{'descr':'<f4','fortran_order':False,'shape':(1<<28,)}", b"", "."),
        ("{'descr':'<f4','fortran_order':False,'shape':(268435456,)}", b"", "as long"),
        (
            "{'descr':'<f8','fortran_order':False,'shape':(1048576,1048576)}",
            b"1234",
            "as long",
        ),
        ("{'descr':'<f4','fortran_order':False,'shape':(-1,-1)}", b"1234", "negative"),
        ("{'descr':'|O','fortran_order':False,'shape':(1,)}", b"12345678", "objects"),
        (
            "{'descr':[('a','|O')],'fortran_order':False,'shape':(1,)}",
            b"12345678",
            "objects",
        ),
        ("{'descr':'<f4','fortran_order':False,'shape':(1,)}", b"123", "as long"),
        ("{'descr':'<f4','fortran_order':False,'shape':(1,)}", b"12345", "as long"),
        ("{'descr':'<f4'}", b"", "."),
        ("__import__('os').mkdir('trace')", b"", "."),
        ("(" * 500, b"", "."),
    ],
)
def test_headers_that_mislead_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    header: str,
    payload: bytes,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = packed(tmp_path / "a.npz", npy(header, payload))

    with pytest.raises((ValueError, SyntaxError, TokenError), match=message):
        opened(path)

    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_the_sound_header_that_those_differ_from_is_read(tmp_path: Path) -> None:
    header = "{'descr':'<f4','fortran_order':False,'shape':(1,)}"
    found = opened(packed(tmp_path / "a.npz", npy(header, b"\0\0\x80\x3f")))

    assert found["a"].tolist() == [1.0]


def test_other_versions_of_the_format_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", npy("{}", version=b"\7\0"))

    with pytest.raises(ValueError, match="version"):
        opened(path)


def test_a_member_that_is_no_array_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", b"text", "readme.txt")

    with pytest.raises(ValueError, match=r"readme\.txt is no array"):
        opened(path)


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(10 * MOST))
    assert path.stat().st_size < MOST / 10

    with pytest.raises(ValueError, match=r"a\.npy is compressed"):
        opened(path)


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", b"text")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)

    with pytest.raises(ValueError, match="encrypted"):
        opened(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"first")
        archive.writestr("a.npy", b"second")

    with pytest.raises(ValueError, match="two members of one name"):
        opened(path)


def test_long_archives_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse: takes no room on the disk

    with pytest.raises(ValueError, match="more than 1 MiB"):
        opened(path)


@pytest.mark.parametrize("is_64_bit", [False, True])
def test_long_directories_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_64_bit: bool
) -> None:
    path = tmp_path / "a.npz"
    if is_64_bit:
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(20_000):
            archive.writestr(f"{index:05d}.npy", b"")
    assert (b"PK\6\7" in path.read_bytes()) == is_64_bit
    monkeypatch.setattr(zipfile, "ZipFile", None)  # would read the directory

    with pytest.raises(ValueError, match="directory"):
        opened(path, 10 * MOST)


def test_archives_of_64_bit_sizes_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    np.savez(tmp_path / "a.npz", a=np.arange(1000))
    assert b"PK\6\7" in (tmp_path / "a.npz").read_bytes()

    np.testing.assert_array_equal(opened(tmp_path / "a.npz")["a"], np.arange(1000))


@pytest.mark.parametrize("content", [b"", b"PK\5\6", b"no archive", b"PK\5\6" * 9])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)

    with pytest.raises(ValueError, match="no zip archive"):
        opened(tmp_path / "a.npz")


def test_a_pipe_keeps_no_reader_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")

    with pytest.raises(ValueError, match="no regular file"):
        opened(tmp_path / "a.npz")
