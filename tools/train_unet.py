"""Train one U-Net on real and synthetic pairs and evaluate it on test cases."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import Options, on_experiment, run_tool

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainUNet(Options):
    """Train one U-Net and evaluate it on the fold's test cases."""

    fold: int
    """Number of the fold, from 1."""
    real: int
    """Real training pairs."""
    synthetic: int
    """Synthetic training pairs, from the fold's synthetic set."""
    schedule: Literal["paper", "fixed_budget", "augmented"] = "paper"
    """The paper's stopping rule; the fixed-budget regimes' number of steps; the same
    with classical augmentation."""


def main(experiment: "Experiment", options: TrainUNet) -> None:
    """Train and evaluate."""
    from tfgansynth.experiment.table import summary
    from tfgansynth.experiment.unet_stage import ensure_unet
    from tfgansynth.records.regimes import Regime

    fold = experiment.fold(options.fold)
    regime = Regime(options.real, options.synthetic, options.schedule)
    print(summary(ensure_unet(experiment, fold, regime)))


if __name__ == "__main__":
    run_tool(TrainUNet, on_experiment(main), resumes=True)
