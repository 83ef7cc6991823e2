"""What a command shows of the stages that it runs, and at its end of their results.

The one place that decides what is printed of a stage. It prints what an `Outcome` has,
so that the stage itself may have run in another process.
"""

import datetime
import statistics
import textwrap
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tfgansynth.errors import counted
from tfgansynth.evaluation.tables import headings, with_mm
from tfgansynth.evaluation.verdicts import PairComparison
from tfgansynth.planning.schedule import in_order_of_need, play
from tfgansynth.records.comparisons import Comparison, RegimeRow
from tfgansynth.records.runs import Remark, remark_lines
from tfgansynth.records.tables import Table
from tfgansynth.reporting import grids
from tfgansynth.reporting.html.conclusions import Question, conclusions
from tfgansynth.reporting.tables import mean_sd
from tfgansynth.runtime.progress import Overview, duration

if TYPE_CHECKING:
    # They import TensorFlow, which reading results does not need.
    from tfgansynth.experiment.stage_runs import Outcome
    from tfgansynth.experiment.study import Part

_WIDTH = 88
"""Of running text, in characters."""
_MOST_IN_WORDS = 3
"""Verdicts on secondary pairs that are told in whole sentences; more are a table."""
_SECONDS_UNTIL_OLD = 5.0
"""What is said of all stages is not reckoned again before."""
_LONGEST_SECONDS = 300 * 86400
"""Until an end that is named by day and month."""
_METRICS = ("dice", "hausdorff_px", "hausdorff_mm")
_QUESTIONS = {
    Question.SET: "Does the synthetic set help?",
    Question.GENERATOR: "Does it help more than its control?",
    Question.BASELINE: "Does it help more than a baseline?",
}
_NOTHING_TO_COMPARE = (
    "No verdict: U-Nets of real pairs alone and of real and synthetic pairs have no "
    "two test cases in common yet."
)


_Name = tuple[str, str]
"""Of a part and of its stage."""


class Outlook:
    """How far a command is with its stages, and when they are expected to be done.

    The times are those of the plan, corrected by what stages of this command have
    taken: for a stage that costs the same, those are expected; for others, the plan's
    times are stretched as all that were measured together.

    Args:
        parts: What is run, with what is expected of stages that are not done.
        together: The stages of all parts run as one, as on a cluster, and not part by
            part.
        share_cores: Stages that run at a time share this machine's cores. Until one is
            measured, each takes between the plan's time and as many times that as run.
    """

    def __init__(
        self,
        parts: Sequence["Part"],
        *,
        together: bool = False,
        share_cores: bool = False,
    ) -> None:
        self._share_cores = share_cores
        self._total = sum(len(part.plan.stages) for part in parts)
        needs = {
            (part.name, stage.name): [(part.name, need) for need in stage.needs]
            for part in parts
            for stage in part.plan.stages
        }
        self._groups = [
            {name: own for name, own in needs.items() if name[0] == part.name}
            for part in parts
        ]
        if together:
            ordered = in_order_of_need([part.plan.stages for part in parts])
            names = [(parts[index].name, stage.name) for index, stage in ordered]
            self._groups = [{name: needs[name] for name in names}]
        self._open = {
            (part.name, name): expected
            for part in parts
            for name, expected in part.expected.items()
        }
        # What an earlier attempt has taken, of stages that have begun.
        self._begun = {
            (part.name, name): part.experiment.run.seconds().get(name, 0.0)
            for part in parts
            for name in part.expected
            if (part.experiment.run.root / name).exists()
        }
        self._n_failed = 0
        self._n_workers = 1
        self._since: dict[_Name, float] = {}
        self._measured: dict[str, list[float]] = {}
        self._spent = self._planned = 0.0
        self._words, self._old_at = "", 0.0

    def running(self, names: Collection[_Name], n_workers: int) -> None:
        """Note which stages run now, on how many workers."""
        now = time.time()
        self._since = {name: self._since.get(name, now) for name in names}
        self._n_workers = max(n_workers, 1)
        self._old_at = now

    def running_of(self, part: "Part") -> Callable[[Collection[str], int], None]:
        """The same for stages of one part, by their own names."""
        return lambda names, n_workers: self.running(
            [(part.name, name) for name in names], n_workers
        )

    def ended(self, name: _Name, seconds: float | None, *, failed: bool) -> None:
        """Note that a stage has ended, computed in so many seconds if it was."""
        self._old_at = time.time()
        self._since.pop(name, None)
        self._n_failed += failed
        expected = self._open.pop(name, None)
        # The rest of a stage says little of others.
        if seconds is None or expected is None or name in self._begun:
            return
        self._measured.setdefault(expected.like, []).append(seconds / expected.steps)
        if expected.seconds is not None:
            self._spent += seconds
            self._planned += min(max(seconds, expected.seconds), expected.latest)

    def left(self) -> tuple[float, float, int]:
        """Expect what the stages that are not done still take.

        Returns:
            The least and the most seconds, and how many stages are not in them: of
            unknown time, or running for longer than they were expected to.
        """
        now, n_unknown = time.time(), 0
        spans: dict[_Name, tuple[float, float]] = {}
        for name in {*self._open} | {*self._since}:
            span = self._span(name)
            passed = now - self._since.get(name, now) + self._begun.get(name, 0.0)
            if span is None or passed > span[1]:
                n_unknown += 1
                span = (0.0, 0.0)
            spans[name] = max(span[0] - passed, 0.0), max(span[1] - passed, 0.0)
        ends = []
        for index in (0, 1):
            seconds = {name: span[index] for name, span in spans.items()}
            ends.append(0.0)
            for group in self._groups:
                stages = {name: needs for name, needs in group.items() if name in spans}
                played = play(stages, seconds, self._n_workers, [*self._since])
                ends[-1] += max(played.values(), default=0.0)
        return min(ends), max(ends), n_unknown

    def _span(self, name: _Name) -> tuple[float, float] | None:
        """Seconds of a stage at its earliest and at its latest end, if known."""
        expected = self._open.get(name)
        if expected is None:
            return None
        if found := self._measured.get(expected.like):
            seconds = statistics.median(found) * expected.steps
            return seconds, seconds
        if expected.seconds is None:
            return None
        if self._planned:
            stretched = self._spent / self._planned
            return expected.seconds * stretched, expected.latest * stretched
        most = self._n_workers if self._share_cores else 1
        return expected.seconds, expected.latest * most

    def text(self) -> str:
        """Say it in one line; anew where stages have begun or ended, or after 5 s."""
        if time.time() < self._old_at:
            return self._words
        n_running, n_open = len(self._since), len({*self._open} | {*self._since})
        counts = [f"{self._total - n_open - self._n_failed} of {self._total} done"]
        counts += [f"{self._n_failed} without result"] if self._n_failed else []
        counts += [f"{n_running} running", f"{n_open - n_running} waiting"]
        self._words = " · ".join([*counts, self._left_words()])
        self._old_at = time.time() + _SECONDS_UNTIL_OLD
        return self._words

    def _left_words(self) -> str:
        least, most, n_unknown = self.left()
        unknown = f"{counted(n_unknown, 'stage')} of unknown time"
        if n_unknown:
            known = f"at least {duration(least)} and " if least else ""
            return f"{known}{unknown} left"
        first, last = duration(least), duration(most)
        shown = f"about {last}" if first == last else f"{first} to {last}"
        if most > _LONGEST_SECONDS:
            return f"{shown} left"
        end = datetime.datetime.fromtimestamp(time.time() + most)
        is_today = end.date() == datetime.date.fromtimestamp(time.time())
        until = end.strftime("%H:%M" if is_today else "%a %d %b, %H:%M")
        latest = "" if first == last else " at the latest"
        return f"{shown} left, until {until}{latest}"


