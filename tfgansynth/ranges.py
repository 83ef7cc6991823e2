"""The ranges of values that settings may have, as types to annotate them with.

No value of a range breaks a run by its size alone. What several settings cost together
is checked in `config_checks`.
"""

import dataclasses
import math
import re
import typing
from typing import Annotated, Any, Literal

Precision = Literal["auto", "float32", "bfloat16"]
"""Number formats of convolutions."""

IS_OPTIONAL = "is_optional"
OPTIONAL = {IS_OPTIONAL: True}
"""Metadata of a field that is left out in JSON where it has its default."""


JSON_NAME, ONE_ALONE = "json_name", "one_alone"


def written_as(name: str, *, one_alone: bool = False) -> dict[str, Any]:
    """Metadata of a field that has another name in JSON.

    Of a tuple, one number may stand there alone, without a list.
    """
    return {JSON_NAME: name, ONE_ALONE: one_alone}


def optional(default: Any) -> Any:
    """A field that is left out in JSON where it has its default."""
    return dataclasses.field(default=default, metadata=OPTIONAL)


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

    def __contains__(self, number: float) -> bool:
        """Whether a setting may have this value; never for NaN."""
        inside = self.least <= number < self.below
        return inside and not (self.open and number == self.least)

    def __str__(self) -> str:
        """Return it in words: `1 or more`."""
        least = f"more than {self.least:g}" if self.open else f"{self.least:g} or more"
        return least if self.below == math.inf else f"{least}, less than {self.below}"


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """The texts that a setting may have.

    Attributes:
        pattern: A regular expression of all of them.
        words: The same in words.
    """

    pattern: str
    words: str

    def __contains__(self, text: str) -> bool:
        """Whether a setting may have this value."""
        return bool(re.fullmatch(self.pattern, text))

    def __str__(self) -> str:
        """Return it in words: `auto, or a number`."""
        return self.words


@dataclasses.dataclass(frozen=True, slots=True)
class Words:
    """Names that can stand in file names, Markdown, HTML and the labels of nnU-Net.

    Attributes:
        most: Most characters.
        reserved: What means something else as the name of a label, or of a result.
    """

    most: int = 40
    reserved: tuple[str, ...] = ("background", "ignore", "mean")

    def __contains__(self, name: str) -> bool:
        """Whether a setting may have this value; empty where it is left open."""
        plain = re.fullmatch("([A-Za-z0-9]+([ -][A-Za-z0-9]+)*)?", name)
        return (
            plain is not None
            and len(name) <= self.most
            and name.casefold() not in self.reserved
        )

    def __str__(self) -> str:
        """Return it in words."""
        return (
            f"letters a to z, digits, and single spaces or hyphens between them, at "
            f"most {self.most}; not {', '.join(self.reserved)}"
        )


def range_of(hint: Any) -> Range | Form | Words | None:
    """Return the range in an annotation, also of a tuple's numbers or beside None."""
    for part in typing.get_args(hint):
        found = part if isinstance(part, Range | Form | Words) else range_of(part)
        if found:
            return found
    return None


_INTS = 2**31
"""TensorFlow counts in 32 bits."""
MOST_SIDE_PX = 2048
"""Side of the largest images, those of JSRT."""
MOST_HALVINGS = 11
"""Halvings of such a side until one pixel is left."""

Count = Annotated[int, Range(1, below=_INTS)]
CountOrAuto = Literal["auto"] | Annotated[int, Range(1, below=_INTS)]
CountOrZero = Annotated[int, Range(0, below=_INTS)]
AtLeastTwo = Annotated[int, Range(2, below=_INTS)]
Counts = Annotated[tuple[int, ...], Range(1, below=_INTS)]
Cases = Annotated[int, Range(1, below=10_001)]
"""All pairs of cases are compared. A set of so many pairs has files of five digits."""
FewOrNone = Annotated[int, Range(0, below=101)]
"""Networks, each trained for itself."""
Few = Annotated[int, Range(1, below=101)]
"""Runs, rounds or updates, one after the other."""
Side = Annotated[int, Range(1, below=MOST_SIDE_PX + 1)]
Halvings = Annotated[int, Range(0, below=MOST_HALVINGS + 1)]
Kernel = Annotated[int, Range(1, below=65)]
"""Convolutions pad their maps by half of it."""
Nodes = Annotated[int, Range(2, below=65)]
"""A finer grid displaces single pixels."""
Seed = Annotated[int, Range(0, below=2**63)]
"""Of 64 bits in JSON, and part of a folder's name."""
Amount = Annotated[float, Range(0, below=1_000_000)]
"""Far from what float32 cannot hold, in sums over a mini-batch too."""
Positive = Annotated[float, Range(1e-30, below=1_000_000)]
"""Smaller numbers are 0 in float32."""
Pixels = Annotated[float, Range(0, below=MOST_SIDE_PX + 1)]
Millimeters = Annotated[tuple[float, float], Range(0, below=1_000, open=True)]
Degrees = Annotated[float, Range(0, below=181)]
Temperature = Annotated[float, Range(0.01, below=101)]
"""Below, all of a mixture is one code; above, all codes have equal shares."""
Margin = Annotated[float, Range(0, below=1, open=True)]
"""Of differences of Dice."""
Components = Annotated[
    str, Form("auto|all|[1-9][0-9]{0,8}", "`auto`, `all`, or a number, 1 or more")
]
GreyLevel = Annotated[int, Range(1, below=256)]
HashDistance = Annotated[int, Range(0, below=32)]
"""Hashes of unlike images differ in 32 bits of 64, on average."""
Share = Annotated[float, Range(0, below=1)]
NAME = Words()
Name = Annotated[str, NAME]
"""What masks show, in a word or two."""
