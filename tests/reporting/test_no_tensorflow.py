"""Reports, cards, checks, merging and runs in worker processes need no TensorFlow."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

from tfgansynth import records, reporting
from tfgansynth.cli import command, tables

STAGES = {"tfgansynth.reporting.cards.set_export"}
"""Works on an open experiment, whose stages have TensorFlow."""
ROOT = Path(__file__).resolve().parents[2]


def imported(path: str | None) -> list[str]:
    """The modules that are imported anywhere in a file."""
    tree = ast.parse(Path(path or "").read_text())
    found = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    return [each.module for each in found if each.module]


def test_no_module_imports_tensorflow() -> None:
    names = [
        module.name
        for room in (records, reporting)
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
        if module.name not in STAGES
    ]
    assert len(names) > 20
    for program in (command, tables):
        own = [name for name in imported(program.__file__) if name.startswith("tfgan")]
        names += [name for name in own if not name.startswith("tfgansynth.cluster")]
    assert "tfgansynth.experiment.executors" in names
    code = "\n".join(
        [
            "import importlib, sys",
            f"for name in {names}:",
            "    importlib.import_module(name)",
            "    assert 'tensorflow' not in sys.modules, name",
        ]
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
