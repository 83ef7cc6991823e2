"""Figures beside the paper's: how often, how far, and in which structure a mask fails.

Of each test case, and of each of its structures:

- normalized surface Dice at a tolerance (`metrics`),
- the error of the area, relative and signed; None where the truth has no such
  structure,
- Dice and Hausdorff distance, as in the tables.

Structures are the classes. Of lungs they are the left and the right one beside the
whole, as `data.lungs` finds them in prediction and truth, each by itself: a prediction
of one lung in the place of two is cut in the middle.

A network *fails* in a case if Dice is below a given value. Tolerance and value are
settings, so that the figures of finished runs can be made again with others, from their
predictions.
"""

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from tfgansynth.arrays import Labels, MaskArray
from tfgansynth.config import EvaluationConfig
from tfgansynth.data.lungs import LUNG_TARGETS, Lungs, select_lungs
from tfgansynth.errors import InputError
from tfgansynth.evaluation.metrics import area_error, measure, surface_dice
from tfgansynth.evaluation.predictions import Predictions
from tfgansynth.evaluation.tables import Summary, summarize
from tfgansynth.runtime import storage

FIGURES = "figures.csv"
"""File of a U-Net's figures, beside its `cases.csv`."""
WHOLE, MEAN = "whole", "mean"
"""The first structure: of one class, and of several the mean over them."""
_COLUMNS = (
    *("fold", "case_id", "n_real", "n_synthetic", "structure", "tolerance_px"),
    *("dice", "hausdorff_px", "surface_dice", "area_error"),
)
_MOST_CSV_BYTES = 64 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class StructureFigures:
    """The figures of one structure of a test case; see the module.

    Attributes:
        dice: [0, 1].
        hausdorff_px: In pixels.
        surface_dice: [0, 1].
        area_error: -1 or more.
    """

    dice: float
    hausdorff_px: float
    surface_dice: float
    area_error: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class CaseFigures:
    """The figures of one test case by structure, those of the whole first."""

    case_id: str
    structures: Mapping[str, StructureFigures]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FigureSummary:
    """The figures of a structure over test cases.

    Attributes:
        n_results: Test cases of all U-Nets.
        n_failed: How many have a Dice below the value at which a U-Net fails.
        area_error: Over those that have one; None if none has.
    """

    n_results: int
    n_failed: int
    dice: Summary
    hausdorff_px: Summary
    surface_dice: Summary
    area_error: Summary | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OtherFigures:
    """The other figures of all regimes whose U-Nets have them.

    Attributes:
        tolerance_px: Of the surface Dice.
        failure_dice: A U-Net fails where Dice is below.
        regimes: By the name of a regime, the figures of each structure.
    """

    tolerance_px: float
    failure_dice: float
    regimes: Mapping[str, Mapping[str, FigureSummary]]


def measure_figures(
    found: Predictions,
    tolerance_px: float,
    classes: Sequence[str],
    lungs: Lungs | None,
) -> tuple[CaseFigures, ...]:
    """Measure the predictions of a U-Net.

    Args:
        found: The predictions.
        tolerance_px: Of the surface Dice.
        classes: Their names, without the background.
        lungs: Which lungs the masks show; None if they show something else.
    """
    return tuple(
        CaseFigures(case_id, _measure(prediction, truth, tolerance_px, classes, lungs))
        for case_id, prediction, truth in zip(
            found.case_ids, found.predictions, found.truths, strict=True
        )
    )


def summarize_figures(
    rows: Sequence[CaseFigures], failure_dice: float
) -> dict[str, FigureSummary]:
    """Summarize the figures of each structure over at least one case.

    Args:
        rows: Test cases of any number of U-Nets.
        failure_dice: A U-Net fails where Dice is below.
    """
    return {
        name: _summarize([row.structures[name] for row in rows], failure_dice)
        for name in rows[0].structures
    }


def summarize_regimes(
    regimes: Mapping[str, Sequence[Sequence[CaseFigures]]], numbers: EvaluationConfig
) -> OtherFigures | None:
    """Summarize each regime all of whose U-Nets have figures; None without any.

    Args:
        regimes: By name, the figures of each U-Net.
        numbers: Tolerance and value at which a U-Net fails.
    """
    found = {
        name: summarize_figures(
            [row for unet in unets for row in unet], numbers.failure_dice
        )
        for name, unets in regimes.items()
        if all(unets)
    }
    if not found:
        return None
    return OtherFigures(
        tolerance_px=numbers.surface_tolerance,
        failure_dice=numbers.failure_dice,
        regimes=found,
    )


