"""Try a recipe on real cases that a reduced experiment leaves out; no test cases."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.commands import Options, on_experiment, run_tool

if TYPE_CHECKING:
    from tfgansynth.materials import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TryRecipe(Options):
    """Train a fold's fair rows and compare them on cases that nothing learned from."""

    fold: int
    """Number of the fold, from 1."""


def main(experiment: "Experiment", options: TryRecipe) -> None:
    """Try."""
    from tfgansynth.evaluation.evidence import evidence_to_text
    from tfgansynth.experiment.development import try_recipe

    print(evidence_to_text(try_recipe(experiment, experiment.fold(options.fold))))


if __name__ == "__main__":
    run_tool(TryRecipe, on_experiment(main), resumes=True)
