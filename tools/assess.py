"""Assess a fold's synthetic set: quality, fidelity and memorization."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import Options, on_experiment, run_tool
from tfgansynth.cli.failures import DONE, FAILED
from tfgansynth.errors import InputError

if TYPE_CHECKING:
    from tfgansynth.experiment.experiment_data import Experiment


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Assess(Options):
    """Assess a fold's synthetic set, and audit it for copies of training cases.

    Exit code 1 says that the audit was not passed: do not hand the set on.
    """

    fold: int
    """Number of the fold, from 1."""
    set: Path | None = None
    """Assess the set in this folder, of the same fold, instead of the run's own; the
    result is printed only."""
    drop: bool = False
    """Also write the run's own set without the pairs that the audit objects to:
    synthetic-audited/."""


def main(experiment: "Experiment", options: Assess) -> int:
    """Assess."""
    from tfgansynth.experiment.assessment import (
        assess,
        assess_fold,
        ensure_assessment,
    )
    from tfgansynth.experiment.audited_set import drop_flagged
    from tfgansynth.reporting.screen import show_assessment

    if options.set and options.drop:
        raise InputError("--drop: works on the run's own set: leave out --set")
    fold = experiment.fold(options.fold)
    if options.set:
        found = assess(experiment, fold, options.set)
        show_assessment(found.record, found.flagged)
        return DONE if found.passed else FAILED
    passed = assess_fold(experiment, fold, show_assessment)
    if options.drop:
        found = ensure_assessment(experiment, fold)
        print(f"AUDITED SET: {drop_flagged(experiment, fold, found)}")
    return DONE if passed else FAILED


if __name__ == "__main__":
    run_tool(Assess, on_experiment(main), resumes=True)
