import errno
from pathlib import Path

import numpy as np
import pytest

from tfgansynth.cli.failures import FAILED, INTERRUPTED, WRONG_USE, explain
from tfgansynth.errors import InputError, RunError, name_few
from tfgansynth.runtime.storage import named

AGAIN = "what was done is saved; the same command continues from there"


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's, which says it of memory and of disks."""


@pytest.mark.parametrize(
    ("fault", "code", "line"),
    [
        (InputError("a.png: is no image"), WRONG_USE, "error: a.png: is no image"),
        (RunError("step 7: NaN"), FAILED, "error: step 7: NaN"),
        (KeyboardInterrupt(), INTERRUPTED, f"interrupted: {AGAIN}"),
        (
            OSError(errno.ENOSPC, "No space left on device", "run/a.npz"),
            FAILED,
            f"error: run/a.npz: the disk is full: free some space: {AGAIN}",
        ),
        (
            OSError(errno.EFBIG, "File too large"),
            FAILED,
            f"error: the disk is full: free some space: {AGAIN}",
        ),
        (
            RuntimeError("write failed: errno = 28, message 'No space left on device'"),
            FAILED,
            f"error: the disk is full: free some space: {AGAIN}",
        ),
        (
            ResourceExhaustedError("model/x.tmp; No space left on device"),
            FAILED,
            f"error: the disk is full: free some space: {AGAIN}",
        ),
        (
            ResourceExhaustedError("OOM when allocating tensor with shape[9]"),
            FAILED,
            f"error: out of memory: use a smaller batch: {AGAIN}",
        ),
        (
            RuntimeError("Status: 1, message: could not create a primitive"),
            FAILED,
            f"error: out of memory: use a smaller batch: {AGAIN}",
        ),
        (
            BrokenPipeError(errno.EPIPE, "Broken pipe"),
            FAILED,
            f"error: the output was closed by its reader: {AGAIN}",
        ),
        (
            ImportError("libx.so: failed to map segment from shared object"),
            FAILED,
            f"error: out of memory: use a smaller batch: {AGAIN}",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in x"),
            FAILED,
            "error: no folder for temporary files can be written: set TMPDIR to one: "
            f"{AGAIN}",
        ),
        (
            OSError(errno.EACCES, "Permission denied", "run"),
            FAILED,
            f"error: run: Permission denied: {AGAIN}",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    fault: BaseException, code: int, line: str
) -> None:
    assert explain(fault, resumes=True) == (code, line)


def test_memory_that_numpy_lacks_is_told_too() -> None:
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, np.uint8)
    explained = explain(caught.value, resumes=True)
    assert explained is not None
    assert explained[1].startswith("error: out of memory")


def test_the_file_that_filled_the_disk_is_named_and_not_what_failed_after_it() -> None:
    def fill(name: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", name)

    def fill_both() -> None:
        try:
            fill("checkpoint")
        finally:
            fill("events")

    with pytest.raises(OSError, match="events") as caught:
        fill_both()
    explained = explain(caught.value, resumes=False)
    assert explained == (FAILED, "error: checkpoint: the disk is full: free some space")


def test_a_tool_that_does_not_resume_does_not_say_so() -> None:
    assert explain(KeyboardInterrupt(), resumes=False) == (INTERRUPTED, "interrupted")
    explained = explain(OSError(errno.ENOSPC, "No space"), resumes=False)
    assert explained == (FAILED, "error: the disk is full: free some space")


def test_a_mistake_in_the_program_keeps_its_traceback() -> None:
    assert explain(KeyError("x"), resumes=True) is None
    assert explain(ValueError("shapes"), resumes=True) is None


def test_the_first_names_stand_for_many() -> None:
    assert name_few(["a", "b", "c"]) == "a, b, c"
    assert name_few(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert name_few(["a", "b"], "; ", most=1) == "a and 1 more"


def test_the_file_is_named_by_whatever_knows_it(tmp_path: Path) -> None:
    """Writing fails without a name, and closing the file fails with one."""
    path = tmp_path / "cases.json"

    def fill() -> None:
        with named(path):
            try:
                raise OSError(errno.EFBIG, "File too large")
            finally:
                raise OSError(errno.EFBIG, "File too large")

    with pytest.raises(OSError, match="large") as caught:
        fill()
    explained = explain(caught.value, resumes=False)
    assert explained == (FAILED, f"error: {path}: the disk is full: free some space")
