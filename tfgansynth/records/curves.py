"""A learning curve: Dice over the number of real cases, by regime.

Each number of real cases has its U-Nets, one for each regime, fold and seed. Intervals
are those of `mixed_effects`: over test cases and training runs where there are several
runs. Where patients are known, they are the unit and not the cases. A single run gives
Student's interval over its test cases, or patients, and does not show how much other
trainings would differ.

Synthetic pairs are compared with real pairs alone that are augmented alike, of each
number of real cases, by the rules of `evaluation.comparisons`. What is corrected goes
over all numbers of cases: where curves part is looked for at each of them.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfgansynth.config import Config
from tfgansynth.data.dataset import Identity
from tfgansynth.evaluation.comparisons import CaseResult, compare
from tfgansynth.evaluation.mixed_effects import CONFIDENCE, Differences, estimate
from tfgansynth.evaluation.tables import PHANTOM_WARNING
from tfgansynth.evaluation.verdicts import PairComparison
from tfgansynth.ranges import optional
from tfgansynth.records.comparisons import context_of, primary_pair
from tfgansynth.records.regimes import AUGMENTED, Regime
from tfgansynth.records.results.grouping import Tables, withheld_pairs
from tfgansynth.records.results.remarks import budget_remarks
from tfgansynth.records.runs import FinishedUNet, Remark, StudyPlan, settings_hash

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
    """Last regime minus first of a number of real cases, as earlier versions had it."""

    n_real: int
    mean_difference: float
    low: float
    high: float
    n_cases: int
    n_runs: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CurveComparison:
    """With synthetic pairs minus real pairs alone, of one number of real cases.

    Attributes:
        first: Regime of the real pairs alone, as its line is called.
        second: That with synthetic pairs.
        pair: The verdict. It names the regimes with their numbers of pairs.
    """

    n_real: int
    first: str
    second: str
    pair: PairComparison


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
        differences: Of earlier versions; they had no verdicts.
        comparisons: Where lines part: by number of real cases, in the order of lines.
        plans: What was declared; one, or that of each machine of merged results.
        plan_note: Whether a primary pair is tested as it was declared, in words.
    """

    warning: str | None
    context: str
    dataset: Identity
    generator: str
    generator_of: int | None
    intervals: str
    points: tuple[CurvePoint, ...]
    lines: tuple[LinePoint, ...]
    differences: tuple[DifferencePoint, ...] = optional(())
    comparisons: tuple[CurveComparison, ...] = optional(())
    plans: tuple[StudyPlan, ...] = optional(())
    plan_note: str = optional("")
    missing: tuple[MissingPoint, ...]
    remarks: tuple[Remark, ...]

    @property
    def counts(self) -> list[int]:
        """The numbers of real cases, ascending."""
        return sorted({point.n_real for point in self.points})

    @property
    def regimes(self) -> list[str]:
        """The regimes, in the order of tables."""
        return list(dict.fromkeys(point.regime for point in self.lines))

    def line(self, regime: str) -> list[LinePoint]:
        """The line of one regime."""
        return [point for point in self.lines if point.regime == regime]


def make_curve(
    unets: Sequence[FinishedUNet],
    generator_of: int | None,
    missing: Iterable[MissingPoint] = (),
    remarks: Iterable[Remark] = (),
    plans: Iterable[StudyPlan] = (),
) -> LearningCurve:
    """Make a learning curve of U-Nets of several numbers of real cases.

    Args:
        unets: One at least; `run` is their run's folder relative to the curve's.
        generator_of: Cases that the one generator of all was trained on; None where
            each number of cases has a generator of its own.
        missing: What could not be done.
        remarks: Those on the U-Nets' runs.
        plans: What was declared before the first run, on each machine.
    """
    unets = sorted(
        unets, key=lambda u: (u.seed, u.regime.n_real, u.fold, u.regime.order)
    )
    in_order = sorted(unets, key=lambda unet: unet.regime.order)
    regimes = list(dict.fromkeys(unet.regime.name for unet in in_order))
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
    tables = _tables(unets, steps)
    # Of a generator that serves all numbers nothing is declared.
    plans = () if generator_of else tuple(dict.fromkeys(plans))
    primary, plan_note = primary_pair(
        plans,
        unets,
        name_of=lambda unet: unet.regime.label,
        settings_of=lambda unet: curve_settings(unet.config),
    )
    return LearningCurve(
        warning=PHANTOM_WARNING if dataset.is_phantom else None,
        context=f"{context_of(unets)}; {steps} mini-batches each",
        dataset=dataset,
        generator=_generator_words(generator_of, unets[0].config),
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
                **_interval(of_runs, patients),
            )
            for (regime, count), of_runs in runs.items()
            if of_runs
        ),
        comparisons=tuple(_compare(unets, tables, primary, patients)),
        plans=plans,
        plan_note=plan_note,
        missing=tuple(missing),
        remarks=tuple(dict.fromkeys([*remarks, *budget_remarks(tables)])),
    )


