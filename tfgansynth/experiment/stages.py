"""What every stage says and records: its time, machine and number format."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tfgansynth.config import Precision
from tfgansynth.experiment.run_folder import Run
from tfgansynth.runtime import checkpoints
from tfgansynth.runtime.devices import (
    describe_machine,
    explain_precision,
    resolve_precision,
)
from tfgansynth.runtime.progress import duration
from tfgansynth.runtime.timing import Timer, shares


@contextlib.contextmanager
def timed(run: Run, stage: str) -> Iterator[Timer]:
    """Say how long a stage took, and for what; add it to the run's `timings.json`."""
    timer = Timer()
    try:
        yield timer
    finally:
        timings = timer.timings(stage)
        run.add_seconds(timings)
        parts = shares(timings[stage], timer.seconds)
        print(f"TIME: {stage} {duration(timings[stage])}{parts and f': {parts}'}")


def tell_precision(
    run: Run, stage: str, network: str, precision: Precision, folder: Path
) -> None:
    """Say and record in which number format a network is trained from here on."""
    print(f"{network}: {explain_precision(precision)}")
    resolved = resolve_precision(precision)
    done = checkpoints.newest_step(folder / "checkpoints")
    earlier = run.add_machine(stage, describe_machine(), precision=resolved, done=done)
    if earlier and earlier[-1]["precision"] != resolved:
        unit = "step" if network == "GAN" else "epoch"
        print(
            f"{network}: was trained in {earlier[-1]['precision']} up to {unit} "
            f"{done}, goes on in {resolved}"
        )
