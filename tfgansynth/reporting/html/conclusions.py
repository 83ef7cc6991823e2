"""Does the synthetic set help, and does it more than its control?

The conclusions of each table, picked from its verdicts.
"""

import dataclasses
import enum
from collections.abc import Iterator

from tfgansynth.evaluation.tables import TrainingSet
from tfgansynth.evaluation.verdicts import Direction, PairComparison, Size, Verdict
from tfgansynth.records.comparisons import Comparison, RegimeTable


class Question(enum.StrEnum):
    """What a comparison of two regimes can answer.

    `SET`: do synthetic pairs help, added to real ones? `GENERATOR`: does a set help
    more than its control, which has the generator's training cases in its place?
    """

    SET = "set"
    GENERATOR = "generator"


_STATEMENTS = {
    (Question.SET, Direction.HIGHER): ("Yes, it helps", "it helped"),
    (Question.SET, Direction.LOWER): ("No, it harms", "it harmed"),
    (Question.SET, Direction.OPEN): (
        "It makes no difference that matters",
        "it made no difference that matters",
    ),
    (Question.GENERATOR, Direction.HIGHER): (
        "Yes, it does more than the control",
        "it did more than the control",
    ),
    (Question.GENERATOR, Direction.LOWER): (
        "No, the control does more",
        "the control did more",
    ),
    (Question.GENERATOR, Direction.OPEN): (
        "No, the control does as much",
        "the control did as much",
    ),
}
"""What a verdict says, and the same where there is one training run only: nothing
shows how much another would differ. Where the direction is open, the size is not."""

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
        verdict = self.pair.verdict
        if verdict is None:
            return NOT_LEARNED
        if verdict == Verdict(Direction.OPEN, Size.OPEN):
            return OPEN
        found, of_one_run = _STATEMENTS[self.question, verdict.direction]
        if self.pair.design.runs == 1:
            found = f"In this one run {of_one_run}"
        is_open = verdict.direction is Direction.OPEN
        return f"{found}{'' if is_open else verdict.size.words}."


def tone(pair: PairComparison) -> str:
    """The class of the page's style sheet that shows a verdict in its color."""
    verdict = pair.verdict
    if verdict is None:
        return "withheld"
    if verdict.direction is Direction.OPEN:
        return "inconclusive" if verdict.size is Size.OPEN else "equivalent"
    return "helps" if verdict.direction is Direction.HIGHER else "harms"


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
