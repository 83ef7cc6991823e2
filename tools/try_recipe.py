"""Try a regime on real cases that a reduced experiment leaves out; no test cases."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import Options, on_experiment, run_tool

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TryRecipe(Options):
    """Compare a fold's regimes on cases that a reduced experiment leaves out.

    What to try is up to the other options. The test cases stay untouched, so that a
    recipe may be chosen by what this prints.
    """

    fold: int
    """Number of the fold, from 1."""
    augmented: bool = False
    """Also the rows whose U-Nets are trained with classical augmentation."""
    control: bool = False
    """Also rows with a control in the synthetic set's place: its training cases, given
    masks and deformed as the generated pairs are."""
    assess: bool = False
    """Also assess the synthetic set, as tools/assess.py does."""
    baseline: Path | None = None
    """Run folder of an earlier trial, to take its rows of real pairs alone from
    instead of training them again: they do not depend on the synthetic set."""


def main(experiment: "Experiment", options: TryRecipe) -> None:
    """Try."""
    from tfgansynth.experiment.development import try_recipe
    from tfgansynth.reporting.trials import trial_to_text

    trial = try_recipe(
        experiment,
        experiment.fold(options.fold),
        augmented=options.augmented,
        control=options.control,
        assessed=options.assess,
        baseline=options.baseline,
    )
    print(trial_to_text(trial))


if __name__ == "__main__":
    run_tool(TryRecipe, on_experiment(main), resumes=True)
