"""Write one page that shows all a run, or a study of several, has found."""

import dataclasses
import sys
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.cli.command import run_tool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Write report.html into a run's folder: one page that needs no network.

    The run's own files suffice; the data set is not read.
    """

    run: tyro.conf.Positional[Path]
    """A run folder, or the folder of a study of several seeds: what
    tools/run_table.py names at its end."""


def main(options: Report) -> None:
    """Write and print where."""
    # Imported late: --help must not wait for it.
    from tfgansynth.reporting.html.page import write_report

    print(f"REPORT: {write_report(options.run)}")


if __name__ == "__main__":
    run_tool(Report, main)
