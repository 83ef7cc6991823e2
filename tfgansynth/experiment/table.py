"""The whole chain over folds and seeds, and the results that grow from it."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.tables import METRIC_HEADINGS
from tfgansynth.experiment.assessment import assess_fold
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.gan_stage import ensure_gan
from tfgansynth.experiment.regimes import RegimeSet, planned_regimes
from tfgansynth.experiment.run_folder import Run
from tfgansynth.experiment.synthesis_stage import ensure_set
from tfgansynth.experiment.unet_stage import ensure_unet
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.provenance import DroppedPair
from tfgansynth.records.regimes import Regime
from tfgansynth.records.tables import aggregate
from tfgansynth.runtime.timing import stages_table


@dataclasses.dataclass(frozen=True, slots=True)
class Screen:
    """What shows results as they come; the rooms above bring it.

    Attributes:
        trained: Takes the run folders so far, the folder of what they show together,
            and the regime of the U-Net that was just finished.
        compared: Takes the same folders after each run.
        assessed: Takes each assessment and the pairs that its audit objects to.
    """

    trained: Callable[[Sequence[Path], Path, Regime], None]
    compared: Callable[[Sequence[Path], Path], None]
    assessed: Callable[[Assessment, Sequence[DroppedPair]], None]


def run_study(
    experiments: Iterable[Experiment],
    fold_numbers: Sequence[int] | None,
    regimes: RegimeSet,
    n_seeds: int,
    screen: Screen,
    *,
    control: bool = False,
    assessed: bool = False,
) -> Path:
    """Run the whole chain over folds and seeds; show results as they come.

    Args:
        experiments: One run a seed, ascending.
        fold_numbers: The folds; None for all.
        regimes: Which regimes.
        n_seeds: How many runs there will be.
        screen: Shows the results.
        control: Also the regimes of the control.
        assessed: Also assess each fold's synthetic set, after its regimes.

    Returns:
        The folder of the comparison: the run's own if there is only one.

    Raises:
        InputError: There can be no control.
    """
    roots: list[Path] = []
    folder = Path()
    for experiment in experiments:
        roots.append(experiment.run.root)
        if len(roots) == 1:
            folder = study_folder(experiment.run, n_seeds)
        for fold in experiment.some_folds(fold_numbers):
            n_real = len(fold.training)
            tables = planned_regimes(
                experiment.config, n_real, regimes, control=control
            )
            rows = list(itertools.chain(*tables))
            ensure_gan(experiment, fold)
            for kind in dict.fromkeys(regime.kind for regime in rows):
                ensure_set(experiment, fold, kind)
            for regime in rows:
                ensure_unet(experiment, fold, regime)
                screen.trained(roots, folder, regime)
            if assessed:
                assess_fold(experiment, fold, screen.assessed)
        screen.compared(roots, folder)
        print(stages_table(experiment.run.seconds()))
    return folder


def study_folder(run: Run, n_seeds: int) -> Path:
    """The folder of what several seeds have shown together: `...-seeds0-1`.

    Args:
        run: That of the first seed.
        n_seeds: How many seeds; one needs no folder but the run's.
    """
    if n_seeds == 1:
        return run.root
    name = Run.folder_name(run.dataset_name, run.config, n_seeds)
    return run.root.with_name(name)


def summary(rows: Sequence[CaseRow]) -> str:
    """Say in one line how a U-Net did on its test cases."""
    (row,) = aggregate(rows)
    means = [
        f"{heading} {getattr(row, name).mean:.4f}"
        for name, heading in METRIC_HEADINGS.items()
    ]
    return f"TEST: {row.n_cases} cases, mean {', '.join(means)}"
