"""What every reader of files from others promises: content or one line, in time."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tfgansynth.errors import InputError

Content = TypeVar("Content")

SECONDS = 5
"""Of wall time, on a busy machine too."""


def read_or_refuse(
    read: Callable[[Path], Content], path: Path, seed: str
) -> tuple[Content | None, str | None]:
    """Read; return the content, or the refusal in its place."""
    start = time.monotonic()
    try:
        return read(path), None
    except InputError as error:
        message = str(error)
        assert message.startswith(f"{path}: "), f"seed {seed}: {message}"
        assert message.isprintable(), f"seed {seed}: {message!r}"
        return None, message
    except BaseException as error:
        raise AssertionError(f"seed {seed}: {error!r}") from error
    finally:
        assert time.monotonic() - start < SECONDS, f"seed {seed}"
