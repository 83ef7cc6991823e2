import csv
import dataclasses
import io
import json
import math
import statistics

import pytest

from tests.records.made import config_of, finished, identity
from tfgansynth.config import UNetConfig
from tfgansynth.data.dataset import Layout
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.evaluation.tables import (
    METRIC_HEADINGS,
    PHANTOM_WARNING,
    Summary,
    TrainingSet,
    training_set_of,
)
from tfgansynth.presets import PRESETS, with_modern_unet
from tfgansynth.records.converter import to_json
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import FinishedUNet, Remark
from tfgansynth.records.tables import (
    _MODERN,
    PAPER_TABLE_I,
    PAPER_TABLE_II,
    PaperRow,
    Status,
    Table,
    aggregate,
    make_table,
)
from tfgansynth.reporting.tables import table_to_csv, table_to_markdown, table_to_text


def case(
    case_id: str,
    dice: float,
    hausdorff: float = 4.0,
    *,
    fold: int = 1,
    n_real: int = 145,
    n_synthetic: int = 0,
) -> FinishedUNet:
    """A U-Net with one test case."""
    metrics = CaseMetrics(dice, hausdorff, hausdorff / 2, hausdorff / 8)
    regime = Regime(n_real, n_synthetic)
    return finished(regime, [CaseRow(case_id, metrics)], fold=fold)


REAL_CASES = [
    case("a", 0.9, 2.0, fold=1),
    case("b", 0.8, 4.0, fold=1),
    case("c", 0.4, 12.0, fold=3, n_real=144),
]
MIXED_CASES = [case("a", 0.5, 8.0, n_synthetic=120)]


def table_of(
    *unets: FinishedUNet,
    layout: Layout = "phantom",
    image_size: int = 128,
    reduced: bool = False,
    folds: tuple[int, ...] = (1, 3),
    n_test_cases: int = 3,
    paper_figures: bool = False,
    unet: UNetConfig = PRESETS["smoke"].unet,
) -> Table:
    counts = dict.fromkeys(folds, 1)
    counts[folds[0]] = n_test_cases - len(folds) + 1
    config = config_of(7, reduced=reduced, size=image_size)
    config = dataclasses.replace(config, paper_figures=paper_figures, unet=unet)
    return make_table(config, identity(layout), counts, unets)


GROWING = table_of(*REAL_CASES, *MIXED_CASES)


def printed(row: PaperRow) -> tuple[object, ...]:
    dice, distance = row.dice, row.hausdorff_px
    assert dice.median is None
    assert distance.median is None
    counts = row.n_real, row.n_synthetic
    return (*counts, dice.mean, dice.sd, distance.mean, distance.sd)


def test_paper_table_i() -> None:
    assert [printed(row) for row in PAPER_TABLE_I] == [
        (145, 0, 0.9608, 0.0101, 6.1229, 5.0183),
        (145, 120, 0.9537, 0.0121, 6.3147, 4.8708),
        (0, 120, 0.9172, 0.0283, 9.3564, 6.0651),
    ]


def test_paper_table_ii() -> None:
    assert [printed(row) for row in PAPER_TABLE_II] == [
        (30, 0, 0.9464, 0.0158, 7.6384, 6.0395),
        (30, 120, 0.9394, 0.0133, 7.2885, 5.1007),
        (0, 120, 0.9312, 0.0199, 7.6091, 5.5654),
    ]


def test_every_metric_of_a_case_has_a_column() -> None:
    fields = [field.name for field in dataclasses.fields(CaseMetrics)]
    assert list(METRIC_HEADINGS) == fields


@pytest.mark.parametrize(
    ("n_real", "n_synthetic", "training_set"),
    [
        (145, 0, TrainingSet.REAL),
        (4, 0, TrainingSet.REAL),
        (144, 120, TrainingSet.MIXED),
        (1, 1, TrainingSet.MIXED),
        (0, 3, TrainingSet.SYNTHETIC),
    ],
)
def test_arm_depends_on_kinds_not_on_counts(
    n_real: int, n_synthetic: int, training_set: TrainingSet
) -> None:
    assert training_set_of(n_real, n_synthetic) is training_set
    assert Regime(n_real, n_synthetic).training_set is training_set


