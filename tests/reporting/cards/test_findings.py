import pytest

from tests.reporting.cards.records import assessment, evidence
from tfgansynth.reporting.cards.findings import assessment_section, evaluation_section


def test_an_assessment_tells_all_three_parts() -> None:
    section = assessment_section(assessment("00"))

    for words in (
        "6 synthetic pairs beside 6 training cases and 14 held-out real ones (4 valid",
        "Audit for copies of training cases: **passed**. Pairs that it objects to: 0.",
        "| mask | 0 | 2 of 6 (33.3%) | 1.0% [0.0%, 4.0%] | 0.032 | passed |",
        "synthetic 0.911 on average, real 0.944.",
        "synthetic 50.0%, held-out real 75.0%; out of range: area 2, solidity 1.",
        "Features: bottleneck of judge-1.",
        "| precision | 0.500 [0.250, 0.750] | 0.625 [0.250, 0.750] | -0.125 [-0.500, ",
        "| area [sd] | 0.500 [",
        "synthetic 20.2, training 24.8 of 64 bits.",
    ):
        assert words in section, words


def test_an_audit_that_was_not_passed_is_said_loudly() -> None:
    section = assessment_section(assessment("00", passed=False))

    assert "**NOT PASSED**. Pairs that it objects to: 3." in section
    assert (
        "| pair | 3 | 1 of 6 (16.7%) | 1.0% [0.0%, 4.0%] | 0.032 | NOT PASS" in section
    )


def test_sets_too_small_to_compare_have_no_table_of_likeness() -> None:
    record = assessment("00")
    record["fidelity"].update(figures={}, shapes={}, expected_coverage=None)
    record["soundness"]["plausibility"]["misfits"] = {}

    section = assessment_section(record)

    assert "Likeness" not in section
    assert "out of range: none." in section


def test_an_evaluation_tells_rows_verdicts_and_remarks() -> None:
    section = evaluation_section(evidence("run-seed0"))

    assert section.startswith("phantoms, preset smoke, 1 seeds; mean ± standard dev")
    for line in (
        "The paper's rows:",
        "| mixed | 144-145 | 120 | 83 |" + 4 * " 0.9472 ± 0.0254 |",
        "- mixed helps against real only: a lot.",
        "- REMARK: fold 1: something went amiss",
    ):
        assert line in section.splitlines(), line


@pytest.mark.parametrize("missing", ["memorization", "fidelity", "n_held_out"])
def test_a_record_of_another_version_is_not_half_told(missing: str) -> None:
    record = assessment("00")
    del record[missing]

    with pytest.raises(KeyError, match=missing):
        assessment_section(record)
