"""The learning curve: the chain once more for each number of real cases."""

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tfgansynth.config import Config
from tfgansynth.data.held_out import FoldCases
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.experiment.curve_plan import Plan
from tfgansynth.experiment.experiment_data import Experiment, ExperimentData
from tfgansynth.experiment.gan_stage import ensure_gan
from tfgansynth.experiment.synthesis_stage import ensure_set
from tfgansynth.experiment.unet_stage import ensure_unet
from tfgansynth.records.curves import MissingPoint
from tfgansynth.records.files import curve_folder_name
from tfgansynth.records.regimes import Regime
from tfgansynth.synthesis.sampling import ModeCollapseError


@dataclasses.dataclass(frozen=True, slots=True)
class Trained:
    """One finished point: seed, fold, regime and test cases."""

    seed: int
    fold: int
    regime: Regime
    rows: Sequence[CaseRow]


@dataclasses.dataclass(frozen=True, slots=True)
class CurveScreen:
    """What writes and shows a curve as it grows; the rooms above bring it.

    Attributes:
        point: Takes the curve's folder, the cases of its one generator, if it has one
            only, and what is missing so far.
        done: Takes the same at the end.
    """

    point: Callable[[Path, int | None, Sequence[MissingPoint]], None]
    done: Callable[[Path, int | None, Sequence[MissingPoint]], None]


def run_curve(
    experiment_data: ExperimentData,
    config: Config,
    plan: Plan,
    out: Path,
    screen: CurveScreen,
) -> Path:
    """Do what is not done yet, point by point; write the curve as it grows.

    Each number of real cases has a run of its own, with nested training sets and the
    same validation and test cases; the runs of different curves share a folder.

    Args:
        experiment_data: The data set.
        config: The experiment's numbers, but for those that the plan sets.
        plan: What to do, fitted to the data.
        out: Takes the curve's folder.
        screen: Writes and shows the curve.

    Returns:
        The curve's folder.
    """
    folder = out / curve_folder_name(experiment_data.dataset.name, config)
    missing: list[MissingPoint] = []
    for point in _chain(experiment_data, config, plan, folder):
        if isinstance(point, MissingPoint):
            missing.append(point)
        screen.point(folder, plan.generator_of, missing)
        print(f"POINT: {_newest(point)}")
    screen.done(folder, plan.generator_of, missing)
    return folder


def _chain(
    experiment_data: ExperimentData, config: Config, plan: Plan, folder: Path
) -> Iterator[Trained | MissingPoint]:
    for seed in range(config.seed, config.seed + plan.n_seeds):
        for count in plan.counts:
            n_generator = plan.generator_of or count
            numbers = dataclasses.replace(config.data, n_reduced=n_generator)
            settings = dataclasses.replace(
                config, seed=seed, reduced=True, data=numbers
            )
            beside = folder / f"n{n_generator:03d}"
            experiment = experiment_data.experiment(settings, beside)
            for fold in experiment.some_folds(plan.folds):
                yield from _points(experiment, fold, count)


def _points(
    experiment: Experiment, fold: FoldCases, count: int
) -> Iterator[Trained | MissingPoint]:
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
                yield MissingPoint(
                    n_real=count,
                    seed=config.seed,
                    fold=fold.number,
                    regime=regime.name,
                    why=str(fault),
                )
                return
        rows = ensure_unet(experiment, fold, regime)
        yield Trained(config.seed, fold.number, regime, rows)


def _newest(point: Trained | MissingPoint) -> str:
    if isinstance(point, MissingPoint):
        return f"{point.n_real} real, {point.regime}: {point.why}"
    mean = statistics.fmean(row.metrics.dice for row in point.rows)
    return (
        f"{point.regime.label}, seed {point.seed}, fold {point.fold}: mean Dice "
        f"{mean:.4f} of {len(point.rows)} test cases"
    )
