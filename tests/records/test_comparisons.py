"""Regimes over folds and seeds, with the verdicts between regimes of one table."""

import dataclasses
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.records.made import unet
from tfgansynth.data.dataset import CaseTable, Layout
from tfgansynth.errors import InputError
from tfgansynth.evaluation.learning import ValidationDice
from tfgansynth.evaluation.tables import PHANTOM_WARNING
from tfgansynth.evaluation.verdicts import Direction, PairComparison
from tfgansynth.presets import with_modern_unet
from tfgansynth.records.comparisons import Comparison, make_comparison
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import Remark, StudyPlan, settings_hash
from tfgansynth.reporting.comparisons import comparison_to_markdown

PATH = Path("comparison.json")
PAPER = "The paper's regimes: trained until the paper's rule stops them"
FIXED_BUDGET = "Fixed budget: 40 mini-batches each"
SHIFTS = {
    Regime(30, 0): 0.0,
    Regime(30, 120): -0.03,
    Regime(30, 0, "fixed_budget"): 0.001,
}
REMARK = Remark(seed=0, fold=1, stage="fold-1/gan", kind="x", text="mode collapse")


def comparison(layout: Layout = "folder") -> Comparison:
    unets = [
        unet(seed, fold, regime, shift, layout)
        for seed in (0, 1)
        for fold in (1, 2)
        for regime, shift in SHIFTS.items()
    ]
    return make_comparison(unets, [REMARK, REMARK])


def test_planted_harm_is_called_harm() -> None:
    (pair,) = comparison().comparisons
    assert pair.words.startswith("lower")
    assert (pair.first, pair.second) == ("real only", "mixed")
    assert pair.metrics["dice"].mean == pytest.approx(-0.03, abs=0.002)
    # Regimes of different tables are trained by different rules: not compared.
    assert pair.n_pairs == 1


@pytest.mark.parametrize(
    "metrics_of",
    [
        lambda found: found["tables"][0]["rows"][0]["metrics"],
        lambda found: found["tables"][0]["rows"][0]["worst_tenth"],
        lambda found: found["tables"][0]["rows"][0]["by_group"]["film"]["metrics"],
        lambda found: found["comparisons"][0]["metrics"],
    ],
)
def test_a_record_that_lacks_a_metric_is_refused(
    metrics_of: Callable[[Any], dict[str, Any]],
) -> None:
    grouped = dataclasses.replace(
        unet(0, 1, REAL, 0.0),
        table=CaseTable(groups={f"case-1-{i}": "film" for i in range(9)}),
    )
    of_groups = to_json(make_comparison([grouped]))["tables"]
    content = json.loads(json.dumps({**to_json(comparison()), "tables": of_groups}))
    assert from_json(Comparison, content, PATH)

    del metrics_of(content)["hausdorff_px"]

    with pytest.raises(InputError, match=r"expected dice, hausdorff_px, .*; got dice"):
        from_json(Comparison, content, PATH)


def test_a_fixed_length_is_not_called_the_papers_rule() -> None:
    trained = unet(0, 1, REAL, 0.0)
    fixed = dataclasses.replace(trained.config.unet, fixed_steps=150)
    config = dataclasses.replace(trained.config, unet=fixed)
    settings = dataclasses.replace(trained.settings, config=config)
    found = make_comparison([dataclasses.replace(trained, settings=settings)])
    (table,) = found.tables
    assert table.title == "The paper's regimes: trained 150 mini-batches each"


def test_results_of_another_network_say_so() -> None:
    trained = unet(0, 1, REAL, 0.0)
    assert "modern" not in make_comparison([trained]).context
    config = with_modern_unet(trained.config)
    settings = dataclasses.replace(trained.settings, config=config)
    found = make_comparison([dataclasses.replace(trained, settings=settings)])
    assert "; preset smoke, modern U-Nets; seeds 0; " in found.context


def verdicts(
    failed: Collection[tuple[Regime, int]], regimes: Sequence[Regime], n_folds: int = 2
) -> dict[tuple[str, str], PairComparison]:
    """The verdicts where the U-Nets of some regimes and folds have not learned."""
    unets = [
        unet(
            0,
            fold,
            regime,
            SHIFTS.get(regime, -0.05),
            validation=ValidationDice(
                network=0.0912 if (regime, fold) in failed else 0.9,
                all_foreground=0.1104,
                mean_mask=0.1,
            ),
        )
        for fold in range(1, n_folds + 1)
        for regime in regimes
    ]
    found = make_comparison(unets).comparisons
    return {(pair.first, pair.second): pair for pair in found}


REAL, MIXED, SYNTHETIC = Regime(30, 0), Regime(30, 120), Regime(0, 120)
PAPERS = (REAL, MIXED, SYNTHETIC)


