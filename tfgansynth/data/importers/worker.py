"""Decode images in a process of its own, which may crash, hang or burst alone.

Image decoders are large native libraries, and files made to break them exist. The
process is given bytes and no name, its processor time and memory are bounded, and
what its libraries print goes nowhere.
"""

import atexit
import contextlib
import signal
import subprocess
import sys
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from tfgansynth.data.importers import decoding
from tfgansynth.data.importers.decoding import Refusal

_process: "subprocess.Popen[bytes] | None" = None
"""Serves file after file: to start it takes longer than to decode most of them."""


def decode(content: bytes) -> NDArray[np.uint8 | np.uint16]:
    """Decode the bytes of an image file to grey; see `decoding.decode`.

    Returns:
        uint8 or uint16 (H, W).

    Raises:
        Refusal: The content is no image that can be used, or decoding it crashed
            or took more processor time or memory than it may.
        OSError: The process could not be started.
    """
    try:
        dtype, height, width, body = _exchange(_running(), content)
    except (EOFError, BrokenPipeError):
        raise _why_ended(_end()) from None
    except BaseException:
        # Stopped midway, the process would answer the next file with this one.
        _end()
        raise
    if dtype == decoding.REFUSED:
        raise Refusal(body.decode())
    return np.frombuffer(body, dtype.decode()).reshape(height, width)


def _exchange(
    process: "subprocess.Popen[bytes]", content: bytes
) -> tuple[bytes, int, int, bytes]:
    """Send a file's content; return what the answer's header and body say."""
    requests = cast(BinaryIO, process.stdin)
    answers = cast(BinaryIO, process.stdout)
    requests.write(decoding.LENGTH.pack(len(content)))
    requests.write(content)
    requests.flush()
    head = _read_exactly(answers, decoding.HEADER.size)
    dtype, height, width, n_bytes = decoding.HEADER.unpack(head)
    return dtype, height, width, _read_exactly(answers, n_bytes)


def _read_exactly(source: BinaryIO, n_bytes: int) -> bytes:
    content = source.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError
    return content


def _running() -> "subprocess.Popen[bytes]":
    global _process
    if _process is None or _process.poll() is not None:
        _end()
        _process = subprocess.Popen(
            # -P: nothing that lies beside it is imported in place of a library.
            [sys.executable, "-P", decoding.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    return _process


@atexit.register
def _end() -> int | None:
    """End the process if there is one; return its exit code."""
    global _process
    process, _process = _process, None
    if process is None:
        return None
    # Closing a pipe to a dead process fails over what is still to be written.
    with contextlib.suppress(BrokenPipeError), process:
        process.kill()
    return process.wait()


def _why_ended(code: int | None) -> Refusal:
    if code == -signal.SIGPROF:
        return Refusal(
            f"takes longer than {decoding.MAX_SECONDS} s to decode; export it again"
        )
    return Refusal(decoding.DAMAGED)
