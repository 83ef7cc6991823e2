"""Pool the results of folds and seeds that ran on several machines."""

import dataclasses
import sys
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import run_tool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PoolResults:
    """Take the results of runs into a folder, and judge all that it holds.

    Only numbers are taken, each recomputed before: metrics of test cases, figures of
    assessments, settings, hashes. No image, mask or network is.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of runs or studies: what tools/run_table.py named at its end. None to
    judge again what the folder has."""
    to: Path
    """The folder that takes the numbers; it may have some already."""


def main(options: PoolResults) -> None:
    """Pool and print."""
    # Imported late: --help must not wait for it.
    from tfgansynth.evaluation.evidence import evidence_to_text
    from tfgansynth.reporting.verification.pool import pool, sets_to_markdown

    folds, evidence = pool(options.runs, options.to)
    for fold in folds:
        seed, number = fold.order
        print(f"POOLED: seed {seed}, fold {number}: {len(fold.unets)} U-Nets")
    print(f"\n{evidence_to_text(evidence)}\n{sets_to_markdown(folds)}")
    print(f"EVIDENCE: {options.to}/evidence.md, .json")


if __name__ == "__main__":
    run_tool(PoolResults, main)
