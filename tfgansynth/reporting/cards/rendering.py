"""Renders the templates of cards, which are Markdown."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tfgansynth.evaluation.tables import METRIC_HEADINGS, PHANTOM_WARNING
from tfgansynth.reporting.assessments import figure_rows, misfits_text
from tfgansynth.reporting.grids import escaped, passed, span
from tfgansynth.reporting.tables import mean_sd
from tfgansynth.runtime.progress import duration

# Markdown, not HTML: only a table's cells are escaped, by `cell`.
_ENVIRONMENT = Environment(
    loader=PackageLoader("tfgansynth.reporting.cards", "template"),
    autoescape=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {"cell": escaped, "percent": "{:.1%}".format}
_ENVIRONMENT.globals |= {
    "duration": duration,
    "figure_rows": figure_rows,
    "headings": METRIC_HEADINGS,
    "mean_sd": mean_sd,
    "misfits_text": misfits_text,
    "passed": passed,
    "phantom_warning": PHANTOM_WARNING,
    "span": span,
}


def render(template: str, **content: Any) -> str:
    """Render a template, without line breaks at its end.

    Args:
        template: Name of its file.
        **content: What it shows, by the names that it uses.
    """
    return _ENVIRONMENT.get_template(template).render(content).rstrip("\n")
