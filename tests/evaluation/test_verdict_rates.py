"""Verdicts on simulated experiments with a known effect: right as often as claimed?

The long form, with its figures printed as tables (about a minute for 100):

    python -m pytest tests/evaluation/test_verdict_rates.py --simulations 300 -rP
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tfgansynth.evaluation.comparisons import holm
from tfgansynth.evaluation.mixed_effects import (
    SIGNIFICANCE,
    Components,
    Differences,
    Estimate,
    estimate,
)
from tfgansynth.evaluation.verdicts import (
    CHANCE,
    Direction,
    MetricDifference,
    Size,
    Verdict,
    decide,
    outlook,
)
from tfgansynth.seeds import derive_seed

pytestmark = pytest.mark.slow

MARGIN = 0.005
EFFECTS = (0.0, 0.001, 0.003, 0.005, 0.01)
SEEDS = (2, 3, 4, 5, 7, 10)
FOLDS = 3
CASES_PER_FOLD = 82
FAILURE = 0.012
"""How much worse a run is that fails; one in ten does."""

LEAST_COVERAGE = 0.93
"""What 95 % intervals are held to."""

LEAST_WITH_FAILURES = 0.90
"""The same where one run in ten fails."""

LEAST_OF_ALL = 0.85
"""The same where, besides, a few cases fail badly and nothing else differs between
runs: the runs that are there may well all be good ones, and look alike."""


@dataclasses.dataclass(frozen=True)
class Spread:
    """Standard deviations of a Dice difference, and how it comes about.

    Attributes:
        noise: Of cases: normal; skewed, as a few cases fail badly; or with heavy
            tails, those of Student's t with three degrees of freedom.
        fails: Whether one run in ten fails.
        folds_run: Folds of each seed that are run.
        coverage: How often an interval has to contain the true difference.
    """

    case: float
    run: float
    residual: float
    noise: Literal["normal", "skewed", "heavy"] = "normal"
    fails: bool = False
    folds_run: int = FOLDS
    coverage: float = LEAST_COVERAGE

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
        if self.fails:
            run += FAILURE * (0.1 - (rng.random(n_runs) < 0.1))
        residual = self.residual * self._noise(rng, (n_cases, n_runs))
        return np.where(tested, case + run + residual, np.nan)

    def _noise(self, rng: np.random.Generator, shape: tuple[int, int]) -> Differences:
        """Noise of mean 0 and standard deviation 1; skewness -6.2 if skewed."""
        if self.noise == "heavy":
            return rng.standard_t(3, size=shape) / 3**0.5
        if self.noise == "normal":
            return rng.normal(size=shape)
        mean, sd = np.exp(0.5), np.sqrt((np.e - 1) * np.e)
        return np.asarray((mean - rng.lognormal(size=shape)) / sd)


SPREADS = {
    "runs alike": Spread(0.010, 0.000, 0.010),
    "runs alike, skewed cases": Spread(0.010, 0.001, 0.005, "skewed"),
    "runs differ": Spread(0.010, 0.003, 0.010),
    "runs differ most": Spread(0.002, 0.005, 0.005),
    "runs differ, skewed cases": Spread(0.003, 0.003, 0.010, "skewed"),
    "runs differ, heavy tails": Spread(0.010, 0.003, 0.010, "heavy"),
    "one fold a seed": Spread(0.010, 0.002, 0.010, folds_run=1),
    "runs fail, otherwise alike": Spread(
        *(0.010, 0.000, 0.010), fails=True, coverage=LEAST_WITH_FAILURES
    ),
    "runs fail, and differ": Spread(
        *(0.010, 0.003, 0.010), fails=True, coverage=LEAST_WITH_FAILURES
    ),
    "runs fail, otherwise alike, skewed cases": Spread(
        *(0.010, 0.001, 0.005), "skewed", fails=True, coverage=LEAST_OF_ALL
    ),
}


@pytest.fixture(scope="module")
def simulations(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--simulations"))


def experiments(name: str, seeds: int, count: int) -> Iterator[Differences]:
    rng = np.random.default_rng(derive_seed(seeds, "simulation", name))
    return (SPREADS[name].differences(rng, seeds) for _ in range(count))


def verdict(found: Estimate, *, n_pairs: int = 1, p_holm: float = -1.0) -> Verdict:
    """The verdict of a family of so many pairs; of one pair without a p of Holm's."""
    low, high = found.interval()
    all_low, all_high = found.interval(SIGNIFICANCE / n_pairs)
    return decide(
        MetricDifference(
            mean=found.mean,
            low=low,
            high=high,
            p=found.p,
            p_wilcoxon=1.0,
            components=found.components,
            p_holm=found.p if p_holm < 0 else p_holm,
            simultaneous_low=all_low,
            simultaneous_high=all_high,
        ),
        MARGIN,
    )


