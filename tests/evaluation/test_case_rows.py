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
from tfgansynth.records.tables import aggregate


def case(
    case_id: str,
    dice: float,
    hausdorff: float = 4.0,
    *,
    fold: int = 1,
    n_real: int = 145,
    n_synthetic: int = 0,
) -> CaseRow:
    metrics = CaseMetrics(dice, hausdorff, hausdorff / 2, hausdorff / 8)
    return CaseRow(fold, case_id, n_real, n_synthetic, metrics)


def test_cases_survive_the_round_trip_exactly() -> None:
    rng = random.Random(3)
    rows = [
        CaseRow(
            fold=1 + index % 3,
            case_id=f'odd, "id" {index}',
            n_real=145,
            n_synthetic=120,
            metrics=CaseMetrics(*(rng.random() / 3 for _ in range(4))),
        )
        for index in range(50)
    ]
    assert cases_from_csv(cases_to_csv(rows)) == rows
    assert cases_from_csv(cases_to_csv([])) == []
    assert aggregate(cases_from_csv(cases_to_csv(rows))) == aggregate(rows)


def test_cases_are_written_as_drawn_here() -> None:
    assert cases_to_csv([case("JPCLN001", 0.1 + 0.2, 8.0, fold=2)]) == (
        "fold,case_id,n_real,n_synthetic,dice,hausdorff_px,hausdorff_95_px,"
        "mean_surface_distance_px\n"
        "2,JPCLN001,145,0,0.30000000000000004,8.0,4.0,1.0\n"
    )


HEADER = cases_to_csv([])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the columns"),
        ("fold,case_id\n", "line 1: expected the columns"),
        ("1,a,145,0,0.9,4.0,2.0,1.0\n", "line 1: expected the columns"),
        (HEADER + "1,a,145,0,0.9,4.0,2.0\n", "line 2: expected 8 fields, got 7"),
        (HEADER + "1,a,145,0,0.9,4.0,2.0,1.0,5\n", "line 2: expected 8 fields, got 9"),
        (HEADER + "\n", "line 2: expected 8 fields, got 0"),
        (HEADER + "one,a,145,0,0.9,4.0,2.0,1.0\n", "line 2: invalid literal"),
        (HEADER + "1,a,145.5,0,0.9,4.0,2.0,1.0\n", "line 2: invalid literal"),
        (HEADER + "1,a,145,0,good,4.0,2.0,1.0\n", "line 2: could not convert"),
        (HEADER + "1,a,145,0,nan,4.0,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,145,0,0.9,inf,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,145,0,0.9,-4.0,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,145,0,1.5,4.0,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,145,0,0.9,1e300,2.0,1.0\n", r"line 2: expected 1e\+300"),
        (HEADER + "1,a,145,0,0.9,1e+300,2.0,1.0\n", "line 2: expected finite"),
        (HEADER + "1,a,-145,0,0.9,4.0,2.0,1.0\n", "line 2: expected counts"),
        (HEADER + f"1,a,1{'0' * 99},0,0.9,4.0,2.0,1.0\n", "line 2: expected counts"),
        (HEADER + f"1,a,1{'0' * 9999},0,0.9,4.0,2.0,1.0\n", "line 2: Exceeds the"),
        (HEADER + "1,a,145,0,0.90,4.0,2.0,1.0\n", "line 2: expected 0.9, got '0.90'"),
        (HEADER + "1,a,1_4,0,0.9,4.0,2.0,1.0\n", "line 2: expected 14, got '1_4'"),
        (HEADER + "1,a,145,0,0.9, 4.0,2.0,1.0\n", "line 2: expected 4.0, got ' 4.0'"),
        (HEADER + "1,a,\u0661,0,0.9,4.0,2.0,1.0\n", "line 2: expected 1, got"),
        (HEADER + "1,a\0,145,0,0.9,4.0,2.0,1.0\n", "line 2: expected a case id"),
        (HEADER + f"1,{'a' * 2**18},1,0,0.9,4.0,2.0,1.0\n", "line 2: field larger"),
        (HEADER + "1,a,145,0,0.9,4.0,2.0,1.0\n" * 2, "line 3: case a is there twice"),
        (HEADER.replace(",", ";"), "line 1: expected the columns"),
        ("\ufeff" + HEADER, "line 1: expected the columns"),
        (HEADER + "1,,145,0,0.9,4.0,2.0,1.0\n", "line 2: expected a case id"),
        (HEADER + "1,a,0,0,0.9,4.0,2.0,1.0\n", "line 2: expected real or synthetic"),
        (
            HEADER + "1,a,145,0,0.9,4.0,2.0,1.0\n" + '1,"b,145,0,0.9,4.0,2.0,1.0\n',
            "line 3: unexpected end of data",
        ),
    ],
)
def test_malformed_cases_are_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^cases, {message}"):
        cases_from_csv(text)


def test_cases_are_read_from_a_file(tmp_path: Path) -> None:
    rows = [case("a", 0.9, 4.0), case("b", 0.8, 4.5)]
    (tmp_path / "cases.csv").write_text(cases_to_csv(rows))
    assert read_cases(tmp_path / "cases.csv") == rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file"),
        (b"", r"cannot be read \(cases, line 1: expected the columns"),
        (HEADER.encode(), r"cannot be read \(expected the cases of one U-Net"),
        (
            cases_to_csv([case("a", 0.9), case("b", 0.9, n_real=144)]).encode(),
            r"cannot be read \(expected the cases of one U-Net",
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
        read_cases(path)
