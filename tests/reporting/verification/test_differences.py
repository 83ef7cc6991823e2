"""Every stored value that differs from the recomputed one is named with its place."""

from pathlib import Path

import numpy as np
import pytest

from tfgansynth.reporting.verification.differences import Differences

STORED = {"rows": [{"mean": 0.5, "n": 3, "name": "real"}], "sd": None, "ok": True}


def compared(stored: object, recomputed: object, rounding: float = 0.0) -> Differences:
    differences = Differences(Path("/run"), rounding)
    differences.compare(Path("/run/table.json"), "", stored, recomputed)
    return differences


def test_equal_values_are_counted_and_no_difference() -> None:
    differences = compared(STORED, {**STORED, "rows": tuple(STORED["rows"])})  # type: ignore[arg-type]
    assert differences.lines == []
    # Truth values and what is not there are no numbers.
    assert differences.n_numbers == 2
    assert differences.files == {Path("/run/table.json")}


@pytest.mark.parametrize(
    ("recomputed", "line"),
    [
        (
            {**STORED, "rows": [{"mean": 0.25, "n": 3, "name": "real"}]},
            "table.json: rows[0].mean: stored 0.5, recomputed 0.25",
        ),
        ({**STORED, "sd": 0.1}, "table.json: sd: stored null, recomputed 0.1"),
        ({**STORED, "ok": 1}, "table.json: ok: stored true, recomputed 1"),
        (
            {**STORED, "rows": []},
            "table.json: rows: stored 1 items, recomputed 0 items",
        ),
        ({**STORED, "p": 1}, "table.json: p: stored nothing, recomputed 1"),
    ],
)
def test_a_difference_is_named(recomputed: object, line: str) -> None:
    assert compared(STORED, recomputed).lines == [line]


def test_what_is_stored_beyond_is_a_difference() -> None:
    differences = compared({**STORED, "extra": 2}, STORED)
    assert differences.lines == ["table.json: extra: stored 2, recomputed nothing"]


def test_only_rounding_may_be_allowed() -> None:
    assert compared([0.1 + 0.2], [0.3]).lines
    assert not compared([0.1 + 0.2], [0.3], rounding=1e-9).lines
    assert compared([0.3001], [0.3], rounding=1e-9).lines
    assert compared([3], [4], rounding=1e-9).lines


def test_a_table_is_compared_cell_by_cell(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text('id,dice\n"a, b",0.5\nc,0.25\n')
    differences = Differences(tmp_path)
    differences.compare_csv(path, 'id,dice\n"a, b",0.5\nc,0.75\n')
    assert differences.lines == [
        "cases.csv: line 3, dice: stored 0.25, recomputed 0.75"
    ]
    assert differences.n_numbers == 2
    differences.compare_csv(path, 'id,dice\n"a, b",0.5\n')
    assert differences.lines[1:] == [
        "cases.csv: length: stored 3 lines, recomputed 2 lines"
    ]


def test_text_is_compared_word_by_word(tmp_path: Path) -> None:
    path = tmp_path / "comparison.md"
    path.write_text("| real | 0.9472 ± 0.0254 |\nSame line.\n")
    differences = Differences(tmp_path)
    differences.compare_text(path, "| real | 0.9473 ± 0.0254 |\nSame line.\n")
    assert differences.lines == [
        "comparison.md: line 1, word 4: stored 0.9472, recomputed 0.9473"
    ]
    differences.compare_text(path, "| real | 0.9472 |\nSame line.\n")
    assert "line 1: stored | real | 0.9472 ± 0.0254 |" in differences.lines[1]


def test_arrays_are_compared_by_place() -> None:
    differences, path = Differences(Path("/run")), Path("/run/assessment.npz")
    differences.compare_array(path, "null", np.array([1.0, 2]), np.array([1.0, 3]))
    differences.compare_array(path, "null", np.zeros(2), np.zeros(3))
    assert differences.lines == [
        "assessment.npz: null[1]: stored 2.0, recomputed 3.0",
        "assessment.npz: null: stored [2], recomputed [3]",
    ]
    assert differences.n_numbers == 5


def test_what_cannot_be_read_is_a_difference() -> None:
    differences, path = Differences(Path("/run")), Path("/run/comparison.json")
    with differences.reading(path):
        raise KeyError("rows")
    assert differences.lines == [
        "comparison.json: cannot be recomputed (KeyError 'rows')"
    ]


def test_a_missing_file_is_a_difference(tmp_path: Path) -> None:
    differences = Differences(tmp_path)
    with differences.reading(tmp_path / "assessment"):
        (tmp_path / "model.keras").read_bytes()
    assert differences.lines == [
        f"assessment: cannot be recomputed ({tmp_path}/model.keras: is missing)"
    ]
