import io
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.damage import many_scans
from tfgansynth.data.importers import decoding, full_decoding, worker
from tfgansynth.data.importers.decoding import Refusal
from tfgansynth.data.importers.images import read_grey
from tfgansynth.data.importers.worker import DecoderFailure
from tfgansynth.errors import RunError

RAMP = np.arange(240, dtype=np.uint8).reshape(12, 20)


def encoded(array: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def pid() -> int:
    return worker._processes[decoding].popen.pid


@pytest.fixture
def decoder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[str], Path]]:
    """Puts a script in the decoder's place; returns the file that counts its starts."""
    starts = tmp_path / "starts"

    def replace(script: str, *, starts_up: bool = True) -> Path:
        file = tmp_path / "decoder.py"
        lines = [
            "import os, pathlib, runpy, signal, sys, time",
            f"starts = pathlib.Path({str(starts)!r})",
            "n = len(starts.read_text()) if starts.exists() else 0",
            "starts.write_text('.' * (n + 1))",
        ]
        if starts_up:
            lines += ["os.write(1, b'ready')", "sys.stdin.buffer.read(8)"]
        file.write_text("\n".join([*lines, script]))
        worker.end_all()
        monkeypatch.setattr(decoding, "__file__", str(file))
        return starts

    yield replace
    worker.end_all()


def test_pixels_arrive_as_they_are() -> None:
    deep = RAMP.astype(np.uint16) * 257

    np.testing.assert_array_equal(worker.decode(encoded(RAMP))[0], RAMP)
    np.testing.assert_array_equal(worker.decode(encoded(deep))[0], deep)


def test_one_process_serves_all_files() -> None:
    worker.decode(encoded(RAMP))
    first = pid()

    with pytest.raises(Refusal, match="is not a PNG"):
        worker.decode(b"no image")
    worker.decode(encoded(RAMP))

    assert pid() == first


def test_each_program_has_a_process_of_its_own() -> None:
    """A data set in color needs both in turn, and starting one takes long."""
    worker.decode(encoded(RAMP))
    worker.decode(encoded(RAMP), full_decoding)
    first = pid()

    worker.decode(encoded(RAMP))

    assert pid() == first
    assert worker._processes[full_decoding].popen.poll() is None


def test_an_endless_file_is_given_up_and_the_next_one_read() -> None:
    bomb = many_scans()
    worker.end_all()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime

    with pytest.raises(Refusal, match="takes longer than 3 s to decode"):
        worker.decode(bomb)

    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert spent < decoding.MAX_SECONDS + 1
    np.testing.assert_array_equal(worker.decode(encoded(RAMP))[0], RAMP)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_memory_is_bounded() -> None:
    worker.decode(encoded(RAMP))

    limits = Path(f"/proc/{pid()}/limits").read_text()

    assert f"Max address space         {decoding.MAX_BYTES} " in limits


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("mebibytes", [50, 100])
def test_a_machine_without_memory_is_no_fault_of_the_file(
    decoder: Callable[..., Path], kind: str, mebibytes: int
) -> None:
    sound = encoded(np.zeros((8000, 8000), np.uint8), kind)
    assert worker.decode(sound)[0].shape == (8000, 8000)
    decoder(
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_DATA, ({mebibytes} << 20,) * 2)\n"
        f"runpy.run_path({decoding.__file__!r}, run_name='__main__')",
        starts_up=False,
    )

    with pytest.raises(DecoderFailure, match="close other programs"):
        worker.decode(sound)


def test_a_stopped_process_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    worker.decode(encoded(RAMP))
    os.kill(pid(), signal.SIGSTOP)
    monkeypatch.setattr(worker, "ANSWER_SECONDS", 1.0)

    np.testing.assert_array_equal(worker.decode(encoded(RAMP))[0], RAMP)


