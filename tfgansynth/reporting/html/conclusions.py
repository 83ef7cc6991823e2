"""Does the synthetic set help, and does it more than its control?

The conclusions of each table, picked from its verdicts.
"""

import dataclasses
import enum
from collections.abc import Iterator

from tfgansynth.evaluation.tables import TrainingSet
from tfgansynth.evaluation.verdicts import PairComparison, Verdict
from tfgansynth.records.comparisons import Comparison, RegimeTable


class Question(enum.StrEnum):
    """What a comparison of two regimes can answer.

    `SET`: do synthetic pairs help, added to real ones? `GENERATOR`: does a set help
    more than its control, which has the generator's training cases in its place?
    """

    SET = "set"
    GENERATOR = "generator"


STATEMENTS = {
    (Question.SET, Verdict.HELPS): ("Yes, it helps.", "it helped"),
    (Question.SET, Verdict.HARMS): ("No, it harms.", "it harmed"),
    (Question.SET, Verdict.EQUIVALENT): (
        "It makes no difference that matters.",
        "it made no difference that matters",
    ),
    (Question.GENERATOR, Verdict.HELPS): (
        "Yes, it does more than the control.",
        "it did more than the control",
    ),
    (Question.GENERATOR, Verdict.HARMS): (
        "No, the control does more.",
        "the control did more",
    ),
    (Question.GENERATOR, Verdict.EQUIVALENT): (
        "No, the control does as much.",
        "the control did as much",
    ),
}
"""What a verdict says, and the same where there is one training run only: nothing
shows how much another would differ."""

OPEN = "These results do not settle it."
NOT_LEARNED = "No verdict: networks have not learned."


@dataclasses.dataclass(frozen=True, slots=True)
class Conclusion:
    """One comparison of two regimes of a table, and the question that it answers."""

    question: Question
    pair: PairComparison

    @property
    def statement(self) -> str:
        """The answer in one sentence."""
        if self.pair.verdict is Verdict.WITHHELD:
            return NOT_LEARNED
        key = self.question, self.pair.verdict
        if key not in STATEMENTS:
            return OPEN
        found, of_one_run = STATEMENTS[key]
        return f"In this one run {of_one_run}." if self.pair.design.runs == 1 else found


def conclusions(table: RegimeTable, comparison: Comparison) -> Iterator[Conclusion]:
    """Pick the comparisons of a table's regimes that answer a question, in order.

    Regimes that differ in more than their synthetic pairs, as in their augmentation,
    do not answer any.
    """
    by_name = {row.name: row for row in table.rows}
    for pair in comparison.comparisons:
        first, second = by_name.get(pair.first), by_name.get(pair.second)
        if first is None or second is None or first.schedule != second.schedule:
            continue
        sets = first.training_set, second.training_set
        adds_synthetic = sets == (TrainingSet.REAL, TrainingSet.MIXED)
        if adds_synthetic and second.set != "control" and first.n_real == second.n_real:
            yield Conclusion(Question.SET, pair)
        if (first.set, second.set) == ("control", "plain") and sets[0] is sets[1]:
            yield Conclusion(Question.GENERATOR, pair)
