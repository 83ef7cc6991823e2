"""Run a learning curve: Dice over the number of real cases."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import Options, run_tool
from tfgansynth.runtime.devices import import_tensorflow_quietly


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunCurve(Options):
    """Train with ever more real cases, with and without synthetic pairs.

    All U-Nets take the same number of steps (--evaluation.budget-steps); training sets
    are nested. --reduced and --data.n-reduced are set by it. What is done already is
    not done again.
    """

    counts: tuple[int, ...] = (5, 10, 20, 30, 60, 145)
    """Numbers of real training cases; each has its own generator, trained on those
    alone."""
    folds: tuple[int, ...] | None = None
    """Numbers of the folds, from 1; all without it."""
    seeds: int = 1
    """Seeds to repeat everything with, --seed being the first."""
    generator_of: int | None = None
    """Train one generator on this many cases and use it for all numbers up to that:
    how does a generator that is there help where fewer cases are labelled?"""


def main(options: RunCurve) -> None:
    """Run."""
    # Before TensorFlow, so that what is wrong here is told at once.
    from tfgansynth.experiment.curve_plan import Plan, fit
    from tfgansynth.experiment.experiment_data import load_experiment_data

    plan = Plan(
        counts=options.counts,
        folds=options.folds,
        n_seeds=options.seeds,
        generator_of=options.generator_of,
    )
    experiment_data = load_experiment_data(options.config, options.data_folder)
    plan = fit(plan, experiment_data.dataset.case_ids, options.config)
    import_tensorflow_quietly()
    from tfgansynth.experiment.curve import run_curve

    path = run_curve(experiment_data, options.config, plan, options.out)
    print(f"CURVE: {path}, {path.stem}.svg, .png")


if __name__ == "__main__":
    run_tool(RunCurve, main, resumes=True)
