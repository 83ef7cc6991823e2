"""The ranges of values that settings may have, as types to annotate them with."""

import dataclasses
import math
from typing import Annotated


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """The values that a setting may have; of a tuple, each of its numbers.

    Attributes:
        least: The smallest value.
        below: The first value that is too large.
        open: Whether `least` itself is too small.
    """

    least: float
    below: float = math.inf
    open: bool = False


Count = Annotated[int, Range(1)]
CountOrZero = Annotated[int, Range(0)]
AtLeastTwo = Annotated[int, Range(2)]
Counts = Annotated[tuple[int, ...], Range(1)]
Amount = Annotated[float, Range(0)]
Positive = Annotated[float, Range(0, open=True)]
GreyLevel = Annotated[int, Range(1, below=256)]
HashDistance = Annotated[int, Range(0, below=65)]
Share = Annotated[float, Range(0, below=1)]
