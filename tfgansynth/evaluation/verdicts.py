"""The verdict on a pair of regimes: its record, its rules and its words."""

import dataclasses
import enum
from collections.abc import Iterator, Mapping

from scipy import stats

from tfgansynth.errors import counted
from tfgansynth.evaluation.mixed_effects import (
    CONFIDENCE,
    SIGNIFICANCE,
    Components,
    Design,
    Estimate,
)
from tfgansynth.evaluation.tables import METRIC_HEADINGS, require_metrics

PRIMARY = "dice"
"""The metric that the verdict is on. It grows as masks get better; the other metrics
are distances, which shrink."""

MOST_SEEDS = 100
"""Seeds in all beyond which no verdict is looked for."""

CHANCE = 0.8
"""With which an outlook says that an axis will be settled."""

_INTERVAL = f"{100 * CONFIDENCE:.0f} % interval"


class Direction(enum.StrEnum):
    """Whether Dice of the second regime of a pair is higher than that of the first."""

    HIGHER = "higher"
    LOWER = "lower"
    OPEN = "open"


class Size(enum.StrEnum):
    """Whether the difference is smaller than the margin, whatever its direction."""

    BELOW = "below"
    ABOVE = "above"
    OPEN = "open"

    @property
    def words(self) -> str:
        """What stands after a direction: `, by less than the margin`."""
        return {
            Size.BELOW: ", by less than the margin",
            Size.ABOVE: ", by more than the margin",
            Size.OPEN: "; whether by more than the margin is open",
        }[self]


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What the second regime of a pair is to the first: two axes, each of its own."""

    direction: Direction
    size: Size

    @property
    def words(self) -> str:
        """The verdict in a few words: `higher, by less than the margin`."""
        if self.direction is Direction.OPEN:
            return "open" if self.size is Size.OPEN else "no difference that matters"
        return f"{self.direction}{self.size.words}"


WITHHELD = "withheld"
"""The word where there is no verdict."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MetricDifference:
    """One metric's difference; see `mixed_effects.Estimate` and `comparisons`.

    Attributes:
        low: Lower end of its own interval, which excludes 0 exactly when `p` is
            significant.
        high: Upper end of it.
        p: Of a mean of 0, not corrected.
        p_wilcoxon: Of Wilcoxon's test, given these networks; not corrected.
        p_holm: `p` after Holm's correction over the pair's family.
        simultaneous_low: Lower end of the interval that holds with those of all pairs
            of the family at once.
        simultaneous_high: Upper end of it.
    """

    mean: float
    low: float
    high: float
    p: float
    p_wilcoxon: float
    components: Components
    p_holm: float
    simultaneous_low: float
    simultaneous_high: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What more seeds would settle if mean and variances are as estimated.

    Attributes:
        outcome: To what: `higher`, `lower`; or `below`, `above` the margin.
        seeds: How many more, for a chance of `CHANCE`; None where `MOST_SEEDS` in all
            would not do.
    """

    outcome: str
    seeds: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OutlyingRun:
    """A training run whose mean difference lies apart from that of the others."""

    seed: int
    fold: int
    mean: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PairComparison:
    """The verdict on a pair of regimes, second minus first.

    Attributes:
        first: Name of the regime compared against.
        second: Name of the regime that the verdict is on.
        is_primary: Whether it was declared before the first run, and is tested alone.
        n_pairs: Pairs of its family, over which corrections go; 1 of the primary pair.
        n_seeds: Seeds that both regimes have.
        design: How many cases met how many runs.
        margin: Differences of Dice smaller than this do not matter.
        verdict: What the second regime is to the first; None where it is withheld.
        outlook: For each open axis, what more seeds would settle; not for the
            direction of a difference that does not matter. Empty after a single
            training run, which cannot show it.
        outlying: A run that lies apart by more than the margin.
        sentence: The verdict and what it rests on, in words.
        metrics: The difference of each metric.
    """

    first: str
    second: str
    is_primary: bool
    n_pairs: int
    n_seeds: int
    design: Design
    margin: float
    verdict: Verdict | None
    outlook: tuple[Outlook, ...]
    outlying: OutlyingRun | None
    sentence: str
    metrics: Mapping[str, MetricDifference]

    def require_whole(self) -> None:
        """Refuse one without all metrics; see `require_metrics`."""
        require_metrics(self.metrics)

    @property
    def primary(self) -> MetricDifference:
        """The difference that the verdict is on."""
        return self.metrics[PRIMARY]

    @property
    def words(self) -> str:
        """The verdict in a few words."""
        return self.verdict.words if self.verdict else WITHHELD

    @property
    def opposed(self) -> tuple[str, ...]:
        """The metrics that significantly go the other way than the primary one."""
        return tuple(
            metric
            for metric, found in self.metrics.items()
            if metric != PRIMARY
            and found.p_holm < SIGNIFICANCE
            and found.mean * self.primary.mean > 0
        )


def decide(found: MetricDifference, margin: float) -> Verdict:
    """Give the verdict; the text of `comparisons` has the rules.

    Args:
        found: The difference of the primary metric.
        margin: Differences smaller than this do not matter.
    """
    direction, size = Direction.OPEN, Size.OPEN
    if found.p_holm < SIGNIFICANCE:
        direction = Direction.HIGHER if found.mean > 0 else Direction.LOWER
    if -margin < found.simultaneous_low and found.simultaneous_high < margin:
        size = Size.BELOW
    elif found.simultaneous_low > margin or found.simultaneous_high < -margin:
        size = Size.ABOVE
    return Verdict(direction, size)


def outlook(
    found: Estimate, verdict: Verdict, *, n_seeds: int, n_pairs: int, margin: float
) -> tuple[Outlook, ...]:
    """Estimate how many more seeds would settle the open axes of a verdict.

    The estimated mean and variances are taken for the truth, so that this is a
    guide and no promise. With one seed, what differs between cases is taken to
    last, as nothing shows otherwise; Holm's correction is taken at its strictest.
    The error rates hold for a number of seeds fixed beforehand: judging anew after
    each seed until a verdict comes raises them.

    Args:
        found: The mean difference of the primary metric.
        verdict: The verdict so far.
        n_seeds: Seeds so far.
        n_pairs: Pairs of regimes of its family.
        margin: Differences smaller than this do not matter.

    Returns:
        One for each open axis, with the outcome that the mean points to, but for the
        direction of a difference that does not matter; none if all is from one
        training run.
    """
    if found.design.runs == 1:
        return ()
    size = abs(found.mean)
    axes: list[Direction | Size] = []
    matters = verdict.size is not Size.BELOW
    if verdict.direction is Direction.OPEN and matters and size > 0:
        axes.append(Direction.HIGHER if found.mean > 0 else Direction.LOWER)
    if verdict.size is Size.OPEN:
        axes.append(Size.BELOW if size < margin else Size.ABOVE)
    needed: dict[Direction | Size, int] = {}
    for seeds in range(n_seeds + 1, MOST_SEEDS + 1):
        design = found.design.after(seeds, now=n_seeds)
        spread = design.standard_error(found.components)
        for outcome in axes:
            if _chance(outcome, size, margin, n_pairs, *spread) >= CHANCE:
                needed.setdefault(outcome, seeds - n_seeds)
    return tuple(Outlook(outcome=each, seeds=needed.get(each)) for each in axes)


def _chance(
    outcome: Direction | Size,
    size: float,
    margin: float,
    n_pairs: int,
    error: float,
    freedom: float,
) -> float:
    """The chance of an outcome where the true difference has this size."""
    if error == 0:
        return 1.0
    half = stats.t.isf(SIGNIFICANCE / 2 / n_pairs, freedom)
    if outcome is Size.BELOW:
        ends = (margin - size) / error - half, (margin + size) / error - half
        return float(stats.t.cdf(ends, freedom).sum() - 1)
    bound = margin if outcome is Size.ABOVE else 0.0
    return float(stats.t.cdf((size - bound) / error - half, freedom))


def sentence(pair: PairComparison, why: str = "") -> str:
    """Say in one English sentence what the verdict is and what it rests on.

    Args:
        pair: The comparison.
        why: Why its verdict is withheld.
    """
    if pair.verdict is None:
        return f"No verdict on {pair.second} against {pair.first}: {why}."
    clauses = [
        f"{pair.second} against {pair.first}: {_opening(pair, pair.verdict)} "
        f"({_basis(pair)})",
        *_clauses(pair, pair.verdict),
    ]
    return "; ".join(clauses) + "."


def _opening(pair: PairComparison, verdict: Verdict) -> str:
    margin = f"the margin of {pair.margin:g}"
    if verdict.direction is Direction.OPEN:
        if verdict.size is Size.BELOW:
            return f"no difference of Dice that matters, which begins at {margin}"
        return "whether Dice is higher or lower is open"
    size = {
        Size.BELOW: f", by less than {margin}",
        Size.ABOVE: f", by more than {margin}",
        Size.OPEN: f", whether by more than {margin} is open",
    }[verdict.size]
    return f"Dice is {verdict.direction}{size}"


def _basis(pair: PairComparison) -> str:
    found, design = pair.primary, pair.design
    of_patients = f" of {design.patients:.0f} patients" if design.patients else ""
    low, high = found.simultaneous_low, found.simultaneous_high
    interval = f"{_INTERVAL} {low:+.4f} to {high:+.4f}"
    tested = f"{interval}, {_p_words(found.p_holm)}"
    if pair.is_primary:
        tested = f"{tested}, the primary pair, tested alone"
    elif pair.n_pairs > 1:
        tested = (
            f"simultaneous {interval} over {pair.n_pairs} pairs, "
            f"{_p_words(found.p_holm)} after Holm's correction"
        )
    return (
        f"{found.mean:+.4f}, {tested}, from "
        f"{counted(int(design.cases), 'test case')}{of_patients} and "
        f"{counted(int(design.runs), 'training run')} of "
        f"{counted(pair.n_seeds, 'seed')}"
    )


def _clauses(pair: PairComparison, verdict: Verdict) -> Iterator[str]:
    found = pair.primary
    if verdict.direction is not Direction.OPEN:
        if found.simultaneous_low <= 0 <= found.simultaneous_high:
            yield (
                "Holm's test shows the direction, which the interval for all pairs at "
                "once does not"
            )
        if found.p_wilcoxon >= SIGNIFICANCE:
            yield (
                "Wilcoxon's test of the cases, given these networks, does not show it "
                f"({_p_words(found.p_wilcoxon)})"
            )
    yield from _outlook(pair, verdict)
    if pair.opposed:
        yield _opposition(pair)
    if pair.outlying:
        run = pair.outlying
        yield (
            f"fold {run.fold} of seed {run.seed} lies apart from the other runs "
            f"({run.mean:+.4f}): see whether a training failed there"
        )
    if pair.design.runs == 1:
        yield (
            "this holds for these trained networks only, since one training run "
            "does not show how much others would differ"
        )


def _outlook(pair: PairComparison, verdict: Verdict) -> Iterator[str]:
    """Say what more seeds would settle, where nothing of weight is settled."""
    if (verdict.direction, verdict.size) == (Direction.OPEN, Size.OPEN) and (
        pair.design.runs == 1
    ):
        yield "a second seed will show how many more would settle it"
    within = [each for each in pair.outlook if each.seeds is not None]
    if within:
        first, *others = within
        parts = [
            f"about {counted(first.seeds or 0, 'more seed')} would show that it is "
            f"{_outcome(first.outcome)}",
            *(
                f"about {each.seeds} that it is {_outcome(each.outcome)}"
                for each in others
            ),
        ]
        yield (
            f"if difference and spread are as estimated, {' and '.join(parts)}, with a "
            f"chance of {100 * CHANCE:.0f} %{' each' if others else ''}"
        )
    beyond = [_outcome(each.outcome) for each in pair.outlook if each.seeds is None]
    if beyond:
        yield (
            f"not even {MOST_SEEDS} seeds would show that it is {' or '.join(beyond)}, "
            "more test cases might"
        )


def _outcome(outcome: str) -> str:
    if outcome in (Direction.HIGHER, Direction.LOWER):
        return outcome
    return f"{'less' if outcome == Size.BELOW else 'more'} than the margin"


def _opposition(pair: PairComparison) -> str:
    changes = []
    for metric in pair.opposed:
        mean = pair.metrics[metric].mean
        word = "worse" if mean > 0 else "better"
        changes.append(f"{METRIC_HEADINGS[metric]} {word} ({mean:+.4f})")
    return f"against this, {' and '.join(changes)}"


def _p_words(p: float) -> str:
    return f"p {p_text(p)}" if p < 0.001 else f"p = {p_text(p)}"


def p_text(p: float) -> str:
    """Render a p-value."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