class Screen:
    """Prints a line for each stage that is run, and its remarks below.

    Args:
        parts: What is run, in order.
        outlook: Knows how far the stages are; shown with the progress of each.
        n_done: Stages that were done before.
        verbose: Whether to print the details of a stage too.
    """

    def __init__(
        self,
        parts: Sequence["Part"],
        outlook: Outlook,
        *,
        n_done: int = 0,
        verbose: bool = False,
    ) -> None:
        self._outlook = outlook
        self._overview = Overview(outlook.text)
        self._verbose = verbose
        names = [part.name for part in parts]
        self._names = dict(zip(names, _names(parts), strict=True))
        self._total = sum(len(part.plan.stages) for part in parts)
        self._width = max(
            (len(self._label(p, s.label)) for p in parts for s in p.plan.stages),
            default=0,
        )
        self._shown = 0
        if n_done:
            print(f"{n_done} of {self._total} stages are done already")

    def follow(
        self, outcomes: Iterable[tuple["Part", "Outcome"]]
    ) -> Iterator[tuple["Part", "Outcome"]]:
        """Show what becomes of stages as it is known, and pass it on."""
        following = iter(outcomes)
        while True:
            with self._overview:
                found = next(following, None)
            if found is None:
                return
            self._show(*found)
            yield found

    def _show(self, part: "Part", outcome: "Outcome") -> None:
        """Print what became of the next stage; nothing if it was done before."""
        seconds = outcome.seconds if outcome.computed else None
        name = part.name, outcome.stage.name
        self._outlook.ended(name, seconds, failed=outcome.failure is not None)
        self._shown += 1
        number = f"{self._shown:{len(str(self._total))}}/{self._total}"
        label = self._label(part, outcome.stage.label)
        if outcome.failure:
            spent, text = "", f"no result: {outcome.failure}"
        elif outcome.computed:
            spent, text = duration(outcome.seconds), outcome.text
            text += f" (on {outcome.where})" if outcome.where else ""
        else:
            return
        print(f"{number}  {label:{self._width}}  {spent:>12}  {text}".rstrip())
        details = outcome.details if self._verbose else ()
        for line in (*(f"remark: {text}" for text in outcome.remarks), *details):
            print(f"{'':{len(number)}}  {line}")

    def _label(self, part: "Part", label: str) -> str:
        return f"{self._names[part.name]}{label}"


