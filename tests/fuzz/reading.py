"""What every reader of files from others promises: content or one line, in time."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.fuzz.hostile import MOST_SECONDS, processor_seconds
from tfgansynth.errors import InputError

Content = TypeVar("Content")


def read_or_refuse(
    read: Callable[[Path], Content], path: Path, seed: str
) -> tuple[Content | None, str | None]:
    """Read; return the content, or the refusal in its place."""
    start = processor_seconds()
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
        assert processor_seconds() - start < MOST_SECONDS, f"seed {seed}"
