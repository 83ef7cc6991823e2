"""Draw a synthetic set of pairs from a trained generator."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import Options, on_experiment, run_tool

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Synthesize(Options):
    """Draw a synthetic set: images/, masks/, manifest.json, contact_sheet.png."""

    fold: int
    """Number of the fold, from 1."""
    count: int | None = None
    """Pairs to draw. Without it, --synthesis.count pairs: the run's own set, which
    the table trains on, and with --synthesis.min-agreement the filtered one too. Sets
    of another size lie beside it."""
    generator: Path | None = None
    """Draw from this exported generator instead of the fold's GAN: a .keras file,
    or the folder of a SavedModel. A SavedModel is a program: use only those from
    people you trust, and .keras files from all others."""


def main(experiment: "Experiment", options: Synthesize) -> None:
    """Draw."""
    from tfgansynth.experiment.regimes import drawn_kinds
    from tfgansynth.experiment.synthesis_stage import draw_separate_set, ensure_set

    fold = experiment.fold(options.fold)
    own_count = experiment.config.synthesis.count
    count = own_count if options.count is None else options.count
    if options.generator is None and count == own_count:
        for kind in drawn_kinds(experiment.config):
            ensure_set(experiment, fold, kind)
    else:
        draw_separate_set(experiment, fold, count, options.generator)


if __name__ == "__main__":
    run_tool(Synthesize, on_experiment(main), resumes=True)
