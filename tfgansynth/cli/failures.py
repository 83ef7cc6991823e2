"""How a command ends: its exit code, and one line that says why and what to do."""

import difflib
import os
import sys
import traceback
from collections.abc import Iterable

from tfgansynth.errors import FULL, InputError, RunError, one_line

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

_FULL_WORDS = ("no space left", "file too large", "quota exceeded")
_OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError", "_ArrayMemoryError")
_OUT_OF_MEMORY_WORDS = ("could not create a primitive", "failed to map segment")
"""Words of oneDNN, TensorFlow's library for processors, and of the linker."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name what is nearest to a word that is not known; empty if nothing is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {near[0]}?" if near else ""


def explain(fault: BaseException, *, resumes: bool) -> tuple[int, str] | None:
    """Put what ended a command into an exit code and one line.

    Args:
        fault: What was raised.
        resumes: Whether the same command continues from what is on the disk.

    Returns:
        The exit code and the line; None for what only a traceback explains: an error
        in this program.
    """
    if isinstance(fault, InputError):
        return WRONG_USE, f"error: {fault}"
    if isinstance(fault, RunError):
        return FAILED, f"error: {fault}"
    again = "what was done is saved; the same command continues from there"
    if isinstance(fault, KeyboardInterrupt):
        return INTERRUPTED, f"interrupted: {again}" if resumes else "interrupted"
    hint = f": {again}" if resumes else ""
    # What closes a file behind a full disk fails too: the first failure is told.
    # Often only the last one has the name of the file.
    place = ""
    while True:
        place = _place(fault) or place
        if fault.__context__ is None or not _is_full(fault.__context__):
            break
        fault = fault.__context__
    if _is_full(fault):
        return FAILED, f"error: {place}the disk is full: free some space{hint}"
    if _is_out_of_memory(fault):
        return FAILED, f"error: out of memory: use a smaller batch{hint}"
    if isinstance(fault, BrokenPipeError):
        return FAILED, f"error: the output was closed by its reader{hint}"
    if "No usable temporary directory" in str(fault):
        place = "no folder for temporary files can be written: set TMPDIR to one"
        return FAILED, f"error: {place}{hint}"
    if isinstance(fault, OSError):
        return (
            FAILED,
            f"error: {_place(fault)}{fault.strerror or one_line(str(fault))}{hint}",
        )
    return None


def close_stdout() -> None:
    """Drop lines whose reader is gone: the interpreter would report them."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_out_of_memory(fault: BaseException) -> bool:
    words = str(fault)
    known = any(part in words for part in _OUT_OF_MEMORY_WORDS)
    return known or type(fault).__name__ in _OUT_OF_MEMORY


def _is_full(fault: BaseException) -> bool:
    """Whether a disk or a quota was full."""
    if isinstance(fault, OSError) and fault.errno in FULL:
        return True
    # Libraries in C wrap it in exceptions of their own, or put it into words only.
    words = "".join(traceback.format_exception_only(fault)).lower()
    return any(word in words for word in _FULL_WORDS)


def _place(fault: BaseException) -> str:
    name = getattr(fault, "filename", None)
    return f"{name}: " if name else ""
