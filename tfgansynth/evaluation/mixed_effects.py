"""Mixed-effects model: the mean of paired differences over cases and training runs.

A training run is one fold of one seed. It has its own generator and segmentation
networks, which all of its test cases share. Over several seeds, each case is tested
again with other networks. The difference of two regimes on case i in run r is therefore

    mean + case_i + run_r + residual_ir,

with three independent random terms. This is a two-way random-effects model in which not
every case is in every run. To treat all differences as independent would count the same
cases and the same networks as new evidence.

The cases of one patient are not independent either. Where patients are known, the first
term is that of the patient, who may have several cases in a run, and what differs
between the cases of a patient is part of the residual.

- **Variance components**: Henderson's first method (Biometrics 9, 1953). Sums of
  squares are set equal to their expectations, which also works for incomplete designs.
  The equations are solved under the constraint that no variance is negative.
- **Width of the interval**: Student's t on the standard error that follows from the
  components, with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946).
  With few runs these make the interval wide enough.
- **Shape of the interval**, the share of the width on each side: percentiles of a
  two-way bootstrap, which draws weights for cases and, independently, for runs (Efron &
  Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13; Owen & Eckles, Annals of
  Applied Statistics 6, 2012; weights as in Rubin, Annals of Statistics 9, 1981). Its
  own width is not used: no bootstrap gives the right variance for a crossed design
  (McCullagh, Bernoulli 6, 2000), and with three runs its tails are far too short.
- **Tests**: the t test that belongs to the width, and the signed-rank test of Wilcoxon
  (Biometrics Bulletin 1, 1945) on the mean of each case over its runs.

The interval covers other cases of this kind, and other splits, initial weights and
random streams on this data set. The training sets of the runs overlap, because all are
drawn from the same cases. The results cannot show how networks trained on another data
set would differ (Nadeau & Bengio, Machine Learning 52, 2003). With a single run, the
spread between runs is unknown, and the interval covers the networks of that run only.

The model is our own because statsmodels' mixed models need crossed random effects to be
written as variance components of one group, estimate them by likelihood, and give no
degrees of freedom for few runs.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from tfgansynth.ranges import optional

SIGNIFICANCE = 0.05
"""Level of all tests, after any correction."""

CONFIDENCE = 1 - SIGNIFICANCE
"""Confidence of all intervals."""

DRAWS = 2000
"""Bootstrap draws. They determine the shape of an interval, not its width."""

Differences = NDArray[np.float64]
"""(cases, runs); NaN if a case is not a test case of a run."""


@dataclasses.dataclass(frozen=True, slots=True)
class Components:
    """Variances of the model's three random terms, in squared units of the metric.

    Attributes:
        case: Between cases, or between patients where these are known. If each case is
            in one run only, this includes the residual, because the two cannot be
            separated; patients of several cases can be.
        run: Between training runs; 0 if there is only one.
        residual: The variance that neither the case nor the run explains.
    """

    case: float
    run: float
    residual: float


@dataclasses.dataclass(frozen=True, slots=True)
class Design:
    """The numbers of cases and training runs, and how they are crossed.

    Attributes:
        cells: The number of tested pairs of case and run.
        cases: The number of cases.
        runs: The number of training runs.
        per_case: The cells of a case, or of a patient, averaged over the cells.
        per_run: The cells of a run, averaged over the cells.
        patients: The number of patients; None where each case is one of its own.
        per_patient: The cases that a patient has in a run, averaged over the cells.
    """

    cells: float
    cases: float
    runs: float
    per_case: float
    per_run: float
    patients: float | None = optional(None)
    per_patient: float = optional(1.0)

    @property
    def units(self) -> float:
        """The number of patients, or of cases: what is independent."""
        return self.cases if self.patients is None else self.patients

    def standard_error(self, components: Components) -> tuple[float, float]:
        """Return the standard error of the overall mean and its degrees of freedom."""
        within = self.per_patient * components.case + components.residual
        # The first part shows in the spread between runs. The second does not: it
        # comes from cases that are in several runs.
        by_runs = (self.per_run * components.run + within) / self.cells
        by_cases = (self.per_case - self.per_patient) * components.case / self.cells
        variance = by_runs + by_cases
        if variance == 0:
            return 0.0, math.inf
        runs = self.runs if self.runs > 1 else self.units
        uncertainty = by_runs**2 / (runs - 1) + by_cases**2 / (self.units - 1)
        return math.sqrt(variance), variance**2 / uncertainty

    def after(self, seeds: int, *, now: int) -> "Design":
        """Return the design after more seeds.

        Args:
            seeds: The total number of seeds.
            now: The number of seeds so far. If it is 1, each case is assumed to be
                tested again with each new seed.
        """
        own = self.per_patient
        recurrence = (self.per_case - own) / (now - 1) if now > 1 else own
        return dataclasses.replace(
            self,
            cells=self.cells * seeds / now,
            runs=self.runs * seeds / now,
            per_case=own + recurrence * (seeds - 1),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The mean of paired differences with its interval and tests; see the module.

    Attributes:
        mean: Mean over all cells.
        low: Lower end of the confidence interval.
        high: Upper end of it.
        p_mean: Two-sided p-value of the t test for a mean of 0.
        p_wilcoxon: Two-sided p-value of Wilcoxon's test. It is 1 if the ranks point
            in the other direction than the mean.
        components: The estimated variances.
        design: The numbers of cases and runs.
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
        """The larger p-value: a claim requires both tests."""
        return max(self.p_mean, self.p_wilcoxon)


def estimate(
    differences: Differences,
    *,
    patients: Sequence[str] | None = None,
    draws: int = DRAWS,
) -> Estimate:
    """Estimate the mean difference over cases and training runs.

    Args:
        differences: float64 (cases, runs), NaN if a case was not tested in a run.
            There are at least two cases, and each case and each run has a value.
        patients: The patient of each case, at least two; None where each case is of
            another one.
        draws: Bootstrap draws. They come from a fixed stream, so that the same
            differences always give the same interval.

    Raises:
        ValueError: There are too few differences.
    """
    tested = ~np.isnan(differences)
    is_complete = tested.any(axis=0).all() and tested.any(axis=1).all()
    if len(differences) < 2 or not is_complete:
        raise ValueError(
            "expected two cases or more, each case and each run with a value, got "
            f"{np.count_nonzero(tested)} values in shape {differences.shape}"
        )
    mean = float(differences[tested].mean())
    counts, sums = _by_patient(np.where(tested, differences, 0), tested, patients)
    if len(counts) < 2:
        raise ValueError(f"expected two patients or more, got {patients}")
    is_clustered = len(counts) < len(differences)
    design = _design(counts, len(differences), is_clustered=is_clustered)
    centered = np.where(tested, differences - mean, 0)
    _, deviations = _by_patient(centered, tested, patients)
    components = _components(centered, deviations, counts, design)
    error, freedom = design.standard_error(components)
    half = float(stats.t.isf(SIGNIFICANCE / 2, freedom)) * error
    below, above = _sides(deviations, counts, draws)
    return Estimate(
        mean=mean,
        low=mean - 2 * half * below,
        high=mean + 2 * half * above,
        p_mean=_p_mean(mean, error, freedom),
        p_wilcoxon=_p_wilcoxon(sums.sum(axis=1) / counts.sum(axis=1), mean),
        components=components,
        design=design,
    )


def _by_patient(
    values: Differences, tested: NDArray[np.bool_], patients: Sequence[str] | None
) -> tuple[NDArray[np.int64], Differences]:
    """Add up the cases of each patient.

    Args:
        values: (cases, runs), 0 where a case was not tested.
        tested: Where it was.
        patients: See `estimate`.

    Returns:
        How many cells each patient has in each run, and their sums: (patients, runs).
    """
    if patients is None or len({*patients}) == len(patients):
        return tested.astype(np.int64), values
    names, rows = np.unique(np.array(patients), return_inverse=True)
    counts = np.zeros((len(names), values.shape[1]), np.int64)
    sums = np.zeros(counts.shape)
    np.add.at(counts, rows, tested)
    np.add.at(sums, rows, values)
    return counts, sums


def _design(counts: NDArray[np.int64], n_cases: int, *, is_clustered: bool) -> Design:
    cells = int(counts.sum())
    return Design(
        cells=cells,
        cases=n_cases,
        runs=counts.shape[1],
        per_case=float((counts.sum(axis=1) ** 2).sum() / cells),
        per_run=float((counts.sum(axis=0) ** 2).sum() / cells),
        patients=len(counts) if is_clustered else None,
        per_patient=float((counts**2).sum() / cells),
    )


def _components(
    centered: Differences,
    sums: Differences,
    counts: NDArray[np.int64],
    design: Design,
) -> Components:
    """Solve Henderson's equations: total, between cases or patients, between runs."""
    m, k, n = design.cells, design.per_case, design.per_run
    total = float((centered**2).sum())
    if total == 0:
        return Components(0.0, 0.0, 0.0)
    of_units, of_runs = counts.sum(axis=1), counts.sum(axis=0)
    between_units = (sums.sum(axis=1) ** 2 / of_units).sum()
    between_runs = (sums.sum(axis=0) ** 2 / of_runs).sum()
    # Of cases that are their own patients: their number, and that of the runs.
    runs_in_units = float(((counts**2).sum(axis=1) / of_units).sum())
    units_in_runs = float(((counts**2).sum(axis=0) / of_runs).sum())
    expected = [
        [m - k, m - n, m - 1],
        [m - k, runs_in_units - n, design.units - 1],
        [units_in_runs - k, m - n, design.runs - 1],
    ]
    # As shares of the total, because the tolerance of the solver is absolute.
    shares = [1.0, between_units / total, between_runs / total]
    solution, _ = optimize.nnls(np.array(expected), np.array(shares))
    case, run, residual = map(float, solution * total)
    if design.cells == design.units:
        case, residual = case + residual, 0.0
    return Components(case, run, residual)


