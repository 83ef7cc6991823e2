"""What a command shows of the stages that it runs, and at its end of their results.

The one place that decides what is printed of a stage. It prints what an `Outcome` has,
so that the stage itself may have run in another process.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tfgansynth.evaluation.tables import headings, with_mm
from tfgansynth.evaluation.verdicts import PairComparison
from tfgansynth.records.comparisons import Comparison, RegimeRow
from tfgansynth.records.runs import Remark, remark_lines
from tfgansynth.records.tables import Table
from tfgansynth.reporting import grids
from tfgansynth.reporting.html.conclusions import Question, conclusions
from tfgansynth.reporting.tables import mean_sd
from tfgansynth.runtime.progress import duration

if TYPE_CHECKING:
    # They import TensorFlow, which reading results does not need.
    from tfgansynth.experiment.executors import Outcome
    from tfgansynth.experiment.experiment_data import Part

_WIDTH = 88
"""Of running text, in characters."""
_MOST_IN_WORDS = 3
"""Verdicts on secondary pairs that are told in whole sentences; more are a table."""
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


class Screen:
    """Prints a line for each stage that is run, and its remarks below.

    Args:
        parts: What is run, in order.
        n_done: Stages that were done before.
        verbose: Whether to print the details of a stage too.
    """

    def __init__(
        self, parts: Sequence["Part"], *, n_done: int = 0, verbose: bool = False
    ) -> None:
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

    def show(self, part: "Part", outcome: "Outcome") -> None:
        """Print what became of the next stage; nothing if it was done before."""
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
