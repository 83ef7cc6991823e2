"""Does the synthetic set help, and is it the generator's doing?

The answers of each table, picked from its verdicts.
"""

import dataclasses
import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tfgansynth.evaluation.comparisons import Verdict


class Question(enum.StrEnum):
    """What a comparison of two rows can answer.

    `SET`: do synthetic pairs help, added to real ones? `GENERATOR`: does a set help
    more than its control, which has the generator's training cases in its place?
    """

    SET = "set"
    GENERATOR = "generator"


STATEMENTS = MappingProxyType(
    {
        (Question.SET, Verdict.HELPS): (
            "Yes, it helps.",
            "In this one run it helped.",
        ),
        (Question.SET, Verdict.HARMS): (
            "No, it harms.",
            "In this one run it harmed.",
        ),
        (Question.SET, Verdict.EQUIVALENT): (
            "It makes no difference that matters.",
            "In this one run it made no difference that matters.",
        ),
        (Question.GENERATOR, Verdict.HELPS): (
            "Yes, it does more than the control.",
            "In this one run it did more than the control.",
        ),
        (Question.GENERATOR, Verdict.HARMS): (
            "No, the control does more.",
            "In this one run the control did more.",
        ),
        (Question.GENERATOR, Verdict.EQUIVALENT): (
            "No, the control does as much.",
            "In this one run the control did as much.",
        ),
    }
)
"""What a verdict answers, and the same where there is one training run only: nothing
shows how much another would differ."""

OPEN = "These results do not settle it."


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One comparison of two rows that answers a question.

    Attributes:
        question: Which.
        table: Title of the table that both rows belong to.
        comparison: Theirs, as `evidence.json` has it.
    """

    question: Question
    table: str
    comparison: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """What synthetic pairs are to the training."""
        return Verdict(self.comparison["verdict"])

    @property
    def statement(self) -> str:
        """The answer in one sentence."""
        found, of_one_run = STATEMENTS.get((self.question, self.verdict), (OPEN, OPEN))
        return of_one_run if self.comparison["design"]["runs"] == 1 else found


def answers(evidence: Mapping[str, Any]) -> list[Answer]:
    """Pick the comparisons that answer a question, in the order of the tables.

    Rows that differ in more than their synthetic pairs, as in their augmentation,
    do not answer any.

    Args:
        evidence: The content of `evidence.json`.
    """
    return [
        Answer(question, table["title"], comparison)
        for table in evidence["tables"]
        for question, comparison in _asked(table["rows"], evidence["comparisons"])
    ]


def _asked(
    rows: Sequence[Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Question, Mapping[str, Any]]]:
    by_name = {row["name"]: row for row in rows}
    for comparison in comparisons:
        first = by_name.get(comparison["first"])
        second = by_name.get(comparison["second"])
        if first and second and _adds_synthetic(first, second):
            yield Question.SET, comparison
        if first and second and _replaces_control(first["name"], second["name"]):
            yield Question.GENERATOR, comparison


def _adds_synthetic(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return (
        not any(first["n_synthetic"])
        and any(second["n_synthetic"])
        and not has_control(second["name"])
        and first["n_real"] == second["n_real"]
        and schedule(first["name"]) == schedule(second["name"])
    )


def _replaces_control(first: str, second: str) -> bool:
    return has_control(first) and first.replace("control", "synthetic") == second


def has_control(regime: str) -> bool:
    """Whether a regime has pairs of a control, by its name."""
    return "control (" in regime


def schedule(regime: str) -> str:
    """How the U-Nets of a row were trained: `fixed budget`, `augmented`, or empty."""
    found = re.search(r"(fixed budget|augmented)\)$", regime)
    return found[1] if found else ""
