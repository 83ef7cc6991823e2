"""The learning curve that lies in a run or beside it, if one was made."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgansynth.reporting.html.forms import form_of
from tfgansynth.runtime import storage


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one U-Net came to: mean Dice over its test cases, with interval."""

    n_real: int
    n_synthetic: int
    seed: int
    fold: int
    regime: str
    mean_dice: float
    low: float
    high: float
    n_cases: int


@dataclasses.dataclass(frozen=True, slots=True)
class Curve:
    """Dice over the number of real training cases.

    Attributes:
        points: All U-Nets'.
        context: Data set, preset and the like in one line.
        generator: On which cases the generators were trained, in words.
    """

    points: tuple[Point, ...]
    context: str
    generator: str


def read_curve(path: Path, dataset: Mapping[str, Any]) -> Curve | None:
    """Read `curve.json`; None if there is none, or one of other data.

    Args:
        path: The file.
        dataset: Name and hash of the data that it must be of, if it says so.

    Raises:
        InputError: It is damaged or of another form.
    """
    if not path.exists():
        return None
    record = storage.read_record(path)
    if record.get("dataset", dataset) != dataset:
        return None
    names = [field.name for field in dataclasses.fields(Point)]
    with form_of(path):
        points = [
            Point(**{name: point[name] for name in names}) for point in record["points"]
        ]
        points.sort(
            key=lambda point: (point.regime, point.n_real, point.seed, point.fold)
        )
        if not points:
            raise ValueError("no points")
        return Curve(tuple(points), str(record["context"]), str(record["generator"]))
