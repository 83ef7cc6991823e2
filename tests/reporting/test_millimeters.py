"""Distances in mm beside those in px, where the side of a pixel is known."""

import csv
import dataclasses
import io
from pathlib import Path

import pytest

from tests.records.made import config_of, identity
from tests.reporting import made
from tests.reporting.html.made import write_study
from tests.reporting.test_tables import GROWING, REAL_CASES
from tfgansynth.evaluation.tables import METRIC_HEADINGS, Summary, with_mm
from tfgansynth.records.comparisons import Comparison
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.tables import Table, make_table
from tfgansynth.reporting.cards.findings import evaluation_section
from tfgansynth.reporting.comparisons import comparison_to_markdown, comparison_to_text
from tfgansynth.reporting.html.page import render
from tfgansynth.reporting.html.study import read_study
from tfgansynth.reporting.tables import table_to_csv, table_to_markdown, table_to_text

MM = 0.5
KNOWN = dataclasses.replace(identity("phantom"), spacing_mm=MM)
TABLE = make_table(config_of(7), KNOWN, {1: 2, 3: 1}, REAL_CASES)
HEADINGS = [*METRIC_HEADINGS.values(), "HD [mm]", "HD95 [mm]", "ASSD [mm]"]


def comparison() -> Comparison:
    return dataclasses.replace(made.comparison("run-seed0"), dataset=KNOWN)


def test_every_number_of_a_distance_is_scaled() -> None:
    found = with_mm({"dice": Summary(0.5, None, 1), "x_px": Summary(8, 2, None)}, MM)
    assert found == {
        "dice": Summary(0.5, None, 1),
        "x_px": Summary(8, 2, None),
        "x_mm": Summary(4, 1, None),
    }


def test_text_has_columns_in_mm() -> None:
    lines = table_to_text(TABLE).splitlines()
    heading = next(line for line in lines if "Dice" in line)
    assert " ".join(heading.split()) == " ".join(HEADINGS)
    medians = next(line for line in lines if "ours, median" in line).split()
    # Hausdorff 2, 4 and 12 px; the others are its half and its eighth.
    expected = ["0.8000", "4.0000", "2.0000", "0.5000", "2.0000", "1.0000", "0.2500"]
    assert medians[2:] == expected
    paper = next(line for line in lines if "paper (" in line)
    assert paper.split()[-5:] == ["-"] * 5
    pending = [line for line in lines if "ours, mean" in line][-1]
    assert pending.split()[-7:] == ["..."] * 7
    assert f"in px at 128 x 128, each {MM} mm wide" in table_to_text(TABLE)


def test_markdown_and_csv_have_them() -> None:
    (headings,) = [
        line for line in table_to_markdown(TABLE).splitlines() if "Dice |" in line
    ]
    assert headings.endswith("HD [mm] | HD95 [mm] | ASSD [mm] |")
    first = next(csv.DictReader(io.StringIO(table_to_csv(TABLE))))
    for name in ("hausdorff", "hausdorff_95", "mean_surface_distance"):
        for statistic in ("mean", "sd", "median"):
            px = float(first[f"{name}_px_{statistic}"])
            assert float(first[f"{name}_mm_{statistic}"]) == MM * px
    assert not [name for name in first if name.startswith("paper_") and "_mm" in name]


def test_comparisons_and_cards_have_them() -> None:
    for text in (
        comparison_to_text(comparison()),
        comparison_to_markdown(comparison()),
        evaluation_section(comparison()),
    ):
        assert all(heading in text for heading in HEADINGS)
        # 0.9472 ± 0.0254 in px.
        assert text.count("0.4736 ± 0.0127") == 3


def test_the_report_has_them(tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path, seeds=(0,)))
    assert "[mm]" not in render(study)
    known = dataclasses.replace(study.comparison, dataset=KNOWN)
    page = render(dataclasses.replace(study, comparison=known))
    for heading in HEADINGS[-3:]:
        assert f'<th scope="col">{heading}</th>' in page
    row = study.comparison.tables[0].rows[0]
    found = row.metrics["hausdorff_px"].times(MM)
    assert f"<td>{found.mean:.2f} ± {found.sd:.2f}</td>" in page
    assert "each 0.5 mm wide" in page


def test_without_spacing_nothing_is_in_mm_and_old_records_are_read() -> None:
    for render_table in (table_to_text, table_to_markdown, table_to_csv):
        text = render_table(GROWING)
        assert not [unit for unit in ("[mm]", "_mm", " mm") if unit in text]
    content = to_json(GROWING)
    assert set(content["dataset"]) == {"name", "layout", "n_cases", "sha256"}
    assert from_json(Table, content, Path("table.json")) == GROWING
    assert from_json(Table, to_json(TABLE), Path("table.json")) == TABLE


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("inf"), float("nan")])
def test_a_spacing_that_is_no_length_is_refused(spacing: float) -> None:
    with pytest.raises(ValueError, match="expected more than 0 mm"):
        dataclasses.replace(KNOWN, spacing_mm=spacing)
