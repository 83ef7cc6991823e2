"""The mean of paired differences where test cases cross with training runs.

A training run is one fold of one seed: its own generator and its own segmentation
networks, shared by all of its test cases. Over several seeds each case comes back
under other networks. So the difference of two regimes on case i in run r is

    mean + case_i + run_r + residual_ir,

with three independent random terms (a two-way random-effects model, not every case
being in every run), and pooling all differences as if independent would take the
same cases and the same networks for new evidence.

- **Variance components**: Henderson's first method (Biometrics 9, 1953), that is,
  sums of squares set equal to their expectations, which holds for designs with
  holes too; solved under the constraint that no variance is negative.
- **Width of the interval**: Student's t on the standard error that the components
  give, with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946). With
  few runs it is these that make the interval honest.
- **Shape of the interval**, how much of the width lies to which side: percentiles
  of a two-way bootstrap, which draws weights for cases and, independently, for runs
  (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13; Owen & Eckles,
  Annals of Applied Statistics 6, 2012; weights as in Rubin, Annals of Statistics 9,
  1981). Its own width is not used: no bootstrap gets the variance of a crossed
  design right (McCullagh, Bernoulli 6, 2000), and with three runs its tails are far
  too short.
- **Tests**: the t test that belongs to the width, and the signed-rank test of
  Wilcoxon (Biometrics Bulletin 1, 1945) on each case's mean over its runs.

What the interval speaks for: other cases of this kind, and other splits, initial
weights and random streams on this data set. The runs' training sets overlap, all
being drawn from the same cases; how much networks trained on a wholly new data set
would differ, these results cannot show (Nadeau & Bengio, Machine Learning 52, 2003).
With a single run even the spread between runs is unknown, and the interval speaks
for the networks of that run alone.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

SIGNIFICANCE = 0.05
"""Level of all tests, after any correction."""

CONFIDENCE = 1 - SIGNIFICANCE
"""Confidence of all intervals."""

DRAWS = 2000
"""Bootstrap draws; they shape an interval and do not set its width."""

Differences = NDArray[np.float64]
"""(cases, runs), NaN where a case is not a test case of a run."""


@dataclasses.dataclass(frozen=True, slots=True)
class Components:
    """Variances of the model's three random terms, in squared units of the metric.

    Attributes:
        case: Between cases. Where no case comes back, this takes the residual in,
            as the two cannot be told apart.
        run: Between training runs; 0 where there is only one.
        residual: What neither the case nor the run explains.
    """

    case: float
    run: float
    residual: float


@dataclasses.dataclass(frozen=True, slots=True)
class Design:
    """How many cases met how many training runs.

    Attributes:
        cells: Pairs of case and run that were tested.
        cases: Cases.
        runs: Training runs.
        per_case: Runs of a case, averaged over the cells.
        per_run: Cases of a run, averaged over the cells.
    """

    cells: float
    cases: float
    runs: float
    per_case: float
    per_run: float

    def standard_error(self, components: Components) -> tuple[float, float]:
        """The standard error of the mean over all cells, and its degrees of freedom."""
        within = components.case + components.residual
        # What the spread between runs shows, and what it cannot: that the same
        # cases come back.
        by_runs = (self.per_run * components.run + within) / self.cells
        by_cases = (self.per_case - 1) * components.case / self.cells
        variance = by_runs + by_cases
        if variance == 0:
            return 0.0, math.inf
        runs = self.runs if self.runs > 1 else self.cases
        uncertainty = by_runs**2 / (runs - 1) + by_cases**2 / (self.cases - 1)
        return math.sqrt(variance), variance**2 / uncertainty

    def after(self, seeds: int, *, now: int) -> "Design":
        """What the design becomes when seeds are added.

        Args:
            seeds: Seeds in all.
            now: Seeds so far. With one, all cases are taken to come back.
        """
        recurrence = (self.per_case - 1) / (now - 1) if now > 1 else 1.0
        return dataclasses.replace(
            self,
            cells=self.cells * seeds / now,
            runs=self.runs * seeds / now,
            per_case=1 + recurrence * (seeds - 1),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What paired differences say about their mean; the module's text defines it.

    Attributes:
        mean: Mean over all cells.
        low: Lower end of the confidence interval.
        high: Upper end of it.
        p_mean: Two-sided p-value of the t test for a mean of 0.
        p_wilcoxon: Two-sided p-value of Wilcoxon's test; at most 1, and 1 where
            the ranks point the other way than the mean.
        components: The estimated variances.
        design: How many cases met how many runs.
    """

    mean: float
    low: float
    high: float
    p_mean: float
    p_wilcoxon: float
    components: Components
    design: Design

    @property
    def p(self) -> float:
        """The larger p-value: a claim needs both tests."""
        return max(self.p_mean, self.p_wilcoxon)


