"""Verdicts on pairs of regimes, made up."""

import dataclasses

from tfgansynth.evaluation.mixed_effects import Components, Design
from tfgansynth.evaluation.tables import METRIC_HEADINGS
from tfgansynth.evaluation.verdicts import (
    MetricDifference,
    Outlook,
    PairComparison,
    decide,
    sentence,
)


def difference(
    mean: float, low: float, high: float, p_holm: float = 0.02
) -> MetricDifference:
    return MetricDifference(
        mean=mean,
        low=low,
        high=high,
        p=0.008,
        p_wilcoxon=0.0004,
        components=Components(1e-4, 2e-6, 3e-5),
        p_holm=p_holm,
        simultaneous_low=low - 0.001,
        simultaneous_high=high + 0.001,
    )


def comparison(
    low: float,
    high: float,
    *,
    outlook: tuple[Outlook, ...] = (),
    runs: int = 6,
    n_seeds: int = 2,
    p_holm: float = 0.02,
) -> PairComparison:
    """A pair whose simultaneous interval is wider by 0.001 at each end."""
    dice = difference((low + high) / 2, low, high, p_holm)
    farther = difference(0.5, -0.25, 1.25, 0.5)
    made = PairComparison(
        first="real only",
        second="mixed",
        is_primary=False,
        n_pairs=3,
        n_seeds=n_seeds,
        design=Design(cells=494, cases=247, runs=runs, per_case=2, per_run=82.4),
        margin=0.005,
        verdict=decide(dice, 0.005),
        outlook=outlook,
        outlying=None,
        sentence="",
        metrics=dict.fromkeys(METRIC_HEADINGS, farther) | {"dice": dice},
    )
    return dataclasses.replace(made, sentence=sentence(made))
