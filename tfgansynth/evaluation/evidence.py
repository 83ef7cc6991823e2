"""All rows of an experiment, over folds and seeds, and the verdicts between them."""

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence

from tfgansynth.evaluation.comparisons import CaseResult, Comparison, compare
from tfgansynth.evaluation.tables import (
    METRIC_HEADINGS,
    PHANTOM_WARNING,
    CaseRow,
    Summary,
    mean_sd,
    padded,
    span,
    summarize,
)
from tfgansynth.evaluation.verdicts import (
    verdicts_to_json,
    verdicts_to_markdown,
    verdicts_to_text,
)


@dataclasses.dataclass(frozen=True, slots=True)
class EvaluatedUNet:
    """The test cases of one trained U-Net.

    Attributes:
        seed: Seed of the run.
        table: Title of the table that it belongs to.
        regime: Name of its row.
        rows: Its test cases.
        is_control: Whether the row is a control.
    """

    seed: int
    table: str
    regime: str
    rows: Sequence[CaseRow]
    is_control: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RegimeSummary:
    """One row over all folds and seeds.

    Attributes:
        name: Of the regime.
        n_real: Real training pairs, ascending, each number once.
        n_synthetic: Synthetic ones, likewise.
        n_unets: Trained U-Nets, one a fold and seed.
        n_results: Test cases of all of them; a case comes once a seed at most.
        metrics: Each metric over all those results.
        dice_by_seed: Mean Dice of each seed.
    """

    name: str
    n_real: tuple[int, ...]
    n_synthetic: tuple[int, ...]
    n_unets: int
    n_results: int
    metrics: Mapping[str, Summary]
    dice_by_seed: Mapping[int, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an experiment has shown so far.

    Attributes:
        context: Data set, target, preset, seeds and folds in one line.
        is_phantom: Whether the cases are the built-in phantoms.
        tables: The rows of each table by its title. Rows of one table are trained by
            one rule, and compared with each other.
        comparisons: The verdict on each pair of rows of a table; Holm's correction
            goes over the pairs of all tables, apart for those with a control.
        remarks: What went amiss on the way and may have spoiled a figure.
    """

    context: str
    is_phantom: bool
    tables: Mapping[str, tuple[RegimeSummary, ...]]
    comparisons: tuple[Comparison, ...]
    remarks: tuple[str, ...] = ()


def weigh(
    unets: Iterable[EvaluatedUNet],
    *,
    context: str,
    is_phantom: bool,
    margin: float,
    remarks: tuple[str, ...] = (),
) -> Evidence:
    """Pool what U-Nets answered, and judge each pair of rows of a table.

    Args:
        unets: Those of any number of seeds, folds and regimes; the order of tables and
            regimes is that of their first U-Nets.
        context: Data set, target, preset, seeds and folds in one line.
        is_phantom: Whether the cases are the built-in phantoms.
        margin: Differences of Dice smaller than this do not matter.
        remarks: What went amiss on the way.

    Raises:
        ValueError: The margin is not above 0, or a regime has a case twice in one fold
            of one seed.
    """
    by_table: dict[str, dict[str, list[EvaluatedUNet]]] = {}
    controls: set[str] = set()
    for unet in unets:
        if unet.is_control:
            controls.add(unet.regime)
        by_table.setdefault(unet.table, {}).setdefault(unet.regime, []).append(unet)
    results = [
        CaseResult(unet.seed, row.fold, row.case_id, regime, row.metrics)
        for regimes in by_table.values()
        for regime, unets in regimes.items()
        for unet in unets
        for row in unet.rows
    ]
    return Evidence(
        context=context,
        is_phantom=is_phantom,
        tables={
            title: tuple(_summary(regime, unets) for regime, unets in regimes.items())
            for title, regimes in by_table.items()
        },
        comparisons=compare(
            results,
            margin=margin,
            tables=[list(regimes) for regimes in by_table.values()],
            controls=controls,
        ),
        remarks=remarks,
    )


def _summary(regime: str, unets: Sequence[EvaluatedUNet]) -> RegimeSummary:
    rows = [row for unet in unets for row in unet.rows]
    seeds = sorted({unet.seed for unet in unets})
    return RegimeSummary(
        name=regime,
        n_real=tuple(sorted({row.n_real for row in rows})),
        n_synthetic=tuple(sorted({row.n_synthetic for row in rows})),
        n_unets=len(unets),
        n_results=len(rows),
        metrics={
            name: summarize([getattr(row.metrics, name) for row in rows])
            for name in METRIC_HEADINGS
        },
        dice_by_seed={
            seed: statistics.fmean(
                row.metrics.dice
                for unet in unets
                if unet.seed == seed
                for row in unet.rows
            )
            for seed in seeds
        },
    )


_HEADINGS = ("", "Real", "Synthetic", "U-Nets", "Results", *METRIC_HEADINGS.values())


def evidence_to_text(evidence: Evidence) -> str:
    """Render evidence for a terminal; the first line warns of phantoms."""
    lines = [PHANTOM_WARNING] if evidence.is_phantom else []
    lines.append(f"Evidence: {evidence.context}")
    for title, regimes in evidence.tables.items():
        grid = [list(_HEADINGS), *map(_cells, regimes)]
        widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
        lines += ["", title, *(padded(cells, widths) for cells in grid)]
    verdicts = verdicts_to_text(evidence.comparisons, is_phantom=False)
    lines += ["", verdicts.rstrip("\n")]
    lines += [f"REMARK: {remark}" for remark in evidence.remarks]
    return "\n".join(lines) + "\n"


def evidence_to_markdown(evidence: Evidence) -> str:
    """Render evidence as Markdown; the first line warns of phantoms, in bold."""
    lines = [f"**{PHANTOM_WARNING}**", ""] if evidence.is_phantom else []
    lines += [evidence.context, ""]
    for title, regimes in evidence.tables.items():
        grid = [_HEADINGS, ["---"] * len(_HEADINGS), *map(_cells, regimes)]
        lines += [f"### {title}", "", *(f"| {' | '.join(row)} |" for row in grid), ""]
    lines.append(verdicts_to_markdown(evidence.comparisons, is_phantom=False))
    lines += [f"- REMARK: {remark}" for remark in evidence.remarks]
    return "\n".join(lines).rstrip("\n") + "\n"


def evidence_to_json(evidence: Evidence) -> dict[str, object]:
    """Render evidence as plain dictionaries, lists, strings and numbers."""
    return {
        "context": evidence.context,
        "remarks": list(evidence.remarks),
        "tables": [
            {"title": title, "rows": [_plain(regime) for regime in regimes]}
            for title, regimes in evidence.tables.items()
        ],
        **verdicts_to_json(evidence.comparisons, is_phantom=evidence.is_phantom),
    }


def _cells(regime: RegimeSummary) -> list[str]:
    counts = [span(regime.n_real), span(regime.n_synthetic)]
    sizes = [str(regime.n_unets), str(regime.n_results)]
    return [regime.name, *counts, *sizes, *map(mean_sd, regime.metrics.values())]


def _plain(regime: RegimeSummary) -> dict[str, object]:
    record = dataclasses.asdict(regime)
    record["dice_by_seed"] = {str(s): dice for s, dice in regime.dice_by_seed.items()}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in record.items()
    }