def estimate(differences: Differences, *, draws: int = DRAWS) -> Estimate:
    """Estimate the mean difference over cases and training runs.

    Args:
        differences: Float64 (cases, runs), NaN where a case was not tested in a
            run; each case and each run has a value, and there are two cases.
        draws: Bootstrap draws. They come from a fixed stream, so that the same
            differences always give the same interval.

    Raises:
        ValueError: The differences are not such.
    """
    tested = ~np.isnan(differences)
    is_complete = tested.any(axis=0).all() and tested.any(axis=1).all()
    if len(differences) < 2 or not is_complete:
        raise ValueError(
            "expected two cases or more, each case and each run with a value, got "
            f"{np.count_nonzero(tested)} values in shape {differences.shape}"
        )
    mean = float(differences[tested].mean())
    design = _design(tested)
    components = _components(differences - mean, tested, design)
    error, freedom = design.standard_error(components)
    half = float(stats.t.isf(SIGNIFICANCE / 2, freedom)) * error
    below, above = _sides(differences, tested, mean, draws)
    return Estimate(
        mean=mean,
        low=mean - 2 * half * below,
        high=mean + 2 * half * above,
        p_mean=_p_mean(mean, error, freedom),
        p_wilcoxon=_p_wilcoxon(np.nanmean(differences, axis=1), mean),
        components=components,
        design=design,
    )


def _design(tested: NDArray[np.bool_]) -> Design:
    cells = int(np.count_nonzero(tested))
    return Design(
        cells=cells,
        cases=tested.shape[0],
        runs=tested.shape[1],
        per_case=float((tested.sum(axis=1) ** 2).sum() / cells),
        per_run=float((tested.sum(axis=0) ** 2).sum() / cells),
    )


def _components(
    centered: Differences, tested: NDArray[np.bool_], design: Design
) -> Components:
    """Solve Henderson's equations: total, between cases, between runs."""
    m, k, n = design.cells, design.per_case, design.per_run
    total = float(np.nansum(centered**2))
    if total == 0:
        return Components(0.0, 0.0, 0.0)
    between_cases = (np.nansum(centered, axis=1) ** 2 / tested.sum(axis=1)).sum()
    between_runs = (np.nansum(centered, axis=0) ** 2 / tested.sum(axis=0)).sum()
    expected = [
        [m - k, m - n, m - 1],
        [m - k, design.cases - n, design.cases - 1],
        [design.runs - k, m - n, design.runs - 1],
    ]
    # As shares of the total: the solver's tolerance is absolute.
    shares = [1.0, between_cases / total, between_runs / total]
    solution, _ = optimize.nnls(np.array(expected), np.array(shares))
    case, run, residual = map(float, solution * total)
    if design.cells == design.cases:
        case, residual = case + residual, 0.0
    return Components(case, run, residual)


def _sides(
    differences: Differences, tested: NDArray[np.bool_], mean: float, draws: int
) -> tuple[float, float]:
    """The shares of the bootstrap interval's width below and above the mean."""
    rng = np.random.default_rng(0)
    # Exponential weights leave no draw empty, as whole-number counts would.
    cases = rng.exponential(size=(draws, len(differences)))
    runs = rng.exponential(size=(draws, differences.shape[1]))
    totals = (runs * (cases @ np.where(tested, differences - mean, 0))).sum(axis=1)
    deviations = totals / (runs * (cases @ tested)).sum(axis=1)
    low, high = np.quantile(deviations, [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    if not low < 0 < high:
        return 0.5, 0.5
    return float(-low / (high - low)), float(high / (high - low))


def _p_mean(mean: float, error: float, freedom: float) -> float:
    if error == 0:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / error, freedom))


def _p_wilcoxon(by_case: Differences, mean: float) -> float:
    if not by_case.any():
        return 1.0
    side = "greater" if mean > 0 else "less"
    return min(1.0, 2 * float(stats.wilcoxon(by_case, alternative=side).pvalue))
