"""Problems that may affect the results, as data."""

import dataclasses
from collections.abc import Iterable

DATA = "data"
"""The stage of remarks about the data."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One remark.

    Attributes:
        seed: Seed of the run; None where it is about all runs.
        fold: Number of the fold; None where it is about all folds.
        stage: The stage that it is about: `data`, `fold-1/gan`, `fold-1/unet-r30-s0`.
        kind: Which problem, in a word.
        text: The same as a sentence.
    """

    seed: int | None
    fold: int | None
    stage: str
    kind: str
    text: str


def remark_lines(remarks: Iterable[Remark], *, n_seeds: int) -> list[str]:
    """Render remarks, each once; seeds are named where there are several."""
    found = list(dict.fromkeys(remarks))
    several = n_seeds > 1
    lines = []
    for remark in found:
        seed = [f"seed {remark.seed}"] if several and remark.seed is not None else []
        fold = [f"fold {remark.fold}"] if remark.fold is not None else []
        lines.append(", ".join([*seed, *fold, remark.text]))
    return lines
