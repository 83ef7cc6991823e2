"""One U-Net of the chain, trained and evaluated, and what to know of its making."""

import dataclasses
from collections.abc import Sequence

from tfgansynth.data.held_out import FoldCases
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.provenance import gan_provenance
from tfgansynth.experiment.regimes import Regime
from tfgansynth.experiment.results import UNetResult
from tfgansynth.experiment.unet_stage import ensure_unet, unet_remarks
from tfgansynth.gan.health import read_remarks


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluated:
    """One trained U-Net and what it answered.

    Attributes:
        experiment: Its run.
        fold: Its fold.
        result: What it was trained on, and its test cases.
    """

    experiment: Experiment
    fold: FoldCases
    result: UNetResult


def evaluated(
    experiment: Experiment, fold: FoldCases, regime: Regime, run: str = ""
) -> Evaluated:
    """Train and evaluate a U-Net if that is not done yet; see `ensure_unet`.

    Args:
        experiment: The experiment.
        fold: The fold.
        regime: What it is trained on.
        run: How records name its run; without, by its folder.
    """
    rows = ensure_unet(experiment, fold, regime)
    name = run or experiment.run.root.name
    result = UNetResult(name, experiment.config, fold.number, regime, rows)
    return Evaluated(experiment, fold, result)


def remarks(tested: Sequence[Evaluated]) -> tuple[str, ...]:
    """What went amiss with the data or in the trainings behind some U-Nets.

    Seeds, and the cases that a GAN learned from, are told where there are several.
    """
    runs = {unet.experiment.run.root: unet.experiment for unet in tested}
    n_seeds = len({experiment.config.seed for experiment in runs.values()})
    n_counts = len({experiment.config.data.n_reduced for experiment in runs.values()})
    found = [line for each in runs.values() for line in each.duplicates_remark]
    told = set()
    for unet in tested:
        experiment, fold, regime = unet.experiment, unet.fold, unet.result.regime
        seed = f"seed {experiment.config.seed}, " if n_seeds > 1 else ""
        where = f"{seed}fold {fold.number}"
        gan = experiment.run.gan(fold.number)
        if gan not in told:
            told.add(gan)
            of = f" of {len(fold.training)} cases" if n_counts > 1 else ""
            provenance = gan_provenance(experiment, fold)
            lines = read_remarks(gan, experiment.config.gan, provenance)
            found += [f"{where}, GAN{of}: {line}" for line in lines]
        found += [
            f"{where}, {regime.label}: {line}"
            for line in unet_remarks(experiment, fold, regime)
        ]
    return tuple(dict.fromkeys(found))