@pytest.mark.parametrize("counts", [(0, 0), (-1, 5), (5, -1)])
def test_no_training_pairs_make_no_arm(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected real or synthetic training pairs"):
        training_set_of(*counts)


def test_cases_are_pooled_over_folds() -> None:
    ((training_set, row),) = aggregate(REAL_CASES).items()
    assert training_set is TrainingSet.REAL
    assert row.folds == (1, 3)
    assert row.n_real == (145, 144)
    assert row.n_synthetic == (0, 0)
    assert row.n_cases == 3
    # Mean of cases (0.7), not of fold means (0.625); deviations 0.2, 0.1, -0.3.
    assert row.dice.mean == pytest.approx(0.7)
    assert row.dice.sd == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2))
    assert row.dice.median == 0.8
    # Hausdorff 2, 4, 12; the other two are its half and its eighth.
    assert (row.hausdorff_px.mean, row.hausdorff_px.median) == (6.0, 4.0)
    assert row.hausdorff_px.sd == pytest.approx(math.sqrt(28))
    assert (row.hausdorff_95_px.mean, row.hausdorff_95_px.median) == (3.0, 2.0)
    assert row.hausdorff_95_px.sd == pytest.approx(math.sqrt(7))
    assert row.mean_surface_distance_px.mean == 0.75
    assert row.mean_surface_distance_px.median == 0.5


def test_rows_come_in_the_order_of_the_paper() -> None:
    cases = [
        case("a", 0.3, n_real=0, n_synthetic=120),
        case("a", 0.2, n_synthetic=120),
        case("a", 0.1),
    ]
    for shuffled in (cases, cases[::-1]):
        rows = aggregate(shuffled)
        assert list(rows) == list(TrainingSet)
        assert [row.dice.mean for row in rows.values()] == [0.1, 0.2, 0.3]
    assert [row.training_set for row in PAPER_TABLE_I] == list(TrainingSet)
    assert [row.training_set for row in PAPER_TABLE_II] == list(TrainingSet)


def test_order_of_cases_does_not_matter() -> None:
    assert aggregate(REAL_CASES[::-1]) == aggregate(REAL_CASES)


def test_one_case_has_no_standard_deviation() -> None:
    (row,) = aggregate(MIXED_CASES).values()
    assert row.dice == Summary(0.5, None, 0.5)


def test_no_cases_make_no_rows() -> None:
    assert aggregate([]) == {}


@pytest.mark.parametrize("fold", [1, 2])
def test_case_tested_twice_is_refused(fold: int) -> None:
    with pytest.raises(ValueError, match="real only: case a is tested more than once"):
        aggregate([case("a", 0.5), case("a", 0.6, fold=fold)])


def test_mixed_up_runs_are_refused() -> None:
    cases = [case("a", 0.5), case("b", 0.6, n_real=30)]
    with pytest.raises(ValueError, match=r"fold 1: .* \(145, 0\) and \(30, 0\)"):
        aggregate(cases)


def test_table_has_an_entry_for_each_training_set() -> None:
    real, mixed, synthetic = GROWING.rows
    assert real.ours == aggregate(REAL_CASES)[TrainingSet.REAL]
    assert synthetic.ours is None
    assert [entry.training_set for entry in GROWING.rows] == list(TrainingSet)
    assert [entry.status for entry in (real, mixed, synthetic)] == [
        Status.DONE,
        Status.PARTIAL,
        Status.PENDING,
    ]


def test_reduced_table_stands_beside_table_ii() -> None:
    reduced = table_of(*REAL_CASES, reduced=True)
    assert [entry.paper for entry in GROWING.rows] == list(PAPER_TABLE_I)
    assert [entry.paper for entry in reduced.rows] == list(PAPER_TABLE_II)
    assert "paper (30 + 120)" in table_to_text(reduced)
    assert "0.9394 ± 0.0133" in table_to_text(reduced)


def test_table_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cases of folds \[1\], got 3 of \(1, 3\)"):
        table_of(*REAL_CASES, folds=(1,))
    with pytest.raises(ValueError, match=r"at most 2 test cases .* got 3"):
        table_of(*REAL_CASES, n_test_cases=2)


TEXT = """\
PHANTOMS: procedural images, not patients
Table I: the full training set
somewhere, both lungs, 128 x 128 px; preset smoke, seed 7; folds 1, 3, 3 test cases
---------------------------------------------------------------------------------------
                                Dice          HD [px]        HD95 [px]        ASSD [px]
---------------------------------------------------------------------------------------
real only: 144-145 real, 0 synthetic; 3 of 3 test cases, folds 1, 3
  ours, mean ± sd    0.7000 ± 0.2646  6.0000 ± 5.2915  3.0000 ± 2.6458  0.7500 ± 0.6614
  ours, median                0.8000           4.0000           2.0000           0.5000
  paper (145 + 0)    0.9608 ± 0.0101  6.1229 ± 5.0183                -                -
mixed: 145 real, 120 synthetic; 1 of 3 test cases, fold 1
  ours, mean ± sd         0.5000 ± -       8.0000 ± -       4.0000 ± -       1.0000 ± -
  ours, median                0.5000           8.0000           4.0000           1.0000
  paper (145 + 120)  0.9537 ± 0.0121  6.3147 ± 4.8708                -                -
synthetic only: pending
  ours, mean ± sd                ...              ...              ...              ...
  ours, median                   ...              ...              ...              ...
  paper (0 + 120)    0.9172 ± 0.0283  9.3564 ± 6.0651                -                -
---------------------------------------------------------------------------------------
"""


