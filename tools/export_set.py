"""Hand a fold's synthetic set over: nnU-Net's layout, plain PNG, and a data card."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import Options, on_experiment, run_tool

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExportSet(Options):
    """Write a fold's synthetic set for others, with a data card."""

    fold: int
    """Number of the fold, from 1."""
    set: Path | None = None
    """Folder of another set of the same fold, as fold-1/synthetic-200."""
    to: Path | None = None
    """Folder to write, which must not exist; without it handover/ in the fold's
    folder, under the set's name."""


def main(experiment: "Experiment", options: ExportSet) -> None:
    """Export."""
    from tfgansynth.reporting.cards.set_export import export_set

    export_set(experiment, experiment.fold(options.fold), options.set, options.to)


if __name__ == "__main__":
    run_tool(ExportSet, on_experiment(main), resumes=True)
