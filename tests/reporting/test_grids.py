"""Tables of cells as text, Markdown and CSV."""

from tfgansynth.errors import counted
from tfgansynth.reporting import grids


def test_a_table_has_a_line_a_row_and_escapes_its_own_sign() -> None:
    assert (
        grids.to_markdown(("A", "B"), [(1, "x|y")])
        == "| A | B |\n| --- | --- |\n| 1 | x\\|y |"
    )


def test_rows_of_a_table_come_in_their_order() -> None:
    rows = [("1", "2"), ("3", "4")]

    assert (
        grids.to_markdown(("a", "b"), rows)
        == "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"
    )


def test_text_has_labels_to_the_left_and_cells_to_the_right() -> None:
    lines = grids.to_text(
        ["", "n"], [["one", 1], ["runs on over all columns"], ["x", 10]]
    )

    assert lines == ["      n", "one   1", "runs on over all columns", "x    10"]


def test_csv_quotes_what_needs_it() -> None:
    assert grids.to_csv([{"a": 1, "b": "x, y"}]) == 'a,b\n1,"x, y"\n'


def test_counts_are_in_words() -> None:
    assert (counted(1, "seed"), counted(2, "seed")) == ("1 seed", "2 seeds")
    assert (grids.span([145]), grids.span([145, 144])) == ("145", "144-145")
    assert (grids.passed(True), grids.passed(False)) == ("passed", "NOT PASSED")
