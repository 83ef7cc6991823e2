"""The results kept in this repository are what its code finds in their numbers."""

from pathlib import Path

import pytest

from tfgansynth.records import converter
from tfgansynth.records.comparisons import Comparison
from tfgansynth.records.curves import LearningCurve
from tfgansynth.reporting.merging import verify_merged

RESULTS = Path(__file__).resolve().parents[1] / "results"


@pytest.mark.parametrize("name", sorted(path.name for path in RESULTS.iterdir()))
def test_kept_results_are_verified(name: str) -> None:
    """Another processor may round sums otherwise, in their last digits."""
    found = verify_merged(RESULTS / name, rounding=1e-9)

    assert found.lines == []
    # Outlooks and verdicts among them.
    table, curve = RESULTS / name / "comparison.json", RESULTS / name / "curve.json"
    if curve.exists():
        assert converter.read(curve, LearningCurve).comparisons
    else:
        assert converter.read(table, Comparison).comparisons
    assert found.n_numbers > 100
