"""Comparisons as text, Markdown and JSON."""

import dataclasses
import json
from pathlib import Path

import pytest

from tests.evaluation.made import comparison
from tests.records.made import finished
from tests.reporting import made
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.other_figures import CaseFigures, StructureFigures
from tfgansynth.evaluation.tables import METRIC_HEADINGS, PHANTOM_WARNING
from tfgansynth.evaluation.verdicts import PairComparison, sentence
from tfgansynth.records.comparisons import Comparison, make_comparison
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.regimes import Regime
from tfgansynth.reporting.comparisons import (
    comparison_to_markdown,
    comparison_to_text,
    other_figures_to_markdown,
)

HIGHER = comparison(0.002, 0.012)


def shown(*found: PairComparison) -> Comparison:
    return dataclasses.replace(
        made.comparison("run-seed0"),
        context="somewhere, preset fast",
        remarks=(),
        tables=(),
        comparisons=found,
    )


def test_text() -> None:
    text = comparison_to_text(shown(HIGHER))

    lines = text.splitlines()[2:]
    words = "HIGHER; WHETHER BY MORE THAN THE MARGIN IS OPEN"
    assert lines[:4] == [
        "Comparison of the regimes",
        "No plan.",
        "",
        f"mixed minus real only: {words}",
    ]
    assert [" ".join(line.split()) for line in lines[4:6]] == [
        "difference 95 % interval p simultaneous interval p (Holm) p (Wilcoxon, given "
        "these networks)",
        "Dice +0.0070 +0.0020 to +0.0120 0.008 +0.0010 to +0.0130 0.020 < 0.001",
    ]
    assert [line[:12].strip() for line in lines[6:9]] == [
        "HD [px]",
        "HD95 [px]",
        "ASSD [px]",
    ]
    assert {len(line) for line in lines[4:9]} == {len(lines[4])}
    assert " ".join(lines[9:]) == sentence(HIGHER)
    assert max(map(len, lines[9:])) <= 88


def test_other_figures_name_the_regimes_that_have_none() -> None:
    figures = CaseFigures("c0", {"whole": StructureFigures(0.9, 4, 0.8, 0.1)})
    rows = [CaseRow("c0", CaseMetrics(0.9, 4, 2, 1))]
    real, mixed = (finished(Regime(30, count), rows) for count in (0, 120))
    both = [dataclasses.replace(each, figures=(figures,)) for each in (real, mixed)]

    texts = [
        other_figures_to_markdown(make_comparison(unets))
        for unets in (both, [both[0], mixed], [real, mixed])
    ]

    assert "Not shown" not in texts[0]
    assert texts[1].rstrip().endswith("Not shown, as U-Nets have none: mixed.")
    assert texts[2] == ""


def test_markdown() -> None:
    lines = comparison_to_markdown(shown(HIGHER)).splitlines()[2:]

    assert lines[0] == "### Comparison of the regimes"
    assert lines[2] == "No plan."
    assert lines[4:7] == [
        "| Comparison | Verdict | Metric | difference | 95 % interval | p "
        "| simultaneous interval | p (Holm) | p (Wilcoxon, given these networks) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| mixed minus real only | **higher; whether by more than the margin is open** "
        "| Dice | +0.0070 | +0.0020 to +0.0120 | 0.008 | +0.0010 to +0.0130 | 0.020 "
        "| < 0.001 |",
    ]
    assert lines[7].startswith("|  |  | HD [px] | +0.5000 | -0.2500 to +1.2500 |")
    assert lines[-1] == f"- {sentence(HIGHER)}"


def test_json() -> None:
    record = json.loads(json.dumps(to_json(shown(HIGHER)), allow_nan=False))

    assert from_json(Comparison, record, Path("comparison.json")) == shown(HIGHER)
    assert record["warning"] is None
    assert record["confidence"] == 0.95
    (plain,) = record["comparisons"]
    metrics = plain.pop("metrics")
    assert plain == {
        "first": "real only",
        "second": "mixed",
        "is_primary": False,
        "n_pairs": 3,
        "n_seeds": 2,
        "design": to_json(HIGHER.design),
        "margin": 0.005,
        "verdict": {"direction": "higher", "size": "open"},
        "outlook": [],
        "outlying": None,
        "sentence": sentence(HIGHER),
    }
    assert list(metrics) == list(METRIC_HEADINGS)
    assert metrics["dice"] == {
        "mean": pytest.approx(0.007),
        "low": 0.002,
        "high": 0.012,
        "p": 0.008,
        "p_wilcoxon": 0.0004,
        "p_holm": 0.02,
        "simultaneous_low": pytest.approx(0.001),
        "simultaneous_high": pytest.approx(0.013),
        "components": {"case": 1e-4, "run": 2e-6, "residual": 3e-5},
    }


def test_phantoms_are_told_first() -> None:
    found = dataclasses.replace(shown(HIGHER), warning=PHANTOM_WARNING)

    assert comparison_to_text(found).splitlines()[0] == PHANTOM_WARNING
    assert comparison_to_markdown(found).splitlines()[0] == f"**{PHANTOM_WARNING}**"
    assert PHANTOM_WARNING not in comparison_to_text(shown(HIGHER))


def test_nothing_to_compare_is_said() -> None:
    said = "No two regimes have two test cases in common yet."

    assert said in comparison_to_text(shown())
    assert said in comparison_to_markdown(shown())


def test_tables_and_remarks_are_told() -> None:
    whole = made.comparison("run-seed0", "run-seed1")
    found = dataclasses.replace(
        shown(HIGHER), tables=whole.tables, remarks=whole.remarks, seeds=(0, 1)
    )

    for text in (comparison_to_text(found), comparison_to_markdown(found)):
        for words in ("The paper's regimes", "144-145", "0.9472 ± 0.0254"):
            assert words in text
        assert text.splitlines()[-1].endswith("REMARK: seed 0, fold 1, mode collapse")