def test_a_real_only_network_that_has_not_learned_withholds_its_table() -> None:
    fixed = [dataclasses.replace(regime, schedule="fixed_budget") for regime in PAPERS]
    found = verdicts([(REAL, 2)], [*PAPERS, *fixed])
    words = {names: pair.words for names, pair in found.items()}
    assert words["real only", "mixed"] == "withheld"
    assert words["real only", "synthetic only"] == "withheld"
    assert words["mixed", "synthetic only"] == "withheld"
    others = {v for names, v in words.items() if "fixed budget" in names[0]}
    assert {each.split(",")[0].split(";")[0] for each in others} == {
        "lower",
        "open",
    }
    pair = found["real only", "mixed"]
    assert pair.sentence == (
        "No verdict on mixed against real only: real only has not learned in fold 2 of "
        "seed 0 (Dice 0.0912 on validation cases against 0.1104 of the best constant "
        "mask, all foreground)."
    )
    assert pair.outlook == ()
    # The figures are what they would be otherwise.
    learned = verdicts([], PAPERS)["real only", "mixed"]
    assert learned.words.startswith("lower")
    assert learned.primary.mean == pair.primary.mean


def test_a_synthetic_network_that_has_not_learned_is_a_result() -> None:
    found = verdicts([(SYNTHETIC, 1), (SYNTHETIC, 2)], PAPERS)
    assert {pair.verdict and pair.verdict.direction for pair in found.values()} == {
        Direction.LOWER
    }


def test_two_networks_that_have_not_learned_are_not_compared() -> None:
    failed = [(MIXED, 1), (SYNTHETIC, 1)]
    found = verdicts(failed, PAPERS)
    assert found["real only", "mixed"].words.startswith("lower")
    assert found["real only", "synthetic only"].words.startswith("lower")
    pair = found["mixed", "synthetic only"]
    assert pair.verdict is None
    assert "mixed has not learned in fold 1 of seed 0 (" in pair.sentence
    assert "; synthetic only has not learned in fold 1 of seed 0 (" in pair.sentence
    # Nor without a real-only network beside them.
    (pair,) = verdicts(failed, PAPERS[1:]).values()
    assert pair.verdict is None


def test_each_schedule_of_a_table_has_a_network_of_its_own_to_rest_on() -> None:
    regimes = [
        Regime(30, count, schedule)
        for schedule in ("fixed_budget", "augmented")
        for count in (0, 120)
    ]
    found = verdicts([(regimes[2], 1)], regimes)
    withheld = {names for names, pair in found.items() if pair.verdict is None}
    plain = ("real (fixed budget)", "real + synthetic (fixed budget)")
    assert found.keys() - withheld == {plain}


def test_pairs_with_a_control_are_corrected_separately() -> None:
    shifts = {
        Regime(30, 0, "fixed_budget"): 0.0,
        Regime(30, 120, "fixed_budget", "control"): 0.0,
        Regime(30, 120, "fixed_budget"): 0.01,
        Regime(0, 120, "fixed_budget"): 0.01,
    }
    unets = [
        unet(seed, 1, regime, shift)
        for seed in (0, 1)
        for regime, shift in shifts.items()
    ]

    found = make_comparison(unets).comparisons

    assert [pair.n_pairs for pair in found] == [3] * 6
    together = [
        dataclasses.replace(
            each,
            regime=dataclasses.replace(
                each.regime, kind="filtered" if each.regime.kind != "plain" else "plain"
            ),
        )
        for each in unets
    ]
    assert [pair.n_pairs for pair in make_comparison(together).comparisons] == [6] * 6


def test_regimes_are_summarized_over_folds_and_seeds() -> None:
    found = comparison()
    assert [table.title for table in found.tables] == [PAPER, FIXED_BUDGET]
    real, mixed = found.tables[0].rows
    assert (real.n_unets, real.n_results) == (4, 160)
    assert (mixed.n_real, mixed.n_synthetic) == ((30,), (120,))
    assert (mixed.schedule, mixed.set) == ("paper", "plain")
    everything = [
        row.metrics.dice
        for seed in (0, 1)
        for fold in (1, 2)
        for row in unet(seed, fold, Regime(30, 120), -0.03).cases
    ]
    assert mixed.metrics["dice"].mean == pytest.approx(np.mean(everything))
    assert mixed.dice_by_seed["1"] == pytest.approx(np.mean(everything[80:]))


def test_order_of_unets_does_not_matter() -> None:
    unets = [
        unet(seed, 1, regime, shift)
        for seed in (0, 1)
        for regime, shift in SHIFTS.items()
    ]
    assert make_comparison(unets[::-1]) == make_comparison(unets)


def test_the_record_names_what_it_comes_from() -> None:
    found = comparison("phantom")
    assert found.warning == PHANTOM_WARNING
    assert comparison().warning is None
    assert found.remarks == (REMARK,)
    assert (found.seeds, found.folds) == ((0, 1), (1, 2))
    assert found.runs == ("run-seed0", "run-seed1")
    assert len(found.unets) == 12
    assert found.unets[1].folder == "unet-r30-s120"
    assert found.context == (
        "somewhere, both lungs, 128 x 128 px, reduced training set; preset smoke; "
        "seeds 0, 1; folds 1, 2"
    )