def test_text_is_as_drawn_here() -> None:
    text = table_to_text(GROWING)
    assert text.startswith(TEXT)
    assert text[len(TEXT) :].splitlines() == list(GROWING.notes)


def test_remarks_stand_in_every_rendering() -> None:
    remarks = (
        Remark(seed=7, fold=1, stage="fold-1/gan", kind="x", text="mode collapse"),
        Remark(seed=None, fold=None, stage="data", kind="y", text="2 duplicates"),
    )
    lines = ("fold 1, mode collapse", "2 duplicates")
    table = dataclasses.replace(GROWING, remarks=remarks)
    for render in (table_to_text, table_to_markdown):
        for line in lines:
            assert f"REMARK: {line}" in render(table)
    rows = csv.DictReader(io.StringIO(table_to_csv(table)))
    assert {row["remarks"] for row in rows} == {"; ".join(lines)}
    assert "REMARK" not in table_to_text(GROWING)


def test_columns_stay_aligned_with_large_distances() -> None:
    wide = table_of(case("a", 0.0, 181.0193), case("b", 1.0, 0.0))
    lines = [line for line in table_to_text(wide).splitlines() if line.startswith("  ")]
    assert any("90.5096 ± 128.0000" in line for line in lines)
    assert len({len(line) for line in lines}) == 1


def test_consecutive_folds_are_a_range() -> None:
    table = table_of(folds=(1, 2, 3))
    assert "; folds 1-3, 3 test cases" in table_to_text(table)
    assert "; fold 3, 3 test cases" in table_to_text(table_of(folds=(3,)))


def test_phantoms_are_named_first_and_only_where_there_are_some() -> None:
    patients = table_of(*REAL_CASES, layout="folder")
    assert PHANTOM_WARNING == "PHANTOMS: procedural images, not patients"
    assert table_to_text(GROWING).splitlines()[0] == PHANTOM_WARNING
    assert table_to_markdown(GROWING).splitlines()[0] == f"**{PHANTOM_WARNING}**"
    assert GROWING.warning == PHANTOM_WARNING
    assert {line["is_phantom"] for line in csv_lines(GROWING)} == {"True"}
    assert "PHANTOM" not in table_to_text(patients) + table_to_markdown(patients)
    assert patients.warning is None
    assert {line["is_phantom"] for line in csv_lines(patients)} == {"False"}


def test_the_papers_figures_stand_beside_its_data_the_phantoms_or_if_asked() -> None:
    def rendered(table: Table) -> str:
        texts = table_to_text(table), table_to_markdown(table), table_to_csv(table)
        return "".join([*texts, json.dumps(to_json(table))])

    other = table_of(*REAL_CASES, layout="folder")
    found = rendered(other)
    for words in ("0.9608", "The paper", "paper_n_real", "JSRT", "ours", "Ours"):
        assert (words in found) == (words == "ours"), words
    assert {row.paper for row in other.rows} == {None}
    assert [row.training_set for row in other.rows] == [*TrainingSet]
    assert len(other.notes) == 1
    unet = with_modern_unet(PRESETS["fast"]).unet
    modern = table_of(*REAL_CASES, layout="folder", unet=unet)
    assert [*modern.notes][1:] == [_MODERN]
    assert _MODERN in table_to_text(modern)
    assert _MODERN in table_to_markdown(modern)
    asked = table_of(*REAL_CASES, layout="folder", paper_figures=True)
    for table in (asked, GROWING, table_of(*REAL_CASES, layout="jsrt")):
        assert "0.9608 ± 0.0101" in rendered(table)
        assert [row.paper for row in table.rows] == [*PAPER_TABLE_I]


def test_other_data_are_told_from_the_papers_in_every_rendering() -> None:
    other = table_of(*REAL_CASES, layout="folder", paper_figures=True)
    own = table_of(*REAL_CASES, layout="jsrt")
    said = "The paper's figures are on other data (JSRT/SCR at 128 px)"
    for table, expected in ((other, True), (own, False)):
        rendered = (
            table_to_text(table),
            table_to_markdown(table),
            json.dumps(to_json(table)),
        )
        assert [said in text for text in rendered] == [expected] * 3
    assert {line["is_paper_data"] for line in csv_lines(other)} == {"False"}


