"""A learning curve: Dice over the number of real cases, by regime.

Each number of real cases has its U-Nets, one for each regime, fold and seed. Intervals
are those of `crossed`: over test cases and training runs where there are several
runs. A single run gives Student's interval over its test cases, shaped by the
bootstrap, and does not show how much other trainings would differ.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tfgansynth.evaluation.mixed_effects import (
    CONFIDENCE,
    Differences,
    Estimate,
    estimate,
)
from tfgansynth.evaluation.tables import PHANTOM_WARNING, padded

Run = tuple[int, int]
"""Seed and fold."""

INTERVALS = (
    f"{100 * CONFIDENCE:.0f} % over test cases and training runs; of a single run over "
    "its test cases alone"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CurveUNet:
    """One trained U-Net and its Dice.

    Attributes:
        run: Folder of its run, relative to the curve's.
        folder: Its own, below the fold's.
        n_real: Real training pairs.
        n_synthetic: Synthetic ones.
        seed: Seed of the run.
        fold: Its fold.
        regime: What it was trained on, in words; the same for all n.
        dice: Of each test case by case id; two cases or more.
    """

    run: str
    folder: str
    n_real: int
    n_synthetic: int
    seed: int
    fold: int
    regime: str
    dice: Mapping[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A point that there is none of.

    Attributes:
        n_real: Real training pairs that it would have.
        seed: Seed of the run.
        fold: Its fold.
        regime: What it would have been trained on.
        why: What was in the way.
    """

    n_real: int
    seed: int
    fold: int
    regime: str
    why: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A learning curve, complete or still growing.

    Attributes:
        context: Data set, target, preset, seeds and folds in one line.
        is_phantom: Whether the cases are the built-in phantoms.
        generator: Which real cases the generators have learned from, in words.
        unets: All that is done, in the order of training.
        missing: What could not be done.
        remarks: What went amiss on the way and may have spoiled a figure.
    """

    context: str
    is_phantom: bool
    generator: str
    unets: tuple[CurveUNet, ...]
    missing: tuple[Missing, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def counts(self) -> list[int]:
        """The numbers of real cases, ascending."""
        return sorted({unet.n_real for unet in self.unets})

    @property
    def regimes(self) -> list[str]:
        """The regimes, in the order of training."""
        return list(dict.fromkeys(unet.regime for unet in self.unets))

    def line(self, regime: str) -> dict[int, Estimate]:
        """Mean Dice of a regime by number of real cases; intervals end at 0 and 1."""
        return {
            count: _mean_dice(unets)
            for count in self.counts
            if (unets := self._of(count, regime))
        }

    def differences(self) -> dict[int, Estimate]:
        """Mean difference of Dice, last regime minus first, on what both have."""
        first, *_, last = self.regimes if len(self.regimes) > 1 else ("", "")
        pairs = {n: _paired(self._of(n, first), self._of(n, last)) for n in self.counts}
        return {count: _estimate(unets) for count, unets in pairs.items() if unets}

    def _of(self, count: int, regime: str) -> dict[Run, Mapping[str, float]]:
        return {
            (unet.seed, unet.fold): unet.dice
            for unet in self.unets
            if (unet.n_real, unet.regime) == (count, regime)
        }


def _paired(
    first: Mapping[Run, Mapping[str, float]], last: Mapping[Run, Mapping[str, float]]
) -> dict[Run, Mapping[str, float]]:
    """Differences, case by case, of the runs that both regimes have."""
    return {
        run: {case: dice - first[run][case] for case, dice in last[run].items()}
        for run in first
        if run in last
    }


def _mean_dice(by_run: Mapping[Run, Mapping[str, float]]) -> Estimate:
    """Estimate a mean that lies in [0, 1], which the model does not know."""
    found = _estimate(by_run)
    return dataclasses.replace(
        found, low=max(0.0, found.low), high=min(1.0, found.high)
    )


def _estimate(by_run: Mapping[Run, Mapping[str, float]]) -> Estimate:
    cases = sorted({case for values in by_run.values() for case in values})
    columns = [
        [values.get(case, np.nan) for case in cases] for values in by_run.values()
    ]
    matrix: Differences = np.array(columns).T
    return estimate(matrix)


def curve_to_json(curve: Curve) -> dict[str, object]:
    """Render a curve as plain dictionaries, lists, strings and numbers.

    Returns:
        `points`, one for each U-Net, with the interval over its own test cases;
        `lines`, what the points of a regime and number come to together; and
        `differences` between the regimes, paired by case and run.
    """
    points = []
    for unet in curve.unets:
        found = _mean_dice({(unet.seed, unet.fold): unet.dice})
        plain = {
            field.name: getattr(unet, field.name)
            for field in dataclasses.fields(unet)
            if field.name != "dice"
        }
        points.append({**plain, **_plain(found, "mean_dice")})
    return {
        "warning": PHANTOM_WARNING if curve.is_phantom else None,
        "context": curve.context,
        "generator": curve.generator,
        "intervals": INTERVALS,
        "points": points,
        "lines": [
            {"regime": regime, "n_real": count, **_plain(found, "mean_dice")}
            for regime in curve.regimes
            for count, found in curve.line(regime).items()
        ],
        "differences": [
            {"n_real": count, **_plain(found, "mean_difference")}
            for count, found in curve.differences().items()
        ],
        "missing": [dataclasses.asdict(each) for each in curve.missing],
        "remarks": list(curve.remarks),
    }


def _plain(found: Estimate, name: str) -> dict[str, float]:
    return {
        name: found.mean,
        "low": found.low,
        "high": found.high,
        "n_cases": int(found.design.cases),
        "n_runs": int(found.design.runs),
    }


def curve_to_text(curve: Curve) -> str:
    """Render a curve for a terminal; the first line warns of phantoms."""
    lines = {regime: curve.line(regime) for regime in curve.regimes}
    grid = [["real", *curve.regimes, "difference"]]
    for count in curve.counts:
        cells = [_cell(line.get(count), "") for line in lines.values()]
        cells.append(_cell(curve.differences().get(count), "+"))
        grid.append([str(count), *cells])
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    head = [PHANTOM_WARNING] if curve.is_phantom else []
    foot = [f"Dice, mean [interval: {INTERVALS}].", curve.generator]
    foot += [
        f"MISSING: {each.n_real} real, seed {each.seed}, fold {each.fold}, "
        f"{each.regime}: {each.why}"
        for each in curve.missing
    ]
    foot += [f"REMARK: {remark}" for remark in curve.remarks]
    rows = [padded(cells, widths) for cells in grid]
    return "\n".join([*head, f"Learning curve: {curve.context}", *rows, *foot]) + "\n"


def _cell(found: Estimate | None, sign: str) -> str:
    if found is None:
        return "-"
    return f"{found.mean:{sign}.4f} [{found.low:{sign}.4f}, {found.high:{sign}.4f}]"


def missing_from_json(entries: Sequence[Mapping[str, object]]) -> tuple[Missing, ...]:
    """Read back what `curve_to_json` wrote of missing points.

    Raises:
        TypeError: It is something else.
    """
    return tuple(Missing(**entry) for entry in entries)  # type: ignore[arg-type]
