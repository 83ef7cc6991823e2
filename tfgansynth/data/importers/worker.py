"""Decodes images in a process of its own, which may crash or hang alone.

Image decoders are large native libraries, and files exist that are made to break
them. The process gets bytes and no file name. Its processor time and its memory are
limited, and the messages of its libraries are discarded.

Why a process ended decides who is to blame:

- Its processor time is used up (SIGPROF): the image takes too long to decode.
- It crashed (SIGSEGV, SIGABRT, ...): the image is damaged, if it crashes a second
  process too.
- Memory is short on this machine, so that it could not decode any image: the machine
  is at fault.
- Anything else (killed by the system, a library that is missing, no answer in time):
  the machine is at fault, if a second process fails too. The image may be sound.
"""

import atexit
import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from tfgansynth.data.importers import decoding
from tfgansynth.data.importers.decoding import Refusal, Remark
from tfgansynth.errors import one_line
from tfgansynth.runtime.processes.isolation import CRASHES, why_it_ended

ANSWER_SECONDS = 60.0
"""Wall-clock time for one file. Only a machine that is overloaded, out of memory or
suspended needs more: processor time is limited to `decoding.MAX_SECONDS`."""

_EXIT_SECONDS = 5.0
"""Time from the end of the output to the end of the process."""


class DecoderFailure(Exception):
    """The decoder process failed for a reason other than the image.

    The message is one line that says why and what to do.
    """


class _Process:
    """A decoder process that is ready for files."""

    def __init__(self, program: ModuleType) -> None:
        self.program = program
        self.timed_out = False
        self.popen = subprocess.Popen(
            # -P: a file in the current folder must not be imported as a library.
            [sys.executable, "-P", str(program.__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.popen.stdin
        assert self.popen.stdout
        self.requests, self.answers = self.popen.stdin, self.popen.stdout
        try:
            with self.time_limit():
                ready = self.answers.read(len(decoding.READY))
            if ready != decoding.READY:
                exit_code = self.exit_code()
                why = f"it did not start: {self._last_message() or self.why(exit_code)}"
                raise _Ended(exit_code, why, while_decoding=False)
        except BaseException:
            self.end()
            raise

    @contextlib.contextmanager
    def time_limit(self) -> Iterator[None]:
        """End the process if the block takes longer than `ANSWER_SECONDS`."""
        timer = threading.Timer(ANSWER_SECONDS, self._time_out)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _time_out(self) -> None:
        self.timed_out = True
        self.popen.kill()

    def _last_message(self) -> str:
        """Return the last line that the process wrote before it was ready."""
        assert self.popen.stderr
        messages = self.popen.stderr.read().decode(errors="replace")
        return one_line((messages.strip().splitlines() or [""])[-1])

    def why(self, exit_code: int) -> str:
        """Say why the process ended."""
        if self.timed_out:
            return f"no answer within {ANSWER_SECONDS:g} s"
        return why_it_ended(exit_code)

    def end(self) -> int:
        """End the process if it still runs; return its exit code."""
        # Closing a pipe to a dead process fails if data is left to write.
        with contextlib.suppress(BrokenPipeError), self.popen:
            self.popen.kill()
        return self.popen.wait()

    def exit_code(self) -> int:
        """Return the exit code of a process that has closed its output."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.popen.wait(_EXIT_SECONDS)
        self.popen.kill()
        return self.popen.wait()


_processes: dict[ModuleType, _Process] = {}
"""By program. Each serves file after file: starting it takes longer than decoding
most of them, and a data set may need both in turn."""


def decode(
    content: bytes, program: ModuleType = decoding
) -> tuple[NDArray[np.uint8 | np.uint16], Remark]:
    """Decode the bytes of an image file to grey; see `decoding.decode`.

    A process that ends before its answer is replaced once, unless the image used up
    the processor time.

    Returns:
        uint8 or uint16 (H, W), and what these no longer show.

    Raises:
        Refusal: The content is not a usable image, crashes the decoder, or takes too
            much processor time or memory.
        DecoderFailure: The decoder fails for another reason.
        OSError: The process cannot be started.
    """
    try:
        dtype, remark, height, width, body = _exchange(content, program)
    except _Ended:
        try:
            dtype, remark, height, width, body = _exchange(content, program)
        except _Ended as again:
            raise _verdict(again) from None
    if dtype == decoding.REFUSED:
        raise Refusal(body.decode())
    if dtype == decoding.FAILED:
        raise DecoderFailure(
            f"the image decoder does not work: {one_line(body.decode())}"
        )
    pixels = np.frombuffer(body, dtype.decode()).reshape(height, width)
    return pixels, Remark(remark)


class _Ended(Exception):
    """The process ended before it was ready, or before it answered."""

    def __init__(self, exit_code: int, why: str, *, while_decoding: bool) -> None:
        super().__init__(why)
        self.exit_code = exit_code
        self.while_decoding = while_decoding


def _exchange(content: bytes, program: ModuleType) -> decoding.Packed:
    """Send a file's content; return what the answer's header and body say."""
    process = _running(program)
    try:
        with process.time_limit():
            process.requests.write(decoding.LENGTH.pack(len(content)))
            process.requests.write(content)
            process.requests.flush()
            head = _read_exactly(process.answers, decoding.HEADER.size)
            *fields, n_bytes = decoding.HEADER.unpack(head)
            dtype, remark, height, width = fields
            body = _read_exactly(process.answers, n_bytes)
            return dtype, remark, height, width, body
    except (EOFError, BrokenPipeError):
        exit_code = process.exit_code()
        _end(program)
        if exit_code == -signal.SIGPROF:
            raise Refusal(
                f"takes longer than {decoding.MAX_SECONDS} s to decode; export it again"
            ) from None
        raise _Ended(exit_code, process.why(exit_code), while_decoding=True) from None
    except BaseException:
        # An interrupted process would answer the next file with this one.
        _end(program)
        raise


def _verdict(ended: _Ended) -> Exception:
    """Blame the image for a crash, and the machine for any other end."""
    if ended.while_decoding and -ended.exit_code in CRASHES:
        name = signal.Signals(-ended.exit_code).name
        return Refusal(
            f"is damaged: it crashes the image decoder ({name}); copy or export it "
            "again"
        )
    # A positive exit code comes from an exception of Python: a failed import, or no
    # memory for the content of a file.
    advice = (
        "check the installation of Pillow"
        if ended.exit_code > 0 and not ended.while_decoding
        else "close other programs and run the command again"
    )
    return DecoderFailure(f"the image decoder failed twice ({ended}); {advice}")


def _read_exactly(source: IO[bytes], n_bytes: int) -> bytes:
    content = source.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError
    return content


def _running(program: ModuleType) -> _Process:
    if program in _processes and _processes[program].popen.poll() is not None:
        _end(program)
    if program not in _processes:
        _processes[program] = _Process(program)
    return _processes[program]


def _end(program: ModuleType) -> None:
    """End the process of a program if there is one."""
    if (process := _processes.pop(program, None)) is not None:
        process.end()


@atexit.register
def end_all() -> None:
    """End all processes."""
    for program in [*_processes]:
        _end(program)
