"""Verdicts on pairs of regimes, made up."""

from tfgansynth.evaluation.comparisons import (
    HIGHER_IS_BETTER,
    Pair,
    PairVerdict,
    Verdict,
)
from tfgansynth.evaluation.mixed_effects import Components, Design, Estimate


def estimate(mean: float, low: float, high: float, runs: int) -> Estimate:
    return Estimate(
        mean=mean,
        low=low,
        high=high,
        p_mean=0.02,
        p_wilcoxon=0.0004,
        components=Components(1e-4, 2e-6, 3e-5),
        design=Design(cells=494, cases=247, runs=runs, per_case=2, per_run=82.4),
    )


def comparison(
    verdict: Verdict,
    low: float,
    high: float,
    *,
    more_seeds: int | None = None,
    runs: int = 6,
    n_seeds: int = 2,
    p_holm: float = 0.02,
) -> PairVerdict:
    found = estimate((low + high) / 2, low, high, runs)
    farther = estimate(0.5, -0.25, 1.25, runs)
    estimates = dict.fromkeys(HIGHER_IS_BETTER, farther) | {"dice": found}
    return PairVerdict(
        pair=Pair(
            first="real only", second="mixed", n_seeds=n_seeds, estimates=estimates
        ),
        n_pairs=3,
        margin=0.005,
        p_holm=dict.fromkeys(HIGHER_IS_BETTER, p_holm),
        verdict=verdict,
        more_seeds=more_seeds,
    )
