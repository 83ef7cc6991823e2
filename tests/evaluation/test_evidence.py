"""Rows pooled over folds and seeds, with the verdicts between rows of one table."""

import dataclasses
import json

import numpy as np
import pytest

from tfgansynth.evaluation.comparisons import Verdict
from tfgansynth.evaluation.evidence import (
    EvaluatedUNet,
    Evidence,
    evidence_to_json,
    evidence_to_markdown,
    evidence_to_text,
    weigh,
)
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.tables import PHANTOM_WARNING, CaseRow

PAPER, FIXED_BUDGET = "paper's rows", "fixed-budget regimes"
ARMS = {
    PAPER: {"real only": 0.0, "mixed": -0.03},
    FIXED_BUDGET: {"real (fixed budget)": 0.001},
}


def evaluated(
    seed: int, fold: int, table: str, regime: str, shift: float
) -> EvaluatedUNet:
    # The same noise for each regime, as of cases, and a little of its own.
    of_case = np.random.default_rng([seed, fold]).normal(0.94, 0.015, 40)
    own = np.random.default_rng([seed, fold, len(regime)]).normal(shift, 0.002, 40)
    rows = [
        CaseRow(
            fold=fold,
            case_id=f"case-{fold}-{number}",
            n_real=30,
            n_synthetic=120 if regime == "mixed" else 0,
            metrics=CaseMetrics(float(dice), 9.0 + number, 5.0, 2.0 - shift),
        )
        for number, dice in enumerate(of_case + own)
    ]
    return EvaluatedUNet(seed=seed, table=table, regime=regime, rows=rows)


def evidence(*, is_phantom: bool = False) -> Evidence:
    unets = [
        evaluated(seed, fold, table, regime, shift)
        for seed in (0, 1)
        for fold in (1, 2)
        for table, regimes in ARMS.items()
        for regime, shift in regimes.items()
    ]
    return weigh(
        unets,
        context="shenzhen, preset fast",
        is_phantom=is_phantom,
        margin=0.005,
        remarks=("the GAN collapsed",),
    )


def test_planted_harm_is_called_harm() -> None:
    (comparison,) = evidence().comparisons
    assert comparison.verdict is Verdict.HARMS
    assert (comparison.pair.first, comparison.pair.second) == ("real only", "mixed")
    assert comparison.pair.primary.mean == pytest.approx(-0.03, abs=0.002)
    # Rows of different tables are trained by different rules: not compared.
    assert comparison.n_pairs == 1


def test_pairs_with_a_control_are_corrected_apart() -> None:
    regimes = {"real": 0.0, "control": 0.0, "mixed": 0.01, "synthetic": 0.01}
    unets = [
        dataclasses.replace(
            evaluated(seed, 1, FIXED_BUDGET, regime, shift),
            is_control=regime == "control",
        )
        for seed in (0, 1)
        for regime, shift in regimes.items()
    ]

    found = weigh(unets, context="", is_phantom=False, margin=0.005).comparisons

    assert [comparison.n_pairs for comparison in found] == [3] * 6
    together = weigh(
        [dataclasses.replace(unet, is_control=False) for unet in unets],
        context="",
        is_phantom=False,
        margin=0.005,
    )
    assert [comparison.n_pairs for comparison in together.comparisons] == [6] * 6


def test_rows_pool_folds_and_seeds() -> None:
    found = evidence()
    assert list(found.tables) == [PAPER, FIXED_BUDGET]
    real, mixed = found.tables[PAPER]
    assert (real.n_unets, real.n_results) == (4, 160)
    assert (mixed.n_real, mixed.n_synthetic) == ((30,), (120,))
    everything = [
        row.metrics.dice
        for seed in (0, 1)
        for fold in (1, 2)
        for row in evaluated(seed, fold, PAPER, "mixed", -0.03).rows
    ]
    assert mixed.metrics["dice"].mean == pytest.approx(np.mean(everything))
    assert mixed.dice_by_seed[1] == pytest.approx(np.mean(everything[80:]))


def test_json_holds_everything() -> None:
    record = json.loads(json.dumps(evidence_to_json(evidence(is_phantom=True))))
    assert record["warning"] == PHANTOM_WARNING
    assert record["remarks"] == ["the GAN collapsed"]
    assert [table["title"] for table in record["tables"]] == [PAPER, FIXED_BUDGET]
    mixed = record["tables"][0]["rows"][1]
    assert mixed["name"] == "mixed"
    assert set(mixed["dice_by_seed"]) == {"0", "1"}
    assert record["comparisons"][0]["verdict"] == "harms"


@pytest.mark.parametrize("render", [evidence_to_text, evidence_to_markdown])
def test_words_tell_tables_verdicts_and_remarks(render: object) -> None:
    assert callable(render)
    text = render(evidence())
    for part in (
        PAPER,
        FIXED_BUDGET,
        "real (fixed budget)",
        "harms",
        "the GAN collapsed",
        "40",
    ):
        assert part in text
    assert PHANTOM_WARNING not in text
    assert PHANTOM_WARNING in render(evidence(is_phantom=True)).splitlines()[0]