def test_groups_and_the_worst_tenth_have_their_figures() -> None:
    trained = [unet(seed, 1, REAL, 0.0) for seed in (0, 1)]
    groups = {f"case-1-{n}": "a" if n % 8 else "b" for n in range(39)}
    table = CaseTable(groups=groups)
    own = [dataclasses.replace(each, table=table) for each in trained]
    found = make_comparison(own)
    row = found.tables[0].rows[0]

    dice: dict[str, list[float]] = {k: [] for k in "ab"}
    for each in own:
        for case in each.cases:
            if case.case_id in groups:
                dice[groups[case.case_id]].append(case.metrics.dice)
    assert [*row.by_group] == ["a", "b"]
    for name, group in row.by_group.items():
        assert group.n_results == len(dice[name]) == 2 * group.n_cases
        assert group.metrics["dice"].mean == pytest.approx(np.mean(dice[name]))
        assert group.metrics["dice"].sd == pytest.approx(np.std(dice[name], ddof=1))
    (remark,) = found.remarks
    assert remark.text.startswith("groups of less than 10 test cases: b (5): their")

    every = sorted(case.metrics.dice for each in own for case in each.cases)
    assert row.worst_tenth["dice"] == pytest.approx(np.mean(every[:8]))
    # Their distances are 9 to 48 px in both seeds.
    assert row.worst_tenth["hausdorff_px"] == pytest.approx(46.5)
    text = comparison_to_markdown(found)
    assert "group b" in text
    assert "worst tenth" in text


def test_cases_of_a_patient_are_one_unit_of_the_comparison() -> None:
    patients = {f"case-1-{n}": f"case-1-{n // 4 * 4}" for n in range(40) if n % 4}
    own = [
        dataclasses.replace(unet(0, 1, regime, shift), table=CaseTable(patients))
        for regime, shift in (*SHIFTS.items(),)
    ]
    (pair,) = make_comparison(own).comparisons
    assert (pair.design.cases, pair.design.patients) == (40, 10)
    assert "from 40 test cases of 10 patients and 1 training run" in pair.sentence


def test_results_on_cases_that_settings_were_tried_on_are_named() -> None:
    own = [
        dataclasses.replace(unet(seed, fold, REAL, 0.0), tried=frozenset(tried))
        for seed, fold, tried in ((0, 1, ()), (0, 2, {"case-1-3", "case-2-1", "x"}))
    ]
    (remark,) = make_comparison(own).remarks
    assert remark.text.startswith("settings were tried on 2 of the 80 test cases, ")
    assert not make_comparison(own[:1]).remarks


def planned(*pair: str, folds: tuple[int, ...] = (1, 2)) -> StudyPlan:
    config = unet(0, 1, REAL, 0).config
    return StudyPlan(
        first=pair[0],
        second=pair[1],
        regimes=tuple(regime.name for regime in PAPERS),
        seeds=(0, 1),
        folds=folds,
        margin=config.evaluation.equivalence_margin,
        settings=settings_hash(config),
    )


UNETS = [
    unet(seed, fold, regime, shift)
    for seed in (0, 1)
    for fold in (1, 2)
    for regime, shift in zip(PAPERS, (0.0, -0.03, -0.05), strict=True)
]
PAIR = "real only", "mixed"


def primaries(found: Comparison) -> list[tuple[str, str]]:
    return [(p.first, p.second) for p in found.comparisons if p.is_primary]


def test_the_declared_pair_is_primary_on_the_declared_runs() -> None:
    found = make_comparison(UNETS, plans=[planned(*PAIR)])

    assert primaries(found) == [PAIR]
    assert found.plan_note.startswith(
        "Primary pair, declared before the first run: mixed against real only, on "
        "seeds 0, 1 and folds 1, 2, with a margin of 0.005. It alone is not corrected"
    )


@pytest.mark.parametrize(
    ("plans", "said"),
    [
        ([], "No primary pair was declared before the first run: all pairs are"),
        ([planned(*PAIR, folds=(1,))], ". Added since: fold 2 of seed 0, fold 2 of"),
        ([planned(*PAIR, folds=(1, 2, 3))], "Interim results, 4 of 6 folds: until all"),
        (
            [dataclasses.replace(planned(*PAIR), settings="00")],
            ". Settings were changed since: all pairs are exploratory",
        ),
        (
            [planned(*PAIR), planned("real only", "synthetic only")],
            "The plans of these results differ: all pairs are exploratory",
        ),
    ],
)
def test_no_pair_is_primary_otherwise(plans: list[StudyPlan], said: str) -> None:
    found = make_comparison(UNETS, plans=plans)

    assert said in found.plan_note
    assert primaries(found) == []
    assert {pair.n_pairs for pair in found.comparisons} == {len(found.comparisons)}


def test_plans_of_several_machines_add_up() -> None:
    plans = [planned(*PAIR, folds=(fold,)) for fold in (1, 2)]

    assert primaries(make_comparison(UNETS, plans=plans)) == [PAIR]


def test_regimes_that_were_added_are_named() -> None:
    plan = dataclasses.replace(planned(*PAIR), regimes=PAIR)

    found = make_comparison(UNETS, plans=[plan])

    assert found.plan_note.endswith(
        "Regimes added since are exploratory: synthetic only."
    )
