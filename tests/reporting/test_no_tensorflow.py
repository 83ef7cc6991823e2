"""Reports, cards, checks and merging start without TensorFlow."""

import pkgutil
import subprocess
import sys
from pathlib import Path

from tfgansynth import records, reporting

STAGES = {"tfgansynth.reporting.cards.set_export"}
"""Works on an open experiment, whose stages have TensorFlow."""
ROOT = Path(__file__).resolve().parents[2]


def test_no_module_imports_tensorflow() -> None:
    names = [
        module.name
        for room in (records, reporting)
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
        if module.name not in STAGES
    ]
    assert len(names) > 20
    code = "\n".join(
        [
            "import importlib, sys",
            f"for name in {names}:",
            "    importlib.import_module(name)",
            "    assert 'tensorflow' not in sys.modules, name",
        ]
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
