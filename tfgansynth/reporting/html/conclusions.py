"""Does the synthetic set help, beyond what, how sure is it, may it be handed on?

The conclusions of each table, picked from its verdicts, and the page's first answers.
"""

import dataclasses
import enum
from collections.abc import Iterator, Sequence

from tfgansynth.assessment.membership import leaks
from tfgansynth.errors import counted
from tfgansynth.evaluation.tables import TrainingSet
from tfgansynth.evaluation.verdicts import Direction, PairComparison, Size, Verdict
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.comparisons import Comparison, RegimeTable


class Question(enum.StrEnum):
    """What a comparison of two regimes can answer.

    `SET`: do synthetic pairs help, added to real ones? `GENERATOR`: does a set help
    more than its control, which has the generator's training cases in its place?
    `BASELINE`: do synthetic pairs, added to real ones, do more than another way to use
    the same cases?
    """

    SET = "set"
    GENERATOR = "generator"
    BASELINE = "baseline"


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
    (Question.BASELINE, Direction.HIGHER): (
        "Yes, it does more than this baseline",
        "it did more than this baseline",
    ),
    (Question.BASELINE, Direction.LOWER): (
        "No, this baseline does more",
        "this baseline did more",
    ),
    (Question.BASELINE, Direction.OPEN): (
        "No, this baseline does as much",
        "this baseline did as much",
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

    Regimes that differ in their augmentation do not answer any.
    """
    by_name = {row.name: row for row in table.rows}
    for pair in comparison.comparisons:
        first, second = by_name.get(pair.first), by_name.get(pair.second)
        if first is None or second is None or first.schedule != second.schedule:
            continue
        sets = first.training_set, second.training_set
        adds_synthetic = sets == (TrainingSet.REAL, TrainingSet.MIXED)
        if first.baseline != second.baseline:
            # The ceiling has cases that the others do not have, and what is added to
            # real and synthetic pairs is no other way than these.
            is_asked = first.baseline != "ceiling" and not second.baseline
            is_asked &= sets[0] is TrainingSet.REAL or first.baseline == "pretrained"
            if is_asked and sets[1] is TrainingSet.MIXED and second.set == "plain":
                yield Conclusion(Question.BASELINE, pair)
            continue
        if adds_synthetic and second.set != "control" and first.n_real == second.n_real:
            yield Conclusion(Question.SET, pair)
        if (first.set, second.set) == ("control", "plain") and sets[0] is sets[1]:
            yield Conclusion(Question.GENERATOR, pair)


def answers(
    comparison: Comparison, assessments: Sequence[Assessment]
) -> list[tuple[str, str]]:
    """Return the questions that a reader brings, each with its answer in short.

    Args:
        comparison: All verdicts of a study.
        assessments: Of its synthetic sets.
    """
    pair = next((each for each in comparison.comparisons if each.is_primary), None)
    # Of several budgets, that of the primary pair and the largest.
    found = [
        each
        for table in comparison.tables
        if table is comparison.tables[-1]
        or table.rows[0].schedule == "paper"
        or (pair and {pair.first, pair.second} <= {row.name for row in table.rows})
        for each in conclusions(table, comparison)
    ]
    shown = [
        ("Does it help?", _help(found, pair)),
        ("Beyond what?", _beyond(found, comparison)),
        ("How sure is that?", _sure(pair)),
        ("May it be handed on?", _handed_on(assessments)),
    ]
    return [(question, answer) for question, answer in shown if answer]


def _help(found: Sequence[Conclusion], pair: PairComparison | None) -> str:
    """The verdict on the primary pair, in the words of its box if it has one."""
    if pair is None:
        return "No primary pair was declared or has results; see each box."
    own = [each.statement for each in found if each.pair == pair]
    return own[0] if own else f"{pair.second} is {pair.words}."


def _beyond(found: Sequence[Conclusion], comparison: Comparison) -> str:
    """What the set was compared with, and what is missing for a fair answer."""
    asked = {each.question for each in found}
    parts = [
        f"Against {each.pair.first}: {each.pair.words}."
        for each in found
        if each.question is not Question.GENERATOR
    ]
    rows = [row for table in comparison.tables for row in table.rows]
    missing = {
        "classical augmentation": any(row.schedule == "augmented" for row in rows),
        "a control set": Question.GENERATOR in asked,
        "other baselines": Question.BASELINE in asked,
    }
    names = [name for name, is_there in missing.items() if not is_there]
    if found and names:
        parts.append(f"Not compared with {', '.join(names)}.")
    return " ".join(parts)


def _sure(pair: PairComparison | None) -> str:
    if pair is None:
        return ""
    found, design = pair.primary, pair.design
    patients = f" of {design.patients:.0f} patients" if design.patients else ""
    words = (
        f"{pair.second} minus {pair.first}: {found.mean:+.4f} Dice, 95 % interval "
        f"{found.low:+.4f} to {found.high:+.4f}, from "
        f"{counted(int(design.cases), 'test case')}{patients} and "
        f"{counted(int(design.runs), 'training run')}."
    )
    if design.runs == 1:
        words += " One run does not show how much others would differ."
    return words


def _handed_on(assessments: Sequence[Assessment]) -> str:
    """What the audits for copies say of the sets."""
    if not assessments:
        return "Not known: no set was assessed (assess)."
    audits = [each.memorization for each in assessments]
    n_passed = sum(audit.passed for audit in audits)
    words = f"{n_passed} of {counted(len(audits), 'set')} passed the audit for copies"
    if n_passed < len(audits):
        words = f"Not as it is: {words}"
    bounds = [audit.search.most_copies for audit in audits if audit.search]
    # Earlier versions have not searched, so that nothing bounds the copies of theirs.
    if len(bounds) == len(audits):
        words += f"; at most {100 * max(bounds):.1f} % of pairs are copies (95 % bound)"
    found = leaks(each.membership for each in assessments if each.membership)
    if found:
        words += (
            "; the set gives away which cases the generator learned from (advantage of "
            f"an attack up to {max(each.value for each in found):.2f}; 0 is guessing)"
        )
    return f"{words}. That is no proof of anonymity."
