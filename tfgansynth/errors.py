"""The exceptions that a user is told in one line, and how to word them."""

from collections.abc import Sequence

_MOST_LETTERS = 1000


class InputError(ValueError):
    """Wrong use or bad input.

    The message is one printable line, whatever a file put into it: it names the file
    or flag, says what is wrong and, where it is not plain, what to do. Tools print it
    and exit with code 2.
    """

    def __init__(self, message: str) -> None:
        """Set the message: line breaks become blanks, the unprintable is escaped."""
        super().__init__(one_line(message))


class RunError(Exception):
    """A run cannot go on, though nothing is wrong with its input.

    The message is one line: what happened, what is kept, what to try. Tools print
    it and exit with code 1.
    """


def one_line(message: str) -> str:
    """Bring a message into one printable line of bearable length."""
    line = " ".join(message.splitlines())
    if len(line) > _MOST_LETTERS:
        # The beginning names the file, the end says what to do.
        half = _MOST_LETTERS // 2
        line = f"{line[:half]} ... {line[-half:]}"
    return printable(line)


def printable(text: str) -> str:
    r"""Escape what is no letter of a line: line breaks, bytes that are no text.

    A file name stays one that can be found: `a\nb`.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def name_few(names: Sequence[str], separator: str = ", ", most: int = 3) -> str:
    """Name the first few of many and count the others: `a, b, c and 4 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more
