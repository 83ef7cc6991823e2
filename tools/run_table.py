"""Run the paper's whole experiment and print its table."""

import dataclasses
import itertools
import sys
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import Options, open_run, run_tool
from tfgansynth.errors import InputError
from tfgansynth.experiment.regimes import require_control


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunTable(Options):
    """Run the whole chain, fold by fold, and print the tables as they grow.

    What is done already is not done again.
    """

    folds: tuple[int, ...] | None = None
    """Numbers of the folds, from 1; all without it."""
    seeds: int = 1
    """Seeds to repeat everything with, --seed being the first: each has a split, a
    run folder and networks of its own."""
    regimes: Literal["paper", "fixed_budget", "all"] = "paper"
    """The paper's three rows; the fixed-budget ones, all trained with the same number
    of steps, with and without classical augmentation; or both."""
    control: bool = False
    """Also fixed-budget regimes whose set has training cases in place of generated
    images."""
    assess: bool = False
    """Also assess each fold's synthetic set after its rows, as tools/assess.py does,
    but for the exit code."""


def main(options: RunTable) -> None:
    """Run."""
    if options.control:
        require_control(options.config, options.regimes)
    if options.seeds < 1:
        raise InputError(f"--seeds {options.seeds}: expected 1 or more")
    seed = options.config.seed
    # The first before TensorFlow, so that wrong data is reported at once.
    first = open_run(options, seed)
    others = (open_run(options, seed + more) for more in range(1, options.seeds))
    from tfgansynth.experiment.table import Screen, run_study
    from tfgansynth.reporting import screen

    runs = itertools.chain([first], others)
    shown = Screen(screen.show_trained, screen.show_comparison, screen.show_assessment)
    folder = run_study(
        runs,
        options.folds,
        options.regimes,
        options.seeds,
        shown,
        control=options.control,
        assessed=options.assess,
    )
    print(f"COMPARISON: {folder}/comparison.md, .json")
    if options.regimes != "fixed_budget":
        print(f"TABLE: {first.run.root}/table.md, .csv, .json")


if __name__ == "__main__":
    run_tool(RunTable, main, resumes=True)
