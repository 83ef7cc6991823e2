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
- **Interval and test**: Student's t on the standard error that follows from the
  components. Its degrees of freedom are Satterthwaite's (Biometrics Bulletin 2, 1946),
  but at most the number of runs less one, as for clusters in two directions (Cameron,
  Gelbach & Miller, J. Business & Economic Statistics 29, 2011): a few runs may all miss
  what one in ten does. Both come from one distribution, so that an interval of any
  level excludes 0 exactly when p is below one minus that level.
- **Wilcoxon's test** (Biometrics Bulletin 1, 1945) is of the mean of each case, or
  patient, over its runs. It takes the networks as given and is no part of a verdict.
- **Runs that lie apart**: Grubbs' test (Technometrics 11, 1969) on the means of the
  runs, with four runs or more.

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
import functools
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

_MOST_SHARE = 1000.0
"""Beyond which the end of a share's interval is not looked for."""

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
        return math.sqrt(variance), min(variance**2 / uncertainty, runs - 1)

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
        error: Its standard error.
        freedom: Degrees of freedom of that.
        p_wilcoxon: Two-sided p-value of Wilcoxon's test. It is 1 if the ranks point
            in the other direction than the mean.
        components: The estimated variances.
        design: The numbers of cases and runs.
        outlying_run: Index of the run that lies apart from the others, if one does.
    """

    mean: float
    error: float
    freedom: float
    p_wilcoxon: float
    components: Components
    design: Design
    outlying_run: int | None = None

    def interval(self, significance: float = SIGNIFICANCE) -> tuple[float, float]:
        """The interval that misses the mean with this probability."""
        half = float(stats.t.isf(significance / 2, self.freedom)) * self.error
        return self.mean - half, self.mean + half

    @property
    def p(self) -> float:
        """Two-sided p-value of a mean of 0: an interval of that level ends at 0."""
        if self.error == 0:
            return float(self.mean == 0)
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.freedom))


def estimate(
    differences: Differences, *, patients: Sequence[str] | None = None
) -> Estimate:
    """Estimate the mean difference over cases and training runs.

    Args:
        differences: float64 (cases, runs), NaN if a case was not tested in a run.
            There are at least two cases, and each case and each run has a value.
        patients: The patient of each case, at least two; None where each case is of
            another one.

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
    return Estimate(
        mean=mean,
        error=error,
        freedom=freedom,
        p_wilcoxon=_p_wilcoxon(sums.sum(axis=1) / counts.sum(axis=1), mean),
        components=components,
        design=design,
        outlying_run=_outlying(np.nanmean(differences, axis=0)),
    )


def share_interval(
    parts: Differences, wholes: Differences, *, patients: Sequence[str] | None = None
) -> tuple[float, float] | None:
    """Find the interval of the mean of `parts` as a share of the mean of `wholes`.

    A share is inside if the test does not reject that `parts - share * wholes` have a
    mean of 0 (Fieller, J. Royal Statistical Society B 16, 1954).

    Args:
        parts: See `estimate`.
        wholes: Of the same cases and runs.
        patients: See `estimate`.

    Returns:
        Both ends; None where the mean of `wholes` is not shown to be above 0, as then
        any share may be the true one.
    """
    whole = estimate(wholes, patients=patients)
    if whole.mean <= 0 or whole.p >= SIGNIFICANCE:
        return None
    share = float(np.nanmean(parts)) / whole.mean

    def excess(side: int, away: float) -> float:
        """How far the interval is from 0 on a side of the share: below 0 inside."""
        differences = parts - (share + side * away) * wholes
        low, high = estimate(differences, patients=patients).interval()
        return low if side < 0 else -high

    ends = []
    for side in (-1, 1):
        away = 1.0
        while excess(side, away) < 0:
            if (away := 2 * away) > _MOST_SHARE:
                return None
        at = functools.partial(excess, side)
        found = optimize.brentq(at, 0.0, away, xtol=1e-4) if at(0.0) < 0 else 0.0
        ends.append(share + side * found)
    return ends[0], ends[1]


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


def _outlying(by_run: Differences) -> int | None:
    """Find the run whose mean lies apart from the others', by Grubbs' test."""
    n = len(by_run)
    if n < 4:
        return None
    away = np.abs(by_run - by_run.mean())
    index = int(away.argmax())
    others = np.delete(by_run, index)
    spread = float(others.std(ddof=1)) * math.sqrt(1 + 1 / (n - 1))
    apart = float(abs(by_run[index] - others.mean()))
    # Equal means may differ by rounding.
    if apart <= 1e-9 * np.abs(by_run).max():
        return None
    if spread == 0:
        return index
    p = 2 * n * stats.t.sf(apart / spread, n - 2)
    return index if p < SIGNIFICANCE else None


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
