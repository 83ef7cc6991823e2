"""Assessments in one line each."""

from typing import Any

import pytest

from tfgansynth.reporting.quality_table import quality_cells


def figure(synthetic: float, ruler: float) -> dict[str, Any]:
    return {"synthetic": {"value": synthetic}, "ruler": {"value": ruler}}


@pytest.fixture
def record() -> dict[str, Any]:
    return {
        "soundness": {
            "agreement": {"synthetic": {"mean": 0.9146}, "real": {"mean": 0.9072}},
            "plausibility": {"synthetic": 0.845, "real": 0.963},
        },
        "fidelity": {
            "figures": {
                "coverage": figure(0.9, 0.8),
                "precision": figure(0.7, 0.6),
                "recall": figure(0.5, 0.4),
            }
        },
        "memorization": {
            "passed": False,
            "parts": {
                "image": {"share": 0.0142, "n_copies": 3},
                "mask": {"share": 0.0, "n_copies": 0},
                "pair": {"share": 0.003, "n_copies": 1},
            },
        },
    }


def test_cells_stand_beside_the_same_of_real_cases(record: dict[str, Any]) -> None:
    assert list(quality_cells(record).values()) == [
        "0.915 (0.907)",
        "84 % (96 %)",
        "0.70 / 0.50 / 0.90",
        "0.60 / 0.40 / 0.80",
        "1.4 / 0.0 / 0.3 %",
        "3 / 0 / 1",
        "NOT PASSED",
    ]


def test_too_few_cases_to_compare_leave_the_cells_open(record: dict[str, Any]) -> None:
    record["fidelity"]["figures"] = {}
    record["memorization"]["passed"] = True

    cells = quality_cells(record)

    assert cells["precision / recall / coverage"] == cells["the same of real"] == "-"
    assert cells["audit"] == "passed"
