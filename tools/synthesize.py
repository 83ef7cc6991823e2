"""Draw a synthetic set of pairs from a trained generator."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.commands import Options, run_tool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Synthesize(Options):
    """Draw a synthetic set: images/, masks/, manifest.json, contact_sheet.png."""

    fold: int
    """Number of the fold, from 1."""
    count: int | None = None
    """Pairs to draw; without it, those of --synthesis.count into the run's own
    set, which run_table trains on."""
    generator: Path | None = None
    """Draw from this exported SavedModel instead of the fold's GAN. A SavedModel
    is a program: use only those from people you trust."""
    into: Path | None = None
    """Folder to write to. Needed with --generator or --count, so that the run's
    own set stays what it is."""


def main(options: Synthesize) -> None:
    """Draw."""
    from tfgansynth import experiment

    run = experiment.open_experiment(options.config, options.data_folder, options.out)
    fold = run.fold(options.fold)
    if options.count is None and options.generator is None and options.into is None:
        experiment.ensure_synthetic_set(run, fold)
        return
    experiment.write_separate_set(
        run, fold, options.count, options.generator, options.into
    )


if __name__ == "__main__":
    run_tool(Synthesize, main)
