"""One line for a record that is whole but has another form than expected."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tfgansynth.errors import InputError


@contextlib.contextmanager
def form_of(path: Path) -> Iterator[None]:
    """Say of which file it is that something is missing or of another kind.

    Raises:
        InputError: What was done with the file's content raised another error.
    """
    try:
        yield
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as f:
        reason = f"{type(f).__name__}: {f}"
        raise InputError(
            f"{path}: is not of the form that this version writes ({reason})"
        ) from f
