"""The one exception for faults that a user can mend."""

_MOST_LETTERS = 1000


class InputError(ValueError):
    """Wrong use or bad input.

    The message is one printable line, whatever a file put into it: it names the file
    or flag, says what is wrong and, where it is not plain, what to do. Tools print it
    and exit with code 2.
    """

    def __init__(self, message: str) -> None:
        """Set the message: line breaks become blanks, the unprintable is escaped."""
        line = " ".join(message.splitlines())
        if len(line) > _MOST_LETTERS:
            line = f"{line[:_MOST_LETTERS]} ..."
        super().__init__("".join(map(_printable, line)))


def _printable(letter: str) -> str:
    return letter if letter.isprintable() else ascii(letter)[1:-1]
