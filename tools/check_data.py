"""`tfgansynth check-data`, from a clone without installation."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.main import run_tool

if __name__ == "__main__":
    run_tool("check-data")
