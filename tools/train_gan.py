"""Train the GAN of one fold; going on by itself after an interruption."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import Options, on_experiment, run_tool

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainGAN(Options):
    """Train the GAN of one fold.

    Ctrl-C stops it; the same command goes on. TensorBoard shows it:
    tensorboard --logdir saved_models
    """

    fold: int
    """Number of the fold, from 1."""


def main(experiment: "Experiment", options: TrainGAN) -> None:
    """Train."""
    from tfgansynth.experiment.gan_stage import ensure_gan

    fold = experiment.fold(options.fold)
    ensure_gan(experiment, fold)
    print(f"GAN: trained, in {experiment.run.gan(fold.number)}")


if __name__ == "__main__":
    run_tool(TrainGAN, on_experiment(main), resumes=True)
