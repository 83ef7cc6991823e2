"""How much of the gap between real pairs alone and the ceiling a regime closes."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tfgansynth.errors import counted
from tfgansynth.evaluation.comparisons import CaseResult, by_regime, differences_of
from tfgansynth.evaluation.mixed_effects import CONFIDENCE, share_interval
from tfgansynth.evaluation.tables import TrainingSet
from tfgansynth.evaluation.verdicts import PRIMARY
from tfgansynth.records.results.grouping import Tables

_INTERVAL = f"{100 * CONFIDENCE:.0f} % interval"


@dataclasses.dataclass(frozen=True, slots=True)
class GapShare:
    """How much of the gap between two regimes a third closes, by mean Dice.

    Attributes:
        regime: The third.
        first: The regime that closes nothing of it: real pairs alone.
        ceiling: The regime that closes it.
        share: 1 for all of it; None where the ceiling is not shown to be higher.
        low: Lower end of its interval, not corrected for several shares.
        high: Upper end.
        runs: Training runs; of a single one, the interval is of its networks only.
    """

    regime: str
    first: str
    ceiling: str
    runs: int
    share: float | None
    low: float | None
    high: float | None


def gap_sentences(gaps: Sequence[GapShare]) -> Iterator[str]:
    """Say the shares in words, and once of each gap that it is not shown to be one."""
    for gap in gaps:
        if gap.share is not None:
            where = "In this one run " if gap.runs == 1 else ""
            share, low, high = (100 * (e or 0) for e in (gap.share, gap.low, gap.high))
            yield (
                f"{where}{gap.regime} closes {share:.0f} % of the gap between "
                f"{gap.first} and {gap.ceiling} "
                f"({_INTERVAL} {low:.0f} to {high:.0f} %, not corrected)."
            )
    open_gaps = [(gap.first, gap.ceiling) for gap in gaps if gap.share is None]
    for first, ceiling in dict.fromkeys(open_gaps):
        n_regimes = open_gaps.count((first, ceiling))
        yield (
            f"{ceiling} is not shown to be higher than {first}: there is no gap that "
            f"{counted(n_regimes, 'other regime')} could close."
        )


def find_gaps(
    tables: Tables, withheld: Collection[tuple[str, str]]
) -> dict[str, tuple[str, str]]:
    """Find what stands between real pairs alone and the ceiling, by its table."""
    gaps: dict[str, tuple[str, str]] = {}
    for regimes in tables.values():
        found = {name: members[0].regime for name, members in regimes.items()}
        ceiling = [name for name, each in found.items() if each.baseline == "ceiling"]
        real = [
            name
            for name, each in found.items()
            if each.training_set is TrainingSet.REAL
            and each.schedule == "fixed_budget"
            and not each.baseline
        ]
        # An ensemble is in several tables: its gap is that of the last.
        for first, last in zip(real, ceiling, strict=False):
            gaps |= {
                name: (first, last)
                for name in found
                if name not in (first, last)
                and not {(first, last), (first, name)} & {*withheld}
            }
    return gaps


def gap_shares(
    results: Iterable[CaseResult],
    gaps: Mapping[str, tuple[str, str]],
    patients: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[GapShare]:
    """Say how much of the gap between two regimes others close.

    Args:
        results: As for `compare`.
        gaps: For each of these others, the regimes that are 0 % and 100 %.
        patients: As for `compare`.
    """
    regimes = by_regime(results)
    for name, (lower, upper) in gaps.items():
        cells = sorted(
            set.intersection(*(({*regimes[n]}) for n in (name, lower, upper)))
        )
        cases = sorted({case_id for _, _, case_id in cells})
        owners = [patients.get(case_id, case_id) for case_id in cases]
        if len({*owners}) < 2:
            continue
        part, whole = (
            differences_of(regimes[lower], regimes[each], cells)[PRIMARY]
            for each in (name, upper)
        )
        ends = share_interval(part, whole, patients=owners)
        low, high = ends or (None, None)
        share = float(np.nanmean(part) / np.nanmean(whole)) if ends else None
        yield GapShare(
            regime=name,
            first=lower,
            ceiling=upper,
            runs=part.shape[1],
            share=share,
            low=low,
            high=high,
        )
