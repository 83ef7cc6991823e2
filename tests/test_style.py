"""The project's own checks, so that one command runs everything."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        pytest.param(["mypy"], marks=pytest.mark.slow),
        ["lint-imports"],
    ],
    ids=" ".join,
)
def test_the_code_passes(command: list[str]) -> None:
    done = subprocess.run(
        [BIN / command[0], *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_rooms_and_files_stay_small() -> None:
    """So that a stranger finds the way: the package itself has what all rooms share."""
    product = ROOT / "tfgansynth"
    files = list(product.rglob("*.py"))
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    rooms = Counter(path.parent for path in files if path.name != "__init__.py")
    del rooms[product]

    assert [path.name for path, n_lines in lengths.items() if n_lines > 400] == []
    assert [room.name for room, n_files in rooms.items() if n_files > 10] == []


def test_scripts_stay_short() -> None:
    lengths = {
        path.name: len(path.read_text().splitlines())
        for path in (ROOT / "tools").glob("*.py")
    }

    assert lengths
    assert max(lengths.values()) < 60, lengths
