"""Train one U-Net on real and synthetic pairs and evaluate it on test cases."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.commands import Options, run_tool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainUNet(Options):
    """Train one U-Net and evaluate it on the fold's test cases."""

    fold: int
    """Number of the fold, from 1."""
    real: int
    """Real training pairs."""
    synthetic: int
    """Synthetic training pairs, from the fold's synthetic set."""


def main(options: TrainUNet) -> None:
    """Train and evaluate."""
    from tfgansynth import experiment

    run = experiment.open_experiment(options.config, options.data_folder, options.out)
    fold = run.fold(options.fold)
    rows = experiment.ensure_unet(run, fold, options.real, options.synthetic)
    print(experiment.summary(rows))


if __name__ == "__main__":
    run_tool(TrainUNet, main)
