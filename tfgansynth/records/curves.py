"""A learning curve: Dice over the number of real cases, by regime.

Each number of real cases has its U-Nets, one for each regime, fold and seed. Intervals
are those of `mixed_effects`: over test cases and training runs where there are several
runs. Where patients are known, they are the unit and not the cases. A single run gives
Student's interval over its test cases, or patients, and does not show how much other
trainings would differ.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tfgansynth.data.dataset import Identity
from tfgansynth.evaluation.mixed_effects import CONFIDENCE, Differences, estimate
from tfgansynth.evaluation.tables import PHANTOM_WARNING
from tfgansynth.records.comparisons import context_of
from tfgansynth.records.runs import FinishedUNet, Remark

_Dice = Mapping[str, float]
"""Of test cases, by case id."""
_Runs = Mapping[tuple[int, int], _Dice]
"""By seed and fold."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One trained U-Net, with the interval over its own test cases.

    Attributes:
        run: Folder of its run, relative to the curve's.
        folder: Its own, below the fold's.
        regime: What it was trained on, in words; the same for all n.
    """

    run: str
    folder: str
    n_real: int
    n_synthetic: int
    seed: int
    fold: int
    regime: str
    mean_dice: float
    low: float
    high: float
    n_cases: int
    n_runs: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LinePoint:
    """What the U-Nets of a regime and a number of real cases come to together."""

    regime: str
    n_real: int
    mean_dice: float
    low: float
    high: float
    n_cases: int
    n_runs: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DifferencePoint:
    """Last regime minus first, paired by case and run, of a number of real cases."""

    n_real: int
    mean_difference: float
    low: float
    high: float
    n_cases: int
    n_runs: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MissingPoint:
    """A point that could not be made, and why."""

    n_real: int
    seed: int
    fold: int
    regime: str
    why: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """A learning curve, complete or still growing; all of `curve.json`.

    Attributes:
        warning: That the cases are phantoms; None if they are not.
        context: Data set, target, preset, seeds and folds in one line.
        generator: Which real cases the generators have learned from, in words.
        generator_of: How many, if one generator serves all numbers of cases.
        intervals: What intervals are over, in words.
        points: All that is done, in the order of training.
        lines: The same by regime and number of real cases.
    """

    warning: str | None
    context: str
    dataset: Identity
    generator: str
    generator_of: int | None
    intervals: str
    points: tuple[CurvePoint, ...]
    lines: tuple[LinePoint, ...]
    differences: tuple[DifferencePoint, ...]
    missing: tuple[MissingPoint, ...]
    remarks: tuple[Remark, ...]

    @property
    def counts(self) -> list[int]:
        """The numbers of real cases, ascending."""
        return sorted({point.n_real for point in self.points})

    @property
    def regimes(self) -> list[str]:
        """The regimes, in the order of training."""
        return list(dict.fromkeys(point.regime for point in self.points))

    def line(self, regime: str) -> list[LinePoint]:
        """The line of one regime."""
        return [point for point in self.lines if point.regime == regime]


def make_curve(
    unets: Sequence[FinishedUNet],
    generator_of: int | None,
    missing: Iterable[MissingPoint] = (),
    remarks: Iterable[Remark] = (),
) -> LearningCurve:
    """Make a learning curve of U-Nets of several numbers of real cases.

    Args:
        unets: One at least; `run` is their run's folder relative to the curve's.
        generator_of: Cases that the one generator of all was trained on; None where
            each number of cases has a generator of its own.
        missing: What could not be done.
        remarks: Those on the U-Nets' runs.
    """
    unets = sorted(
        unets, key=lambda u: (u.seed, u.regime.n_real, u.fold, u.regime.order)
    )
    regimes = list(dict.fromkeys(unet.regime.name for unet in unets))
    counts = sorted({unet.regime.n_real for unet in unets})
    patients = {k: v for unet in unets for k, v in unet.table.patients.items()}
    units = "patients" if patients else "test cases"
    runs = {
        (regime, count): {
            (unet.seed, unet.fold): _dice(unet)
            for unet in unets
            if (unet.regime.name, unet.regime.n_real) == (regime, count)
        }
        for regime in regimes
        for count in counts
    }
    dataset, steps = unets[0].dataset, unets[0].config.evaluation.budgets[0]
    return LearningCurve(
        warning=PHANTOM_WARNING if dataset.is_phantom else None,
        context=f"{context_of(unets)}; {steps} mini-batches each",
        dataset=dataset,
        generator=_generator_words(generator_of),
        generator_of=generator_of,
        intervals=(
            f"{100 * CONFIDENCE:.0f} % over {units} and training runs; of a single run "
            f"over its {units} alone"
        ),
        points=tuple(_point(unet, patients) for unet in unets),
        lines=tuple(
            LinePoint(
                regime=regime,
                n_real=count,
                mean_dice=_mean(of_runs),
                **_interval(of_runs, patients, least=0),
            )
            for (regime, count), of_runs in runs.items()
            if of_runs
        ),
        differences=tuple(
            DifferencePoint(
                n_real=count,
                mean_difference=_mean(pairs),
                **_interval(pairs, patients, least=-1),
            )
            for count in counts
            if len(regimes) > 1
            for pairs in [_paired(runs[regimes[0], count], runs[regimes[-1], count])]
            if pairs
        ),
        missing=tuple(missing),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _generator_words(generator_of: int | None) -> str:
    words = "each number of real cases has its own generator, trained on those alone"
    if generator_of:
        words = (
            f"one generator, trained on {generator_of} real cases, serves all: it has "
            f"seen more real cases than the U-Nets of fewer than {generator_of}"
        )
    return f"Generators: {words}."


def _dice(unet: FinishedUNet) -> dict[str, float]:
    return {row.case_id: row.metrics.dice for row in unet.cases}


def _point(unet: FinishedUNet, patients: Mapping[str, str]) -> CurvePoint:
    own = {(unet.seed, unet.fold): _dice(unet)}
    return CurvePoint(
        run=unet.run,
        folder=unet.regime.folder_name,
        n_real=unet.regime.n_real,
        n_synthetic=unet.regime.n_synthetic,
        seed=unet.seed,
        fold=unet.fold,
        regime=unet.regime.name,
        mean_dice=_mean(own),
        **_interval(own, patients, least=0),
    )


def _interval(
    by_run: _Runs, patients: Mapping[str, str], *, least: float
) -> dict[str, Any]:
    """What all points say of their mean, which lies between `least` and 1.

    Of a single case or patient nothing is known of others.
    """
    cases, values = _values(by_run)
    owners = [patients.get(case, case) for case in cases]
    low, high = least, 1.0
    if len({*owners}) > 1:
        # Without patients the model counts cases, as it did before there were any.
        found = estimate(values, patients=owners if patients else None)
        low, high = (min(max(end, least), 1.0) for end in found.interval())
    return {
        "low": float(low),
        "high": high,
        "n_cases": len(cases),
        "n_runs": len(by_run),
    }


def _paired(first: _Runs, last: _Runs) -> _Runs:
    """Differences, case by case, of the runs that both regimes have."""
    return {
        run: {case: dice - first[run][case] for case, dice in last[run].items()}
        for run in first
        if run in last
    }


def _mean(by_run: _Runs) -> float:
    _, values = _values(by_run)
    return float(values[~np.isnan(values)].mean())


def _values(by_run: _Runs) -> tuple[list[str], Differences]:
    """The cases, and their values in each run, float64 (cases, runs); NaN without."""
    cases = sorted({case for values in by_run.values() for case in values})
    columns = [
        [values.get(case, np.nan) for case in cases] for values in by_run.values()
    ]
    return cases, np.array(columns).T
