"""Comparisons as text, Markdown and JSON."""

import dataclasses
import json
from pathlib import Path

import pytest

from tests.evaluation.made import comparison
from tests.reporting import made
from tfgansynth.evaluation.tables import METRIC_HEADINGS, PHANTOM_WARNING
from tfgansynth.evaluation.verdicts import PairComparison, Verdict, sentence
from tfgansynth.records.comparisons import Comparison
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.reporting.comparisons import comparison_to_markdown, comparison_to_text

HELPS = comparison(Verdict.HELPS, 0.002, 0.012)


def shown(*found: PairComparison) -> Comparison:
    return dataclasses.replace(
        made.comparison("run-seed0"),
        context="somewhere, preset fast",
        remarks=(),
        tables=(),
        comparisons=found,
    )


def test_text() -> None:
    text = comparison_to_text(shown(HELPS))

    lines = text.splitlines()[2:]
    assert lines[:3] == [
        "Comparison of the regimes",
        "",
        "mixed minus real only: HELPS",
    ]
    assert [" ".join(line.split()) for line in lines[3:5]] == [
        "difference 95 % interval p (Wilcoxon) p (mean) p (Holm)",
        "Dice +0.0070 +0.0020 to +0.0120 < 0.001 0.020 0.020",
    ]
    assert [line[:12].strip() for line in lines[5:8]] == [
        "HD [px]",
        "HD95 [px]",
        "ASSD [px]",
    ]
    assert {len(line) for line in lines[3:8]} == {len(lines[3])}
    assert " ".join(lines[8:]) == sentence(HELPS)
    assert max(map(len, lines)) <= 88


def test_markdown() -> None:
    lines = comparison_to_markdown(shown(HELPS)).splitlines()[2:]

    assert lines[0] == "### Comparison of the regimes"
    assert lines[2:5] == [
        "| Comparison | Verdict | Metric | difference | 95 % interval | p (Wilcoxon) "
        "| p (mean) | p (Holm) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| mixed minus real only | **helps** | Dice | +0.0070 | +0.0020 to +0.0120 "
        "| < 0.001 | 0.020 | 0.020 |",
    ]
    assert lines[5].startswith("|  |  | HD [px] | +0.5000 | -0.2500 to +1.2500 |")
    assert lines[-1] == f"- {sentence(HELPS)}"


def test_json() -> None:
    record = json.loads(json.dumps(to_json(shown(HELPS)), allow_nan=False))

    assert from_json(Comparison, record, Path("comparison.json")) == shown(HELPS)
    assert record["warning"] is None
    assert record["confidence"] == 0.95
    (plain,) = record["comparisons"]
    metrics = plain.pop("metrics")
    assert plain == {
        "first": "real only",
        "second": "mixed",
        "n_pairs": 3,
        "n_seeds": 2,
        "design": to_json(HELPS.design),
        "margin": 0.005,
        "verdict": "helps",
        "more_seeds": None,
        "sentence": sentence(HELPS),
    }
    assert list(metrics) == list(METRIC_HEADINGS)
    assert metrics["dice"] == {
        "mean": pytest.approx(0.007),
        "low": 0.002,
        "high": 0.012,
        "p_mean": 0.02,
        "p_wilcoxon": 0.0004,
        "p_holm": 0.02,
        "components": {"case": 1e-4, "run": 2e-6, "residual": 3e-5},
    }


def test_phantoms_are_told_first() -> None:
    found = dataclasses.replace(shown(HELPS), warning=PHANTOM_WARNING)

    assert comparison_to_text(found).splitlines()[0] == PHANTOM_WARNING
    assert comparison_to_markdown(found).splitlines()[0] == f"**{PHANTOM_WARNING}**"
    assert PHANTOM_WARNING not in comparison_to_text(shown(HELPS))


def test_nothing_to_compare_is_said() -> None:
    said = "No two regimes have two test cases in common yet."

    assert said in comparison_to_text(shown())
    assert said in comparison_to_markdown(shown())


def test_tables_and_remarks_are_told() -> None:
    whole = made.comparison("run-seed0", "run-seed1")
    found = dataclasses.replace(
        shown(HELPS), tables=whole.tables, remarks=whole.remarks, seeds=(0, 1)
    )

    for text in (comparison_to_text(found), comparison_to_markdown(found)):
        for words in ("The paper's regimes", "144-145", "0.9472 ± 0.0254"):
            assert words in text
        assert text.splitlines()[-1].endswith("REMARK: seed 0, fold 1, mode collapse")