def shifted(found: Estimate, effect: float) -> Estimate:
    """The estimate of the same experiment with an effect, which moves the mean only."""
    return dataclasses.replace(found, mean=found.mean + effect)


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
        covered: Those whose interval has the true difference in it.
        verdicts: Verdicts, for each true difference.
    """

    count: int = 0
    covered: int = 0
    verdicts: dict[float, Counter[Verdict]] = dataclasses.field(
        default_factory=lambda: {effect: Counter() for effect in EFFECTS}
    )

    def add(self, found: Estimate) -> None:
        low, high = found.interval()
        self.count += 1
        self.covered += low <= 0 <= high
        for effect, verdicts in self.verdicts.items():
            verdicts[verdict(shifted(found, effect))] += 1

    def of(self, effect: float, side: Direction | Size) -> int:
        """How often an axis was settled in a way where this was the truth."""
        return sum(
            count
            for each, count in self.verdicts[effect].items()
            if side in (each.direction, each.size)
        )

    def check(self, coverage: float) -> None:
        assert is_at_least(coverage, self.covered, self.count), self
        wrong: list[tuple[float, tuple[Direction | Size, ...]]] = [
            (0.0, (Direction.HIGHER, Direction.LOWER)),
            *((effect, (Direction.LOWER,)) for effect in EFFECTS[1:]),
            # On the margin itself, either claim of a size is wrong.
            (MARGIN, (Size.BELOW, Size.ABOVE)),
            (0.01, (Size.BELOW,)),
            *((effect, (Size.ABOVE,)) for effect in EFFECTS[:3]),
        ]
        for effect, sides in wrong:
            hits = sum(self.of(effect, side) for side in sides)
            assert is_at_most(1 - coverage, hits, self.count), (effect, sides, self)

    def lines(self, seeds: int) -> Iterator[str]:
        """The rows of the table in the docs."""
        sides = (Direction.HIGHER, Direction.LOWER, Size.BELOW, Size.ABOVE)
        for effect in EFFECTS:
            counts = [*(self.of(effect, side) for side in sides)]
            counts.append(self.verdicts[effect][Verdict(Direction.OPEN, Size.OPEN)])
            shares = " | ".join(f"{100 * each / self.count:.0f}" for each in counts)
            yield f"| {effect:g} | {seeds} | {shares} |"


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
    cases, runs = (rng.exponential(size=(300, n)) for n in differences.shape)
    tested = ~np.isnan(differences)
    totals = (runs * (cases @ np.where(tested, differences, 0))).sum(axis=1)
    low, high = np.quantile(
        totals / (runs * (cases @ tested)).sum(axis=1),
        [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2],
    )
    return float(low), float(high)


@pytest.mark.parametrize("name", SPREADS)
def test_verdicts_are_right_as_often_as_claimed(name: str, simulations: int) -> None:
    spread, found = SPREADS[name], []
    for seeds in SEEDS:
        rates = Rates()
        for differences in experiments(name, seeds, simulations):
            rates.add(estimate(differences))
        found.append(rates)
    claimed = [r.of(0, Direction.HIGHER) + r.of(0, Direction.LOWER) for r in found]
    figures = [
        " ".join(f"{100 * hits / simulations:.0f}" for hits in each)
        for each in ([rates.covered for rates in found], claimed)
    ]
    print(f"| {name} | {' | '.join(figures)} |")
    for seeds, rates in zip(SEEDS, found, strict=True):
        print("\n".join(rates.lines(seeds)))
    for rates in found:
        rates.check(spread.coverage)
    # More seeds never make a direction, nor a size, harder to see.
    sides: list[tuple[Direction | Size, float]] = [
        *((Direction.HIGHER, effect) for effect in EFFECTS[1:]),
        *((Size.BELOW, effect) for effect in EFFECTS[:3]),
        (Size.ABOVE, 0.01),
    ]
    for side, effect in sides:
        for fewer, more in itertools.pairwise(found):
            before, after = fewer.of(effect, side), more.of(effect, side)
            noise = (2 * simulations * 0.25) ** 0.5
            assert after - before > -3.5 * noise, (side, effect)
        if effect != 0.001:
            gained = found[-1].of(effect, side) - found[0].of(effect, side)
            assert gained >= 0, (side, effect)


@pytest.mark.parametrize("method", [over_values, over_cases, of_bootstrap])
def test_simpler_intervals_would_be_found_out(
    method: Callable[[Differences], Interval], simulations: int
) -> None:
    intervals = [
        method(differences)
        for differences in experiments("runs differ most", 1, 2 * simulations)
    ]

    covered = sum(low <= 0 <= high for low, high in intervals)

    print(f"{method.__name__}: covered {100 * covered / len(intervals):.1f} %")
    assert not is_at_least(LEAST_COVERAGE, covered, len(intervals))


def test_one_training_run_speaks_for_its_own_networks(simulations: int) -> None:
    """Its run's effect is then part of what is estimated, not of the error."""
    spread = dataclasses.replace(SPREADS["runs differ"], run=0.0, folds_run=1)
    rng = np.random.default_rng(derive_seed(0, "one run"))
    rates = Rates()

    for _ in range(4 * simulations):
        rates.add(estimate(spread.differences(rng, 1)))

    print(f"one training run: covered {100 * rates.covered / rates.count:.1f} %")
    rates.check(LEAST_COVERAGE)


