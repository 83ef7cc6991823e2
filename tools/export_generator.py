"""Export a fold's trained generator as a SavedModel with a model card."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.commands import Options, run_tool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExportGenerator(Options):
    """Export a fold's generator: SavedModel, .keras file and model card."""

    fold: int
    """Number of the fold, from 1."""


def main(options: ExportGenerator) -> None:
    """Export."""
    from tfgansynth import experiment

    run = experiment.open_experiment(options.config, options.data_folder, options.out)
    experiment.export_fold_generator(run, run.fold(options.fold))


if __name__ == "__main__":
    run_tool(ExportGenerator, main)