@pytest.mark.parametrize("name", ["SIGABRT", "SIGSEGV", "SIGBUS"])
def test_a_crash_in_two_processes_is_a_fault_of_the_file(
    decoder: Callable[..., Path], name: str
) -> None:
    starts = decoder(f"os.kill(os.getpid(), signal.{name})")

    for content in (b"small", bytes(1 << 20)):
        with pytest.raises(Refusal, match=rf"is damaged: it crashes .* \({name}\)"):
            worker.decode(content)

    assert len(starts.read_text()) == 4


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by the system, most likely"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "ended by SIGTERM"),
        ("sys.exit(3)", "ended with exit code 3"),
    ],
)
def test_another_end_is_no_fault_of_the_file(
    decoder: Callable[..., Path], script: str, why: str
) -> None:
    starts = decoder(script)

    with pytest.raises(DecoderFailure, match=f"the image decoder failed twice .{why}"):
        worker.decode(encoded(RAMP))

    assert len(starts.read_text()) == 2


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_one_end_is_made_good_by_a_second_process(
    decoder: Callable[..., Path], name: str
) -> None:
    starts = decoder(
        "if n == 0:\n"
        "    os.write(1, b'ready')\n"
        "    sys.stdin.buffer.read(8)\n"
        f"    os.kill(os.getpid(), signal.{name})\n"
        f"runpy.run_path({decoding.__file__!r}, run_name='__main__')",
        starts_up=False,
    )

    np.testing.assert_array_equal(worker.decode(encoded(RAMP))[0], RAMP)

    assert len(starts.read_text()) == 2


def test_a_process_that_does_not_answer_is_ended(
    decoder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ANSWER_SECONDS", 0.5)
    decoder("time.sleep(60)")
    start = time.monotonic()

    with pytest.raises(DecoderFailure, match=r"no answer within 0\.5 s"):
        worker.decode(encoded(RAMP))

    assert time.monotonic() - start < 10


def test_a_library_that_is_missing_is_named(decoder: Callable[..., Path]) -> None:
    starts = decoder("import no_such_library", starts_up=False)

    with pytest.raises(DecoderFailure, match=r"start: .*'no_such_library'\); check"):
        worker.decode(encoded(RAMP))

    assert len(starts.read_text()) == 2


def test_a_crash_at_start_up_is_no_fault_of_the_file(
    decoder: Callable[..., Path],
) -> None:
    decoder("os.abort()", starts_up=False)

    with pytest.raises(DecoderFailure, match=r"not start: ended by SIGABRT\); close"):
        worker.decode(encoded(RAMP))


def test_a_part_of_pillow_that_is_missing_is_named(
    decoder: Callable[..., Path],
) -> None:
    real = str(Path(decoding.__file__).parent)
    decoder(
        f"sys.path.insert(0, {real!r})\n"
        "import decoding\n"
        "def missing(*_, **__): raise ImportError('no _imaging')\n"
        "decoding.Image.open = missing\n"
        "decoding.serve(sys.stdin.buffer, sys.stdout.buffer)",
        starts_up=False,
    )

    with pytest.raises(DecoderFailure, match="does not work: no _imaging; check"):
        worker.decode(encoded(RAMP))


def test_a_failure_of_the_machine_names_the_file_and_is_no_input_error(
    decoder: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(RAMP))
    decoder("os.kill(os.getpid(), signal.SIGKILL)")

    with pytest.raises(RunError, match=r"a\.png: the image decoder failed twice"):
        read_grey(path)


def test_an_end_between_files_is_no_fault_of_the_next() -> None:
    worker.decode(encoded(RAMP))
    os.kill(pid(), signal.SIGKILL)
    worker._processes[decoding].popen.wait()

    np.testing.assert_array_equal(worker.decode(encoded(RAMP))[0], RAMP)


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

    np.testing.assert_array_equal(worker.decode(encoded(RAMP))[0], RAMP)


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
    worker.end_all()

    worker.decode(encoded(RAMP))

    assert not (tmp_path / "was here").exists()
