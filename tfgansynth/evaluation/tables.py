"""What tables are made of: training sets, metrics and their summaries."""

import dataclasses
import enum
import statistics
from collections.abc import Mapping, Sequence
from types import MappingProxyType

PHANTOM_WARNING = "PHANTOMS: procedural images, not patients"
"""First line of every rendering of results on phantoms."""

METRIC_HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "dice": "Dice",
        "hausdorff_px": "HD [px]",
        "hausdorff_95_px": "HD95 [px]",
        "mean_surface_distance_px": "ASSD [px]",
    }
)
"""The metrics in the order of the columns: field of `CaseMetrics` to heading."""


class TrainingSet(enum.StrEnum):
    """What a U-Net was trained on. Paper: IV-B."""

    REAL = "real only"
    MIXED = "mixed"
    SYNTHETIC = "synthetic only"


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """One metric over many cases, in the metric's unit.

    Attributes:
        mean: Arithmetic mean.
        sd: Standard deviation of a sample (n - 1); None for a single case.
        median: Median; None where the paper gives none.
    """

    mean: float
    sd: float | None
    median: float | None

    def times(self, factor: float) -> "Summary":
        """Return the same in another unit."""
        sd, median = self.sd, self.median
        return Summary(
            mean=self.mean * factor,
            sd=None if sd is None else sd * factor,
            median=None if median is None else median * factor,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GroupSummary:
    """The metrics of the cases of one group.

    Attributes:
        n_cases: Its test cases.
        n_results: Their results, one a case and seed.
        metrics: Over these.
    """

    n_cases: int
    n_results: int
    metrics: Mapping[str, Summary]

    def require_whole(self) -> None:
        """Refuse one without all metrics; see `require_metrics`."""
        require_metrics(self.metrics)


def require_metrics(found: Mapping[str, object]) -> None:
    """Refuse what a record has instead of one value a metric, in the tables' order.

    Raises:
        ValueError: The message names both.
    """
    if [*found] != [*METRIC_HEADINGS]:
        raise ValueError(
            f"expected {', '.join(METRIC_HEADINGS)}; got {', '.join(found)}"
        )


def headings(spacing_mm: float | None) -> dict[str, str]:
    """Name to heading of all metrics; distances also in mm if a pixel's side is known.

    What is in mm is named like what is in pixels, with `_mm` in the place of `_px`.
    """
    if spacing_mm is None:
        return dict(METRIC_HEADINGS)
    in_mm = {
        _in_mm(name): heading.replace("[px]", "[mm]")
        for name, heading in METRIC_HEADINGS.items()
        if name.endswith("_px")
    }
    return {**METRIC_HEADINGS, **in_mm}


def with_mm(
    summaries: Mapping[str, Summary], spacing_mm: float | None
) -> dict[str, Summary]:
    """Add distances in mm to those in pixels, by the side of a pixel if it is known."""
    if spacing_mm is None:
        return dict(summaries)
    in_mm = {
        _in_mm(name): each.times(spacing_mm)
        for name, each in summaries.items()
        if name.endswith("_px")
    }
    return {**summaries, **in_mm}


def _in_mm(name: str) -> str:
    return f"{name.removesuffix('_px')}_mm"


def training_set_of(n_real: int, n_synthetic: int) -> TrainingSet:
    """Name the training set that so many real and synthetic training pairs make.

    Raises:
        ValueError: Both are 0, or one is negative.
    """
    if min(n_real, n_synthetic) < 0 or n_real + n_synthetic == 0:
        raise ValueError(
            "expected real or synthetic training pairs, "
            f"got {n_real} real and {n_synthetic} synthetic"
        )
    if n_synthetic == 0:
        return TrainingSet.REAL
    return TrainingSet.SYNTHETIC if n_real == 0 else TrainingSet.MIXED


def summarize(values: Sequence[float]) -> Summary:
    """Take mean, standard deviation and median of at least one value."""
    return Summary(
        mean=statistics.fmean(values),
        # One case has no spread to estimate: None, as JSON knows no NaN.
        sd=statistics.stdev(values) if len(values) > 1 else None,
        median=statistics.median(values),
    )
