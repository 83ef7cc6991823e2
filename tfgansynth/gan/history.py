"""What a GAN's training came to, step by step: part of its state, and a CSV file."""

import csv
import dataclasses
import io
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

PREFIX = "history/"
"""Begins the names of its arrays in a checkpoint."""

_STEP = "step"


@dataclasses.dataclass(slots=True)
class History:
    """Numbers by name, each with the steps it was taken at.

    Attributes:
        series: Name -> step -> value, the steps of each name in ascending order.
    """

    series: dict[str, dict[int, float]] = dataclasses.field(default_factory=dict)

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Note what was measured at a step."""
        for name, value in scalars.items():
            self.series.setdefault(name, {})[step] = value

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Render for a checkpoint: float64 (n, 2), steps and values, by name."""
        return {
            f"{PREFIX}{name}": np.array(list(points.items()), np.float64)
            for name, points in self.series.items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take from a checkpoint what `arrays` put there."""
        return cls(
            {
                name.removeprefix(PREFIX): {
                    int(step): float(value) for step, value in points
                }
                for name, points in arrays.items()
                if name.startswith(PREFIX)
            }
        )

    def to_csv(self) -> str:
        """Render as CSV: a line a step, blank where nothing was measured."""
        names = sorted(self.series)
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([_STEP, *names])
        steps = {step for points in self.series.values() for step in points}
        for step in sorted(steps):
            values = [self.series[name].get(step, "") for name in names]
            writer.writerow([step, *values])
        return buffer.getvalue()
