"""The one exception for faults that a user can mend."""


class InputError(ValueError):
    """Wrong use or bad input.

    The message is one line: it names the file or flag, says what is wrong and,
    where it is not plain, what to do. Tools print it and exit with code 2.
    """
