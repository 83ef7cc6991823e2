"""Verdicts on simulated experiments with a known effect: right as often as claimed?

The long form, with its figures printed (about 5 minutes for 2000):

    python -m pytest tests/evaluation/test_verdict_rates.py --simulations 2000 -rP
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tfgansynth.evaluation.comparisons import holm
from tfgansynth.evaluation.mixed_effects import (
    SIGNIFICANCE,
    Differences,
    Estimate,
    estimate,
)
from tfgansynth.evaluation.verdicts import Verdict, decide
from tfgansynth.seeds import derive_seed

pytestmark = pytest.mark.slow

MARGIN = 0.005
LARGE = 0.02
SEEDS = (1, 2, 3, 5, 10)
FOLDS = 3
CASES_PER_FOLD = 82

LEAST_COVERAGE = 0.93
"""What 95 % intervals are held to in every scenario."""

DRAWS = 300
"""Fewer than the product's, for speed; they do not touch an interval's width."""


@dataclasses.dataclass(frozen=True)
class Spread:
    """Standard deviations of a Dice difference; skewed: a few cases fail badly."""

    case: float
    run: float
    residual: float
    is_skewed: bool = False
    folds_run: int = FOLDS

    def differences(self, rng: np.random.Generator, seeds: int) -> Differences:
        """One simulated experiment without effect: (cases, runs), NaN for holes."""
        return self.values(rng, self.tested(rng, seeds))

    def tested(self, rng: np.random.Generator, seeds: int) -> NDArray[np.bool_]:
        """Which case is tested in which run, each seed with folds of its own."""
        numbers = np.repeat(np.arange(FOLDS), CASES_PER_FOLD)
        folds = np.array([rng.permutation(numbers) for _ in range(seeds)])
        cells = folds.T[:, :, None] == np.arange(self.folds_run)
        runs = cells.reshape(numbers.size, -1)
        return np.asarray(runs[runs.any(axis=1)])

    def values(
        self, rng: np.random.Generator, tested: NDArray[np.bool_]
    ) -> Differences:
        """What is measured where a case is tested, with a mean of 0."""
        n_cases, n_runs = tested.shape
        case = self.case * self._noise(rng, (n_cases, 1))
        run = self.run * rng.normal(size=n_runs)
        residual = self.residual * self._noise(rng, (n_cases, n_runs))
        return np.where(tested, case + run + residual, np.nan)

    def _noise(self, rng: np.random.Generator, shape: tuple[int, int]) -> Differences:
        """Noise of mean 0 and standard deviation 1; skewness -6.2 if skewed."""
        if not self.is_skewed:
            return rng.normal(size=shape)
        mean, sd = np.exp(0.5), np.sqrt((np.e - 1) * np.e)
        return np.asarray((mean - rng.lognormal(size=shape)) / sd)


SPREADS = {
    "same_runs": Spread(0.010, 0.000, 0.010),
    "same_runs_with_failures": Spread(0.010, 0.001, 0.005, is_skewed=True),
    "differing": Spread(0.010, 0.003, 0.010),
    "differing_most": Spread(0.002, 0.005, 0.005),
    "differing_with_failures": Spread(0.003, 0.003, 0.010, is_skewed=True),
    "one_fold_a_seed": Spread(0.010, 0.002, 0.010, folds_run=1),
}


@pytest.fixture(scope="module")
def simulations(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--simulations"))


def experiments(name: str, seeds: int, count: int) -> Iterator[Differences]:
    rng = np.random.default_rng(derive_seed(seeds, "simulation", name))
    return (SPREADS[name].differences(rng, seeds) for _ in range(count))


def verdict(found: Estimate, margin: float = MARGIN) -> Verdict:
    return decide(found, found.p, margin)


def is_at_least(rate: float, hits: int, count: int) -> bool:
    """Whether so few hits are still in keeping with the rate."""
    found = stats.binomtest(hits, count, rate, alternative="less")
    return bool(found.pvalue > 0.001)


def is_at_most(rate: float, hits: int, count: int) -> bool:
    """Whether so many hits are still in keeping with the rate."""
    return is_at_least(1 - rate, count - hits, count)


@dataclasses.dataclass
class Rates:
    """What came out of simulated experiments, as counts.

    Attributes:
        count: Experiments.
        covered: No effect: its interval has 0 in it.
        claimed: No effect, called help or harm (by a margin too small to save it).
        dismissed: An effect as large as the margin, called equivalent.
        seen: A large effect, called help.
        misjudged: A large effect, called harm or equivalent.
    """

    count: int = 0
    covered: int = 0
    claimed: int = 0
    dismissed: int = 0
    seen: int = 0
    misjudged: int = 0

    def add(self, differences: Differences) -> None:
        null, margin, large = (
            estimate(differences + effect, draws=DRAWS) for effect in (0, MARGIN, LARGE)
        )
        self.count += 1
        self.covered += null.low <= 0 <= null.high
        self.claimed += verdict(null, 1e-9) in (Verdict.HELPS, Verdict.HARMS)
        self.dismissed += verdict(margin) is Verdict.EQUIVALENT
        self.seen += verdict(large) is Verdict.HELPS
        self.misjudged += verdict(large) in (Verdict.HARMS, Verdict.EQUIVALENT)

    def check(self) -> None:
        assert is_at_least(LEAST_COVERAGE, self.covered, self.count), self
        assert is_at_most(SIGNIFICANCE, self.claimed, self.count), self
        assert is_at_most(SIGNIFICANCE, self.dismissed, self.count), self
        assert is_at_most(SIGNIFICANCE, self.misjudged, self.count), self

    def line(self) -> str:
        names = ("covered", "claimed", "dismissed", "seen", "misjudged")
        rates = (getattr(self, name) / self.count for name in names)
        return "  ".join(
            f"{name} {100 * rate:5.1f} %"
            for name, rate in zip(names, rates, strict=True)
        )


Interval = tuple[float, float]


def over_values(differences: Differences) -> Interval:
    """Student's t over all differences, as if each were a case of its own."""
    values = differences[~np.isnan(differences)]
    half = stats.t.isf(SIGNIFICANCE / 2, values.size - 1) * stats.sem(values)
    return float(values.mean() - half), float(values.mean() + half)


