"""Recompute every number of a result from the stored predictions and sets.

Exit code 0: all are as stored. 1: some are not. 2: wrong use.
"""

import dataclasses
import sys
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import run_tool
from tfgansynth.cli.failures import DONE, FAILED
from tfgansynth.errors import InputError
from tfgansynth.reporting.merging import is_merged, verify_merged
from tfgansynth.reporting.verification.verify import verify

_MOST_LINES = 20


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Verify:
    """Recompute every number of a result, without data set or TensorFlow."""

    run: tyro.conf.Positional[Path]
    """Folder of a run, of a study of several seeds, of a learning curve, or of merged
    results; of these only the verdicts and means are recomputed."""
    rounding: float = 0.0
    """Largest relative difference that counts as equal. Another kind of processor
    may round sums otherwise, in their last digits: 1e-9 allows for that."""


def main(options: Verify) -> int:
    """Recompute and compare."""
    if not 0 <= options.rounding < 1:
        raise InputError(f"--rounding {options.rounding}: expected 0 to 1")
    recompute = verify_merged if is_merged(options.run) else verify
    found = recompute(options.run, options.rounding)
    for line in found.lines[:_MOST_LINES]:
        print(line)
    n_files, n_wrong = len(found.files), len(found.lines)
    counted = f"{found.n_numbers} numbers of {n_files} files recomputed"
    if n_wrong > _MOST_LINES:
        print(f"... and {n_wrong - _MOST_LINES} more")
    print(f"{'DIFFERENT' if n_wrong else 'VERIFIED'}: {counted}, {n_wrong} differences")
    return FAILED if n_wrong else DONE


if __name__ == "__main__":
    run_tool(Verify, main)
