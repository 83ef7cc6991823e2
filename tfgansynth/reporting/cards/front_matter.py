"""YAML front matter, as the Hugging Face Hub reads it on cards."""

import json
import re
from collections.abc import Mapping, Sequence

from tfgansynth.data.dataset import Identity

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


def license_fields(dataset: Identity) -> dict[str, str]:
    """The license as metadata: none of the Hub's list is ours to give."""
    if dataset.is_phantom:
        return {"license": "other"}
    return {"license": "other", "license_name": "terms-of-the-source-data"}


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT:
        return text
    # Each JSON text is one of YAML too.
    return json.dumps(text)
