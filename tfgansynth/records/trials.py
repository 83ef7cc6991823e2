"""What a recipe came to on real cases that a reduced experiment leaves out."""

import dataclasses
from collections.abc import Mapping

from tfgansynth.data.dataset import Identity
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.comparisons import Comparison


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The trial of a recipe; all of `trial.json`.

    Attributes:
        preset: Name of the recipe's preset.
        settings: The settings in which it differs from that.
        fold: Number of the fold.
        seed: Seed of the run.
        dataset: The data set.
        seconds: Of the run's stages and their parts.
        set_seconds: How long it took to make the synthetic set.
        assessment: Of the set; None without one.
        comparison: Of the regimes.
    """

    preset: str
    settings: tuple[str, ...]
    fold: int
    seed: int
    dataset: Identity
    seconds: Mapping[str, float]
    set_seconds: float
    assessment: Assessment | None
    comparison: Comparison
