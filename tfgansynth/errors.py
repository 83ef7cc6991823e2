"""The exceptions that a tool reports in one line, and how to word them."""

import dataclasses
import errno
from collections.abc import Sequence
from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Error numbers of a full disk, a used-up quota or a file of the largest size."""
_MOST_LETTERS = 1000


class InputError(ValueError):
    """Wrong use or bad input.

    The message is one printable line, whatever a file put into it. It names the file
    or flag, says what is wrong and, where that is not obvious, what to do. Tools print
    it and exit with code 2.
    """

    def __init__(self, message: str) -> None:
        """Set the message: line breaks become blanks, unprintable text is escaped."""
        super().__init__(one_line(message))


class RunError(Exception):
    """A run cannot go on, although its input is fine.

    The message is one line: what happened, what is kept, what to try. Tools print
    it and exit with code 1.
    """


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one file or folder.

    Attributes:
        path: The file or folder.
        problem: What is wrong and, where that is not obvious, what to do.
    """

    path: Path
    problem: str

    def __str__(self) -> str:
        """Return `path: problem` on one line."""
        return printable(f"{self.path}: {self.problem}")


class FileError(InputError):
    """An `InputError` about one file. It keeps the fault for reports."""

    def __init__(self, path: Path, problem: str) -> None:
        """Set the message to `path: problem`."""
        self.fault = Fault(path, problem)
        super().__init__(str(self.fault))


def one_line(message: str) -> str:
    """Turn a message into one printable line of at most about 1000 characters."""
    line = " ".join(message.splitlines())
    if len(line) > _MOST_LETTERS:
        # The beginning names the file, the end says what to do.
        half = _MOST_LETTERS // 2
        line = f"{line[:half]} ... {line[-half:]}"
    return printable(line)


def printable(text: str) -> str:
    r"""Escape unprintable characters: line breaks, bytes that are not text.

    A file name can still be recognized: `a\nb`.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def counted(number: int, noun: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def name_few(names: Sequence[str], separator: str = ", ", most: int = 3) -> str:
    """Name the first few of many and count the others: `a, b, c and 4 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more
