"""Renders templates of text and Markdown."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tfgansynth.evaluation.tables import PHANTOM_WARNING, headings, with_mm
from tfgansynth.reporting.grids import escaped, interval, passed, span, to_text
from tfgansynth.reporting.tables import mean_sd
from tfgansynth.runtime.progress import duration
from tfgansynth.synthesis.rules import rules_to_text

# No HTML: only the cells of Markdown are escaped, by `cell`.
_ENVIRONMENT = Environment(
    loader=PackageLoader("tfgansynth.reporting", "template"),
    autoescape=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "cell": escaped,
    "interval": interval,
    "percent": "{:.1%}".format,
}
_ENVIRONMENT.globals |= {
    "duration": duration,
    "headings": headings,
    "mean_sd": mean_sd,
    "passed": passed,
    "phantom_warning": PHANTOM_WARNING,
    "rules_to_text": rules_to_text,
    "span": span,
    "to_text": to_text,
    "with_mm": with_mm,
}


def render(template: str, **content: Any) -> str:
    """Render the template of a file's name, without line breaks at its end."""
    return _ENVIRONMENT.get_template(template).render(content).rstrip("\n")
