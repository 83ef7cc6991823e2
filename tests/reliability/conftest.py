"""A run that nothing befell, to compare with."""

import dataclasses
import functools
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reliability.comparison import differences
from tests.reliability.faults import Moment, note_calls
from tests.reliability.processes import Ended, Preparation, Warm
from tests.reliability.settings import FOLDER, MICRO


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """A finished run.

    Attributes:
        out: Holds its run folder.
        moments: When its process changed the disk: number of the call, before or
            after it, and which call it was.
    """

    out: Path
    moments: tuple[tuple[int, Moment, str], ...]

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.out / FOLDER


Start = Callable[..., Warm]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start a tool on the tiny experiment in some folder, warm."""
    logs = tmp_path_factory.mktemp("logs")
    numbers = iter(range(1 << 30))

    def start(
        out: Path,
        prepare: Preparation,
        name: str = "run_table",
        *arguments: str | Path,
    ) -> Warm:
        rest = arguments or (
            ("--folds", "1") if name == "run_table" else ("--fold", "1")
        )
        log = logs / str(next(numbers))
        if name == "export_generator":
            return Warm(log, prepare, name, out, *rest)
        return Warm(log, prepare, name, *MICRO, *rest, "--out", out)

    return start


@pytest.fixture(scope="session")
def reference(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    journal = folder / "journal"
    ended = start(folder, functools.partial(note_calls, journal)).wait()
    assert ended.code == 0, ended.stderr
    assert not ended.stderr
    moments = []
    for line in journal.read_text().splitlines():
        number, moment, call = line.split(" ", 2)
        assert moment in ("before", "after")
        moments.append((int(number), moment, call.replace(str(folder), "")))
    return Reference(folder, tuple(moments))  # type: ignore[arg-type]


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Chooses moments and bytes."""
    return random.Random(request.config.getoption("--fault-seed"))


def assert_same(ended: Ended, out: Path, reference: Reference) -> None:
    """A run came to its end, and to the same as one that nothing befell."""
    assert ended.code == 0, ended.stderr
    assert not ended.stderr
    assert not differences(out / FOLDER, reference.run)