def _names(parts: Sequence["Part"]) -> Iterator[str]:
    """Name each part by what it does not have in common with all others."""
    numbers = [
        {
            "seed": part.experiment.config.seed,
            "cases": part.experiment.config.data.n_reduced,
        }
        for part in parts
    ]
    for own in numbers:
        differing = [name for name in own if len({each[name] for each in numbers}) > 1]
        yield "".join(f"{name} {own[name]}, " for name in differing)


def results_to_text(comparison: Comparison, table: Table | None = None) -> str:
    """Render the regimes and the verdicts in short; the first line warns of phantoms.

    The paper's figures stand beside the regimes where `table` has them, but for
    phantoms, which are not the paper's images.
    """
    paper = table if table and not table.dataset.is_phantom else None
    lines = [comparison.warning] if comparison.warning else []
    lines.append(comparison.context)
    names = headings(comparison.dataset.spacing_mm)
    names = {name: names[name] for name in _METRICS if name in names}
    for each in comparison.tables:
        rows = [
            cells
            for row in each.rows
            for cells in _rows(row, [*names], comparison.dataset.spacing_mm, paper)
        ]
        columns = ("Mean ± sd of the test cases", "Cases", *names.values())
        lines += ["", each.title, *grids.to_text(columns, rows, indent="  ")]
    if paper and any(entry.paper for entry in paper.rows):
        lines += textwrap.wrap(paper.notes[-1], _WIDTH)
    lines += ["", *_verdicts(comparison)]
    remarks = grouped_remarks(comparison.remarks, n_seeds=len(comparison.seeds))
    lines += [f"Remark: {line}" for line in remarks]
    return "\n".join(lines)


def _rows(
    row: RegimeRow, names: Sequence[str], spacing_mm: float | None, paper: Table | None
) -> Iterator[list[object]]:
    """A line for a regime, for each class where there are several, for the paper."""
    found = with_mm(row.metrics, spacing_mm)
    yield [row.name, row.n_results, *(mean_sd(found[name]) for name in names)]
    for name, metrics in row.by_class.items():
        found = with_mm(metrics, spacing_mm)
        yield [f"  {name}", "", *(mean_sd(found[metric]) for metric in names)]
    if row.schedule != "paper" or row.set != "plain" or paper is None:
        return
    for entry in paper.rows:
        printed = entry.paper
        if printed and entry.training_set is row.training_set:
            cells = [getattr(printed, name, None) for name in names]
            shown = [mean_sd(cell) if cell else "-" for cell in cells]
            yield [f"  the paper's {row.name}", "", *shown]


def _verdicts(comparison: Comparison) -> Iterator[str]:
    """The answers to the questions that the regimes were trained for."""
    found = [
        each for table in comparison.tables for each in conclusions(table, comparison)
    ]
    others = [each.pair for each in found if not each.pair.is_primary]
    if len(others) > _MOST_IN_WORDS:
        found = [each for each in found if each.pair.is_primary]
    else:
        others = []
    for each in found:
        yield f"{_QUESTIONS[each.question]} {each.statement}"
        yield from textwrap.wrap(each.pair.sentence, _WIDTH)
    if others:
        columns = ("Synthetic pairs, against", "Dice", "Corrected interval", "Verdict")
        yield from ["", *grids.to_text(columns, _pairs(others), indent="  "), ""]
    for sentence in comparison.gap_sentences:
        yield from textwrap.wrap(sentence, _WIDTH)
    if not found and not others:
        yield from textwrap.wrap(_NOTHING_TO_COMPARE, _WIDTH)
    else:
        yield from textwrap.wrap(comparison.plan_note, _WIDTH)


def _pairs(pairs: Sequence[PairComparison]) -> Iterator[list[object]]:
    """A line for each regime that has verdicts, and below it one for each verdict."""
    for second in dict.fromkeys(pair.second for pair in pairs):
        yield [second, "", "", ""]
        for pair in pairs:
            if pair.second == second:
                found = pair.primary
                low, high = found.simultaneous_low, found.simultaneous_high
                interval = f"{low:+.4f} to {high:+.4f}"
                yield [f"  {pair.first}", f"{found.mean:+.4f}", interval, pair.words]


def grouped_remarks(remarks: Iterable[Remark], *, n_seeds: int) -> Iterator[str]:
    """Render remarks of a kind in one line: the first, and how many are like it."""
    kinds: dict[str, list[Remark]] = {}
    for remark in dict.fromkeys(remarks):
        kinds.setdefault(remark.kind, []).append(remark)
    for first, *others in kinds.values():
        (line,) = remark_lines([first], n_seeds=n_seeds)
        yield f"{line} (and {len(others)} more like it)" if others else line


def audits_to_text(passed: Mapping[str, bool]) -> str:
    """Say which of the assessed sets, by stage, have passed the audit for copies."""
    failed = [name for name, has_passed in passed.items() if not has_passed]
    words = f"Audit for copies: {len(passed) - len(failed)} of {len(passed)} passed"
    return f"{words}; NOT PASSED: {', '.join(failed)}" if failed else words
