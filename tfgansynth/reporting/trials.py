"""Trials of recipes as text."""

from tfgansynth.records.comparisons import Trial
from tfgansynth.reporting import grids
from tfgansynth.reporting.assessments import assessment_cells
from tfgansynth.reporting.comparisons import comparison_to_text


def trial_to_text(trial: Trial) -> str:
    """Render a trial for a terminal; its last lines are a Markdown table of one line.

    The tables of several trials can be put below each other.
    """
    cells = {
        "recipe": " ".join([trial.preset, ", ".join(trial.settings)]).strip(),
        "set made in": f"{trial.set_seconds / 60:.0f} min",
    }
    if trial.assessment:
        cells |= assessment_cells(trial.assessment)
    for table in trial.comparison.tables:
        cells |= {row.name: f"{row.metrics['dice'].mean:.4f}" for row in table.rows}
    line = grids.to_markdown(list(cells), [list(cells.values())])
    return f"{comparison_to_text(trial.comparison)}\nTRIAL:\n{line}"
