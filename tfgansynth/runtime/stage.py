"""What a stage's training needs beside its data."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgansynth.runtime.timing import Timer


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """One stage of an experiment, as the code that computes it sees it.

    Attributes:
        folder: Takes all files of the stage.
        provenance: All settings and inputs that bear on it, plain for JSON; saved with
            each checkpoint.
        seed: Determines its randomness, >= 0.
        timer: Takes the time of its parts.
        label: Names it on screen.
    """

    folder: Path
    provenance: Mapping[str, Any]
    seed: int
    timer: Timer
    label: str
