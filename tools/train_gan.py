"""Train the GAN of one fold; going on by itself after an interruption."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.commands import Options, run_tool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainGAN(Options):
    """Train the GAN of one fold.

    Ctrl-C stops it; the same command goes on. TensorBoard shows it:
    tensorboard --logdir saved_models
    """

    fold: int
    """Number of the fold, from 1."""


def main(options: TrainGAN) -> None:
    """Train."""
    from tfgansynth import experiment

    run = experiment.open_experiment(options.config, options.data_folder, options.out)
    fold = run.fold(options.fold)
    experiment.ensure_gan(run, fold)
    print(f"GAN: trained, in {run.run.gan(fold.number)}")


if __name__ == "__main__":
    run_tool(TrainGAN, main)
