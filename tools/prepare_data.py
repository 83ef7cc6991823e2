"""`tfgansynth prepare-data`, from a clone without installation."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from tfgansynth.cli import start

if __name__ == "__main__":
    start("prepare-data")
