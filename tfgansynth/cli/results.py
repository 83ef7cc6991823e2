"""Commands that read results: report, verification, merging."""

import dataclasses
from pathlib import Path

import tyro

from tfgansynth import ranges
from tfgansynth.cli.failures import DONE, FAILED

_MOST_LINES = 20


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Write report.html into a run's folder: one page that needs no network.

    The run's own files suffice; the data set is not read.
    """

    run: tyro.conf.Positional[Path]
    """A run folder, or the folder of a study of several seeds: what run-table names
    at its end."""


def report(options: Report) -> None:
    """Write and print where."""
    # Imported late: --help must not wait for it.
    from tfgansynth.reporting.html.page import write_report

    print(f"Report: {write_report(options.run)}")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Verify:
    """Recompute every number of a result, without data set or TensorFlow.

    Exit code 0: all are as stored. 1: some are not. 2: wrong use.
    """

    run: tyro.conf.Positional[Path]
    """Folder of a run, of a study of several seeds, of a learning curve, or of merged
    results; of these only the verdicts and means are recomputed."""
    rounding: ranges.Share = 0.0
    """Largest relative difference that counts as equal. Another kind of processor
    may round sums otherwise, in their last digits: 1e-9 allows for that."""


def verify(options: Verify) -> int:
    """Recompute and compare."""
    from tfgansynth.reporting.merging import is_merged, verify_merged
    from tfgansynth.reporting.verification import verify as verification

    recompute = verify_merged if is_merged(options.run) else verification.verify
    found = recompute(options.run, options.rounding)
    for note in found.notes[:_MOST_LINES]:
        print(f"NOTE: {note}")
    for line in found.lines[:_MOST_LINES]:
        print(line)
    n_files, n_wrong = len(found.files), len(found.lines)
    counted = f"{found.n_numbers} numbers of {n_files} files recomputed"
    if n_wrong > _MOST_LINES:
        print(f"... and {n_wrong - _MOST_LINES} more")
    print(f"{'DIFFERENT' if n_wrong else 'VERIFIED'}: {counted}, {n_wrong} differences")
    return FAILED if n_wrong else DONE


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MergeResults:
    """Merge the results of folds and seeds that ran on several machines.

    Only numbers are taken, each made again before: metrics of test cases, figures of
    assessments, settings, hashes. No image, mask or network is.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of runs or studies: what run-table names at its end. None to compare
    again what the folder has."""
    to: Path
    """The folder that takes the numbers; it may have some already."""


def merge_results(options: MergeResults) -> None:
    """Merge and print."""
    from tfgansynth.reporting.comparisons import comparison_to_text
    from tfgansynth.reporting.merging import merge, sets_to_markdown

    folds, comparison = merge(options.runs, options.to)
    for fold in folds:
        seed, number = fold.order
        print(f"MERGED: seed {seed}, fold {number}: {len(fold.unets)} U-Nets")
    print(f"\n{comparison_to_text(comparison)}\n{sets_to_markdown(folds)}")
    print(f"COMPARISON: {options.to}/comparison.md, .json")