def over_cases(differences: Differences) -> Interval:
    """Student's t over the cases' means, as if all came from one training run."""
    return over_values(np.nanmean(differences, axis=1))


def of_bootstrap(differences: Differences) -> Interval:
    """Percentiles of a two-way bootstrap, with its own width."""
    rng = np.random.default_rng(0)
    cases, runs = (rng.exponential(size=(DRAWS, n)) for n in differences.shape)
    tested = ~np.isnan(differences)
    totals = (runs * (cases @ np.where(tested, differences, 0))).sum(axis=1)
    low, high = np.quantile(
        totals / (runs * (cases @ tested)).sum(axis=1),
        [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2],
    )
    return float(low), float(high)


@pytest.mark.parametrize("name", SPREADS)
def test_verdicts_are_right_as_often_as_claimed(name: str, simulations: int) -> None:
    total_rates = Rates()
    for seeds in SEEDS:
        rates = Rates()
        for differences in experiments(name, seeds, simulations):
            rates.add(differences)
        print(f"{name}, seeds {seeds:2}: {rates.line()}")
        if SPREADS[name].folds_run * seeds > 1:
            rates.check()
            for field in dataclasses.fields(Rates):
                total = getattr(total_rates, field.name) + getattr(rates, field.name)
                setattr(total_rates, field.name, total)
    total_rates.check()


@pytest.mark.parametrize("method", [over_values, over_cases, of_bootstrap])
def test_simpler_intervals_would_be_found_out(
    method: Callable[[Differences], Interval], simulations: int
) -> None:
    intervals = [
        method(differences)
        for differences in experiments("differing_most", 1, 2 * simulations)
    ]

    covered = sum(low <= 0 <= high for low, high in intervals)

    print(f"{method.__name__}: covered {100 * covered / len(intervals):.1f} %")
    assert not is_at_least(LEAST_COVERAGE, covered, len(intervals))


