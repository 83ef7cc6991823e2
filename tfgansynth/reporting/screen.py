"""Writing and printing results as they come."""

from collections.abc import Sequence
from pathlib import Path

from tfgansynth.records.assessments import Assessment
from tfgansynth.records.curves import MissingPoint
from tfgansynth.records.provenance import DroppedPair
from tfgansynth.records.regimes import Regime
from tfgansynth.reporting.assessments import assessment_to_text
from tfgansynth.reporting.comparisons import comparison_to_text
from tfgansynth.reporting.curves import curve_to_text
from tfgansynth.reporting.outputs import write_curve, write_outputs
from tfgansynth.reporting.tables import table_to_text


def show_trained(roots: Sequence[Path], folder: Path, regime: Regime) -> None:
    """Write the results after a U-Net; print the table if it has a new figure.

    Args:
        roots: The run folders so far; the last one has the U-Net.
        folder: Takes what they show together.
        regime: Of the U-Net.
    """
    outputs = write_outputs(roots, folder)
    if regime.schedule == "paper" and regime.kind == "plain":
        print(f"\n{table_to_text(outputs.tables[roots[-1]])}")


def show_results(roots: Sequence[Path], folder: Path, *, table: bool) -> None:
    """Write the results of some runs, and print what they show together.

    Args:
        roots: The run folders so far.
        folder: Takes what they show together.
        table: First print the table of the last run.
    """
    outputs = write_outputs(roots, folder)
    if table and roots[-1] in outputs.tables:
        print(f"\n{table_to_text(outputs.tables[roots[-1]])}")
    if outputs.comparison:
        print(f"\n{comparison_to_text(outputs.comparison)}")


def show_assessment(assessment: Assessment, flagged: Sequence[DroppedPair]) -> None:
    """Print an assessment."""
    print(assessment_to_text(assessment, flagged))


def grow_curve(
    folder: Path, generator_of: int | None, missing: Sequence[MissingPoint]
) -> None:
    """Write a learning curve that grows, without its picture."""
    write_curve(folder, generator_of, missing, plot=False)


def show_curve(
    folder: Path, generator_of: int | None, missing: Sequence[MissingPoint]
) -> None:
    """Write and draw a learning curve, and print it."""
    curve = write_curve(folder, generator_of, missing)
    if curve:
        print(f"\n{curve_to_text(curve)}")
