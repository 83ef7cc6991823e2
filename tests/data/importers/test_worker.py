import io
import os
import resource
import signal
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.damage import many_scans
from tfgansynth.data.importers import decoding, worker
from tfgansynth.data.importers.decoding import Refusal

RAMP = np.arange(240, dtype=np.uint8).reshape(12, 20)


def encoded(array: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def pid() -> int:
    assert worker._process is not None
    return worker._process.pid


def test_pixels_arrive_as_they_are() -> None:
    deep = RAMP.astype(np.uint16) * 257

    np.testing.assert_array_equal(worker.decode(encoded(RAMP)), RAMP)
    np.testing.assert_array_equal(worker.decode(encoded(deep)), deep)


def test_one_process_serves_all_files() -> None:
    worker.decode(encoded(RAMP))
    first = pid()

    with pytest.raises(Refusal, match="is not a PNG"):
        worker.decode(b"no image")
    worker.decode(encoded(RAMP))

    assert pid() == first


def test_an_endless_file_is_given_up_and_the_next_one_read() -> None:
    bomb = many_scans()
    worker._end()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime

    with pytest.raises(Refusal, match="takes longer than 3 s to decode"):
        worker.decode(bomb)

    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert spent < decoding.MAX_SECONDS + 1
    np.testing.assert_array_equal(worker.decode(encoded(RAMP)), RAMP)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_memory_is_bounded() -> None:
    worker.decode(encoded(RAMP))

    limits = Path(f"/proc/{pid()}/limits").read_text()

    assert f"Max address space         {decoding.MAX_BYTES} " in limits


def test_a_crash_is_a_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    crash = tmp_path / "crash.py"
    crash.write_text("import os\nos.abort()\n")
    worker._end()
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "__file__", str(crash))
        for content in (b"small", bytes(1 << 20)):
            with pytest.raises(Refusal, match="is damaged"):
                worker.decode(content)

    np.testing.assert_array_equal(worker.decode(encoded(RAMP)), RAMP)


def test_an_end_between_files_is_no_fault_of_the_next() -> None:
    worker.decode(encoded(RAMP))
    os.kill(pid(), signal.SIGKILL)
    assert worker._process is not None
    worker._process.wait()

    np.testing.assert_array_equal(worker.decode(encoded(RAMP)), RAMP)


def test_an_interruption_does_not_mix_up_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    worker.decode(encoded(RAMP))
    with monkeypatch.context() as patch:
        patch.setattr(worker, "_read_exactly", interrupt)
        with pytest.raises(KeyboardInterrupt):
            worker.decode(encoded(RAMP[:5]))

    np.testing.assert_array_equal(worker.decode(encoded(RAMP)), RAMP)


def test_what_libraries_print_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    sound = encoded(RAMP, "TIFF", compression="tiff_lzw")
    (directory,) = struct.unpack_from("<I", sound, 4)
    broken = bytes(sound[:8]) + b"\xff" * (directory - 8) + sound[directory:]

    for decode in (decoding.decode, worker.decode):
        with pytest.raises(Refusal, match="is damaged"):
            decode(broken)
        # Decoded here, libtiff's complaint would appear.
        assert (capfd.readouterr().err == "") == (decode is worker.decode)


def test_nothing_in_the_current_folder_is_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PIL", "struct", "sitecustomize", "contextlib"):
        (tmp_path / f"{name}.py").write_text("open('was here', 'w')\n")
    monkeypatch.chdir(tmp_path)
    worker._end()

    worker.decode(encoded(RAMP))

    assert not (tmp_path / "was here").exists()
