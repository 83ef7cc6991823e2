"""A generator as it is exported: for its card."""

import dataclasses
from collections.abc import Sequence

from tfgansynth.records.provenance import GeneratorProvenance
from tfgansynth.records.runs import Attempt, MachineFacts


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FreezingFigures:
    """What freezing a generator's moments changed; see `gan.export`."""

    n_population: int
    n_compared: int
    image_difference: float
    mask_agreement: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorFacts:
    """A generator as it is exported.

    Attributes:
        provenance: What it came from.
        size: Side of the images in pixels.
        freezing: What freezing its moments changed.
        seconds: What its training took, over all attempts; None if unknown.
        machines: On what it was trained, attempt by attempt.
    """

    provenance: GeneratorProvenance
    size: int
    freezing: FreezingFigures
    seconds: float | None = None
    machines: Sequence[tuple[Attempt, MachineFacts]] = ()