def figures_to_csv(
    rows: Iterable[CaseFigures],
    fold: int,
    n_real: int,
    n_synthetic: int,
    tolerance_px: float,
) -> str:
    """Write the figures of a U-Net as CSV, a line for each structure of a case.

    Floats are written exactly: `figures_from_csv` gives the same rows back.

    Args:
        rows: The cases.
        fold: Fold in which they are tested, from 1.
        n_real: Real pairs that the U-Net was trained on.
        n_synthetic: Synthetic ones.
        tolerance_px: Of the surface Dice.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        for name, found in row.structures.items():
            first = fold, row.case_id, n_real, n_synthetic, name, repr(tolerance_px)
            values = dataclasses.astuple(found)
            writer.writerow([*first, *("" if v is None else repr(v) for v in values)])
    return stream.getvalue()


def figures_from_csv(
    text: str, fold: int, n_real: int, n_synthetic: int, tolerance_px: float
) -> tuple[CaseFigures, ...]:
    """Read back what `figures_to_csv` wrote of the same U-Net and tolerance.

    Raises:
        ValueError: It is something else.
    """
    rows: dict[str, dict[str, StructureFigures]] = {}
    for line in csv.DictReader(io.StringIO(text, newline=""), strict=True):
        try:
            dice, hausdorff, surface = (float(line[name]) for name in _COLUMNS[-4:-1])
            error = float(line["area_error"]) if line["area_error"] else None
            case_id, structure = line["case_id"], line["structure"]
        except (KeyError, TypeError) as fault:
            raise ValueError(f"expected the columns {_COLUMNS}") from fault
        shares = 0 <= dice <= 1 and 0 <= surface <= 1
        if not (shares and 0 <= hausdorff < math.inf and -1 <= (error or 0) < math.inf):
            raise ValueError(f"case {case_id}: expected finite figures in their ranges")
        own = rows.setdefault(case_id, {})
        own[structure] = StructureFigures(dice, hausdorff, surface, error)
    made = tuple(CaseFigures(case_id, own) for case_id, own in rows.items())
    if len({tuple(row.structures) for row in made}) != 1:
        raise ValueError("expected cases, all of the same structures")
    if figures_to_csv(made, fold, n_real, n_synthetic, tolerance_px) != text:
        raise ValueError("is not as it is written of this U-Net and tolerance")
    return made


def read_figures(
    path: Path, fold: int, n_real: int, n_synthetic: int, tolerance_px: float
) -> tuple[CaseFigures, ...]:
    """Read the figures of a U-Net.

    Raises:
        InputError: The file is missing, or is not as `figures_to_csv` writes it.
    """
    try:
        text = storage.read_bytes(path, _MOST_CSV_BYTES).decode()
        return figures_from_csv(text, fold, n_real, n_synthetic, tolerance_px)
    except (ValueError, csv.Error) as fault:
        raise InputError(f"{path}: cannot be read ({fault})") from fault


def _measure(
    prediction: Labels,
    truth: Labels,
    tolerance_px: float,
    classes: Sequence[str],
    lungs: Lungs | None,
) -> dict[str, StructureFigures]:
    if len(classes) == 1:
        parts = _parts(prediction > 0, truth > 0, WHOLE, lungs)
        return {name: _compare(*pair, tolerance_px) for name, pair in parts}
    own: dict[str, StructureFigures] = {}
    others: dict[str, StructureFigures] = {}
    for index, name in enumerate(classes, start=1):
        shown = LUNG_TARGETS.get(name)
        for part, pair in _parts(prediction == index, truth == index, name, shown):
            (own if part == name else others)[part] = _compare(*pair, tolerance_px)
    # A class of its own comes before a lung that was cut out of another.
    return {MEAN: _mean([*own.values()]), **others, **own}


def _parts(
    prediction: MaskArray, truth: MaskArray, name: str, lungs: Lungs | None
) -> Iterator[tuple[str, tuple[MaskArray, MaskArray]]]:
    """Yield a structure, and the left and the right lung if it shows both."""
    yield name, (prediction, truth)
    if lungs == "both":
        for lung, side in LUNG_TARGETS.items():
            if side != "both":
                yield lung, (select_lungs(prediction, side), select_lungs(truth, side))


def _compare(
    prediction: MaskArray, truth: MaskArray, tolerance_px: float
) -> StructureFigures:
    found = measure(prediction, truth)
    return StructureFigures(
        dice=found.dice,
        hausdorff_px=found.hausdorff_px,
        surface_dice=surface_dice(prediction, truth, tolerance_px),
        area_error=area_error(prediction, truth),
    )


def _mean(figures: Sequence[StructureFigures]) -> StructureFigures:
    errors = [each.area_error for each in figures if each.area_error is not None]
    return StructureFigures(
        dice=fmean(each.dice for each in figures),
        hausdorff_px=fmean(each.hausdorff_px for each in figures),
        surface_dice=fmean(each.surface_dice for each in figures),
        area_error=fmean(errors) if errors else None,
    )


def _summarize(
    figures: Sequence[StructureFigures], failure_dice: float
) -> FigureSummary:
    errors = [each.area_error for each in figures if each.area_error is not None]
    return FigureSummary(
        n_results=len(figures),
        n_failed=sum(each.dice < failure_dice for each in figures),
        dice=summarize([each.dice for each in figures]),
        hausdorff_px=summarize([each.hausdorff_px for each in figures]),
        surface_dice=summarize([each.surface_dice for each in figures]),
        area_error=summarize(errors) if errors else None,
    )
