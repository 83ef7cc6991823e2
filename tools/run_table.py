"""Run the paper's whole experiment and print its table."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.commands import Options, on_experiment, run_tool

if TYPE_CHECKING:
    from tfgansynth.materials import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunTable(Options):
    """Run the whole chain, fold by fold, and print the table as it grows.

    What is done already is not done again.
    """

    folds: tuple[int, ...] | None = None
    """Numbers of the folds, from 1; all without it."""


def main(experiment: "Experiment", options: RunTable) -> None:
    """Run."""
    from tfgansynth.experiment.table import run_table

    every_fold = [fold.number for fold in experiment.folds]
    run_table(experiment, options.folds or every_fold)
    print(f"TABLE: {experiment.run.root}/table.md, .csv, .json")


if __name__ == "__main__":
    run_tool(RunTable, on_experiment(main), resumes=True)
