"""Merge the results of folds and seeds that ran on several machines."""

import dataclasses
import sys
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import run_tool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MergeResults:
    """Add the results of runs to a folder, and compare all that it holds.

    Only numbers are taken, each made again before: metrics of test cases, figures of
    assessments, settings, hashes. No image, mask or network is.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of runs or studies: what tools/run_table.py named at its end. None to
    compare again what the folder has."""
    to: Path
    """The folder that takes the numbers; it may have some already."""


def main(options: MergeResults) -> None:
    """Merge and print."""
    # Imported late: --help must not wait for it.
    from tfgansynth.reporting.comparisons import comparison_to_text
    from tfgansynth.reporting.merging import merge, sets_to_markdown

    folds, comparison = merge(options.runs, options.to)
    for fold in folds:
        seed, number = fold.order
        print(f"MERGED: seed {seed}, fold {number}: {len(fold.unets)} U-Nets")
    print(f"\n{comparison_to_text(comparison)}\n{sets_to_markdown(folds)}")
    print(f"COMPARISON: {options.to}/comparison.md, .json")


if __name__ == "__main__":
    run_tool(MergeResults, main)
