"""What a command shows of its stages, and of their results at its end."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from tests.records.results.test_budgets import baseline_unets
from tests.reporting import made
from tests.reporting.test_tables import REAL_CASES, case, table_of
from tfgansynth.data.dataset import Identity
from tfgansynth.evaluation.tables import TrainingSet
from tfgansynth.records.comparisons import Comparison, make_comparison
from tfgansynth.records.runs import Remark
from tfgansynth.reporting.screen import (
    Outlook,
    Screen,
    audits_to_text,
    grouped_remarks,
    results_to_text,
)


def part(name: str, seed: int, n_reduced: int, *labels: str) -> Any:
    config = SimpleNamespace(seed=seed, data=SimpleNamespace(n_reduced=n_reduced))
    stages = [SimpleNamespace(label=label, name=label, needs=()) for label in labels]
    return SimpleNamespace(
        name=name,
        experiment=SimpleNamespace(config=config),
        plan=SimpleNamespace(stages=stages),
        expected={},
    )


def outcome(label: str, **what: Any) -> Any:
    """What `executors.execute` yields; it would import TensorFlow."""
    nothing = {"computed": True, "failure": None, "seconds": 0.0, "text": ""}
    stage = SimpleNamespace(label=label, name=label)
    return SimpleNamespace(
        stage=stage, **{**nothing, "where": "", "remarks": (), "details": (), **what}
    )


@pytest.mark.parametrize("verbose", [False, True])
def test_a_stage_is_a_line_and_its_remarks_are_below(
    capsys: pytest.CaptureFixture[str], verbose: bool
) -> None:
    labels = [f"fold {n}, GAN" for n in range(1, 11)]
    run = part("run", 0, 30, *labels)
    screen = Screen([run], Outlook([run]), n_done=1, verbose=verbose)
    failure = ValueError("only 1 of 9")
    outcomes = [
        outcome(labels[0], computed=False),
        outcome(
            labels[1],
            seconds=185.0,
            text="600 steps",
            where="node7",
            remarks=("mode collapse: ...",),
            details=("time: steps 90.0%",),
        ),
        outcome(labels[2], computed=False, failure=failure),
    ]
    assert [found for _, found in screen.follow((run, o) for o in outcomes)] == outcomes

    assert capsys.readouterr().out.splitlines() == [
        "1 of 10 stages are done already",
        " 2/10  fold 2, GAN     3 min 05 s  600 steps (on node7)",
        "       remark: mode collapse: ...",
        *(["       time: steps 90.0%"] if verbose else []),
        " 3/10  fold 3, GAN                 no result: only 1 of 9",
    ]


def test_stages_are_named_by_what_their_runs_differ_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for others, words in (
        ([("b", 1, 30)], "seed 0, "),
        ([("b", 0, 5)], "cases 30, "),
        ([("b", 1, 5)], "seed 0, cases 30, "),
        ([], ""),
    ):
        parts = [part(*each, "GAN") for each in [("a", 0, 30), *others]]
        found = outcome("GAN", seconds=7, text="done")
        [*Screen(parts, Outlook(parts)).follow([(parts[0], found)])]
        (line,) = capsys.readouterr().out.splitlines()
        assert line == f"1/{len(parts)}  {words}GAN           7 s  done"


def test_results_are_a_table_and_an_answer() -> None:
    found = made.comparison("run-seed0")
    (table,) = found.tables
    (pair,) = found.comparisons
    rows = [
        dataclasses.replace(row, name=name, training_set=TrainingSet(name))
        for row in table.rows
        for name in ("real only", "mixed")
    ]
    found = dataclasses.replace(
        found,
        warning="PHANTOMS: procedural images, not patients",
        tables=(dataclasses.replace(table, rows=tuple(rows)),),
    )

    assert results_to_text(found).splitlines() == [
        "PHANTOMS: procedural images, not patients",
        "phantoms, preset smoke, 1 seeds",
        "",
        "The paper's regimes",
        "  Mean ± sd of the test cases  Cases             Dice          HD [px]",
        "  real only                       83  0.9472 ± 0.0254  0.9472 ± 0.0254",
        "  mixed                           83  0.9472 ± 0.0254  0.9472 ± 0.0254",
        "",
        # Of one run, which says nothing of others.
        "Does the synthetic set help? In this one run it helped, by more than the "
        "margin.",
        "mixed against real only: a lot.",
        "No plan.",
        "Remark: fold 1, mode collapse",
    ]
    withheld = dataclasses.replace(pair, verdict=None, sentence="Why.")
    text = results_to_text(dataclasses.replace(found, comparisons=(withheld,)))
    answer = (
        "Does the synthetic set help? No verdict: networks have not learned.\nWhy.\n"
    )
    assert answer in text
    text = results_to_text(dataclasses.replace(found, comparisons=()))
    assert "help" not in text
    assert "\nNo verdict: U-Nets of real pairs alone and of " in text


def test_many_verdicts_are_a_table() -> None:
    found = make_comparison(baseline_unets())
    lines = results_to_text(found).splitlines()

    # No pair was declared, so that none is told in words.
    assert not [line for line in lines if line.startswith("Does")]
    at = next(i for i, line in enumerate(lines) if "Corrected interval" in line)
    below = [line.strip() for line in lines[at + 1 : lines.index("", at)]]
    budgets = ["fixed budget", "fixed budget, 160 steps"]
    first, second = (below.index(f"real + synthetic ({each})") for each in budgets)
    shown = dict(zip(budgets, (below[first:second], below[second:]), strict=True))
    # Control, pretraining, ensemble, and real pairs; ensemble and real pairs.
    assert [len(each) for each in shown.values()] == [5, 3]
    by_names = {(pair.first, pair.second): pair for pair in found.comparisons}
    for budget, rows in shown.items():
        pair = by_names[f"real ({budget})", f"real + synthetic ({budget})"]
        primary = pair.primary
        ends = primary.simultaneous_low, primary.simultaneous_high
        (row,) = [row for row in rows if row.startswith(f"{pair.first} ")]
        figures = row.removeprefix(pair.first).split()
        low, high = (f"{end:+.4f}" for end in ends)
        assert figures[:4] == [f"{primary.mean:+.4f}", low, "to", high]
        assert " ".join(figures[4:]) == pair.words


@pytest.mark.parametrize("layout", ["folder", "phantom"])
def test_the_papers_figures_stand_beside_real_images_only(layout: Any) -> None:
    table = dataclasses.replace(
        table_of(*REAL_CASES), dataset=Identity("x", layout, 247, "00")
    )
    comparison: Comparison = make_comparison([*REAL_CASES, case("d", 0.7)])
    assert any(entry.paper for entry in table.rows)

    lines = results_to_text(comparison, table).splitlines()

    papers = [line.split("  ")[-1] for line in lines if "the paper's real only" in line]
    assert papers == ([] if layout == "phantom" else ["6.1229 ± 5.0183"])


def test_remarks_of_a_kind_are_one_line() -> None:
    def remark(fold: int, kind: str) -> Remark:
        stage, text = f"fold-{fold}/gan", f"{kind} of {fold}"
        return Remark(seed=0, fold=fold, stage=stage, kind=kind, text=text)

    remarks = [remark(1, "a"), remark(1, "b"), remark(2, "a"), remark(3, "a")]

    assert [*grouped_remarks([*remarks, *remarks], n_seeds=1)] == [
        "fold 1, a of 1 (and 2 more like it)",
        "fold 1, b of 1",
    ]


def test_no_failed_audit_is_passed_over() -> None:
    assert audits_to_text({"a": True, "b": True}) == "Audit for copies: 2 of 2 passed"
    assert audits_to_text({"a": True, "b": False, "c": False}) == (
        "Audit for copies: 1 of 3 passed; NOT PASSED: b, c"
    )
