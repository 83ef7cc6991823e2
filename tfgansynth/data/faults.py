"""What is wrong with one file, as a value that can be collected or raised."""

import dataclasses
from pathlib import Path

from tfgansynth.errors import InputError, printable


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one file or folder.

    Attributes:
        path: The file or folder.
        problem: What is wrong and, where it is not plain, what to do.
    """

    path: Path
    problem: str

    def __str__(self) -> str:
        """Return `path: problem` on one line."""
        return printable(f"{self.path}: {self.problem}")


class FileError(InputError):
    """An `InputError` about one file, which keeps the fault for reports."""

    def __init__(self, path: Path, problem: str) -> None:
        """Set the message to `path: problem`."""
        self.fault = Fault(path, problem)
        super().__init__(str(self.fault))
