"""The learning curve: the chain once more for each number of real cases."""

import dataclasses
import statistics
from collections.abc import Iterator
from pathlib import Path

from tfgansynth.config import Config
from tfgansynth.data.held_out import FoldCases
from tfgansynth.evaluation.curves import Missing, curve_to_text
from tfgansynth.experiment.curve_plan import Plan
from tfgansynth.experiment.evaluated import Evaluated, evaluated, remarks
from tfgansynth.experiment.experiment_data import Experiment, ExperimentData
from tfgansynth.experiment.gan_stage import ensure_gan
from tfgansynth.experiment.regimes import Regime
from tfgansynth.experiment.results import CURVE, curve_of, curve_record
from tfgansynth.experiment.synthesis_stage import ensure_set
from tfgansynth.reporting.curve_plot import write_plot
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import ModeCollapseError


def run_curve(
    experiment_data: ExperimentData, config: Config, plan: Plan, out: Path
) -> Path:
    """Do what is not done yet, point by point; print and write the curve as it grows.

    Each number of real cases has a run of its own, with nested training sets and the
    same validation and test cases; the runs of different curves share a folder.

    Args:
        experiment_data: The data set.
        config: The experiment's numbers, but for those that the plan sets.
        plan: What to do, fitted to the data.
        out: Takes the curve's folder.

    Returns:
        The path of the curve's record; pictures lie beside it.
    """
    folder = out / _folder_name(experiment_data.dataset.name, config)
    stem = f"{CURVE}-generator-of-{plan.generator_of}" if plan.generator_of else CURVE
    data, only = experiment_data.dataset.identity, plan.generator_of
    done: list[Evaluated] = []
    missing: list[Missing] = []
    for point in _chain(experiment_data, config, plan, folder):
        if isinstance(point, Missing):
            missing.append(point)
        else:
            done.append(point)
        results = [unet.result for unet in done]
        curve = curve_of(results, data, only, missing, remarks(done))
        storage.write_record(folder / f"{stem}.json", curve_record(curve, data, only))
        print(f"POINT: {_newest(point)}")
    write_plot(curve, folder, stem)
    print(f"\n{curve_to_text(curve)}")
    return folder / f"{stem}.json"


def _folder_name(dataset_name: str, config: Config) -> str:
    """`curve-<data>-<preset>`, and the lung if only one, as runs have it."""
    lungs = [] if config.lungs == "both" else [config.lungs]
    return "-".join([CURVE, dataset_name, config.preset, *lungs])


def _chain(
    experiment_data: ExperimentData, config: Config, plan: Plan, folder: Path
) -> Iterator[Evaluated | Missing]:
    for seed in range(config.seed, config.seed + plan.n_seeds):
        for count in plan.counts:
            n_generator = plan.generator_of or count
            numbers = dataclasses.replace(config.data, n_reduced=n_generator)
            settings = dataclasses.replace(
                config, seed=seed, reduced=True, data=numbers
            )
            beside = folder / f"n{n_generator:03d}"
            experiment = experiment_data.experiment(settings, beside)
            name = f"{beside.name}/{experiment.run.root.name}"
            for fold in experiment.some_folds(plan.folds):
                yield from _points(experiment, fold, count, name)


def _points(
    experiment: Experiment, fold: FoldCases, count: int, run: str
) -> Iterator[Evaluated | Missing]:
    """The U-Nets of one number of cases, without and with synthetic pairs."""
    config = experiment.config
    for n_synthetic in (0, config.synthesis.count):
        regime = Regime(count, n_synthetic, "fixed_budget")
        if n_synthetic:
            ensure_gan(experiment, fold)
            try:
                ensure_set(experiment, fold, "plain")
            except ModeCollapseError as fault:
                # Few cases may well be too few for a generator: that is a result.
                yield Missing(
                    n_real=count,
                    seed=config.seed,
                    fold=fold.number,
                    regime=regime.name,
                    why=str(fault),
                )
                return
        yield evaluated(experiment, fold, regime, run)


def _newest(point: Evaluated | Missing) -> str:
    if isinstance(point, Missing):
        return f"{point.n_real} real, {point.regime}: {point.why}"
    unet = point.result
    mean = statistics.fmean(row.metrics.dice for row in unet.rows)
    return (
        f"{unet.regime.label}, seed {unet.config.seed}, fold {unet.fold}: mean Dice "
        f"{mean:.4f} of {len(unet.rows)} test cases"
    )
