"""The other figures of a U-Net's test cases, made again from its predictions."""

from pathlib import Path

from tfgansynth.evaluation.other_figures import FIGURES, CaseFigures, figures_to_csv
from tfgansynth.evaluation.predictions import Predictions
from tfgansynth.records.provenance import UNetProvenance
from tfgansynth.records.runs import RunRecord
from tfgansynth.reporting.outputs import measure_again
from tfgansynth.reporting.verification.differences import Differences


def figures_again(
    run: RunRecord,
    folder: Path,
    provenance: UNetProvenance,
    found: Predictions,
    differences: Differences,
) -> tuple[CaseFigures, ...]:
    """Measure the other figures again; empty where there are none to compare with.

    Earlier versions have not made any.
    """
    path, regime = folder / FIGURES, provenance.regime
    if not path.exists():
        return ()
    made = measure_again(found, run.config, provenance.dataset)
    counts = provenance.fold, regime.n_real, regime.n_synthetic
    tolerance = run.config.evaluation.surface_tolerance
    differences.compare_csv(path, figures_to_csv(made, *counts, tolerance))
    return made