def test_one_training_run_speaks_for_its_own_networks(simulations: int) -> None:
    """Its run's effect is then part of what is estimated, not of the error."""
    spread = dataclasses.replace(SPREADS["differing"], run=0.0, folds_run=1)
    rng = np.random.default_rng(derive_seed(0, "one run"))
    rates = Rates()

    for _ in range(4 * simulations):
        rates.add(spread.differences(rng, 1))

    print(f"one training run: {rates.line()}")
    rates.check()


def test_a_family_of_three_null_pairs_holds_its_error_rate(simulations: int) -> None:
    rng = np.random.default_rng(derive_seed(0, "family"))
    wrong = 0
    for _ in range(2 * simulations):
        tested = SPREADS["differing_most"].tested(rng, 2)
        regimes = [SPREADS["differing_most"].values(rng, tested) for _ in range(3)]
        found = [
            estimate(second - first, draws=DRAWS)
            for first, second in itertools.combinations(regimes, 2)
        ]
        adjusted = holm([pair.p for pair in found])
        wrong += any(
            decide(pair, p, 1e-9) is not Verdict.INCONCLUSIVE
            for pair, p in zip(found, adjusted, strict=True)
        )

    print(f"any of three null pairs claimed: {wrong / (2 * simulations):.1%}")
    assert is_at_most(SIGNIFICANCE, wrong, 2 * simulations)


@dataclasses.dataclass(frozen=True)
class Patients:
    """Patients of some cases each, whole in a fold; standard deviations as above."""

    count: int = 60
    size: int = 5
    patient: float = 0.01
    case: float = 0.01
    run: float = 0.002
    residual: float = 0.005

    def names(self) -> list[str]:
        return [f"p{number // self.size:03d}" for number in range(self.n_cases)]

    @property
    def n_cases(self) -> int:
        return self.count * self.size

    def differences(self, rng: np.random.Generator, seeds: int) -> Differences:
        """One simulated experiment without effect: (cases, runs), NaN for holes."""
        numbers = np.repeat(np.arange(FOLDS), self.count // FOLDS)
        folds = np.array([rng.permutation(numbers) for _ in range(seeds)])
        cells = np.repeat(folds.T, self.size, axis=0)[:, :, None] == np.arange(FOLDS)
        tested = cells.reshape(self.n_cases, -1)
        own = np.repeat(rng.normal(size=(self.count, 1)), self.size, axis=0)
        values = (
            self.patient * own
            + self.case * rng.normal(size=(self.n_cases, 1))
            + self.run * rng.normal(size=(1, tested.shape[1]))
            + self.residual * rng.normal(size=tested.shape)
        )
        return np.where(tested, values, np.nan)


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_cases_of_one_patient_are_not_taken_for_independent(
    seeds: int, simulations: int
) -> None:
    made = Patients()
    rng = np.random.default_rng(derive_seed(seeds, "patients"))
    count = 2 * simulations
    covered = dict.fromkeys(("patients", "cases"), 0)
    claimed = 0
    for _ in range(count):
        differences = made.differences(rng, seeds)
        found = estimate(differences, patients=made.names(), draws=DRAWS)
        covered["patients"] += found.low <= 0 <= found.high
        claimed += verdict(found, 1e-9) in (Verdict.HELPS, Verdict.HARMS)
        found = estimate(differences, draws=DRAWS)
        covered["cases"] += found.low <= 0 <= found.high
    rates = ", ".join(f"{k} {100 * v / count:.1f} %" for k, v in covered.items())
    print(f"5 cases a patient, seeds {seeds}: covered by {rates}; claimed {claimed}")
    assert is_at_least(LEAST_COVERAGE, covered["patients"], count)
    assert is_at_most(SIGNIFICANCE, claimed, count)
    if seeds == 10:
        # The spread between folds hides it where there are few seeds.
        assert not is_at_least(LEAST_COVERAGE, covered["cases"], count)