def test_other_image_size_makes_distances_incomparable() -> None:
    said = "they do not compare with these"
    small = table_of(*REAL_CASES, layout="jsrt", image_size=64)
    same = table_of(*REAL_CASES, layout="jsrt")
    assert said in table_to_text(small)
    assert "in px at 64 x 64" in table_to_text(small)
    assert said not in table_to_text(same)


def test_markdown_rows() -> None:
    lines = [
        line for line in table_to_markdown(GROWING).splitlines() if line[:1] == "|"
    ]
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 2 + 2 * 3
    assert lines[2] == (
        "| real only, ours | 144-145 | 0 | 3 of 3 | 0.7000 ± 0.2646 (0.8000) "
        "| 6.0000 ± 5.2915 (4.0000) | 3.0000 ± 2.6458 (2.0000) "
        "| 0.7500 ± 0.6614 (0.5000) |"
    )
    assert lines[3] == (
        "| real only, paper | 145 | 0 |  | 0.9608 ± 0.0101 | 6.1229 ± 5.0183 | - | - |"
    )
    assert lines[6] == "| synthetic only, ours |  |  | 0 of 3 | ... | ... | ... | ... |"


def test_json_is_plain_and_complete() -> None:
    plain = json.loads(json.dumps(to_json(GROWING), allow_nan=False))
    assert plain == to_json(GROWING)
    real, mixed, synthetic = plain.pop("rows")
    assert plain == {
        "warning": PHANTOM_WARNING,
        "title": "Table I: the full training set",
        "dataset": {
            "name": "somewhere",
            "layout": "phantom",
            "n_cases": 60,
            "sha256": "ab" * 32,
        },
        "target": "both lungs",
        "image_size": 128,
        "reduced": False,
        "preset": "smoke",
        "seed": 7,
        "folds": [1, 3],
        "n_test_cases": 3,
        "remarks": [],
        "notes": list(GROWING.notes),
    }
    rows = real, mixed, synthetic
    assert [row["training_set"] for row in rows] == [
        "real only",
        "mixed",
        "synthetic only",
    ]
    assert [row["status"] for row in rows] == ["done", "partial", "pending"]
    assert real["ours"]["n_real"] == [145, 144]
    assert real["ours"]["hausdorff_px"]["median"] == 4.0
    assert mixed["ours"]["dice"] == {"mean": 0.5, "sd": None, "median": 0.5}
    assert synthetic["ours"] is None
    assert synthetic["paper"]["dice"]["mean"] == 0.9172
    assert synthetic["paper"]["hausdorff_px"]["sd"] == 6.0651


def csv_lines(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table_to_csv(table))))


def test_csv_has_one_line_per_arm_with_exact_figures() -> None:
    real, mixed, synthetic = csv_lines(GROWING)
    assert real["dataset"] == "somewhere"
    assert (real["preset"], real["seed"], real["reduced"]) == ("smoke", "7", "False")
    assert (real["training_set"], real["status"]) == ("real only", "done")
    assert (real["folds"], real["n_real"]) == ("1 3", "145 144")
    assert (real["n_cases"], real["n_test_cases"]) == ("3", "3")
    row = aggregate(REAL_CASES)[TrainingSet.REAL]
    for name in METRIC_HEADINGS:
        for statistic in ("mean", "sd", "median"):
            expected = getattr(getattr(row, name), statistic)
            assert float(real[f"{name}_{statistic}"]) == expected
    assert mixed["dice_sd"] == ""
    assert (mixed["n_real"], mixed["n_synthetic"]) == ("145", "120")
    assert (synthetic["status"], synthetic["dice_mean"]) == ("pending", "")
    assert float(synthetic["paper_dice_mean"]) == 0.9172
    assert float(synthetic["paper_hausdorff_px_sd"]) == 6.0651
    assert "paper_hausdorff_95_px_mean" not in synthetic


def test_standard_deviation_is_that_of_a_sample() -> None:
    values = [0.1, 0.4, 0.45, 0.9]
    cases = [case(str(index), value) for index, value in enumerate(values)]
    (row,) = aggregate(cases).values()
    assert row.dice.sd == pytest.approx(statistics.stdev(values))
    assert row.dice.sd != pytest.approx(statistics.pstdev(values), rel=0.05)
    assert row.dice.median == pytest.approx(0.425)
