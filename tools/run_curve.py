"""Run a learning curve: Dice over the number of real cases."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.commands import Options, import_tensorflow_quietly, run_tool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunCurve(Options):
    """Train with ever more real cases, with and without synthetic pairs.

    All U-Nets take the same number of steps (--evaluation.fair-steps); training sets
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
    from tfgansynth.materials import load_materials

    plan = Plan(
        counts=options.counts,
        folds=options.folds,
        n_seeds=options.seeds,
        generator_of=options.generator_of,
    )
    materials = load_materials(options.config, options.data_folder)
    plan = fit(plan, materials.dataset.case_ids, options.config)
    import_tensorflow_quietly()
    from tfgansynth.experiment.curve import run_curve

    path = run_curve(materials, options.config, plan, options.out)
    print(f"CURVE: {path}, {path.stem}.svg, .png")


if __name__ == "__main__":
    run_tool(RunCurve, main, resumes=True)
