import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from safetensors import safe_open

from tfgansynth.errors import InputError
from tfgansynth.runtime import storage, weights

METADATA = {"step": "7", "provenance": '{"fold": 1}', "note": "µ"}
ARRAYS: dict[str, Any] = {
    "w/kernel": np.random.default_rng(0).random((2, 3), np.float32),
    "w/transposed": np.arange(6.0).reshape(2, 3).T,
    "step": np.array(7),
    "empty": np.zeros((0, 2), np.float64),
    "is_set": np.array([True, False]),
    "history/loss": np.array([[1.0, 0.1 + 0.2]]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    weights.write_weights(tmp_path / "a.safetensors", ARRAYS, METADATA)
    return tmp_path / "a.safetensors"


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    """The header and the bytes of the tensors."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def put_together(path: Path, header: Any, body: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_what_was_written_is_read_back(path: Path) -> None:
    arrays, metadata = weights.read_weights(path)

    assert metadata == METADATA
    assert list(arrays) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)
        assert arrays[name].flags.writeable
    assert list(path.parent.iterdir()) == [path]


def test_equal_content_makes_equal_files(path: Path) -> None:
    again = path.with_name("again.safetensors")
    for _ in range(8):
        weights.write_weights(
            again, dict(reversed(ARRAYS.items())), dict(reversed(METADATA.items()))
        )
        assert again.read_bytes() == path.read_bytes()


def test_safetensors_itself_reads_the_file(path: Path) -> None:
    found = safetensors.numpy.load_file(path)

    np.testing.assert_array_equal(found["w/kernel"], ARRAYS["w/kernel"])
    with safe_open(path, framework="np") as file:
        record = json.loads(file.metadata()["tfgansynth"])
    assert record["metadata"] == METADATA


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, fail)
        with pytest.raises(OSError, match="No space"):
            weights.write_weights(path, {"a": np.zeros(3)}, {})

    assert path.read_bytes() == before


def test_metadata_and_some_tensors_are_read_without_the_others(path: Path) -> None:
    header, body = parts(path)
    start, end = header["w/kernel"]["data_offsets"]
    put_together(path, header, body[:start] + bytes(end - start) + body[end:])

    arrays, metadata = weights.read_weights(path, prefix="history/")

    (loss,) = arrays.values()
    assert metadata == METADATA
    np.testing.assert_array_equal(loss, ARRAYS["history/loss"])
    with pytest.raises(InputError, match="w/kernel does not have the hash"):
        weights.read_weights(path)


def test_each_flipped_bit_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    places = {*range(8), len(content) - 1, *rng.integers(8, len(content), 300)}
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        with pytest.raises(InputError, match=r"a\.safetensors: cannot be read"):
            weights.read_weights(path)


def altered(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Change the header's record; its hash becomes right again."""

    def alter(path: Path) -> None:
        header, body = parts(path)
        text = header["__metadata__"]["tfgansynth"]
        record = storage.unseal(json.loads(text))
        assert record is not None
        change(record)
        sealed = json.dumps(storage.seal(record))
        header["__metadata__"]["tfgansynth"] = sealed
        put_together(path, header, body)

    return alter


def text_altered(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"fold", b"FOLD"))


def without_record(path: Path) -> None:
    safetensors.numpy.save_file(ARRAYS, path, {"format": "np"})


def without_metadata(path: Path) -> None:
    safetensors.numpy.save_file(ARRAYS, path)


def bfloat16(path: Path) -> None:
    header, body = parts(path)
    header["w/kernel"].update(dtype="BF16", shape=[2, 6])
    put_together(path, header, body)


def more_than_the_file(path: Path) -> None:
    header, body = parts(path)
    header["w/kernel"]["shape"] = [1 << 40]
    header["w/kernel"]["data_offsets"] = [0, 1 << 42]
    put_together(path, header, body)


def overlapping(path: Path) -> None:
    header, body = parts(path)
    header["history/loss"]["data_offsets"] = header["w/transposed"]["data_offsets"]
    put_together(path, header, body)


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(Path.unlink, id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(b"some text " * 9), id="text"),
        pytest.param(altered(lambda r: r.update(more={})), id="another part"),
        pytest.param(altered(lambda r: r.pop("tensors")), id="no hashes"),
        pytest.param(altered(lambda r: r["tensors"].popitem()), id="hash missing"),
        pytest.param(altered(lambda r: r["tensors"].update(x="")), id="hash too many"),
        pytest.param(altered(lambda r: r["metadata"].update(x=1)), id="no text"),
        pytest.param(altered(lambda r: r.update(metadata=None)), id="none"),
        text_altered,
        without_record,
        without_metadata,
        bfloat16,
        more_than_the_file,
        overlapping,
        torn,
        fifo,
        folder,
    ],
)
def test_other_files_are_refused_by_name(path: Path, make: Any) -> None:
    make(path)

    with pytest.raises(InputError, match=r"a\.safetensors: cannot be read \(") as line:
        weights.read_weights(path)

    assert str(line.value).isprintable()


def test_a_long_file_is_refused_before_it_is_read(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse: takes no room on the disk

    with pytest.raises(InputError, match="it holds more than 8192 MiB"):
        weights.read_weights(path)
    with pytest.raises(InputError, match="it holds more than 1 MiB"):
        weights.read_weights(path, most_bytes=1 << 20)


def test_a_long_header_is_refused_before_it_is_read(path: Path) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 17 << 20))
        file.truncate(18 << 20)

    with pytest.raises(InputError, match="a header of more than 16 MiB"):
        weights.read_weights(path)
