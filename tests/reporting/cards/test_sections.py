import dataclasses

from tests.reporting.made import assessment, comparison
from tfgansynth.assessment.fidelity import Figure
from tfgansynth.assessment.membership import Membership
from tfgansynth.evaluation.tables import Summary
from tfgansynth.reporting.assessments import assessment_to_markdown, assessment_to_text
from tfgansynth.reporting.cards.findings import evaluation_section


def test_an_assessment_tells_how_well_members_are_told_from_others() -> None:
    figure = Figure(value=0.25, low=-0.125, high=0.5)
    advantage = {"image": figure, "pair": dataclasses.replace(figure, value=0.375)}
    found = Membership(n_members=6, n_others=14, advantage=advantage)
    made = dataclasses.replace(assessment("00"), membership=found)

    words = "0.250 [-0.125, 0.500] by images, 0.375 [-0.125, 0.500] by pairs: 0 is"
    assert f"with an advantage of {words}" in assessment_to_markdown(made)
    words = "image 0.250 [-0.125, 0.500], pair 0.375 [-0.125, 0.500]"
    assert words in assessment_to_text(made)
    assert "embership" not in assessment_to_markdown(assessment("00"))


def test_an_assessment_tells_all_three_parts() -> None:
    section = assessment_to_markdown(assessment("00"))

    for words in (
        "6 synthetic pairs beside 6 training cases and 14 held-out real ones (4 valid",
        "Audit for copies of training cases: **passed**. Flagged pairs: 0.",
        "| mask | 0 | 2 of 6 (33.3%) | 1.0% [0.0%, 4.0%] | 0.032 | passed |",
        "synthetic 0.911 on average, real 0.944.",
        "synthetic 50.0%, held-out real 75.0%; out of range: area 2, solidity 1.",
        "Features: bottleneck of member-1.",
        "| precision | 12 | 0.500 [0.250, 0.750] | 0.625 [0.250, 0.750] | -0.125 [-0.",
        "| area [sd] | 12 | 0.500 [",
        "synthetic 20.2, training 24.8 of 64 bits.",
    ):
        assert words in section, words


def test_an_audit_that_was_not_passed_is_said_loudly() -> None:
    section = assessment_to_markdown(assessment("00", passed=False))

    assert "**NOT PASSED**. Flagged pairs: 3." in section
    assert (
        "| pair | 3 | 1 of 6 (16.7%) | 1.0% [0.0%, 4.0%] | 0.032 | NOT PASS" in section
    )


def test_sets_too_small_to_compare_have_no_table_of_fidelity() -> None:
    whole = assessment("00")
    plausible = dataclasses.replace(whole.quality.plausibility, misfits={})
    record = dataclasses.replace(
        whole,
        quality=dataclasses.replace(whole.quality, plausibility=plausible),
        fidelity=dataclasses.replace(
            whole.fidelity, figures={}, shapes={}, expected_coverage=None
        ),
    )

    section = assessment_to_markdown(record)

    assert "| Fidelity |" not in section
    assert "out of range: none." in section


def test_an_evaluation_tells_rows_verdicts_and_remarks() -> None:
    section = evaluation_section(comparison("run-seed0"))

    assert section.startswith("phantoms, preset smoke, 1 seeds; mean ± standard dev")
    for line in (
        "The paper's regimes:",
        "| mixed | 144-145 | 120 | 83 |" + 4 * " 0.9472 ± 0.0254 |",
        "- mixed against real only: a lot.",
        "- REMARK: fold 1, mode collapse",
    ):
        assert line in section.splitlines(), line


def test_an_evaluation_tells_each_class_below_its_row() -> None:
    whole = comparison("run-seed0")
    (table,) = whole.tables
    metrics = table.rows[0].metrics
    by_class = {
        "ring": {**metrics, "dice": Summary(0.5, 0.25, 0.75)},
        "dots": metrics,
    }
    row = dataclasses.replace(table.rows[0], by_class=by_class)
    tables = (dataclasses.replace(table, rows=(row,)),)

    lines = evaluation_section(dataclasses.replace(whole, tables=tables)).splitlines()

    place = lines.index("| mixed | 144-145 | 120 | 83 |" + 4 * " 0.9472 ± 0.0254 |")
    others = 3 * " 0.9472 ± 0.0254 |"
    assert lines[place + 1] == "| - ring |  |  |  | 0.5000 ± 0.2500 |" + others
    assert lines[place + 2] == "| - dots |  |  |  | 0.9472 ± 0.0254 |" + others
