"""The file of a U-Net's test cases is read as it was written, and in no other form."""

import random
from pathlib import Path

import pytest

from tfgansynth.errors import InputError
from tfgansynth.evaluation.case_rows import (
    CaseRow,
    cases_from_csv,
    cases_to_csv,
    read_cases,
)
from tfgansynth.evaluation.metrics import CaseMetrics

UNET = 1, 145, 0
"""Fold, real and synthetic training pairs."""


def case(case_id: str, dice: float, hausdorff: float = 4.0) -> CaseRow:
    metrics = CaseMetrics(dice, hausdorff, hausdorff / 2, hausdorff / 8)
    return CaseRow(case_id, metrics)


def test_cases_survive_the_round_trip_exactly() -> None:
    rng = random.Random(3)
    rows = [
        CaseRow(
            case_id=f'odd, "id" {index}',
            metrics=CaseMetrics(*(rng.random() / 3 for _ in range(4))),
        )
        for index in range(50)
    ]
    assert cases_from_csv(cases_to_csv(rows, 3, 145, 120), 3, 145, 120) == rows


def test_cases_are_written_as_drawn_here() -> None:
    assert cases_to_csv([case("JPCLN001", 0.1 + 0.2, 8.0)], 2, 145, 0) == (
        "fold,case_id,n_real,n_synthetic,dice,hausdorff_px,hausdorff_95_px,"
        "mean_surface_distance_px\n"
        "2,JPCLN001,145,0,0.30000000000000004,8.0,4.0,1.0\n"
    )


HEADER = cases_to_csv([], *UNET)
LINE_2 = r"line 2: expected \['1', 'a', '145', '0', "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the columns"),
        ("fold,case_id\n", "line 1: expected the columns"),
        ("1,a,145,0,0.9,4.0,2.0,1.0\n", "line 1: expected the columns"),
        (HEADER + "1,a,145,0,0.9,4.0,2.0\n", "line 2: expected 8 fields, got 7"),
        (HEADER + "1,a,145,0,0.9,4.0,2.0,1.0,5\n", "line 2: expected 8 fields, got 9"),
        (HEADER + "\n", "line 2: expected 8 fields, got 0"),
        (HEADER + "one,a,145,0,0.9,4.0,2.0,1.0\n", LINE_2),
        (HEADER + "1,a,145.5,0,0.9,4.0,2.0,1.0\n", LINE_2),
        (HEADER + "1,a,145,0,good,4.0,2.0,1.0\n", "line 2: could not convert"),
        (HEADER + "1,a,145,0,nan,4.0,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,145,0,0.9,inf,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,145,0,0.9,-4.0,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,145,0,1.5,4.0,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,145,0,0.9,1e300,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,145,0,0.9,1e+300,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,-145,0,0.9,4.0,2.0,1.0\n", LINE_2),
        (
            HEADER + f"1,a,1{'0' * 99},0,0.9,4.0,2.0,1.0\n",
            LINE_2,
        ),
        (
            HEADER + f"1,a,1{'0' * 9999},0,0.9,4.0,2.0,1.0\n",
            LINE_2,
        ),
        (HEADER + "1,a,145,0,0.90,4.0,2.0,1.0\n", LINE_2),
        (HEADER + "1,a,1_4,0,0.9,4.0,2.0,1.0\n", LINE_2),
        (HEADER + "1,a,145,0,0.9, 4.0,2.0,1.0\n", LINE_2),
        (HEADER + "1,a,\u0661,0,0.9,4.0,2.0,1.0\n", LINE_2),
        (HEADER + "1,a\0,145,0,0.9,4.0,2.0,1.0\n", "line 2: expected a case id"),
        (HEADER + f"1,{'a' * 2**18},1,0,0.9,4.0,2.0,1.0\n", "line 2: field larger"),
        (HEADER + "1,a,145,0,0.9,4.0,2.0,1.0\n" * 2, "line 3: case a is there twice"),
        (HEADER.replace(",", ";"), "line 1: expected the columns"),
        ("\ufeff" + HEADER, "line 1: expected the columns"),
        (HEADER + "1,,145,0,0.9,4.0,2.0,1.0\n", "line 2: expected a case id"),
        (HEADER + "1,a,0,0,0.9,4.0,2.0,1.0\n", LINE_2),
        (
            HEADER + "1,a,145,0,0.9,4.0,2.0,1.0\n" + '1,"b,145,0,0.9,4.0,2.0,1.0\n',
            "line 3: unexpected end of data",
        ),
    ],
)
def test_malformed_cases_are_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^cases, {message}"):
        cases_from_csv(text, *UNET)


def test_cases_are_read_from_a_file(tmp_path: Path) -> None:
    rows = [case("a", 0.9, 4.0), case("b", 0.8, 4.5)]
    (tmp_path / "cases.csv").write_text(cases_to_csv(rows, *UNET))
    assert read_cases(tmp_path / "cases.csv", *UNET) == rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file"),
        (b"", r"cannot be read \(cases, line 1: expected the columns"),
        (HEADER.encode(), r"cannot be read \(expected at least one case"),
        (
            cases_to_csv([case("a", 0.9)], 1, 144, 0).encode(),
            r"cannot be read .*line 2: expected .*'145', '0'",
        ),
        (HEADER.encode("utf-16"), "is no UTF-8 text"),
        (HEADER.encode() + b"1,\xff,145,0,0.9,4.0,2.0,1.0\n", "is no UTF-8 text"),
        (bytes(17 << 20), r"cannot be read \(it holds more than 16 MiB"),
    ],
)
def test_a_file_of_no_cases_is_named(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "cases.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"cases\.csv: {message}"):
        read_cases(path, *UNET)
