"""Run the paper's whole experiment and print its table."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.commands import Options, run_tool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunTable(Options):
    """Run the whole chain, fold by fold, and print the table as it grows.

    What is done already is not done again.
    """

    folds: tuple[int, ...] | None = None
    """Numbers of the folds, from 1; all without it."""


def main(options: RunTable) -> None:
    """Run."""
    from tfgansynth import experiment

    run = experiment.open_experiment(options.config, options.data_folder, options.out)
    experiment.run_table(run, options.folds or [fold.number for fold in run.folds])
    print(f"TABLE: {run.run.root}/table.md, .csv, .json")


if __name__ == "__main__":
    run_tool(RunTable, main)
