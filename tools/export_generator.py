"""Export a fold's trained generator as a SavedModel with a model card."""

import dataclasses
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import Options, on_experiment, run_tool

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExportGenerator(Options):
    """Export a fold's generator: SavedModel, .keras file and model card."""

    fold: int
    """Number of the fold, from 1."""


def main(experiment: "Experiment", options: ExportGenerator) -> None:
    """Export."""
    from tfgansynth.experiment.gan_stage import export_fold_generator
    from tfgansynth.reporting.cards.model_card import generator_card

    card = functools.partial(generator_card, experiment.run.root)
    export_fold_generator(experiment, experiment.fold(options.fold), card)


if __name__ == "__main__":
    run_tool(ExportGenerator, on_experiment(main), resumes=True)
