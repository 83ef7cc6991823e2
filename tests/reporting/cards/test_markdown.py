import pytest
import yaml

from tfgansynth.reporting.cards.markdown import bullets, front_matter, table


@pytest.mark.parametrize(
    "text",
    [
        "other",
        "n<1K",
        "1K<n<10K",
        "image-segmentation",
        "no",
        "Null",
        "1e5",
        "2024-01-01",
        "a: b",
        "- item",
        "#5",
        'quoted "words" \\ and more',
        "Ünïcode · 胸",
        "two\nlines",
        "",
        " padded ",
    ],
)
def test_front_matter_is_yaml_that_gives_every_text_back(text: str) -> None:
    lines = front_matter({"one": text, "many": [text, "other"]}).split("\n")

    assert lines[0] == lines[-1] == "---"
    read = yaml.safe_load("\n".join(lines[1:-1]))
    assert read == {"one": text, "many": [text, "other"]}


def test_plain_words_are_not_quoted() -> None:
    assert front_matter({"license": "other", "size": ["n<1K"]}) == (
        "---\nlicense: other\nsize:\n- n<1K\n---"
    )


def test_a_table_has_a_line_a_row_and_escapes_its_own_sign() -> None:
    assert table(("A", "B"), [(1, "x|y")]) == "| A | B |\n| --- | --- |\n| 1 | x\\|y |"


def test_rows_of_a_table_come_in_their_order() -> None:
    rows = [("1", "2"), ("3", "4")]

    assert table(("a", "b"), rows) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"


def test_bullets() -> None:
    assert bullets(["one", "two"]) == "- one\n- two"
