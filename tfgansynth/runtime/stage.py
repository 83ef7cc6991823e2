"""What a stage's computation needs beside its data, and what it hands back."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
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
        require: Called before what the stage has made is put in place; raises where
            another process has taken the stage over.
    """

    folder: Path
    provenance: Mapping[str, Any]
    seed: int
    timer: Timer
    label: str
    require: Callable[[], None] = lambda: None


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What the computation of a stage came to.

    Attributes:
        text: The same in a few words, for people: `120 pairs of 124 drawn`.
        files: Files of its folder that its seal covers; None where the stage seals
            itself, as a set does by its manifest and an assessment by its record.
        details: Sentences for who wants to know more.
    """

    text: str
    files: Sequence[str] | None = None
    details: tuple[str, ...] = ()