def test_a_family_holds_its_error_rates(simulations: int) -> None:
    """Three pairs of which none differs, and three of which two do."""
    for effects in ((0.0, 0.0, 0.0), (0.0, 0.0, 0.004)):
        rng = np.random.default_rng(derive_seed(0, "family"))
        claimed = missed = 0
        for _ in range(2 * simulations):
            tested = SPREADS["runs differ most"].tested(rng, 2)
            regimes = [
                SPREADS["runs differ most"].values(rng, tested) + effect
                for effect in effects
            ]
            pairs = list(itertools.combinations(range(3), 2))
            truths = [effects[second] - effects[first] for first, second in pairs]
            found = [estimate(regimes[b] - regimes[a]) for a, b in pairs]
            adjusted = holm([pair.p for pair in found])
            claimed += any(
                verdict(pair, n_pairs=3, p_holm=p).direction is not Direction.OPEN
                for pair, p, truth in zip(found, adjusted, truths, strict=True)
                if truth == 0
            )
            intervals = [pair.interval(SIGNIFICANCE / 3) for pair in found]
            missed += any(
                not low <= truth <= high
                for (low, high), truth in zip(intervals, truths, strict=True)
            )
        count = 2 * simulations
        print(f"{effects}: a direction where there is none {claimed / count:.1%}")
        print(f"{effects}: one of the intervals misses {missed / count:.1%}")
        assert is_at_most(SIGNIFICANCE, claimed, count)
        assert is_at_most(SIGNIFICANCE, missed, count)


@pytest.mark.parametrize(
    ("effect", "outcome"),
    [(0.003, Direction.HIGHER), (0.002, Size.BELOW), (0.009, Size.ABOVE)],
)
def test_an_outlook_comes_true_as_often_as_it_says(
    effect: float, outcome: Direction | Size, simulations: int
) -> None:
    """Where difference and variances are as it takes them to be."""
    name = "runs differ"
    spread, (first,) = SPREADS[name], experiments(name, 2, 1)
    truth = dataclasses.replace(
        estimate(first),
        mean=effect,
        components=Components(spread.case**2, spread.run**2, spread.residual**2),
    )
    unsettled = Verdict(Direction.OPEN, Size.OPEN)
    seen = outlook(truth, unsettled, n_seeds=2, n_pairs=1, margin=MARGIN)
    ((seeds),) = [each.seeds for each in seen if each.outcome is outcome]
    assert seeds is not None

    def hits(n_seeds: int) -> int:
        found = experiments(name, n_seeds, 2 * simulations)
        verdicts = (verdict(shifted(estimate(each), effect)) for each in found)
        return sum(outcome in (each.direction, each.size) for each in verdicts)

    promised, count = hits(2 + seeds), 2 * simulations
    print(f"{outcome}, after {seeds} more seeds: {promised / count:.0%}")
    assert is_at_least(CHANCE - 0.05, promised, count)
    # It asks for no more than is needed.
    assert is_at_most(CHANCE, hits(1 + seeds), count)


@dataclasses.dataclass(frozen=True)
class Patients:
    """Patients of some cases each, whole in a fold; standard deviations as above."""

    count: int = 60
    size: int = 5
    patient: float = 0.02
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
    rates, by_cases, missed = Rates(), 0, 0
    for _ in range(count):
        differences = made.differences(rng, seeds)
        found = estimate(differences, patients=made.names())
        rates.add(found)
        low, high = found.interval(SIGNIFICANCE / 3)
        missed += not low <= 0 <= high
        low, high = estimate(differences).interval()
        by_cases += low <= 0 <= high
    shares = [100 * hits / count for hits in (rates.covered, by_cases)]
    print(
        f"5 cases a patient, seeds {seeds}: covered {shares[0]:.1f} %, by cases "
        f"{shares[1]:.1f} %"
    )
    rates.check(LEAST_COVERAGE)
    # One of three at once.
    assert is_at_most(SIGNIFICANCE / 3, missed, count)
    if seeds == 10:
        # The spread between folds hides it where there are few seeds.
        assert not is_at_least(LEAST_COVERAGE, by_cases, count)
