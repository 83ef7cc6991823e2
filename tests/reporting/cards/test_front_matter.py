import pytest
import yaml

from tfgansynth.reporting.cards.cards import front_matter


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