def _sides(
    sums: Differences, counts: NDArray[np.int64], draws: int
) -> tuple[float, float]:
    """Return the shares of the bootstrap interval below and above the mean.

    `sums` are those of deviations from the mean, by case or patient and run.
    """
    rng = np.random.default_rng(0)
    # With exponential weights no draw is empty, as it can be with counts.
    units = rng.exponential(size=(draws, len(counts)))
    runs = rng.exponential(size=(draws, counts.shape[1]))
    totals = (runs * (units @ sums)).sum(axis=1)
    deviations = totals / (runs * (units @ counts)).sum(axis=1)
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
    # Few enough for SciPy to count all choices of signs.
    if len(by_case) <= 13:
        return min(1.0, 2 * _share_of_signs(by_case if mean > 0 else -by_case))
    side = "greater" if mean > 0 else "less"
    return min(1.0, 2 * float(stats.wilcoxon(by_case, alternative=side).pvalue))


def _share_of_signs(by_case: Differences) -> float:
    """Return how many of all choices of signs have ranks at least as positive.

    It is SciPy's one-sided p-value. With ties or zeros, SciPy calls a Python function
    for each choice, which takes up to a second.
    """
    moved = by_case[by_case != 0]
    ranks = stats.rankdata(np.abs(moved))
    is_positive = np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1
    return float(np.mean(is_positive @ ranks >= ranks[moved > 0].sum()))
