"""Check a data set and name every fault by file.

Exit code 0: no faults. 2: faults, or wrong use.
"""

import dataclasses
import sys
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import run_tool
from tfgansynth.cli.failures import DONE, WRONG_USE
from tfgansynth.data.checks import check
from tfgansynth.data.lungs import Lungs


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CheckData:
    """Check a data set and name every fault by file."""

    data: tyro.conf.Positional[Path]
    """The data set: images/ and masks/ with equal file names, or the JSRT images
    with the SCR masks."""
    lungs: Lungs = "both"
    """The target; left and right are the patient's."""
    allow_duplicates: bool = False
    """Note images that are there twice, altered or not, instead of calling them
    faults."""


def main(options: CheckData) -> int:
    """Check and print."""
    report = check(
        options.data, options.lungs, allow_duplicates=options.allow_duplicates
    )
    print(report.text())
    return WRONG_USE if report.faults else DONE


if __name__ == "__main__":
    run_tool(CheckData, main)