def curve_pairs(regimes: Iterable[Regime]) -> list[tuple[Regime, Regime]]:
    """Choose the pairs of regimes that a learning curve compares.

    Returns:
        By number of real cases, and in the order of tables: real pairs alone, and the
        same with synthetic pairs. What these are pretrained with has no like of its own
        without them, and is compared with real pairs that are augmented alike.
    """
    ordered = sorted({*regimes}, key=lambda regime: (regime.n_real, regime.order))
    found = []
    for second in ordered:
        likes = [dataclasses.replace(second, n_synthetic=0)]
        if second.baseline not in AUGMENTED:
            likes.append(dataclasses.replace(likes[0], baseline=None))
        first = next((like for like in likes if like in ordered), None)
        if second.n_synthetic and first:
            found.append((first, second))
    return found


def curve_settings(config: Config) -> str:
    """Hash all settings but the seed and the number of real cases."""
    return settings_hash(for_all_counts(config))


def for_all_counts(config: Config) -> Config:
    """Give all runs of a learning curve the same settings, but for the seed."""
    data = dataclasses.replace(config.data, n_reduced=1)
    return dataclasses.replace(config, data=data)


def _tables(unets: Sequence[FinishedUNet], steps: int) -> Tables:
    """Put the U-Nets of each number of real cases into a table, by their labels."""
    tables: Tables = {}
    for unet in unets:
        title = f"{unet.regime.n_real} real cases, {steps} mini-batches each"
        table = tables.setdefault(title, {})
        table.setdefault(unet.regime.label, []).append(unet)
    return tables


def _compare(
    unets: Sequence[FinishedUNet],
    tables: Tables,
    primary: tuple[str, str] | None,
    patients: Mapping[str, str],
) -> Iterator[CurveComparison]:
    """Decide on each pair of a curve; labels tell numbers of real cases apart."""
    pairs = {
        (first.label, second.label): (first, second)
        for first, second in curve_pairs(unet.regime for unet in unets)
    }
    found = compare(
        [
            CaseResult(
                unet.seed, unet.fold, row.case_id, unet.regime.label, row.metrics
            )
            for unet in unets
            for row in unet.cases
        ],
        margin=unets[0].config.evaluation.equivalence_margin,
        tables=[*pairs],
        primary=primary,
        baselines={u.regime.label: b for u in unets if (b := u.regime.baseline)},
        withheld={
            pair: why
            for table in tables.values()
            for pair, why in withheld_pairs(table)
        },
        patients=patients,
    )
    for each in found:
        first, second = pairs[each.first, each.second]
        yield CurveComparison(
            n_real=first.n_real, first=first.name, second=second.name, pair=each
        )


def _generator_words(generator_of: int | None, config: Config) -> str:
    others = " and images without masks" if config.gan.unlabelled else ""
    words = (
        "each number of real cases has its own generator, trained on those"
        f"{others or ' alone'}"
    )
    if generator_of:
        words = (
            f"one generator, trained on {generator_of} real cases{others}, serves all: "
            f"it has seen more real cases than the U-Nets of fewer than {generator_of}"
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
        **_interval(own, patients),
    )


def _interval(by_run: _Runs, patients: Mapping[str, str]) -> dict[str, Any]:
    """What all points say of their mean, which lies between 0 and 1.

    Of a single case or patient nothing is known of others.
    """
    cases, values = _values(by_run)
    owners = [patients.get(case, case) for case in cases]
    low, high = 0.0, 1.0
    if len({*owners}) > 1:
        # Without patients the model counts cases, as it did before there were any.
        found = estimate(values, patients=owners if patients else None)
        low, high = (min(max(end, 0.0), 1.0) for end in found.interval())
    return {
        "low": low,
        "high": high,
        "n_cases": len(cases),
        "n_runs": len(by_run),
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
