"""Markdown with YAML front matter, as the Hugging Face Hub reads cards."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9<._-]*")
"""Words that YAML takes for text as they stand, but for those below."""
_NO_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def front_matter(fields: Mapping[str, str | Sequence[str]]) -> str:
    """Render the metadata of a card as YAML between lines of dashes.

    Args:
        fields: Texts, or lists of texts, by key.
    """
    lines = ["---"]
    for key, value in fields.items():
        if isinstance(value, str):
            lines.append(f"{key}: {_scalar(value)}")
        else:
            lines += [f"{key}:", *(f"- {_scalar(item)}" for item in value)]
    return "\n".join([*lines, "---"])


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Render a table; what would end a cell is escaped."""
    grid = [headings, ["---"] * len(headings), *rows]
    return "\n".join(
        f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"
        for row in grid
    )


def bullets(lines: Iterable[str]) -> str:
    """Render a list."""
    return "\n".join(f"- {line}" for line in lines)


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT:
        return text
    # Each JSON text is one of YAML too.
    return json.dumps(text)
