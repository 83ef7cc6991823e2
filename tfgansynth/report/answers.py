"""Does the synthetic set help? The answer of each table, picked from its verdicts."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tfgansynth.evaluation.comparisons import Verdict

STATEMENTS = MappingProxyType(
    {
        Verdict.HELPS: "Yes, it helps.",
        Verdict.HARMS: "No, it harms.",
        Verdict.EQUIVALENT: "It makes no difference that matters.",
        Verdict.INCONCLUSIVE: "These results do not settle it.",
    }
)
"""What a verdict on real with synthetic pairs against real ones answers."""

OF_ONE_RUN = MappingProxyType(
    {
        Verdict.HELPS: "In this one run it helped.",
        Verdict.HARMS: "In this one run it harmed.",
        Verdict.EQUIVALENT: "In this one run it made no difference that matters.",
        Verdict.INCONCLUSIVE: STATEMENTS[Verdict.INCONCLUSIVE],
    }
)
"""The same where nothing shows how much another training run would differ."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One comparison of real with synthetic pairs against real pairs alone.

    Attributes:
        table: Title of the table that both rows belong to.
        comparison: Theirs, as `evidence.json` has it.
    """

    table: str
    comparison: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """What synthetic pairs are to the training."""
        return Verdict(self.comparison["verdict"])

    @property
    def statement(self) -> str:
        """The answer in one sentence."""
        one_run = self.comparison["design"]["runs"] == 1
        return (OF_ONE_RUN if one_run else STATEMENTS)[self.verdict]


def answers(evidence: Mapping[str, Any]) -> list[Answer]:
    """Pick the comparisons that answer the question, in the order of the tables.

    Rows that differ in more than their synthetic pairs, as in their augmentation,
    do not answer it.

    Args:
        evidence: The content of `evidence.json`.
    """
    return [
        Answer(table["title"], comparison)
        for table in evidence["tables"]
        for comparison in _asked(table["rows"], evidence["comparisons"])
    ]


def _asked(
    rows: Sequence[Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    by_name = {row["name"]: row for row in rows}
    for comparison in comparisons:
        first = by_name.get(comparison["first"])
        second = by_name.get(comparison["second"])
        if first and second and _adds_synthetic(first, second):
            yield comparison


def _adds_synthetic(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return (
        not any(first["n_synthetic"])
        and any(second["n_synthetic"])
        and first["n_real"] == second["n_real"]
        and schedule(first["name"]) == schedule(second["name"])
    )


def schedule(arm: str) -> str:
    """How the U-Nets of a row were trained: `fair`, `augmented`, or empty."""
    found = re.search(r"(fair|augmented)\)$", arm)
    return found[1] if found else ""
